"""Staged jobs through `/v1`: issues of several rows, correcting and giving up rows, going on, taking back."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import httpx2
import pytest

from ingestbox.model import Job, JobState, Role
from ingestbox.store import DATABASE
from ingestbox.store.engine import connect_writer
from ingestbox.store.staging import RESOLVED, Staged
from ingestbox.web.v1.events import Seen, ended
from tests.harness import BoxProcess, running, until
from tests.web.v1.imports import open_issues, person, records, row, still, upload
from tests.web.v1.support import Json, counts, everything, get, held, post, refused


@pytest.fixture(scope="module")
def ann(box: BoxProcess) -> Iterator[httpx2.Client]:
    with person(box, "ann") as client:
        yield client


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    """A record at a time."""
    config = "[work]\nchunk_records = 1\nchildren = 1\n"
    with running(tmp_path_factory.mktemp("slow"), config=config) as box:
        yield box


def resolve(client: httpx2.Client, issue: Json, action: str, **more: object) -> httpx2.Response:
    return client.post(f"/v1/issues/{issue['id']}/resolve", json={"action": action, **more})


def twins(client: httpx2.Client, name: str) -> Json:
    """A job with a good row, two that have one address, one without a company, and another good one."""
    return upload(
        client,
        name,
        [
            row(f"good@{name}.org"),
            row(f"two@{name}.org"),
            row(f"TWO@{name}.org", "Ben"),
            row(f"three@{name}.org", company=""),
            row(f"last@{name}.org"),
        ],
    )


def lines(client: httpx2.Client, job: str) -> list[tuple[int, str]]:
    return [(each["index"], each["state"]) for each in records(client, job)]


def sound(box: BoxProcess) -> None:
    """The doctor's true counts are what is kept."""
    with box.client() as operator:
        findings = get(operator, "/v1/doctor")["findings"]
    assert [each["message"] for each in findings if each["check"] == "tallies"] == [
        "the counts are those of the tables"
    ]


def test_an_issue_shows_all_of_its_rows(box: BoxProcess, ann: httpx2.Client) -> None:
    job = twins(ann, "rows")
    assert (job["state"], counts(job)) == ("review", (2, 0, 3, 0))
    staging = {key: job["staging"][key] for key in ("phase", "open_issues", "resolved_issues", "undone_at")}
    assert staging == {"phase": "waiting", "open_issues": 2, "resolved_issues": 0, "undone_at": None}
    found = open_issues(ann, job["id"])
    assert set(found) == {"duplicate_email", "missing_required_field"}
    pair = found["duplicate_email"]
    assert (pair["records"], pair["index"], pair["comment"]) == (2, 1, None)
    assert [each["index"] for each in pair["first"]] == [1, 2]
    for each in pair["first"]:
        shown = get(ann, each["link"])
        assert (shown["id"], shown["index"]) == (each["id"], each["index"])
        assert [issue["id"] for issue in shown["issues"]] == [pair["id"]]
    linked = ann.get(pair["links"]["records"]).json()["records"]
    assert [each["index"] for each in linked] == [1, 2]
    narrow = everything(ann, f"/v1/jobs/{job['id']}/records", "records", issue=pair["id"], limit=1)
    assert [each["index"] for each in narrow] == [1, 2]
    refused(ann.get(f"/v1/jobs/{job['id']}/records?issue=x"), 400, "bad_parameter")
    wait = everything(ann, f"/v1/jobs/{job['id']}/records", "records", state="issue", limit=1)
    assert [each["index"] for each in wait] == [1, 2, 3]
    assert [[issue["code"] for issue in each["issues"]] for each in records(ann, job["id"])] == [
        [],
        ["duplicate_email"],
        ["duplicate_email"],
        ["missing_required_field"],
        [],
    ]
    sound(box)


def test_a_long_issue_shows_the_first_of_its_rows(ann: httpx2.Client) -> None:
    job = upload(ann, "long", [row("same@long.org", f"Anna{number}") for number in range(25)])
    (issue,) = open_issues(ann, job["id"]).values()
    assert (issue["records"], [each["index"] for each in issue["first"]]) == (25, list(range(10)))
    ten = upload(ann, "ten", [row("same@ten.org", f"Anna{number}") for number in range(10)])
    (issue,) = open_issues(ann, ten["id"]).values()
    assert (issue["records"], len(issue["first"])) == (10, 10)


