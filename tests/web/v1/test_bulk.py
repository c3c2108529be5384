"""One rule for the rows of many issues: tried, done, taken back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from ingestbox.model import Role
from tests.harness import BoxProcess
from tests.table import described, faults
from tests.web.v1.imports import open_issues, person, records, row, still, upload
from tests.web.v1.support import Json, counts, get, held, partial, post, refused

BULK = "/v1/issues/bulk"
KEEP: Json = {"keep": "most_complete"}
DISCARD: Json = {"discard": "all"}
ACME: Json = {"set": {"field": "company", "value": "ACME"}}

_people = iter(range(1_000))


@pytest.fixture
def ann(box: BoxProcess) -> Iterator[httpx2.Client]:
    """Somebody whose contacts no other test has seen."""
    with person(box, f"ann-{next(_people)}") as client:
        yield client


def rows(client: httpx2.Client, job: Json) -> list[Json]:
    """The job's rows with their content, in their order."""
    return [
        {"state": each["state"], **each["payload"]} for each in records(client, job["id"], payload="true")
    ]


def cells(found: Sequence[Json], name: str) -> list[object]:
    return [each.get(name) for each in found]


def states(client: httpx2.Client, job: Json) -> list[str]:
    return [each["state"] for each in records(client, job["id"])]


def ruled(client: httpx2.Client, job: Json, rule: Json, **body: object) -> Json:
    return post(client, BULK, {"rule": rule, "filter": {"job": job["id"]}, **body})


def outcomes(told: Json) -> list[str]:
    return [each["outcome"] for each in told["outcomes"]]


def contacts(client: httpx2.Client) -> dict[str, str]:
    """Company by address."""
    found = get(client, "/contacts")["contacts"]
    return {each["contact_email"]: each["contact_company"] for each in found}


def with_copies(client: httpx2.Client, name: str) -> Json:
    """Three rows with one address, of which the second has the most, and one alone."""
    text = (
        "email,first_name,last_name,company,phone,town\n"
        "a@x.com,Anna,Lee,One,,\n"
        "A@X.com,Anna,Lee,Two,123,Bonn\n"
        "a@x.com,Anna,Lee,Three,123,\n"
        "b@x.com,Ben,Roe,Four,,\n"
    )
    reply = client.post("/jobs/upload", files={"file": (f"{name}.csv", text.encode())})
    assert reply.status_code == 201, reply.text
    return still(client, get(client, "/v1/jobs", family="contacts", limit=1)["jobs"][0]["id"])


def test_the_most_complete_copy_is_kept(ann: httpx2.Client) -> None:
    job = with_copies(ann, "copies")
    before = rows(ann, job)
    assert cells(before, "state") == ["issue", "issue", "issue", "pending"]

    trying = ruled(ann, job, KEEP, dry_run=True)
    assert (trying["matched"], trying["resolved"], trying["discarded"]) == (1, 0, 2)
    assert (trying["audit_id"], trying["jobs"], outcomes(trying)) == (None, [], ["open"])
    (told,) = trying["outcomes"]
    assert [(each["index"], each["state"]) for each in told["rows"]] == [
        (0, "discarded"),
        (1, "pending"),
        (2, "discarded"),
    ]
    assert told["rows"][0]["before"] == {"state": "issue"}
    assert told["rows"][0]["after"] == {"state": "discarded", "_note": "Row 2 is kept instead"}
    assert rows(ann, job) == before
    assert still(ann, job["id"])["staging"]["open_issues"] == 1

    done = ruled(ann, job, KEEP)
    assert (outcomes(done), done["resolved"], done["jobs"]) == (["resolved"], 1, [job["id"]])
    now = still(ann, job["id"])
    assert counts(now) == (2, 0, 0, 2)
    assert now["staging"]["open_issues"] == 0
    issue = get(ann, f"/v1/issues/{done['outcomes'][0]['id']}")
    assert (issue["state"], issue["resolution"]) == ("resolved", "rule")
    assert issue["resolved_by"] == job["created_by"]

    assert contacts(ann) == {}
    post(ann, f"/v1/jobs/{job['id']}/reprocess")
    assert still(ann, job["id"])["state"] == "completed"
    assert contacts(ann) == {"A@X.com": "Two", "b@x.com": "Four"}


