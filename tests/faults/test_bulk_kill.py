"""`kill -9` while a rule is applied to many rows: each is changed and can go back, or it is as it was."""

from __future__ import annotations

import contextlib
import threading
from functools import partial
from pathlib import Path

import httpx2
import pytest

from ingestbox.model import Role
from ingestbox.store import DATABASE
from ingestbox.store.engine import connect_reader
from tests.harness import BoxProcess, until
from tests.web.v1.imports import person, row, still, upload
from tests.web.v1.support import Json, counts, get, post

Stored = dict[int, tuple[str, bytes, str]]


def stored(box: BoxProcess) -> tuple[Stored, Stored]:
    """Key, content and state of every row; and what is kept of those that were changed."""
    connection = connect_reader(box.data / DATABASE)
    try:
        columns = "key, CAST(payload AS BLOB), state"
        now = connection.execute(f"SELECT id, {columns} FROM records").fetchall()
        kept = connection.execute(f"SELECT record_id, {columns} FROM bulk_changes WHERE restored = 0")
        images = kept.fetchall()
    finally:
        connection.close()
    return {row[0]: row[1:] for row in now}, {row[0]: row[1:] for row in images}


def consistent(box: BoxProcess, before: Stored) -> int:
    """How many rows are changed, each with its image; all others are as they were."""
    now, images = stored(box)
    changed = {rid for rid in now if now[rid] != before[rid]}
    assert changed == set(images)
    assert all(images[rid] == before[rid] for rid in changed)
    return len(changed)


def changed_at_least(box: BoxProcess, least: int) -> bool:
    return len(stored(box)[1]) >= least


def changing(client: httpx2.Client, body: Json) -> threading.Thread:
    """A call that is under way, and may not live to see its end."""

    def call() -> None:
        with contextlib.suppress(httpx2.TransportError):
            client.post("/v1/issues/bulk", json=body)

    thread = threading.Thread(target=call)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("rule", "total"),
    [
        ({"keep": "most_complete"}, 20_000),
        pytest.param(
            {"set": {"field": "company", "value": "B", "only_blank": False}}, 5_000, marks=pytest.mark.soak
        ),
    ],
    ids=["keep", "set"],
)
def test_each_row_is_changed_with_its_image_or_as_it_was(own_box: BoxProcess, rule: Json, total: int) -> None:
    box = own_box.start()
    with person(box, "ann") as ann:
        job = upload(ann, "many", [row("a@x.com", company=f"C {number}") for number in range(total)])
        assert counts(job) == (0, 0, total, 0)
        before, images = stored(box)
        assert not images
        body = {"rule": rule, "filter": {"job": job["id"]}}
        call = changing(ann, body)
        until(lambda: len(stored(box)[1]) > 500, "some rows are changed")
        box.kill()
        call.join()
    changed = consistent(box, before)
    assert 500 < changed < total
    box.start()
    with person(box, "boss", Role.ADMIN) as boss:
        (line,) = get(boss, "/v1/audit", action="issue.bulk")["audit"]
    with person(box, "ann") as ann:
        now = still(ann, job["id"])
        assert now["staging"]["open_issues"] == 1
        # A second try goes on, another crash notwithstanding.
        call = changing(ann, body)
        until(lambda: len(stored(box)[1]) > changed + 500, "more rows are changed")
        box.kill()
        call.join()
    consistent(box, before)
    box.start()
    with person(box, "ann") as ann:
        done = post(ann, "/v1/issues/bulk", body)
        assert [each["outcome"] for each in done["outcomes"]] in (["resolved"], ["changed"])
        consistent(box, before)
        assert sum(undo_all(box, ann, line["id"])) >= total
        assert stored(box) == (before, {})
        found = still(ann, job["id"])
        assert (counts(found), found["staging"]["open_issues"]) == ((0, 0, total, 0), 1)


def undo_all(box: BoxProcess, ann: httpx2.Client, first: str) -> list[int]:
    """Takes every operation back, the last one first."""
    with person(box, "boss", Role.ADMIN) as boss:
        lines = [each["id"] for each in get(boss, "/v1/audit", action="issue.bulk")["audit"]]
    assert lines[-1] == first
    return [post(ann, f"/v1/audit/{line}/undo")["restored"] for line in lines]


def test_an_undo_that_is_cut_short_goes_on(own_box: BoxProcess, tmp_path: Path) -> None:
    box = own_box.start()
    with person(box, "ann") as ann:
        job = upload(ann, "many", [row("a@x.com", company=f"C {number}") for number in range(3_000)])
        before, _ = stored(box)
        done = post(ann, "/v1/issues/bulk", {"rule": {"discard": "all"}, "filter": {"job": job["id"]}})
        assert done["discarded"] == 3_000
        path = f"/v1/audit/{done['audit_id']}/undo"

        def call() -> None:
            with contextlib.suppress(httpx2.TransportError):
                ann.post(path)

        thread = threading.Thread(target=call)
        thread.start()
        until(lambda: len(stored(box)[1]) < 2_700, "some rows are as they were")
        box.kill()
        thread.join()
    assert 0 < consistent(box, before) < 2_700
    box.start()
    with person(box, "ann") as ann:
        told = post(ann, path)
        assert (told["restored"], told["kept"]) == (3_000, 0)
        assert stored(box) == (before, {})
        assert counts(still(ann, job["id"])) == (0, 0, 3_000, 0)


def test_a_kept_rule_that_is_cut_short_is_applied_to_all(own_box: BoxProcess) -> None:
    box = own_box.start()
    rule = {
        "name": "copies",
        "family": "contacts",
        "code": "duplicate_email",
        "rule": {"keep": "most_complete"},
    }
    lines = [row(f"a{number % 2_000}@x.com", company=f"C {number}") for number in range(4_000)]
    with person(box, "ann") as ann:
        assert ann.post("/v1/rules", json={**rule, "family": "contacts"}).status_code == 201
        text = "\n".join(["email,first_name,last_name,company", *lines, ""])
        reply = ann.post("/jobs/upload", files={"file": ("many.csv", text.encode())})
        assert reply.status_code == 201, reply.text
        job = get(ann, "/v1/jobs", family="contacts")["jobs"][0]["id"]
        for least in (300, 1_500):
            until(partial(changed_at_least, box, least), "some rows are changed")
            box.kill()
            box.start()
        found = still(ann, job)
    assert (found["state"], counts(found)) == ("completed", (0, 2_000, 0, 2_000))
    (warning,) = found["warnings"]
    assert warning["message"].startswith("Rule 'copies' discarded 2,000 rows and changed 2,000 ")