def test_rows_are_corrected_and_the_job_goes_on(box: BoxProcess, ann: httpx2.Client) -> None:
    job = twins(ann, "edit")
    found = open_issues(ann, job["id"])
    second = found["duplicate_email"]["first"][1]["link"]
    shown = ann.get(second)
    tag = {"If-Match": shown.headers["etag"]}
    reply = ann.patch(second, json={"email": "ben@edit.org"}, headers=tag)
    assert reply.status_code == 200, reply.text
    assert (reply.json()["state"], reply.json()["key"]) == ("pending", "ben@edit.org")
    assert reply.json()["payload"]["first_name"] == "Ben"
    refused(ann.patch(second, json={"company": "B"}, headers=tag), 412, "precondition_failed")
    # Nothing happens before somebody says so: the issues are open, and the job waits.
    now = get(ann, f"/v1/jobs/{job['id']}")
    assert (now["state"], counts(now)) == ("review", (3, 0, 2, 0))
    assert now["staging"]["open_issues"] == 2
    assert resolve(ann, found["missing_required_field"], "edit", patch={"company": "C"}).status_code == 200
    assert get(ann, f"/v1/jobs/{job['id']}")["state"] == "review"
    post(ann, f"/v1/jobs/{job['id']}/reprocess")
    done = still(ann, job["id"])
    assert (done["state"], counts(done)) == ("completed", (0, 5, 0, 0))
    assert (done["staging"]["phase"], done["staging"]["open_issues"]) == ("done", 0)
    for issue in get(ann, "/v1/issues", job=job["id"])["issues"]:
        # Who corrects a row through its issue resolves that; the other one came to nothing by itself.
        by, comment = (
            ("local:ann", None) if issue["code"] == "missing_required_field" else ("system", RESOLVED)
        )
        assert (issue["state"], issue["resolved_by"], issue["comment"]) == ("resolved", by, comment)
    assert get(ann, second)["issues"][0]["comment"].startswith("All related")
    refused(ann.patch(second, json={"company": "B"}), 409, "record_not_waiting")
    refused(ann.post(f"/v1/jobs/{job['id']}/reprocess"), 409, "job_ended")
    with box.client() as operator:
        query = {"object": "record", "object_id": second.rpartition("/")[2]}
        (line,) = get(operator, "/v1/audit", **query)["audit"]
    assert (line["action"], line["actor"]) == ("staging.edit", "local:ann")
    assert (line["before"]["email"], line["after"]["email"]) == ("TWO@edit.org", "ben@edit.org")
    assert (line["before"]["state"], line["after"]["state"]) == ("issue", "pending")
    sound(box)


def test_a_correction_that_is_wrong_is_told_and_not_stored(ann: httpx2.Client) -> None:
    job = twins(ann, "wrong")
    link = open_issues(ann, job["id"])["missing_required_field"]["links"]["record"]
    before = ann.get(link)
    for patch, code in (
        ({"company": " "}, "validation_failed"),
        ({"company": "C", "email": None}, "validation_failed"),
        ({"company": "C", "email": "nobody"}, "validation_failed"),
        ({"_update": "1"}, "validation_failed"),
        ({"company": "C", "_row": None}, "validation_failed"),
        ({"company": "C", "_note": {"a": 1}}, "validation_failed"),
    ):
        refused(ann.patch(link, json=patch), 422, code)
    for body in (b"[]", b"5", b'"text"', b"null", b'{"email": 5}', b'{"company": ["C"]}', b'{"email": {}}'):
        reply = ann.patch(link, content=body, headers={"Content-Type": "application/json"})
        refused(reply, 422, "validation_failed")
    refused(
        ann.patch(link, content=b"{", headers={"Content-Type": "application/json"}), 400, "malformed_json"
    )
    after = ann.get(link)
    assert (after.json(), after.headers["etag"]) == (before.json(), before.headers["etag"])


