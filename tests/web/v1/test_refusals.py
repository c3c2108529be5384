"""Refused deliveries as issues: seen by who sees the record, sent again, given up, and corrected."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from ingestbox.model import Role
from ingestbox.store.parked import REPLACED
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job
from tests.upstream import Refusing, refusing
from tests.web.v1.imports import person, row, upload
from tests.web.v1.support import Json, counts, get, partial, post, refused, settled

CODE = "delivery_refused"


@pytest.fixture(scope="module")
def upstreams() -> Iterator[tuple[Refusing, Refusing]]:
    """Those of the lanes `central` and `archive`."""
    with refusing() as central, refusing() as archive:
        yield central, archive


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, upstreams: tuple[Refusing, Refusing]
) -> Iterator[BoxProcess]:
    central, archive = upstreams
    config = central.lane() + archive.lane("archive") + '[pii]\ncontacts = "flag"\n'
    with running(tmp_path_factory.mktemp("refusals"), config=config) as started:
        yield started


@pytest.fixture
def central(upstreams: tuple[Refusing, Refusing]) -> Refusing:
    """The upstream that refuses; the other one takes all."""
    for each in upstreams:
        each.refusing = False
        each.code, each.message = "record_invalid", "The customer is not known here."
    return upstreams[0]


@pytest.fixture
def client(shared: BoxProcess, central: Refusing) -> Iterator[httpx2.Client]:
    with shared.client(Role.ANALYST, Role.EDITOR, Role.ADMIN) as found:
        yield found


@contextmanager
def refuses(*upstreams: Refusing) -> Iterator[None]:
    for each in upstreams:
        each.refusing = True
    yield
    for each in upstreams:
        each.refusing = False


def quiet(client: httpx2.Client) -> None:
    """Nothing is pending in any lane, and the sums hold."""

    def done() -> bool:
        lanes = get(client, "/v1/lanes")["lanes"]
        return all(lane["pending"] == 0 for lane in lanes)

    until(done, "all is delivered or refused")
    assert get(client, "/v1/doctor")["ok"] is True


def sent(client: httpx2.Client, *records: dict[str, object]) -> str:
    """The job of these tickets, once they are analysed and told upstream."""
    job: str = post_tickets(client, records)["job_id"]
    wait_job(client, job)
    quiet(client)
    return job


def of_job(client: httpx2.Client, job: str, **query: str) -> list[Json]:
    found: list[Json] = get(client, "/v1/issues", job=job, code=CODE, limit=500, **query)["issues"]
    return found


def one(client: httpx2.Client, job: str) -> Json:
    (found,) = of_job(client, job)
    return found


def resolve(client: httpx2.Client, issue: Json, **body: object) -> httpx2.Response:
    return client.post(f"/v1/issues/{issue['id']}/resolve", json=body)


def again(client: httpx2.Client, issue: Json) -> Json:
    found: Json = get(client, f"/v1/issues/{issue['id']}")
    return found


def until_resolved(client: httpx2.Client, issue: Json, resolution: str) -> Json:
    found = until(
        lambda: now if (now := again(client, issue))["state"] == "resolved" else None,
        f"issue {issue['id']} is resolved",
    )
    assert found["resolution"] == resolution
    return found


def line_of(client: httpx2.Client, issue: Json) -> httpx2.Response:
    place = issue["delivery"]
    return client.get(f"/v1/lanes/{place['lane']}/parked/{place['seq']}")


def open_here(client: httpx2.Client) -> int:
    return int(get(client, "/v1/overview")["families"]["feedback"]["open_issues"])


def test_a_refused_delivery_is_an_issue_of_a_record_that_is_done(
    client: httpx2.Client, central: Refusing
) -> None:
    before = open_here(client)
    with refuses(central):
        job = sent(client, ticket(1), ticket(2))
    assert open_here(client) == before + 2
    assert counts(settled(client, job)) == (0, 2, 0, 0)
    second, first = of_job(client, job)
    assert (first["message"], first["field"]) == ("record_invalid: The customer is not known here.", None)
    assert (first["state"], first["index"], first["records"]) == ("open", 0, 1)
    about = first["delivery"]
    assert (about["lane"], about["code"], about["state"]) == ("central", "record_invalid", "parked")
    assert (about["op"], about["kind"], about["object_id"], about["version"]) == ("put", "ticket", "T-1", 1)
    assert (about["superseded"], about["superseded_by"], about["asked_by"]) == (False, None, None)
    line = line_of(client, first).json()
    assert (line["issue"], line["seq"], line["record"]) == (first["id"], about["seq"], first["record"])

    record = get(client, f"/v1/records/{first['record']}")
    assert record["state"] == "done"
    assert [(each["id"], each["lane"], each["delivery"]) for each in record["issues"]] == [
        (first["id"], "central", about["seq"])
    ]
    (by,) = record["result"]["refused"]
    assert (by["lane"], by["code"], by["state"]) == ("central", "record_invalid", "parked")
    assert (by["message"], by["issue"]) == ("The customer is not known here.", first["id"])
    (group,) = get(client, "/v1/issues/groups", job=job)["groups"]
    assert group["kinds"] == [{"code": CODE, "open": 2}]
    rows = get(client, f"/v1/jobs/{job}/records", issue=first["id"])["records"]
    assert [each["id"] for each in rows] == [first["record"]]
    assert get(client, f"/v1/jobs/{job}/records", state="issue")["records"] == []
    for query, found in (
        ({"lane": "central"}, [second, first]),
        ({"lane": "archive"}, []),
        ({"family": "feedback", "state": "open", "order": "oldest"}, [first, second]),
        ({"state": "resolved"}, []),
    ):
        assert of_job(client, job, **query) == found
    (valued, _) = get(client, "/v1/issues", job=job, values="true", order="oldest")["issues"]
    assert valued["value"] == "T-1"


def test_sent_again_it_is_open_until_the_upstream_takes_it(client: httpx2.Client, central: Refusing) -> None:
    with refuses(central):
        job = sent(client, ticket(3))
        issue = one(client, job)
        central.code, central.message = "still_unknown", "Ask the sales people."
        assert resolve(client, issue, action="retry").status_code == 200
        reworded = until(
            lambda: now if (now := one(client, job))["delivery"]["code"] == "still_unknown" else None,
            "it was refused again",
        )
    assert (reworded["state"], reworded["delivery"]["state"]) == ("open", "parked")
    assert reworded["message"] == "still_unknown: Ask the sales people."
    post(client, "/v1/lanes/central/pause")
    for _ in range(2):
        waits = resolve(client, issue, action="retry").json()
        assert (waits["state"], waits["delivery"]["state"]) == ("open", "again")
        assert waits["delivery"]["asked_by"] == "local:tester"
    post(client, "/v1/lanes/central/resume")
    done = until_resolved(client, issue, "retry")
    assert (done["resolved_by"], done["delivery"]["state"]) == ("local:tester", None)
    assert line_of(client, issue).status_code == 404
    refused(resolve(client, issue, action="retry"), 409, "issue_resolved")
    assert get(client, f"/v1/records/{issue['record']}")["result"]["refused"] == []
    told = get(client, f"/v1/issues/{issue['id']}/history")["audit"]
    assert [line["action"] for line in told] == ["delivery.retry", "delivery.retry"]
    quiet(client)


def test_given_up_for_a_reason_here_or_in_the_lane_both_say_so(
    client: httpx2.Client, central: Refusing
) -> None:
    with refuses(central):
        job = sent(client, ticket(4), ticket(5))
        second, first = of_job(client, job)
        for comment in ({}, {"comment": "  "}, {"comment": "\0 \u200b\u202e"}):
            refused(resolve(client, first, action="discard", **comment), 422, "reason_required")
        done = resolve(client, first, action="discard", comment="Not a customer any more").json()
        assert (done["state"], done["resolution"]) == ("resolved", "discard")
        assert (done["comment"], done["delivery"]["state"]) == ("Not a customer any more", "discarded")
        line = line_of(client, first).json()
        assert (line["state"], line["reason"]) == ("discarded", "Not a customer any more")
        assert line["decided_by"] == done["resolved_by"] == "local:tester"
        refused(resolve(client, first, action="discard", comment="twice"), 409, "issue_resolved")

        here = f"/v1/lanes/central/parked/{second['delivery']['seq']}"
        post(client, f"{here}/discard", {"reason": "Moved away"})
        given_up = again(client, second)
        assert (given_up["resolution"], given_up["comment"]) == ("discard", "Moved away")
        assert given_up["resolved_by"] == "local:tester"
        post(client, "/v1/lanes/central/pause")
        post(client, f"{here}/retry")
        taken_up = again(client, second)
        assert (taken_up["state"], taken_up["resolution"]) == ("open", None)
    post(client, "/v1/lanes/central/resume")
    until_resolved(client, second, "retry")
    assert line_of(client, first).json()["state"] == "discarded"
    quiet(client)


def test_the_record_behind_it_is_corrected_and_its_new_version_goes_by_itself(
    client: httpx2.Client, central: Refusing, upstreams: tuple[Refusing, Refusing]
) -> None:
    with refuses(*upstreams):
        job = sent(client, ticket(6))
    issues = of_job(client, job)
    assert {each["delivery"]["lane"] for each in issues} == {"central", "archive"}
    issue = issues[0]
    tallies = get(client, f"/v1/jobs/{job}")["tallies"]
    record = client.get(f"/v1/records/{issue['record']}")
    shown = client.get(f"/v1/issues/{issue['id']}")
    patch = {"summary": "It came too late, and the customer is 4711"}
    url = f"/v1/issues/{issue['id']}/resolve"
    wrong = client.post(url, json={"action": "edit", "patch": {"summary": "", "description": ""}})
    refused(wrong, 422, "validation_failed")
    other = client.post(url, json={"action": "edit", "patch": {"id": "T-6b"}})  # another object than was told
    refused(other, 422, "validation_failed")
    stale = client.post(url, json={"action": "edit", "patch": patch}, headers={"If-Match": '"x"'})
    refused(stale, 412, "precondition_failed")
    stale = client.patch(f"/v1/records/{issue['record']}", json=patch, headers={"If-Match": '"x"'})
    refused(stale, 412, "precondition_failed")
    assert all(each["state"] == "open" for each in of_job(client, job))
    done = client.post(
        url,
        json={"action": "edit", "patch": patch, "comment": "Asked them"},
        headers={"If-Match": shown.headers["ETag"]},
    )
    assert done.status_code == 200, done.text
    assert (done.json()["resolution"], done.json()["comment"]) == ("edit", "Asked them")
    late = client.patch(
        f"/v1/records/{issue['record']}", json=patch, headers={"If-Match": record.headers["ETag"]}
    )
    refused(late, 412, "precondition_failed")
    settled(client, job)
    quiet(client)
    for each in of_job(client, job):
        assert (each["state"], each["resolution"]) == ("resolved", "edit")
        line = line_of(client, each).json()
        assert (line["state"], line["reason"]) == ("discarded", REPLACED)
        assert line["decided_by"] == "local:tester"
    now = get(client, f"/v1/records/{issue['record']}")
    assert (now["state"], now["payload"]["summary"]) == ("done", patch["summary"])
    assert (now["result"]["version"], now["result"]["current"]) == (2, True)
    delivered = get(client, f"/v1/deliveries/{now['result']['delivery']}")
    assert delivered["lanes"] == {"central": "delivered", "archive": "delivered"}
    assert delivered["line"]["record"]["summary"] == patch["summary"]
    assert get(client, f"/v1/jobs/{job}")["tallies"] == tallies
    assert counts(get(client, f"/v1/jobs/{job}")) == (0, 1, 0, 0)
    refused(client.patch(f"/v1/records/{issue['record']}", json=patch), 409, "record_not_waiting")
    told = get(client, f"/v1/issues/{issue['id']}/history")["audit"]
    assert {line["action"] for line in told} == {"record.edit", "delivery.discard"}


def test_a_record_correct_by_its_own_address_too(client: httpx2.Client, central: Refusing) -> None:
    with refuses(central):
        job = sent(client, ticket(7))
    issue = one(client, job)
    url = f"/v1/records/{issue['record']}"
    etag = client.get(url).headers["ETag"]
    body = client.patch(url, json={"summary": "Better words, good"}, headers={"If-Match": etag})
    assert body.json()["state"] == "pending"
    assert again(client, issue)["resolution"] == "edit"
    settled(client, job)
    quiet(client)


def test_an_older_version_is_moot_once_there_is_a_newer_one(client: httpx2.Client, central: Refusing) -> None:
    with refuses(central):
        job = sent(client, ticket(8))
    issue = one(client, job)
    post(client, "/v1/lanes/central/pause")  # once it is delivered, the box may close the issue itself
    later = post_tickets(client, [ticket(8, summary="Another word on it")])["job_id"]
    settled(client, later)
    about = again(client, issue)["delivery"]
    newer = get(client, "/v1/jobs/" + later + "/records")["records"][0]["result"]
    assert (about["superseded"], about["superseded_by"]) == (True, newer["delivery"])
    refused(resolve(client, issue, action="edit", patch={"summary": "Too late"}), 409, "superseded")
    assert resolve(client, issue, action="discard", comment="There is a newer one").status_code == 200
    post(client, "/v1/lanes/central/resume")
    quiet(client)


def test_other_decisions_about_the_job_leave_it_alone(client: httpx2.Client, central: Refusing) -> None:
    with refuses(central):
        job = partial(client, "O", good=1, bad=1)
        quiet(client)
    (issue,) = of_job(client, job)
    (own,) = [each for each in get(client, "/v1/issues", job=job)["issues"] if each["code"] != CODE]
    assert own["delivery"] is None
    post(client, f"/v1/jobs/{job}/reprocess")
    assert counts(settled(client, job)) == (0, 1, 1, 0)
    assert again(client, issue)["state"] == "open"
    assert resolve(client, own, action="edit", patch={"summary": "Now it has text"}).status_code == 200
    assert counts(settled(client, job)) == (0, 2, 0, 0)
    assert again(client, issue)["state"] == "open"
    quiet(client)
    post(client, "/v1/lanes/central/pause")
    post(client, f"/v1/jobs/{job}/reprocess", records="all")  # a version more of what was refused
    settled(client, job)
    about = again(client, issue)["delivery"]
    assert about["superseded"] is True
    assert get(client, f"/v1/records/{issue['record']}")["result"]["refused"] == []
    assert resolve(client, issue, action="retry").status_code == 200
    post(client, "/v1/lanes/central/resume")
    until_resolved(client, issue, "retry")
    quiet(client)


def test_many_are_decided_about_at_once_with_others(client: httpx2.Client, central: Refusing) -> None:
    with refuses(central):
        job = partial(client, "M", good=2, bad=1)
        quiet(client)
    second, first = of_job(client, job)
    (own,) = [each for each in get(client, "/v1/issues", job=job)["issues"] if each["code"] != CODE]
    ids = [each["id"] for each in (first, second, own)]

    def bulk(**body: object) -> dict[str, Any]:
        done = post(client, "/v1/issues/bulk", body)
        return {each["id"]: each["outcome"] for each in done["outcomes"]}

    refused(client.post("/v1/issues/bulk", json={"ids": ids, "action": "edit"}), 422, "validation_failed")
    assert set(bulk(ids=ids, action="discard", dry_run=True).values()) == {"open"}
    ruled = bulk(ids=[first["id"]], rule={"discard": "all"})
    assert set(ruled.values()) <= {"not_staged", "rule_not_applicable"}
    assert bulk(ids=ids[:2], action="discard") == dict.fromkeys(ids[:2], "reason_required")
    post(client, "/v1/lanes/central/pause")
    tried = bulk(ids=ids, action="retry")
    assert tried == {first["id"]: "again", second["id"]: "again", own["id"]: "validation_failed"}
    assert {again(client, each)["delivery"]["state"] for each in (first, second)} == {"again"}
    given = bulk(filter={"job": job}, action="discard", comment="A test of theirs")
    assert given == dict.fromkeys(ids, "resolved")
    assert line_of(client, second).json()["reason"] == "A test of theirs"
    assert bulk(filter={"lane": "central", "job": job}, action="discard", comment="x") == {}
    post(client, "/v1/lanes/central/resume")
    quiet(client)


def test_who_sees_the_record_sees_its_issue_and_who_decides_about_the_record_does(
    shared: BoxProcess, client: httpx2.Client, central: Refusing
) -> None:
    with (
        shared.client(Role.ANALYST) as analyst,
        shared.client(Role.ANALYST, workspace="acme") as other,
        person(shared, "una", Role.UPLOADER, Role.INGEST) as uploader,
        person(shared, "udo", Role.UPLOADER) as stranger,
    ):
        with refuses(central):
            job = post_tickets(uploader, [ticket(9)])["job_id"]
            settled(client, job)
            quiet(client)
        issue = one(client, job)
        url = f"/v1/issues/{issue['id']}"
        assert get(uploader, url)["delivery"]["lane"] == "central"
        assert uploader.post(f"{url}/resolve", json={"action": "retry"}).status_code == 403
        for unseeing in (other, stranger):
            assert unseeing.get(url).status_code == 404
            assert unseeing.get("/v1/issues", params={"code": CODE}).json()["issues"] == []
        assert other.post(f"{url}/resolve", json={"action": "retry"}).status_code == 404
        assert analyst.post(f"{url}/resolve", json={"action": "retry"}).status_code == 200
        until_resolved(client, issue, "retry")


def test_a_contact_that_is_finished_is_corrected_by_its_owner(
    shared: BoxProcess, client: httpx2.Client, central: Refusing
) -> None:
    with (
        person(shared, "ann") as ann,
        person(shared, "ben") as ben,
        person(shared, "ann", Role.ANALYST) as reader,
    ):
        upload(ann, "known", [row("known@example.com")])
        quiet(client)
        with refuses(central):
            job = upload(ann, "people", [row("a@example.com"), row("b@example.com")])["id"]
            quiet(client)
        second, first = of_job(ann, job)
        assert get(ann, f"/v1/jobs/{job}")["staging"]["open_issues"] == 0
        assert ann.get("/issues").json()["issues"] == []  # of the family: what its rows wait for
        assert get(ann, "/v1/overview")["families"]["contacts"]["open_issues"] == 2
        url = f"/v1/issues/{first['id']}/resolve"
        fix = {"action": "edit", "patch": {"company": "Acme 4711", "email": "a.lee@example.com"}}
        assert ben.post(url, json=fix).status_code == 404
        assert of_job(client, job, all="true") == [second, first]
        refused(reader.post(url, json=fix), 403, "forbidden")
        refused(reader.post(url, json={"action": "retry"}), 403, "forbidden")
        taken = {"action": "edit", "patch": {"email": "known@example.com"}}
        refused(ann.post(url, json=taken), 409, "key_taken")
        refused(ann.post(url, json={"action": "edit", "patch": {"email": "none"}}), 422, "validation_failed")
        refused(ann.post(url, json={"action": "keep", "record": first["record"]}), 422, "validation_failed")
        by_rule = {"ids": [first["id"]], "rule": {"discard": "all"}}
        (told,) = post(ann, "/v1/issues/bulk", by_rule)["outcomes"]
        assert told["outcome"] == "rule_not_applicable"
        before = get(ann, f"/v1/jobs/{job}")

        done = ann.post(url, json=fix)
        assert (done.status_code, done.json()["resolution"]) == (200, "edit"), done.text
        quiet(client)
        after = get(ann, f"/v1/jobs/{job}")
        assert (after["state"], after["counts"]) == (before["state"], before["counts"])
        assert line_of(client, {**first}).status_code == 404  # a contact is its owner's: the admin says all
        record = get(ann, f"/v1/records/{first['record']}")
        assert (record["state"], record["key"]) == ("done", "a.lee@example.com")
        assert (record["result"]["version"], record["result"]["current"]) == (2, True)
        line = get(ann, f"/v1/deliveries/{record['result']['delivery']}")
        assert line["lanes"]["central"] == "delivered"
        assert line["line"]["result"]["company"] == "Acme 4711"
        # What is personal is counted in a correction, too, where the settings say so.
        assert [(each["kind"], each["count"]) for each in line["line"]["result"]["pii"]] == [("email", 1)]
        contacts = ann.get("/contacts", params={"email": "a.lee@example.com"}).json()["contacts"]
        assert [each["contact_company"] for each in contacts] == ["Acme 4711"]

        post(client, "/v1/lanes/central/pause")
        post(ann, f"/v1/jobs/{job}/undo")
        assert again(ann, second)["delivery"]["superseded"] is True
        refused(
            ann.post(f"/v1/issues/{second['id']}/resolve", json={**fix, "patch": {"company": "x"}}),
            409,
            "superseded",
        )
        assert resolve(ann, second, action="discard", comment="It is gone").status_code == 200
        post(client, "/v1/lanes/central/resume")
        quiet(client)
