"""`/v1/records`: reading one, and correcting one that waits, alone and in company."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from ingestbox.store import DATABASE
from ingestbox.store.engine import connect_writer
from ingestbox.web.v1.mergepatch import merge
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job
from tests.web.v1.support import Json, counts, get, held, partial, post, refused, settled, waiting


@pytest.fixture(scope="module")
def client(box: BoxProcess) -> Iterator[httpx2.Client]:
    with box.client() as client:
        yield client


def the_waiting_one(client: httpx2.Client, prefix: str) -> tuple[str, str]:
    """A job and the path of its one record that waits."""
    job = partial(client, prefix)
    return job, f"/v1/records/{waiting(client, job)[0]['record']}"


def test_a_corrected_record_is_processed_like_any_other(client: httpx2.Client) -> None:
    job, path = the_waiting_one(client, "fix")
    before = client.get(path)
    assert before.json()["payload"] == {"id": "fix-2", "summary": " ", "vip": 1.5}
    assert (before.json()["key"], before.json()["state"], before.json()["result"]) == ("fix-2", "issue", None)
    patch = {"summary": "A great product", "comments": ["Love it"], "vip": None}
    reply = client.patch(path, json=patch, headers={"If-Match": before.headers["etag"]})
    assert reply.status_code == 200, reply.text
    assert reply.json()["state"] in ("pending", "done")
    assert counts(settled(client, job)) == (0, 3, 0, 0)
    found = get(client, path)
    assert (found["state"], found["key"], found["job"], found["index"]) == ("done", "fix-2", job, 2)
    assert found["payload"] == {"id": "fix-2", "summary": "A great product", "comments": ["Love it"]}
    (issue,) = found["issues"]
    assert (issue["resolution"], issue["resolved_by"]) == ("edit", "local:tester")
    result = found["result"]
    assert (result["kind"], result["object_id"], result["version"], result["current"]) == (
        "ticket",
        "fix-2",
        1,
        True,
    )
    line = get(client, f"/v1/deliveries/{result['delivery']}")["line"]
    assert (line["id"], line["record"]) == ("fix-2", found["payload"])
    assert client.get("/api/tickets/fix-2").json()["sentiment"] == "positive"
    trail = get(client, "/v1/audit")["audit"]
    (entry,) = [each for each in trail if each["object_id"] == found["id"]]
    assert (entry["action"], entry["actor"]) == ("record.edit", "local:tester")
    assert entry["before"] == {"summary": " ", "vip": 1.5}
    assert entry["after"] == {"summary": "A great product", "comments": ["Love it"]}


def test_what_is_still_wrong_is_told_whole_and_nothing_is_stored(client: httpx2.Client) -> None:
    job, path = the_waiting_one(client, "wrong")
    before = client.get(path)
    told = refused(client.patch(path, json={"id": "", "comments": [1]}), 422, "validation_failed")
    assert [(fault["code"], fault["field"]) for fault in told["errors"]] == [
        ("id_length", "id"),
        ("text_required", "summary"),
        ("wrong_type", "comments[0]"),
    ]
    for body in (b"[1]", b'"text"', b"null", b"{}"):
        refused(client.patch(path, content=body), 422, "validation_failed")
    for body in (b"", b"{", b'{"summary": "\xff"}', b'{"summary": 1e999}', b'{"a":' * 70 + b"1" + b"}" * 70):
        refused(client.patch(path, content=body), 400, "malformed_json")
    headers = {"Content-Type": "text/plain"}
    refused(client.patch(path, content=b"{}", headers=headers), 415, "unsupported_media_type")
    after = client.get(path)
    assert (after.json(), after.headers["etag"]) == (before.json(), before.headers["etag"])
    assert counts(get(client, f"/v1/jobs/{job}")) == (0, 2, 1, 0)


def test_a_patch_may_come_as_merge_patch_and_may_give_another_key(client: httpx2.Client) -> None:
    job, path = the_waiting_one(client, "key")
    headers = {"Content-Type": "application/merge-patch+json"}
    body = b'{\n "id": "key-new",\n "summary": "good" }'
    assert client.patch(path, content=body, headers=headers).status_code == 200
    settled(client, job)
    assert get(client, path)["key"] == "key-new"
    assert client.get("/api/tickets/key-new").json()["extra"] == {"vip": 1.5}


def test_only_what_waits_can_be_corrected(client: httpx2.Client) -> None:
    job, path = the_waiting_one(client, "once")
    assert client.patch(path, json={"summary": "good"}).status_code == 200
    settled(client, job)
    refused(client.patch(path, json={"summary": "better"}), 409, "record_not_waiting")
    refused(client.patch("/v1/records/99999999999", json={}), 404, "not_found")
    refused(client.patch("/v1/records/none", json={}), 404, "not_found")
    assert client.get("/api/tickets/once-2").json()["summary"] == "good"


@pytest.mark.parametrize("tag", ['"other"', "W/{etag}", "{bare}", ""])
def test_if_match_has_to_name_what_is_there(client: httpx2.Client, tag: str) -> None:
    _, path = the_waiting_one(client, "tag")
    etag = client.get(path).headers["etag"]
    headers = {"If-Match": tag.format(etag=etag, bare=etag.strip('"'))}
    refused(client.patch(path, json={"summary": "good"}, headers=headers), 412, "precondition_failed")


@pytest.mark.parametrize("tag", ["*", '"other", {etag}', "{etag}"])
def test_if_match_may_name_several_or_any(client: httpx2.Client, tag: str) -> None:
    _, path = the_waiting_one(client, "any")
    headers = {"If-Match": tag.format(etag=client.get(path).headers["etag"])}
    assert client.patch(path, json={"summary": "good"}, headers=headers).status_code == 200


@pytest.mark.parametrize("careful", [True, False])
def test_of_many_who_correct_at_once_one_wins(client: httpx2.Client, careful: bool) -> None:
    job, path = the_waiting_one(client, f"race-{careful}")
    headers = {"If-Match": client.get(path).headers["etag"]} if careful else {}

    def correct(number: int) -> httpx2.Response:
        return client.patch(path, json={"summary": f"word {number}"}, headers=headers)

    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(correct, range(8)))
    winners = [number for number, reply in enumerate(replies) if reply.status_code == 200]
    assert len(winners) == 1
    told = {(reply.status_code, reply.json()["code"]) for reply in replies if reply.status_code != 200}
    assert told <= (
        {(412, "precondition_failed")} if careful else {(409, "record_not_waiting"), (409, "record_changed")}
    )
    assert counts(settled(client, job)) == (0, 3, 0, 0)
    assert get(client, path)["payload"]["summary"] == f"word {winners[0]}"


def test_correcting_while_the_job_is_processed_again(client: httpx2.Client) -> None:
    for number in range(10):
        job, path = the_waiting_one(client, f"both-{number}")
        with ThreadPoolExecutor(2) as threads:
            again = threads.submit(client.post, f"/v1/jobs/{job}/reprocess?records=all")
            fix = threads.submit(client.patch, path, json={"summary": "good"})
        assert fix.result().status_code == 200  # an unfit record stays an issue until it is corrected
        assert again.result().status_code in (200, 409)  # 409: the correction had queued the job already
        assert counts(settled(client, job)) == (0, 3, 0, 0)
        assert get(client, path)["result"]["current"]


def test_correcting_while_the_worker_is_further_on(tmp_path: Path) -> None:
    """The record lies before the worker's place: the job comes back to it instead of ending without it."""
    with running(tmp_path, config="[work]\nchunk_records = 1\nchildren = 1\n") as box, box.client() as client:
        bad: list[dict[str, object]] = [{"id": f"back-{number}"} for number in range(3)]
        records = [*bad, *(ticket(number) for number in range(300))]
        job = post_tickets(client, records, params={"mode": "partial"})["job_id"]
        until(lambda: get(client, f"/v1/jobs/{job}")["counts"]["finished"] > 3, "the worker is further on")
        with held(box):
            paths = [f"/v1/records/{issue['record']}" for issue in waiting(client, job)]
            for path in paths:
                assert client.patch(path, json={"summary": "good"}).status_code == 200
            assert get(client, f"/v1/jobs/{job}")["state"] == "running"  # or this test shows nothing
        assert counts(settled(client, job)) == (0, 303, 0, 0)
        assert [get(client, path)["state"] for path in paths] == ["done"] * 3
        assert get(client, f"/v1/jobs/{job}")["tallies"]["sentiment_records"] == 303