def test_of_copies_that_are_as_complete_the_first_is_kept(ann: httpx2.Client) -> None:
    job = upload(ann, "ties", [row("a@x.com", company=name) for name in ("One", "Two", "Three")])
    done = ruled(ann, job, KEEP, reprocess=True)
    assert (done["queued"], done["jobs"]) == ([job["id"]], [])
    assert still(ann, job["id"])["state"] == "completed"
    assert contacts(ann) == {"a@x.com": "One"}


def test_a_copy_that_a_person_gave_up_or_put_right_is_out_of_the_choice(ann: httpx2.Client) -> None:
    job = with_copies(ann, "chosen")
    found = records(ann, job["id"])
    moved = ann.patch(f"/v1/records/{found[1]['id']}", json={"email": "c@x.com"})
    assert moved.status_code == 200, moved.text
    done = ruled(ann, job, KEEP, reprocess=True)
    assert outcomes(done) == ["resolved"]
    assert still(ann, job["id"])["state"] == "completed"
    assert contacts(ann) == {"c@x.com": "Two", "a@x.com": "Three", "b@x.com": "Four"}


def test_a_blank_field_is_set_and_rows_that_are_right_then_are_done(ann: httpx2.Client) -> None:
    lines = [row("a@x.com", company=""), row("b@x.com", company=" "), row("c@x.com", last="")]
    job = upload(ann, "blank", [*lines, row("d@x.com")])
    trying = ruled(ann, job, ACME, dry_run=True)
    assert sorted(outcomes(trying)) == ["open", "open", "unchanged"]
    done = ruled(ann, job, ACME)
    assert sorted(outcomes(done)) == ["resolved", "resolved", "unchanged"]
    assert (done["changed"], done["discarded"]) == (2, 0)
    assert cells(rows(ann, job), "company") == ["ACME", "ACME", "Acme", "Acme"]
    now = still(ann, job["id"])
    assert counts(now) == (3, 0, 1, 0)
    assert now["staging"]["open_issues"] == 1
    again = ruled(ann, job, ACME)
    assert (outcomes(again), again["audit_id"], again["jobs"]) == (["unchanged"], None, [])
    ruled(ann, job, DISCARD, reprocess=True)
    assert still(ann, job["id"])["state"] == "completed"
    assert contacts(ann) == {"a@x.com": "ACME", "b@x.com": "ACME", "d@x.com": "Acme"}


def test_an_address_that_a_rule_leaves_wrong_stays_an_issue(ann: httpx2.Client) -> None:
    job = upload(ann, "wrong", [row("NOT AN ADDRESS"), row("b@x.com")])
    done = ruled(ann, job, {"clean": ["lower", "trim"], "fields": ["email", "company"]})
    assert outcomes(done) == ["changed"]
    assert cells(rows(ann, job), "email") == ["not an address", "b@x.com"]
    assert cells(rows(ann, job), "company") == ["acme", "Acme"]
    assert still(ann, job["id"])["staging"]["open_issues"] == 1
    assert states(ann, job) == ["issue", "pending"]


def test_copies_that_are_set_to_something_are_copies_still(ann: httpx2.Client) -> None:
    job = with_copies(ann, "still-copies")
    town = {"set": {"field": "town", "value": "Ulm"}}
    assert outcomes(ruled(ann, job, town)) == ["changed"]
    assert cells(rows(ann, job), "town") == ["Ulm", "Bonn", "Ulm", ""]
    assert states(ann, job) == ["issue", "issue", "issue", "pending"]
    assert outcomes(ruled(ann, job, KEEP)) == ["resolved"]


def test_a_row_whose_address_is_there_already_gets_another_one(ann: httpx2.Client) -> None:
    upload(ann, "there", [row("a@x.com")])
    job = upload(ann, "again", [row("a@x.com", company="New"), row("c@x.com")])
    assert set(open_issues(ann, job["id"])) == {"existing_email"}
    company = {"set": {"field": "company", "value": "Newer", "only_blank": False}}
    assert outcomes(ruled(ann, job, company)) == ["changed"]
    assert states(ann, job) == ["issue", "pending"]
    other = {"set": {"field": "email", "value": "n@x.com", "only_blank": False}}
    assert outcomes(ruled(ann, job, other, reprocess=True)) == ["resolved"]
    assert still(ann, job["id"])["state"] == "completed"
    assert contacts(ann) == {"a@x.com": "Acme", "c@x.com": "Acme", "n@x.com": "Newer"}


