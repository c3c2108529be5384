"""`POST /jobs/{id}/undo`: a completed import is taken back, but for what was changed since."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ingestbox.model import Role, delivery_digest
from ingestbox.store import DATABASE
from ingestbox.store.engine import connect_writer
from tests.families.contacts.person import (
    BAD,
    Person,
    check_counts,
    is_refused,
    line,
    public_id,
    staging_id,
    stored,
    trail,
)
from tests.harness import BoxProcess, running, until

MOVED = """SELECT undo_position FROM staged_jobs
           WHERE job_id = ? AND (undo_position > ? OR phase = 'undone')"""


def undone(person: Person, job_id: int) -> dict[str, Any]:
    """What an undo that succeeds answers."""
    answer = person.client.post(f"/jobs/{job_id}/undo")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def updated(person: Person, *lines: str) -> int:
    """An import each of whose rows that has an address of a contact updates that one."""
    job_id, _ = person.imported(*lines)
    for issue in person.issues(job_id):
        assert issue["issue_type"] == "EXISTING_EMAIL"
        assert person.put_issue(issue["issue_id"], resolution="update_existing").status_code == 200
    assert person.reprocessed(job_id)["job_status"] == "COMPLETED"
    return job_id


def deliveries(box: BoxProcess, job_id: int, op: str) -> list[dict[str, Any]]:
    """The lines that tell upstream what became of a job's rows."""
    sql = "SELECT line FROM deliveries WHERE record_id >> 24 = ? AND op = ? ORDER BY seq"
    return [json.loads(row[0]) for row in stored(box, sql, job_id, op)]


def test_what_an_import_made_is_gone(anna: Person, box: BoxProcess) -> None:
    other, _ = anna.imported(line(9))
    job_id, _ = anna.imported(line(1), line(2), line(3))
    assert undone(anna, job_id) == {"job_id": job_id, "removed": 3, "kept": 0}
    assert set(anna.contacts()) == {"p9@example.com"}
    assert anna.client.get("/contacts", params={"email": "p1@example.com"}).status_code == 404
    job = anna.job(job_id)
    assert job["job_status"] == "COMPLETED"
    assert job["undone_at"]
    assert "undone_at" not in anna.job(other)
    check_counts(box, job_id)


def test_a_repeat_answers_the_same_and_does_nothing(anna: Person, box: BoxProcess) -> None:
    job_id, _ = anna.imported(line(1), line(2))
    first = undone(anna, job_id)
    before = stored(box, "SELECT MAX(seq) FROM deliveries"), anna.job(job_id)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: undone(anna, job_id), range(8))) == [first] * 8
    assert (stored(box, "SELECT MAX(seq) FROM deliveries"), anna.job(job_id)) == before
    (told,) = trail(box, "job", public_id(box, job_id))
    assert (told["actor"], told["action"]) == (f"local:{anna.subject}", "job.undo")
    assert (told["before"], told["after"]) == ({"phase": "done"}, {"phase": "undoing"})


def test_many_at_once_undo_once(anna: Person, box: BoxProcess) -> None:
    job_id, _ = anna.imported(*(line(n) for n in range(1, 501)))
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: undone(anna, job_id), range(10)))
    assert answers == [{"job_id": job_id, "removed": 500, "kept": 0}] * 10
    assert len(deliveries(box, job_id, "delete")) == 500
    assert len(trail(box, "job", public_id(box, job_id))) == 1


def test_what_a_later_import_has_updated_is_kept(anna: Person, box: BoxProcess) -> None:
    first, _ = anna.imported(line(1), line(2))
    later = updated(anna, line(1, first_name="Paula"), line(3))
    assert undone(anna, first) == {"job_id": first, "removed": 1, "kept": 1}
    assert set(anna.contacts()) == {"p1@example.com", "p3@example.com"}
    assert anna.contacts()["p1@example.com"]["contact_first_name"] == "Paula"
    # The later one has only updated the one, and made the other.
    assert undone(anna, later) == {"job_id": later, "removed": 1, "kept": 1}
    assert set(anna.contacts()) == {"p1@example.com"}
    assert undone(anna, first) == {"job_id": first, "removed": 1, "kept": 1}


def test_rows_that_were_given_up_count_for_nothing(anna: Person) -> None:
    job_id, _ = anna.imported(line(1), line(1), BAD)
    anna.put_row(job_id, 3, status="DISCARD")
    anna.reprocessed(job_id)
    assert undone(anna, job_id) == {"job_id": job_id, "removed": 1, "kept": 0}


def test_content_name_and_addresses_are_free_again(anna: Person) -> None:
    first, _ = anna.imported(line(1), line(2), name="people.csv")
    undone(anna, first)
    again, job = anna.imported(line(1), line(2), name="people.csv")
    assert (job["job_status"], job["job_issue_count"]) == ("COMPLETED", 0)
    assert set(anna.contacts()) == {"p1@example.com", "p2@example.com"}
    assert undone(anna, first)["removed"] == 2
    assert set(anna.contacts()) == {"p1@example.com", "p2@example.com"}
    assert undone(anna, again)["removed"] == 2
    assert anna.contacts() == {}