def test_a_correction_survives_a_kill(own_box: BoxProcess) -> None:
    own_box.start()
    with own_box.client() as client:
        job = partial(client, "kill", bad=20)
        paths = [f"/v1/records/{issue['record']}" for issue in waiting(client, job)]
        for path in paths:
            assert client.patch(path, json={"summary": "good"}).status_code == 200
        own_box.kill()
    own_box.start()
    with own_box.client() as client:
        assert counts(settled(client, job)) == (0, 22, 0, 0)
        assert {get(client, path)["state"] for path in paths} == {"done"}
        assert get(client, "/api/tickets")["total"] == 22
        assert len(get(client, "/v1/deliveries")["deliveries"]) == 22


def test_a_corrected_record_keeps_its_place_among_intakes(client: httpx2.Client) -> None:
    job, path = the_waiting_one(client, "place")
    later = post_tickets(client, [ticket(1, id="place-2", summary="The later word")])["job_id"]
    wait_job(client, later)
    assert client.patch(path, json={"summary": "The word of before"}).status_code == 200
    settled(client, job)
    found = get(client, path)
    assert (found["state"], found["result"]) == ("superseded", None)
    assert client.get("/api/tickets/place-2").json()["summary"] == "The later word"


def test_a_record_that_changed_on_disk_is_not_shown_as_good(own_box: BoxProcess) -> None:
    own_box.start()
    with own_box.client() as client:
        job, path = the_waiting_one(client, "disk")
        etag = client.get(path).headers["etag"]
    assert own_box.stop() == 0
    connection = connect_writer(own_box.data / DATABASE)
    try:
        connection.execute("UPDATE records SET payload = replace(payload, 'vip', 'vop') WHERE key = 'disk-2'")
    finally:
        connection.close()
    own_box.start()
    with own_box.client() as client:
        refused(client.get(path), 500, "damaged")
        refused(client.patch(path, json={"summary": "good"}, headers={"If-Match": etag}), 500, "damaged")
        issue = waiting(client, job)[0]["id"]
        refused(client.post(f"/v1/issues/{issue}/resolve", json={"action": "retry"}), 500, "damaged")
        told = post(client, "/v1/issues/bulk", {"action": "retry", "ids": [issue]})["outcomes"]
        assert told == [{"id": issue, "outcome": "damaged"}]
        listed = get(client, f"/v1/jobs/{job}/records", payload="true", state="issue")["records"]
        assert [(each["key"], each["payload"]) for each in listed] == [("disk-2", None)]
        post(client, f"/v1/issues/{issue}/resolve", {"action": "discard"})
        assert counts(get(client, f"/v1/jobs/{job}")) == (0, 2, 0, 1)


