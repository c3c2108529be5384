"""Which of a person's records is the first of those that are the same (contract: audience, Processing)."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from ingestbox.families.audience.shapes import PATH
from ingestbox.model import Role
from ingestbox.store import DATABASE
from tests.families.audience.support import People, person, post, read, wait_processed
from tests.harness import BoxProcess, until
from tests.store import apart
from tests.upstream import Refusing, refusing
from tests.web.v1.support import get, held, settled, under_way
from tests.web.v1.support import post as ask


def done(client: httpx2.Client, records: Sequence[dict[str, object]]) -> str:
    """The upload of these records, once they are processed."""
    upload_id = post(client, records)
    wait_processed(client, upload_id)
    return upload_id


def duplicates(client: httpx2.Client, upload_id: str) -> list[str | None]:
    results = read(client, upload_id)["results"]
    return ["not processed" if each is None else each["_duplicate_of"] for each in results]


def told(client: httpx2.Client, upload_id: str, expected: Sequence[str | None]) -> None:
    until(lambda: duplicates(client, upload_id) == list(expected), f"{upload_id} is told {expected}")


def at_rest(box: BoxProcess) -> None:
    """All is processed and told, and it is right."""

    waiting = (
        "SELECT 1 FROM departed UNION ALL SELECT 1 FROM job_deletions"
        " UNION ALL SELECT 1 FROM records WHERE state = 'pending'"
    )
    until(lambda: not apart.rows(box.data / DATABASE, waiting), "nothing is under way")
    apart.right(box.data / DATABASE, settled=True)


def delete(client: httpx2.Client, upload_id: str) -> None:
    reply = client.delete(f"{PATH}/{upload_id}")
    assert reply.status_code == 200, reply.text


def test_each_person_has_firsts_of_their_own(people: People) -> None:
    records: list[dict[str, object]] = [
        person(1),
        person(1),
        {"domain": "acme.com", "note": "Hi"},
        {"NOTE": " hi", "domain": "ACME.com"},
    ]
    for client in (people.anna, people.boris, people.admin, people.stranger):
        upload_id = done(client, records)
        assert duplicates(client, upload_id) == [None, f"{upload_id}/0", None, f"{upload_id}/2"]
        assert duplicates(client, done(client, records[1:3])) == [f"{upload_id}/0", f"{upload_id}/2"]


def test_when_an_upload_is_deleted_another_one_is_first_within_seconds(
    box: BoxProcess, anna: httpx2.Client
) -> None:
    records = [person(n) for n in range(250)]
    first, second, third = (done(anna, records) for _ in range(3))
    assert duplicates(anna, third) == [f"{first}/{n}" for n in range(250)]
    delete(anna, first)
    told(anna, second, [None] * 250)
    told(anna, third, [f"{second}/{n}" for n in range(250)])
    assert get(anna, f"/v1/jobs/{second}")["state"] == "completed"
    delete(anna, third)
    told(anna, second, [None] * 250)
    at_rest(box)


def test_a_thousand_duplicates_of_one(box: BoxProcess, anna: httpx2.Client) -> None:
    first = done(anna, [person(1)])
    second = done(anna, [person(1, n=n) for n in range(1_000)])
    assert duplicates(anna, second) == [f"{first}/0"] * 1_000
    delete(anna, first)
    told(anna, second, [None] + [f"{second}/0"] * 999)
    delete(anna, second)
    at_rest(box)


def test_of_uploads_at_once_each_record_has_one_first(box: BoxProcess, anna: httpx2.Client) -> None:
    records = [person(n) for n in range(400)]
    with ThreadPoolExecutor(4) as several:
        uploads = list(several.map(lambda _: post(anna, records), range(4)))
    for upload_id in uploads:
        wait_processed(anna, upload_id)
    found = [duplicates(anna, upload_id) for upload_id in uploads]
    assert [column.count(None) for column in zip(*found, strict=True)] == [1] * 400
    at_rest(box)


def test_processing_all_again_changes_nothing(box: BoxProcess, people: People) -> None:
    first = done(people.admin, [person(1), person(2), person(1)])
    second = done(people.admin, [person(2), person(3)])
    before = read(people.admin, first)["results"], read(people.admin, second)["results"]
    for upload_id in (second, first):
        ask(people.admin, f"/v1/jobs/{upload_id}/reprocess", records="all")
        settled(people.admin, upload_id)
    assert (read(people.admin, first)["results"], read(people.admin, second)["results"]) == before
    at_rest(box)


def test_duplicates_in_a_cancelled_job_are_told_too(box: BoxProcess, people: People) -> None:
    """Nothing of it is processed again, and yet its records name no first that is gone."""
    first = done(people.admin, [person(1)])
    second = post(people.admin, [person(1, n=n) for n in range(20_000)])
    under_way(people.admin, second)
    with held(box):
        reply = people.admin.post(f"/v1/jobs/{second}/cancel")
    assert reply.status_code == 200, reply.text
    kept = len(read(people.admin, second)["results"])
    assert 0 < kept < 20_000
    delete(people.admin, first)
    told(people.admin, second, [None] + [f"{second}/0"] * (kept - 1))
    assert get(people.admin, f"/v1/jobs/{second}")["state"] == "cancelled"
    at_rest(box)


@pytest.fixture(scope="module")
def central() -> Iterator[Refusing]:
    with refusing() as upstream:
        yield upstream


def test_a_kill_in_between_loses_nothing(own_box: BoxProcess) -> None:
    own_box.start()
    with own_box.client(Role.UPLOADER) as client:
        first = done(client, [person(n % 3) for n in range(3)])
        second = done(client, [person(n % 3, n=n) for n in range(4_000)])

        def gone() -> None:
            with contextlib.suppress(httpx2.TransportError):
                client.delete(f"{PATH}/{first}")

        thread = threading.Thread(target=gone)
        thread.start()

        def some() -> bool:
            sql = f"SELECT COUNT(*) FROM audience_records WHERE duplicate_of LIKE '{second}/%'"
            return bool(apart.rows(own_box.data / DATABASE, sql)[0][0])

        until(some, "some are told")
        own_box.kill()
        thread.join()
        path = own_box.data / DATABASE
        apart.right(path, settled=False)
        assert apart.rows(path, "SELECT COUNT(*) FROM departed")[0][0] > 0
    own_box.start()
    with own_box.client(Role.UPLOADER) as client:
        told(client, second, [f"{second}/{n % 3}" if n > 2 else None for n in range(4_000)])
        at_rest(own_box)


def test_a_correction_that_makes_it_another_person(
    tmp_path_factory: pytest.TempPathFactory, central: Refusing
) -> None:
    """What an upstream refused is corrected: it is a duplicate now, and its own duplicates find another."""
    folder = tmp_path_factory.mktemp("correction")
    box = BoxProcess(folder, config=central.lane()).start()
    try:
        with box.client(Role.ADMIN) as client:
            central.refusing = True
            first = done(client, [person(1)])
            issue = until(lambda: get(client, "/v1/issues", state="open")["issues"], "it is refused")[0]
            central.refusing = False
            second = done(client, [person(1), person(1), person(2)])
            assert duplicates(client, second) == [f"{first}/0", f"{first}/0", None]
            patch = {"business_email": "test2@example.com"}
            reply = client.patch(f"/v1/records/{issue['record']}", json=patch)
            assert reply.status_code == 200, reply.text
            told(client, first, [f"{second}/2"])
            told(client, second, [None, f"{second}/0", None])
            at_rest(box)
    finally:
        box.close()