def test_what_was_given_up_can_be_taken_up_again(ann: httpx2.Client) -> None:
    job = twins(ann, "again")
    issue = open_issues(ann, job["id"])["missing_required_field"]
    reply = resolve(ann, issue, "discard").json()
    assert (reply["state"], reply["resolution"], reply["resolved_by"]) == (
        "resolved",
        "discard",
        "local:ann",
    )
    assert get(ann, issue["links"]["record"])["state"] == "discarded"
    assert counts(get(ann, f"/v1/jobs/{job['id']}")) == (2, 0, 2, 1)
    refused(resolve(ann, issue, "discard"), 409, "issue_resolved")
    assert ann.patch(issue["links"]["record"], json={"company": "C"}).status_code == 200
    assert get(ann, issue["links"]["record"])["state"] == "pending"
    assert counts(get(ann, f"/v1/jobs/{job['id']}")) == (3, 0, 2, 0)


def test_giving_up_all_rows_of_an_issue(box: BoxProcess, ann: httpx2.Client) -> None:
    rows = [row("same@all.org", f"Anna{number}") for number in range(230)]
    job = upload(ann, "all", [*rows, row("good@all.org")])
    (issue,) = open_issues(ann, job["id"]).values()
    assert resolve(ann, issue, "discard").json()["state"] == "resolved"
    now = get(ann, f"/v1/jobs/{job['id']}")
    assert (now["state"], counts(now), now["staging"]["open_issues"]) == ("review", (1, 0, 0, 230), 0)
    sound(box)
    assert resolve(ann, issue, "retry").json()["code"] == "issue_resolved"
    post(ann, f"/v1/jobs/{job['id']}/reprocess")
    done = still(ann, job["id"])
    assert (done["state"], counts(done)) == ("completed", (0, 1, 0, 230))
    sound(box)


def test_a_row_that_was_corrected_is_not_given_up_with_the_others(ann: httpx2.Client) -> None:
    job = twins(ann, "mixed")
    issue = open_issues(ann, job["id"])["duplicate_email"]
    first, second = (each["link"] for each in issue["first"])
    assert ann.patch(first, json={"email": "other@mixed.org"}).status_code == 200
    assert resolve(ann, issue, "discard").json()["state"] == "resolved"
    assert (get(ann, first)["state"], get(ann, second)["state"]) == ("pending", "discarded")


def test_a_row_that_fails_otherwise_now_is_not_given_up_with_the_issue_that_it_left(
    ann: httpx2.Client,
) -> None:
    job = upload(ann, "left", [row("same@left.org", f"Anna{number}") for number in range(3)])
    issue = open_issues(ann, job["id"])["duplicate_email"]
    moved = issue["first"][0]["link"]
    upload(ann, "left-before", [row("taken@left.org")])
    assert ann.patch(moved, json={"email": "taken@left.org"}).status_code == 200
    assert resolve(ann, issue, "retry").status_code == 200
    still(ann, job["id"])
    found = open_issues(ann, job["id"])
    assert set(found) == {"duplicate_email", "existing_email"}
    assert found["duplicate_email"]["id"] == issue["id"]
    assert [each["code"] for each in get(ann, moved)["issues"]] == ["duplicate_email", "existing_email"]
    assert resolve(ann, issue, "discard").status_code == 200
    states = [state for _, state in lines(ann, job["id"])]
    assert states == ["issue", "discarded", "discarded"]


def test_of_an_issue_with_several_rows_none_is_meant_by_edit(ann: httpx2.Client) -> None:
    job = twins(ann, "which")
    issue = open_issues(ann, job["id"])["duplicate_email"]
    told = refused(resolve(ann, issue, "edit", patch={"company": "C"}), 422, "validation_failed")
    assert "name the one that is corrected" in told["detail"]
    assert ann.patch(issue["first"][0]["link"], json={"email": "x@which.org"}).status_code == 200
    # One waits still: that is the one.
    assert resolve(ann, issue, "edit", patch={"email": "y@which.org"}).status_code == 200
    assert get(ann, issue["first"][1]["link"])["key"] == "y@which.org"