def test_who_corrects_from_elsewhere_is_in_the_trail_of_the_job(
    box: BoxProcess, client: httpx2.Client
) -> None:
    job, path = the_waiting_one(client, "far")
    issue = waiting(client, job)[0]["id"]
    with box.client(workspace="*") as other:
        assert other.patch(path + "?all=true", json={"summary": "good"}).status_code == 200
        settled(client, job)
        post(other, f"/v1/jobs/{job}/reprocess", records="all", all="true")
    refused(client.post(f"/v1/issues/{issue}/resolve", json={"action": "retry"}), 409, "issue_resolved")
    rid = path.rpartition("/")[2]
    trail = [each["action"] for each in get(client, "/v1/audit")["audit"] if each["object_id"] in (job, rid)]
    assert trail == ["job.reprocess", "record.edit"]


def test_the_trail_keeps_no_whole_records(client: httpx2.Client) -> None:
    job, path = the_waiting_one(client, "long")
    patch: Json = {"summary": "word " * 10_000, **{f"m{number}": number for number in range(50)}}
    assert client.patch(path, json=patch).status_code == 200
    settled(client, job)
    rid = path.rpartition("/")[2]
    (entry,) = [each for each in get(client, "/v1/audit")["audit"] if each["object_id"] == rid]
    assert len(entry["after"]) <= 20
    assert len(entry["after"]["summary"]) == 201


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [  # RFC 7396, appendix A
        ('{"a":"b"}', '{"a":"c"}', '{"a":"c"}'),
        ('{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'),
        ('{"a":"b"}', '{"a":null}', "{}"),
        ('{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'),
        ('{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'),
        ('{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'),
        ('{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'),
        ('{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'),
        ('["a","b"]', '["c","d"]', '["c","d"]'),
        ('{"a":"b"}', '["c"]', '["c"]'),
        ('{"a":"foo"}', "null", "null"),
        ('{"a":"foo"}', '"bar"', '"bar"'),
        ('{"e":null}', '{"a":1}', '{"e":null,"a":1}'),
        ("[1,2]", '{"a":"b","c":null}', '{"a":"b"}'),
        ("{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'),
        # Numbers keep their digits, and the outcome is one line.
        ('{"n":1.10,"m":123456789012345678901234567890}', '{\n"x" : 1e2}',
         '{"n":1.10,"m":123456789012345678901234567890,"x":1e2}'),
    ],
)  # fmt: skip
def test_a_merge_patch_is_applied_as_the_rfc_has_it(target: str, patch: str, result: str) -> None:
    assert merge(target.encode(), patch.encode()).decode() == result


