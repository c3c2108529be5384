"""Decisions about many rows: once for a key, held to their preview, listed while they can be undone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from ingestbox.model import Role
from tests.harness import BoxProcess
from tests.web.v1.imports import person, records, row, still, upload
from tests.web.v1.support import Json, get, partial, post, refused

BULK = "/v1/issues/bulk"
ACME: Json = {"set": {"field": "company", "value": "ACME"}}

_people = iter(range(1_000))


@pytest.fixture
def ann(box: BoxProcess) -> Iterator[httpx2.Client]:
    """Somebody whose contacts no other test has seen."""
    with person(box, f"op-ann-{next(_people)}") as client:
        yield client


def without_company(client: httpx2.Client, name: str, count: int = 3) -> Json:
    return upload(client, name, [row(f"{name}{number}@x.com", company="") for number in range(count)])


def ruled(job: Json, rule: Json = ACME, **more: object) -> Json:
    return {"rule": rule, "filter": {"job": job["id"]}, **more}


def companies(client: httpx2.Client, job: Json) -> list[str]:
    return [each["payload"]["company"] for each in records(client, job["id"], payload="true")]


def test_a_repeat_with_the_same_key_is_answered_as_before(ann: httpx2.Client) -> None:
    job = without_company(ann, "twice")
    key = {"Idempotency-Key": "once"}
    first = ann.post(BULK, json=ruled(job), headers=key)
    again = ann.post(BULK, json=ruled(job), headers=key)
    assert again.status_code == 200
    assert again.json() == first.json()
    assert (again.json()["changed"], "Idempotency-Replayed" in first.headers) == (3, False)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(get(ann, "/v1/operations")["operations"]) == 1
    refused(ann.post(BULK, json=ruled(job, {"discard": "all"}), headers=key), 422, "idempotency_mismatch")
    assert companies(ann, job) == ["ACME"] * 3
    without = ann.post(BULK, json=ruled(job)).json()
    assert (without["changed"], without["audit_id"]) == (0, None)


def test_a_refusal_is_not_kept_under_a_key(ann: httpx2.Client) -> None:
    key = {"Idempotency-Key": "refused"}
    refused(
        ann.post(BULK, json={"rule": ACME, "filter": {"job": "no-such"}}, headers=key), 404, "job_not_found"
    )
    assert ann.post(BULK, json=ruled(without_company(ann, "later")), headers=key).status_code == 200


def test_of_two_at_once_with_one_key_one_decides(ann: httpx2.Client) -> None:
    job = without_company(ann, "race", 1_500)

    def once(_: int) -> httpx2.Response:
        return ann.post(BULK, json=ruled(job, reprocess=False), headers={"Idempotency-Key": "race"})

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(once, range(4)))
    bodies = [each.json() for each in answers if each.status_code == 200]
    for each in answers:
        if each.status_code != 200:
            refused(each, 409, "request_in_progress")
            assert each.headers["Retry-After"] == "1"
    assert bodies
    assert all(each == bodies[0] for each in bodies)
    assert len(get(ann, "/v1/operations")["operations"]) == 1


def test_an_action_is_once_for_its_key_too(box: BoxProcess) -> None:
    with box.client() as client:
        _once_by_action(client)


def _once_by_action(client: httpx2.Client) -> None:
    job = partial(client, "once-action")
    wanted = {"action": "discard", "filter": {"job": job}}
    key = {"Idempotency-Key": "discard-once"}
    first = client.post(BULK, json=wanted, headers=key)
    again = client.post(BULK, json=wanted, headers=key)
    assert (first.json()["resolved"], again.json()) == (1, first.json())
    assert again.headers["Idempotency-Replayed"] == "true"


def test_what_was_previewed_is_done_or_nothing(ann: httpx2.Client) -> None:
    job = without_company(ann, "stale")
    tried = ann.post(BULK, json=ruled(job, dry_run=True))
    same = ann.post(BULK, json=ruled(job, dry_run=True))
    assert tried.headers["ETag"] == same.headers["ETag"]
    one = records(ann, job["id"])[1]
    ann.patch(f"/v1/records/{one['id']}", json={"first_name": "Beth", "company": "Hers"}).raise_for_status()
    guard = {"If-Match": tried.headers["ETag"]}
    refused(ann.post(BULK, json=ruled(job), headers=guard), 412, "precondition_failed")
    assert companies(ann, job) == ["", "Hers", ""]
    assert get(ann, "/v1/operations")["operations"] == []
    now = ann.post(BULK, json=ruled(job, dry_run=True))
    assert (now.json()["changed"], now.headers["ETag"] != tried.headers["ETag"]) == (2, True)
    done = ann.post(BULK, json=ruled(job), headers={"If-Match": now.headers["ETag"]})
    assert (done.status_code, done.json()["changed"], "ETag" in done.headers) == (200, 2, False)
    assert companies(ann, job) == ["ACME", "Hers", "ACME"]
    assert ann.post(BULK, json=ruled(job), headers={"If-Match": "*"}).status_code == 200


def test_a_preview_of_another_rule_is_none_of_this_one(ann: httpx2.Client) -> None:
    job = without_company(ann, "other")
    tried = ann.post(BULK, json=ruled(job, dry_run=True))
    guard = {"If-Match": tried.headers["ETag"]}
    refused(ann.post(BULK, json=ruled(job, {"discard": "all"}), headers=guard), 412, "precondition_failed")


def test_what_can_be_taken_back_is_listed(box: BoxProcess, ann: httpx2.Client) -> None:
    job = without_company(ann, "listed")
    done = post(ann, BULK, ruled(job))
    (found,) = get(ann, "/v1/operations")["operations"]
    assert (found["audit_id"], found["rule"]) == (done["audit_id"], done["rule"])
    assert (found["job"], found["job_name"], found["rows"]) == (job["id"], "listed.csv", 3)
    assert (found["rule_id"], found["undone_at"], found["actor"]) == (None, None, job["created_by"])
    with person(box, "op-other") as other, person(box, "op-boss", Role.ADMIN) as boss:
        assert get(other, "/v1/operations")["operations"] == []
        assert get(boss, "/v1/operations")["operations"] == []
        everyones = get(boss, "/v1/operations", all="true")["operations"]
        assert found in everyones
        refused(other.get("/v1/operations", params={"all": "true"}), 403, "forbidden")
    with person(box, "op-analyst", Role.ANALYST) as analyst:
        refused(analyst.get("/v1/operations"), 403, "forbidden")
    with person(box, "op-else", Role.ADMIN, workspace="other") as stranger:
        assert get(stranger, "/v1/operations", all="true")["operations"] == []
    post(ann, f"/v1/audit/{done['audit_id']}/undo")
    assert get(ann, "/v1/operations")["operations"][0]["undone_at"] is not None


def test_a_kept_rule_says_what_it_did(ann: httpx2.Client) -> None:
    body = {"name": "fill", "family": "contacts", "code": "missing_required_field", "rule": ACME}
    rule = ann.post("/v1/rules", json=body).json()
    assert (rule["imports"], rule["applied_at"]) == (0, None)
    other = ann.post("/v1/rules", json={**body, "name": "other", "code": "invalid_email"}).json()
    first, second = without_company(ann, "first", 2), without_company(ann, "second")
    told = get(ann, f"/v1/rules/{rule['id']}")
    assert (told["imports"], told["applied_at"] is not None) == (2, True)
    assert [each["imports"] for each in get(ann, "/v1/rules")["rules"]] == [0, 2]
    found = get(ann, "/v1/operations", rule=rule["id"])["operations"]
    assert [(each["job"], each["rows"], each["rule_name"]) for each in found] == [
        (second["id"], 3, "fill"),
        (first["id"], 2, "fill"),
    ]
    assert get(ann, "/v1/operations", rule=other["id"])["operations"] == []
    page = get(ann, "/v1/operations", limit=1)
    assert page["operations"] == found[:1]
    assert get(ann, "/v1/operations", cursor=page["next_cursor"])["operations"] == found[1:]
    refused(ann.get("/v1/operations", params={"rule": "x"}), 400, "bad_parameter")


def test_the_trail_names_who_and_what(box: BoxProcess, ann: httpx2.Client) -> None:
    job = without_company(ann, "named")
    second = records(ann, job["id"])[1]
    ann.patch(f"/v1/records/{second['id']}", json={"company": "Hers"}).raise_for_status()
    done = post(ann, BULK, ruled(job))
    with person(box, "op-boss", Role.ADMIN) as boss:
        (edit,) = get(boss, "/v1/audit", action="staging.edit", object="record", object_id=second["id"])[
            "audit"
        ]
        assert (edit["job"], edit["job_name"], edit["row"]) == (job["id"], "named.csv", 2)
        assert (edit["actor_name"], edit["undo"]) == (None, None)

        def bulk() -> Json:
            lines = get(boss, "/v1/audit", actor=job["created_by"], action="issue.bulk")["audit"]
            (found,) = [each for each in lines if each["id"] == done["audit_id"]]
            return dict(found)

        assert bulk()["undo"] == "possible"
        post(ann, f"/v1/audit/{done['audit_id']}/undo")
        assert bulk()["undo"] == "done"
        still(ann, job["id"])
        post(ann, f"/v1/jobs/{job['id']}/reprocess")
        (line,) = get(boss, "/v1/audit", action="job.reprocess", object="job", object_id=job["id"])["audit"]
        assert (line["job_name"], line["row"]) == ("named.csv", None)
    with box.client(workspace="*") as operator:
        user = operator.post(
            "/v1/users",
            json={"email": "named@example.com", "roles": ["editor"], "password": "a long enough one"},
        ).json()
        key = operator.post("/v1/keys", json={"name": "robot", "roles": ["admin"]}).json()
    with box.client() as admin:
        admin.headers.pop("Authorization", None)
        admin.headers["X-API-Key"] = key["key"]
        admin.patch(f"/v1/users/{user['id']}", json={"disabled": True}).raise_for_status()
        (changed,) = get(admin, "/v1/audit", action="user.update", object="user", object_id=user["id"])[
            "audit"
        ]
        assert (changed["actor_name"], changed["job"]) == ("robot", None)