def test_a_rule_goes_with_some_issues_only(box: BoxProcess, ann: httpx2.Client) -> None:
    job = upload(ann, "fits", [row("a@x.com", company="")])
    assert outcomes(ruled(ann, job, KEEP)) == ["rule_not_applicable"]
    with person(box, "some-editor", Role.EDITOR, Role.INGEST, Role.ANALYST) as editor:
        feedback = partial(editor, "fits")
        told = post(editor, BULK, {"rule": DISCARD, "filter": {"job": feedback}})
        assert (outcomes(told), told["audit_id"]) == (["not_staged"], None)
    told = post(ann, BULK, {"rule": DISCARD, "ids": ["1000000", "x"]})
    assert (outcomes(told), told["matched"]) == (["not_found", "not_found"], 0)


def test_a_rule_may_be_tried_by_a_parameter_of_the_address(ann: httpx2.Client) -> None:
    job = upload(ann, "query", [row("a@x.com", company="")])
    body: Json = {"rule": ACME, "filter": {"job": job["id"]}}
    trying = post(ann, BULK, body, dry_run="true")
    assert (trying["dry_run"], trying["audit_id"]) == (True, None)
    assert states(ann, job) == ["issue"]
    refused(ann.post(f"{BULK}?dry_run=maybe", json=body), 400, "bad_parameter")
    body["dry_run"] = True
    refused(ann.post(f"{BULK}?dry_run=maybe", json=body), 400, "bad_parameter")
    assert states(ann, job) == ["issue"]


def test_a_job_that_goes_on_is_left_alone(box: BoxProcess, ann: httpx2.Client) -> None:
    job = upload(ann, "busy", [row(f"a{number}@x.com", company="") for number in range(3)])
    # What a person changed is looked at again by a child.
    assert ann.patch(f"/v1/records/{records(ann, job['id'])[0]['id']}", json={"company": "Own"}).is_success
    ids = [each["id"] for each in get(ann, "/v1/issues", job=job["id"])["issues"]]
    with held(box):
        post(ann, f"/v1/jobs/{job['id']}/reprocess")
        told = post(ann, BULK, {"rule": ACME, "ids": ids})
        assert outcomes(told) == ["job_not_waiting"] * 3
        assert told["audit_id"] is None
    still(ann, job["id"])