def test_a_correction_makes_no_record_that_no_request_could_have_brought(tmp_path: Path) -> None:
    """Its delivery would be over the limit of every box upstream."""
    with running(tmp_path, config="[limits]\nfeedback_json_mb = 1\n") as box, box.client() as client:
        padding = "x" * 600_000
        bad = {"id": "large", "summary": " ", "padding": padding}
        job = post_tickets(client, [ticket(1), bad], params={"mode": "partial"})["job_id"]
        (issue,) = waiting(client, job)
        path = f"/v1/records/{issue['record']}"
        refused(client.patch(path, json={"summary": padding}), 413, "payload_too_large")
        assert get(client, path)["state"] == "issue"
        # In place of what was there it is as large as before.
        assert client.patch(path, json={"summary": padding, "padding": None}).status_code == 200
        assert counts(settled(client, job)) == (0, 2, 0, 0)
        assert client.get("/api/tickets/large").json()["summary"] == padding


def test_a_large_correction_holds_nobody_up(box: BoxProcess, client: httpx2.Client) -> None:
    """Every level of a patch is gone through by itself: deep and large, that takes long."""
    _, path = the_waiting_one(client, "deep")
    patch = b'{"summary": "good", "deep": ' + b'{"a":' * 58 + b'"' + b"x" * 12_000_000 + b'"' + b"}" * 59

    def correct() -> float:
        with box.client() as other:
            started = time.monotonic()
            reply = other.patch(path, content=patch, headers={"Content-Type": "application/json"})
            assert reply.status_code == 200, reply.text
            return time.monotonic() - started

    longest = 0.0
    with ThreadPoolExecutor(1) as thread:
        correcting = thread.submit(correct)
        while not correcting.done():
            started = time.monotonic()
            assert client.get("/healthz").status_code == 200
            longest = max(longest, time.monotonic() - started)
        assert longest < correcting.result() / 2