@pytest.mark.parametrize("what", ["review", "cancelled"])
def test_only_a_completed_import_is_undone(anna: Person, what: str) -> None:
    job_id, _ = anna.imported(BAD)
    if what == "cancelled":
        anna.client.delete(f"/jobs/{job_id}").raise_for_status()
        is_refused(anna.client.post(f"/jobs/{job_id}/undo"), 404, "job_not_found")
    else:
        sentence = f"Job {job_id} cannot be undone: it is NEEDS_REVIEW, not COMPLETED."
        is_refused(anna.client.post(f"/jobs/{job_id}/undo"), 409, "job_not_completed", sentence)
        assert anna.job(job_id)["job_status"] == "NEEDS_REVIEW"


def test_an_undone_import_is_not_cancelled(anna: Person) -> None:
    job_id, _ = anna.imported(line(1))
    undone(anna, job_id)
    is_refused(anna.client.delete(f"/jobs/{job_id}"), 400, "job_not_cancellable", "COMPLETED")


def test_only_editors_undo_and_only_their_own(anna: Person, box: BoxProcess) -> None:
    job_id, _ = anna.imported(line(1))
    for role in (Role.UPLOADER, Role.ANALYST, Role.INGEST, Role.FORWARDER):
        reader = Person(box, role, subject=anna.subject)
        is_refused(reader.client.post(f"/jobs/{job_id}/undo"), 403, "forbidden")
    admin = Person(box, Role.ADMIN)
    for other in (Person(box), admin, Person(box, Role.ADMIN, subject=anna.subject, workspace="other")):
        sentence = f"Job {job_id} not found or you don't have access to it"
        is_refused(other.client.post(f"/jobs/{job_id}/undo"), 404, "job_not_found", sentence)
    assert set(anna.contacts()) == {"p1@example.com"}
    assert admin.client.post(f"/jobs/{job_id}/undo?all=true").json()["removed"] == 1
    assert anna.contacts() == {}


def test_upstream_hears_of_each_that_is_gone(anna: Person, box: BoxProcess) -> None:
    first, _ = anna.imported(line(1), line(2))
    updated(anna, line(1, first_name="Paula"))
    undone(anna, first)
    (put,) = [each for each in deliveries(box, first, "put") if each["id"] == str(staging_id(first, 2))]
    (line_,) = deliveries(box, first, "delete")
    assert line_["seq"] > put["seq"]
    assert line_["hash"] == delivery_digest(b"", b"")
    assert line_["version"] == put["version"] + 1 == 2
    assert "record" not in line_
    assert "result" not in line_
    for name in ("box", "epoch", "workspace", "family", "kind", "id", "owner", "job_id"):
        assert line_[name] == put[name]
    assert stored(box, "SELECT version, deleted FROM objects WHERE object_id = ?", put["id"]) == [(2, 1)]
    gaps = stored(box, "SELECT MAX(seq) - MIN(seq) + 1 - COUNT(*) FROM deliveries")
    assert gaps == [(0,)]


def test_a_central_box_removes_them_too(tmp_path: Path) -> None:
    with running(tmp_path / "central") as central:
        token = central.token(Role.FORWARDER)
        lane = f'[[lanes]]\nname = "up"\nurl = "{central.url}/v1/sync/batches"\ntoken = "{token}"\n'
        with running(tmp_path / "edge", config=lane) as edge:
            anna, admin = Person(edge, subject="anna"), Person(central, Role.ADMIN, subject="root")

            def known() -> set[str]:
                found = admin.client.get("/contacts?all=true").raise_for_status().json()
                return {each["contact_email"] for each in found["contacts"]}

            job_id, _ = anna.imported(line(1), line(2), line(3))
            other, _ = anna.imported(line(4))
            until(lambda: len(known()) == 4, "the contacts are there")
            undone(anna, job_id)
            until(lambda: known() == {"p4@example.com"}, "they are gone there")
            undone(anna, other)
            until(lambda: known() == set(), "the last one is gone there")
            counts = "SELECT enqueued, delivered FROM lanes"
            until(lambda: stored(edge, counts) == [(8, 8)], "the lane counts what it was given")
            gone = stored(central, "SELECT COUNT(*) FROM objects WHERE deleted = 1 AND origin <> ''")
            assert gone == [(4,)]