@pytest.mark.parametrize(
    "body",
    [
        {"rule": {}, "filter": {}},
        {"rule": {"keep": "first"}, "filter": {}},
        {"rule": {**KEEP, **DISCARD}, "filter": {}},
        {"rule": {"clean": ["trim"]}, "filter": {}},
        {"rule": {"set": {"field": "_update", "value": "7"}}, "filter": {}},
        {"rule": DISCARD, "action": "discard", "filter": {}},
        {"filter": {}},
        {"rule": DISCARD},
        {"rule": DISCARD, "ids": ["1"], "filter": {}},
        {"action": "discard", "filter": {}, "reprocess": True},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(ann: httpx2.Client, body: Json) -> None:
    refused(ann.post(BULK, json=body), 422, "validation_failed")


@pytest.mark.parametrize(
    ("body", "good"),
    [
        ({"rule": DISCARD}, True),
        ({"rule": ACME, "dry_run": True, "reprocess": True}, True),
        ({"rule": {"clean": ["trim"], "fields": ["email"]}}, True),
        ({"action": "discard"}, True),
        ({"action": "discard", "reprocess": True}, False),
        ({"action": "discard", "rule": DISCARD}, False),
        ({}, False),
        ({"rule": {}}, False),
        ({"rule": {**DISCARD, **KEEP}}, False),
        ({"rule": {"clean": ["trim"]}}, False),
        ({"rule": {**DISCARD, "fields": ["email"]}}, False),
    ],
)
def test_the_document_says_what_a_rule_is(body: Json, *, good: bool) -> None:
    _, document = described()
    media = document["paths"][BULK]["post"]["requestBody"]["content"]["application/json"]
    assert (faults({"filter": {}, **body}, media["schema"], document) == []) is good


def test_nobody_decides_about_what_is_anothers(box: BoxProcess, ann: httpx2.Client) -> None:
    job = upload(ann, "mine", [row("a@x.com", company="")])
    ids = [each["id"] for each in get(ann, "/v1/issues", job=job["id"])["issues"]]
    with person(box, "bob") as bob:
        assert outcomes(post(bob, BULK, {"rule": DISCARD, "ids": ids})) == ["not_found"]
        refused(bob.post(BULK, json={"rule": DISCARD, "filter": {"job": job["id"]}}), 404, "job_not_found")
        assert post(bob, BULK, {"rule": DISCARD, "filter": {"family": "contacts"}})["matched"] == 0
    with person(box, "boss", Role.ADMIN) as boss:
        assert outcomes(post(boss, BULK, {"rule": DISCARD, "ids": ids})) == ["not_found"]
        told = post(boss, BULK, {"rule": DISCARD, "ids": ids, "dry_run": True}, all="true")
        assert outcomes(told) == ["open"]
    with person(box, "ann-reads", Role.ANALYST) as reader:
        refused(reader.post(BULK, json={"rule": DISCARD, "filter": {}}), 403, "forbidden")
    assert states(ann, job) == ["issue"]


def test_a_rule_takes_back_all_that_it_did(box: BoxProcess, ann: httpx2.Client) -> None:
    job = with_copies(ann, "undo")
    before, waited = rows(ann, job), still(ann, job["id"])
    done = ruled(ann, job, KEEP)
    undo = f"/v1/audit/{done['audit_id']}/undo"
    with person(box, "bob") as bob:
        refused(bob.post(undo), 404, "not_found")
    with person(box, "boss", Role.ADMIN) as boss:
        refused(boss.post(undo), 404, "not_found")
    told = {"audit_id": done["audit_id"], "restored": 3, "kept": 0, "reasons": {}}
    assert post(ann, undo) == told
    assert rows(ann, job) == before
    now = still(ann, job["id"])
    assert (counts(now), now["staging"]) == (counts(waited), waited["staging"])
    assert set(open_issues(ann, job["id"])) == {"duplicate_email"}
    assert post(ann, undo) == told
    with person(box, "boss", Role.ADMIN) as boss:
        assert post(boss, undo, all="true") == told
        lines = get(boss, "/v1/audit", object="audit", object_id=done["audit_id"])["audit"]
        assert [(line["action"], line["actor"]) for line in lines] == [("audit.undo", job["created_by"])]
        (line,) = [
            each
            for each in get(boss, "/v1/audit", actor=job["created_by"], action="issue.bulk")["audit"]
            if each["id"] == done["audit_id"]
        ]
        assert line["after"] == {"rule": KEEP, "issues": 1}
    assert outcomes(ruled(ann, job, KEEP)) == ["resolved"]
    refused(ann.post("/v1/audit/999999/undo"), 404, "not_found")
    refused(ann.post("/v1/audit/x/undo"), 404, "not_found")


def test_who_sees_the_rows_no_more_takes_nothing_back(box: BoxProcess, ann: httpx2.Client) -> None:
    job = upload(ann, "seen", [row(f"{name}@x.com", company="") for name in "abc"])
    with person(box, "was-admin", Role.ADMIN) as boss:
        body = {"rule": ACME, "filter": {"job": job["id"]}}
        done = post(boss, BULK, body, all="true")
        undo = f"/v1/audit/{done['audit_id']}/undo"
        nothing = {"audit_id": done["audit_id"], "restored": 0, "kept": 3, "reasons": {"job_not_found": 3}}
        assert post(boss, undo) == nothing
    with person(box, "was-admin") as now:
        assert post(now, undo) == nothing
        refused(now.post(f"{undo}?all=true"), 403, "forbidden")
    assert cells(rows(ann, job), "company") == ["ACME"] * 3
    with person(box, "was-admin", Role.ADMIN) as boss:
        assert post(boss, undo, all="true")["restored"] == 3
    assert cells(rows(ann, job), "company") == [""] * 3


def test_what_was_changed_since_is_not_taken_back(ann: httpx2.Client) -> None:
    job = upload(ann, "since", [row(f"{name}@x.com", company="") for name in "abc"])
    done = ruled(ann, job, ACME)
    (first, *_) = records(ann, job["id"])
    assert ann.patch(f"/v1/records/{first['id']}", json={"company": "Mine"}).is_success
    told = post(ann, f"/v1/audit/{done['audit_id']}/undo")
    assert told == {
        "audit_id": done["audit_id"],
        "restored": 2,
        "kept": 1,
        "reasons": {"record_changed": 1},
    }
    assert cells(rows(ann, job), "company") == ["Mine", "", ""]
    assert counts(still(ann, job["id"])) == (1, 0, 2, 0)


def test_decisions_are_taken_back_from_the_last_to_the_first(ann: httpx2.Client) -> None:
    job = upload(ann, "stack", [row("a@x.com", company="")])
    first = ruled(ann, job, {"set": {"field": "first_name", "value": "A", "only_blank": False}})
    second = ruled(ann, job, ACME)
    assert post(ann, f"/v1/audit/{first['audit_id']}/undo")["reasons"] == {"record_changed": 1}
    assert post(ann, f"/v1/audit/{second['audit_id']}/undo")["restored"] == 1
    assert post(ann, f"/v1/audit/{first['audit_id']}/undo")["restored"] == 1
    assert cells(rows(ann, job), "first_name") == ["Anna"]


def test_what_became_a_contact_is_not_taken_back(ann: httpx2.Client) -> None:
    job = upload(ann, "over", [row("a@x.com", company=""), row("b@x.com", company="")])
    done = ruled(ann, job, ACME, reprocess=True)
    assert still(ann, job["id"])["state"] == "completed"
    told = post(ann, f"/v1/audit/{done['audit_id']}/undo")
    assert (told["restored"], told["kept"], told["reasons"]) == (0, 2, {"job_not_waiting": 2})
    assert contacts(ann) == {"a@x.com": "ACME", "b@x.com": "ACME"}


def test_of_people_who_edit_meanwhile_every_word_counts(ann: httpx2.Client) -> None:
    job = upload(ann, "race", [row(f"r{number}@x.com", company="") for number in range(300)])
    found = records(ann, job["id"])

    def edit(each: Json) -> None:
        while True:  # the rule may be first between this call's reading and writing
            reply = ann.patch(f"/v1/records/{each['id']}", json={"company": "Person"})
            if reply.is_success:
                return
            refused(reply, 409, "record_changed")

    with ThreadPoolExecutor(5) as threads:
        ruling = threads.submit(ruled, ann, job, ACME)
        list(threads.map(edit, found[::-2]))
        done = ruling.result()
    assert len(done["outcomes"]) == done["matched"]
    assert set(outcomes(done)) <= {"resolved", "changed", "unchanged", "record_changed", "issue_resolved"}
    now = cells(rows(ann, job), "company")
    assert now[::-2] == ["Person"] * 150
    assert counts(still(ann, job["id"])) == (300, 0, 0, 0)
    told = post(ann, f"/v1/audit/{done['audit_id']}/undo")
    assert told["restored"] + told["kept"] == done["changed"]
    now = cells(rows(ann, job), "company")
    assert now[::-2] == ["Person"] * 150
    assert now.count("") == told["restored"] == 150


def test_a_dry_run_says_what_is_so_now_also_when_its_key_comes_again(ann: httpx2.Client) -> None:
    job = upload(ann, "dry", [row("dry@x.com", company=""), row("dry2@x.com", company="")])
    body = {"rule": ACME, "filter": {"job": job["id"]}, "dry_run": True}
    key = {"Idempotency-Key": "dry"}
    first = ann.post(BULK, json=body, headers=key)
    again = ann.post(BULK, json=body, headers=key)
    assert (first.headers["ETag"], first.json()) == (again.headers["ETag"], again.json())
    done = ann.post(BULK, json={**body, "dry_run": False}, headers=key)
    assert (done.status_code, done.json()["changed"]) == (200, 2)
    assert ann.post(BULK, json=body, headers=key).json()["changed"] == 0