def test_if_match_has_to_name_the_issue(ann: httpx2.Client) -> None:
    job = twins(ann, "match")
    issue = open_issues(ann, job["id"])["missing_required_field"]
    place = f"/v1/issues/{issue['id']}"
    tag = ann.get(place).headers["etag"]
    for body in ({"action": "discard"}, {"action": "retry"}, {"action": "edit", "patch": {"company": "C"}}):
        reply = ann.post(f"{place}/resolve", json=body, headers={"If-Match": '"other"'})
        refused(reply, 412, "precondition_failed")
    reply = ann.post(f"{place}/resolve", json={"action": "discard"}, headers={"If-Match": tag})
    assert reply.status_code == 200
    assert reply.headers["etag"] != tag
    pair = open_issues(ann, job["id"])["duplicate_email"]
    place = f"/v1/issues/{pair['id']}"
    assert ann.patch(pair["first"][0]["link"], json={"email": "x@match.org"}).status_code == 200
    tag = ann.get(place).headers["etag"]
    body = {"action": "edit", "patch": {"email": "z@match.org"}}
    assert ann.post(f"{place}/resolve", json=body, headers={"If-Match": tag}).status_code == 200


def test_of_many_who_correct_a_row_at_once_one_wins(ann: httpx2.Client) -> None:
    job = twins(ann, "race")
    link = open_issues(ann, job["id"])["missing_required_field"]["links"]["record"]
    tag = ann.get(link).headers["etag"]

    def patch(number: int) -> httpx2.Response:
        return ann.patch(link, json={"company": f"C{number}"}, headers={"If-Match": tag})

    with ThreadPoolExecutor(6) as threads:
        replies = list(threads.map(patch, range(6)))
    won = [number for number, reply in enumerate(replies) if reply.status_code == 200]
    assert len(won) == 1
    assert {reply.status_code for reply in replies} == {200, 412}
    assert get(ann, link)["payload"]["company"] == f"C{won[0]}"


def test_cancelling(box: BoxProcess, ann: httpx2.Client) -> None:
    job = twins(ann, "cancel")
    pair = open_issues(ann, job["id"])["duplicate_email"]
    # Its first row waits no more, and the issue is open still.
    assert ann.patch(pair["first"][0]["link"], json={"email": "x@cancel.org"}).status_code == 200
    now = post(ann, f"/v1/jobs/{job['id']}/cancel")
    assert (now["state"], counts(now)) == ("cancelled", (0, 0, 0, 5))
    assert (now["staging"]["phase"], now["staging"]["open_issues"]) == ("cancelled", 0)
    assert {issue["resolution"] for issue in get(ann, "/v1/issues", job=job["id"])["issues"]} == {"cancel"}
    assert post(ann, f"/v1/jobs/{job['id']}/cancel")["state"] == "cancelled"
    refused(ann.post(f"/v1/jobs/{job['id']}/reprocess"), 409, "job_cancelled")
    refused(ann.post(f"/v1/jobs/{job['id']}/undo"), 409, "job_not_completed")
    refused(ann.patch(pair["first"][1]["link"], json={"company": "C"}), 409, "job_not_waiting")
    sound(box)
    assert upload(ann, "cancel", [row("new@cancel.org")])["state"] == "completed"  # its name is free again


def test_taking_back(box: BoxProcess, ann: httpx2.Client) -> None:
    job = upload(ann, "undo", [row(f"u{number}@undo.org") for number in range(300)])
    refused(ann.post(f"/v1/jobs/{job['id']}/cancel"), 409, "job_ended")
    now = post(ann, f"/v1/jobs/{job['id']}/undo")
    assert now["state"] == "completed"
    staging = now["staging"]
    assert (staging["phase"], staging["removed"], staging["kept"]) == ("undone", 300, 0)
    assert staging["undone_at"].endswith("Z")
    assert post(ann, f"/v1/jobs/{job['id']}/undo") == now
    first = get(ann, "/v1/deliveries", limit=1)["deliveries"][0]
    assert (first["op"], first["family"]) == ("delete", "contacts")
    with person(box, "ben") as ben:
        refused(ben.get(f"/v1/deliveries/{first['seq']}"), 404, "not_found")
    sound(box)


