"""Records that are given up after they were done once: what became of them goes too, upstream as well."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import httpx2
import pytest

from ingestbox.families.audience.shapes import PATH
from ingestbox.model import Role
from ingestbox.store import DATABASE
from tests.families.audience.support import person, post, read, wait_processed
from tests.families.audience.walking import Central, upstream
from tests.harness import BoxProcess, until
from tests.store import apart
from tests.web.v1.support import get, settled
from tests.web.v1.support import post as ask


@pytest.fixture
def central() -> Iterator[Central]:
    with upstream() as started:
        yield started


@pytest.fixture
def lone(own_box: BoxProcess, central: Central) -> BoxProcess:
    own_box.configure(f"{central.lane()}\n[work]\nchunk_records = 10\nchildren = 1\n")
    return own_box.start()


def live(central: Central, upload_id: str) -> list[int]:
    """The places of the records that upstream has of an upload."""
    names = [name for (_, name), (_, line) in list(central.objects.items()) if line["op"] == "put"]
    return sorted(int(name.partition("/")[2]) for name in names if name.startswith(upload_id))


def test_cancelling_in_the_middle_of_processing_again(lone: BoxProcess, central: Central) -> None:
    with lone.client(Role.ADMIN) as client:
        first = post(client, [person(number) for number in range(700)])
        wait_processed(client, first)
        second = post(client, [person(699)])
        assert wait_processed(client, second)["results"][0]["_duplicate_of"] == f"{first}/699"
        ask(client, f"/v1/jobs/{first}/reprocess", records="all")
        until(lambda: get(client, f"/v1/jobs/{first}")["counts"]["finished"], "some are done again")
        ask(client, f"/v1/jobs/{first}/cancel")
        kept = read(client, first)["indexes"]
        assert 0 < len(kept) < 699
        until(lambda: read(client, second)["results"][0]["_duplicate_of"] is None, "it is the first")
        until(lambda: live(central, first) == kept, "upstream has what is kept")
        assert settled(client, first)["counts"]["discarded"] == 700 - len(kept)
    apart.right(lone.data / DATABASE, settled=True)


def test_upstream_is_told_when_a_deletion_goes_on_after_a_kill(lone: BoxProcess, central: Central) -> None:
    """Nothing else happens on the box that would have its lanes look."""
    with lone.client(Role.ADMIN) as client:
        upload_id = post(client, [person(number) for number in range(1_200)])
        wait_processed(client, upload_id)
        until(lambda: len(live(central, upload_id)) == 1_200, "upstream has them")

        def delete() -> None:
            with contextlib.suppress(httpx2.TransportError):
                client.delete(f"{PATH}/{upload_id}")

        thread = threading.Thread(target=delete)
        thread.start()
        path = lone.data / DATABASE
        until(lambda: apart.rows(path, "SELECT 1 FROM job_deletions"), "it has begun")
        lone.kill()
        thread.join()
        assert apart.rows(path, "SELECT COUNT(*) FROM audience_records")[0][0] > 150
    lone.start()
    until(lambda: not live(central, upload_id), "upstream has none of them")