def test_while_another_import_makes_contacts_nothing_is_undone(tmp_path: Path) -> None:
    """It may be about to update one of those that would be removed."""
    with running(tmp_path) as box:
        anna = Person(box, subject="anna")
        first, _ = anna.imported(line(1))
        other, _ = anna.imported(BAD)
        box.stop()
        connection = connect_writer(box.data / DATABASE)
        connection.execute("UPDATE staged_jobs SET phase = 'consolidating' WHERE job_id = ?", (other,))
        connection.close()
        box.start()
        anna = Person(box, subject="anna")
        answer = anna.client.post(f"/jobs/{first}/undo")
        is_refused(answer, 409, "turn_taken")
        assert int(answer.headers["retry-after"]) > 0
        assert set(anna.contacts()) == {"p1@example.com"}
        bert = Person(box, subject="bert")  # another owner's imports have nothing to do with it
        mine, _ = bert.imported(line(1))
        assert undone(bert, mine)["removed"] == 1


def test_an_import_waits_until_another_is_undone(tmp_path: Path) -> None:
    rows = 6_000
    with running(tmp_path) as box:
        anna = Person(box, subject="anna")
        first, _ = anna.imported(*(line(n) for n in range(rows)))
        second, _ = anna.imported(BAD, *(line(n, first_name="New") for n in range(1, 50)), name="second.csv")
        anna.put_row(second, 1, status="DISCARD")
        answers: list[httpx2.Response] = []
        asking = threading.Thread(target=lambda: answers.append(anna.client.post(f"/jobs/{first}/undo")))
        asking.start()
        until(lambda: stored(box, "SELECT 1 FROM staged_jobs WHERE undo_position > 0"), "it has begun")
        seen = anna.contacts()
        left = stored(box, "SELECT COUNT(*) FROM contacts")[0][0]
        assert (seen, left > 0) == ({}, True)  # none is seen any more, and most are there still
        job = anna.reprocessed(second)
        asking.join()
        assert answers[0].json() == {"job_id": first, "removed": rows, "kept": 0}
        assert (job["job_status"], job["job_issue_count"]) == ("COMPLETED", 0)
        assert {each["contact_first_name"] for each in anna.contacts().values()} == {"New"}
        assert len(anna.contacts()) == 49
        check_counts(box, second)


def heads(box: BoxProcess, job_id: int) -> Counter[tuple[int, int]]:
    """Versions and tombstones of a job's objects."""
    sql = "SELECT version, deleted FROM objects WHERE intake >> 24 = ?"
    return Counter((row[0], row[1]) for row in stored(box, sql, job_id))


def test_a_kill_in_the_middle_of_it_changes_nothing_of_its_end(tmp_path: Path) -> None:
    rows = 9_000
    with running(tmp_path) as box:
        anna = Person(box, subject="anna")
        job_id, _ = anna.imported(*(line(n) for n in range(rows)))
        assert len(anna.contacts()) == rows
        reached, kills = 0, 0
        for _ in range(4):

            def post(anna: Person = anna) -> None:
                with contextlib.suppress(httpx2.TransportError):
                    anna.client.post(f"/jobs/{job_id}/undo")

            asking = threading.Thread(target=post)
            asking.start()
            ((reached,),) = until(
                lambda reached=reached: stored(box, MOVED, job_id, reached),  # type: ignore[misc]
                "some are removed",
            )
            box.kill()
            asking.join()
            kills += 1
            ((phase, removed, kept),) = stored(
                box, "SELECT phase, removed, kept FROM staged_jobs WHERE job_id = ?", job_id
            )
            gone = heads(box, job_id)
            assert (gone[2, 1], gone[1, 0]) == (removed, rows - removed)
            assert kept == 0
            box.start()
            anna = Person(box, subject="anna")
            assert anna.contacts() == {}  # none of them is seen again, whatever is left to remove
            if phase == "undone":
                break
        assert kills > 1
        until(
            lambda: stored(box, "SELECT 1 FROM staged_jobs WHERE phase = 'undone'"),
            "housekeeping takes it to its end",
        )
        assert heads(box, job_id) == {(2, 1): rows}
        told = Counter(each["id"] for each in deliveries(box, job_id, "delete"))
        assert len(told) == rows
        assert set(told.values()) == {1}
        assert stored(box, "SELECT COUNT(*) FROM contacts") == [(0,)]
        assert undone(anna, job_id) == {"job_id": job_id, "removed": rows, "kept": 0}
        assert len(trail(box, "job", public_id(box, job_id))) == 1
        check_counts(box, job_id)
        _, job = anna.imported(line(1))
        assert job["job_status"] == "COMPLETED"


def test_a_client_that_goes_away_does_not_stop_it(tmp_path: Path) -> None:
    with running(tmp_path) as box:
        anna = Person(box, subject="anna")
        job_id, _ = anna.imported(*(line(n) for n in range(6_000)))
        with pytest.raises(httpx2.TimeoutException):
            anna.client.post(f"/jobs/{job_id}/undo", timeout=0.05)
        assert stored(box, "SELECT phase FROM staged_jobs") == [("undoing",)]
        until(lambda: anna.job(job_id).get("undone_at"), "it is undone", 15)  # housekeeping comes later
        assert undone(anna, job_id)["removed"] == 6_000