def test_jobs_of_other_families_cannot_be_taken_back(box: BoxProcess, ann: httpx2.Client) -> None:
    with box.client() as client:
        job = client.post("/api/data-ingest", json={"records": [{"id": "x", "summary": "fine"}]}).json()
        refused(client.post(f"/v1/jobs/{job['job_id']}/undo"), 409, "job_not_completed")
        assert "staging" not in get(client, f"/v1/jobs/{job['job_id']}")


def test_many_decide_by_the_list(ann: httpx2.Client) -> None:
    job = twins(ann, "bulk")
    outcome = post(ann, "/v1/issues/bulk", {"filter": {"job": job["id"]}, "action": "discard"})
    assert (outcome["matched"], outcome["resolved"]) == (2, 2)
    now = get(ann, f"/v1/jobs/{job['id']}")
    assert (now["state"], counts(now), now["staging"]["open_issues"]) == ("review", (2, 0, 0, 3), 0)


def test_a_job_goes_on_once_however_many_of_its_issues_are_meant(box: BoxProcess, ann: httpx2.Client) -> None:
    lines = [row(f"m{number}@example.com", company="") for number in range(60)]
    job = upload(ann, "once", lines)
    outcome = post(ann, "/v1/issues/bulk", {"filter": {"job": job["id"]}, "action": "retry"})
    assert {each["outcome"] for each in outcome["outcomes"]} == {"resolved"}
    assert outcome["matched"] == 60
    now = still(ann, job["id"])
    assert (now["state"], now["staging"]["checks"]) == ("review", job["staging"]["checks"] + 1)
    with box.client() as boss:
        lines = get(boss, "/v1/audit", object="job", object_id=job["id"], all="true")["audit"]
    assert [line["action"] for line in lines] == ["job.reprocess"]


def test_an_administrator_decides_for_another_in_the_trail_of_the_job(box: BoxProcess) -> None:
    with person(box, "cora", workspace="east") as cora:
        job = twins(cora, "trail")
        link = open_issues(cora, job["id"])["missing_required_field"]["links"]["record"]
    with box.client() as operator:
        refused(operator.patch(link, json={"company": "C"}), 404, "not_found")
        assert operator.patch(f"{link}?all=true", json={"company": "C"}).status_code == 200
        post(operator, f"/v1/jobs/{job['id']}/cancel", all="true")
    with person(box, "ed", Role.ADMIN, workspace="east") as ed:
        found = [(line["action"], line["actor"]) for line in get(ed, "/v1/audit")["audit"]]
    assert found[:2] == [("job.cancel", "local:tester"), ("staging.edit", "local:tester")]


def test_a_decision_about_a_row_ends_with_its_address(ann: httpx2.Client) -> None:
    upload(ann, "known-before", [row("known@known.org"), row("well@known.org")])
    job = upload(ann, "known", [row("known@known.org", "New"), row("well@known.org", "New")])
    links = []
    for issue in get(ann, "/v1/issues", job=job["id"])["issues"]:
        reply = ann.put(f"/issues/{issue['id']}", json={"resolution": "update_existing"})
        assert reply.status_code == 200, reply.text
        links.append(issue["links"]["record"])
    well, known = links
    assert "_update" in get(ann, known)["payload"]
    # Of the same person: the contact is still the one to update.
    assert ann.patch(known, json={"company": "C"}).status_code == 200
    assert "_update" in get(ann, known)["payload"]
    assert ann.patch(well, json={"email": "other@known.org"}).status_code == 200
    assert "_update" not in get(ann, well)["payload"]
    assert get(ann, well)["payload"]["_row"]["row"] == 2
    post(ann, f"/v1/jobs/{job['id']}/reprocess")
    assert counts(still(ann, job["id"])) == (0, 2, 0, 0)
    made = get(ann, known)["result"]
    assert made["object_id"] != known.rpartition("/")[2]  # the contact that was there before
    assert get(ann, well)["result"]["object_id"] == well.rpartition("/")[2]


def test_a_copy_that_the_box_gave_up_can_be_made_another_row(ann: httpx2.Client) -> None:
    job = upload(ann, "copies", [row("same@copies.org"), row("same@copies.org"), row("", "No")])
    copy = records(ann, job["id"], state="discarded", payload="true")[0]
    assert "_note" in copy["payload"]
    place = f"/v1/records/{copy['id']}"
    assert ann.patch(place, json={"first_name": "Zoe"}).status_code == 200
    payload = get(ann, place)["payload"]
    assert (payload["email"], "_note" in payload) == ("same@copies.org", False)
    assert payload["_row"]["row"] == 2
    assert lines(ann, job["id"]) == [(0, "pending"), (1, "pending"), (2, "issue")]


def test_while_objects_are_made_nobody_changes_anything(slow: BoxProcess) -> None:
    with person(slow, "ann") as ann:
        job = upload(ann, "slow", [row("", "No"), *(row(f"s{number}@slow.org") for number in range(600))])
        (issue,) = open_issues(ann, job["id"]).values()
        link, place = issue["links"]["record"], f"/v1/jobs/{job['id']}"
        assert resolve(ann, issue, "edit", patch={"email": "first@slow.org"}).status_code == 200
        post(ann, f"{place}/reprocess")

        def begun() -> bool:
            now = get(ann, place)
            return bool(now["staging"]["phase"] == "consolidating" and now["counts"]["finished"])

        until(begun, "some contacts are made")
        with held(slow):
            now = get(ann, place)
            assert now["processed"] < now["total"]
            refused(ann.post(f"{place}/cancel"), 409, "job_active")
            refused(ann.post(f"{place}/reprocess"), 409, "job_active")
            refused(ann.post(f"{place}/undo"), 409, "job_not_completed")
            last = records(ann, job["id"], state="pending")[-1]
            refused(ann.patch(f"/v1/records/{last['id']}", json={"company": "C"}), 409, "job_not_waiting")
            refused(resolve(ann, issue, "discard"), 409, "issue_resolved")
        done = still(ann, job["id"])
        assert (done["state"], counts(done)) == ("completed", (0, 601, 0, 0))
        assert get(ann, link)["payload"]["email"] == "first@slow.org"
        assert [each["staging"]["phase"] for each in get(ann, "/v1/jobs")["jobs"]] == ["done"]
    sound(slow)


def test_a_row_that_changed_on_disk_can_only_be_given_up_and_is_never_shown_as_good(
    own_box: BoxProcess,
) -> None:
    own_box.start()
    with person(own_box, "ann") as ann:
        job = twins(ann, "disk")
    assert own_box.stop() == 0
    connection = connect_writer(own_box.data / DATABASE)
    try:
        changed = "UPDATE records SET payload = replace(payload, 'Ben', 'Bob') WHERE payload LIKE '%Ben%'"
        assert connection.execute(changed).rowcount == 1
    finally:
        connection.close()
    own_box.start()
    with person(own_box, "ann") as ann:
        issue = open_issues(ann, job["id"])["duplicate_email"]
        link = issue["first"][1]["link"]
        refused(ann.get(link), 500, "damaged")
        refused(ann.patch(link, json={"email": "ben@disk.org"}), 500, "damaged")
        assert resolve(ann, issue, "discard").json()["state"] == "resolved"
        assert counts(get(ann, f"/v1/jobs/{job['id']}")) == (2, 0, 1, 2)
        assert get(ann, link)["payload"] == {"_note": "What was stored of this row was damaged"}
    sound(own_box)


def test_a_stream_goes_on_until_the_job_is_taken_back() -> None:
    job = cast("Job", SimpleNamespace(state=JobState.COMPLETED, processed=1, total=1))
    staged = Staged("undoing", 1, 0, 0, False, 0, 0, None)
    assert not ended(Seen(job, staged))
    assert ended(Seen(job, replace(staged, phase="undone")))
    assert ended(Seen(job))
