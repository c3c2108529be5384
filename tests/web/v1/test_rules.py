"""Rules that are kept: made, seen, taken away, and applied to later imports."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from ingestbox.model import Role
from tests.harness import BoxProcess
from tests.web.v1.imports import open_issues, person, records, row, still, upload
from tests.web.v1.support import Json, counts, get, post, refused

RULES = "/v1/rules"
COPIES: Json = {
    "name": "keep complete",
    "family": "contacts",
    "code": "duplicate_email",
    "rule": {"keep": "most_complete"},
}
BLANK: Json = {
    "name": "no company",
    "family": "contacts",
    "code": "missing_required_field",
    "rule": {"set": {"field": "company", "value": "ACME"}},
}

_people = iter(range(1_000))


@pytest.fixture
def ann(box: BoxProcess) -> Iterator[httpx2.Client]:
    """Somebody who keeps no rules yet."""
    with person(box, f"rules-{next(_people)}") as client:
        yield client


def keep(client: httpx2.Client, **given: object) -> Json:
    reply = client.post(RULES, json=given)
    assert reply.status_code == 201, reply.text
    found: Json = reply.json()
    return found


def contents(client: httpx2.Client, job: Json) -> list[Json]:
    return [each["payload"] for each in records(client, job["id"], payload="true")]


def states(client: httpx2.Client, job: Json) -> list[str]:
    return [each["state"] for each in records(client, job["id"])]


def contacts(client: httpx2.Client) -> dict[str, str]:
    found = get(client, "/contacts")["contacts"]
    return {each["contact_email"]: each["contact_company"] for each in found}


def issues(client: httpx2.Client, job: Json) -> list[Json]:
    found: list[Json] = get(client, "/v1/issues", job=job["id"], limit=500)["issues"]
    return found


def test_a_rule_is_kept_and_taken_away(box: BoxProcess, ann: httpx2.Client) -> None:
    made = keep(ann, **COPIES)
    assert made["owner"] == made["created_by"]
    assert (made["rule"], made["workspace"]) == (COPIES["rule"], "default")
    assert get(ann, f"{RULES}/{made['id']}") == made
    other = keep(ann, **BLANK)
    assert get(ann, RULES)["rules"] == [other, made]
    page = get(ann, RULES, limit=1)
    assert page["rules"] == [other]
    assert get(ann, RULES, cursor=page["next_cursor"])["rules"] == [made]
    refused(ann.post(RULES, json=COPIES), 409, "rule_exists")
    assert ann.delete(f"{RULES}/{made['id']}").json() == {"id": made["id"], "dropped": True}
    refused(ann.delete(f"{RULES}/{made['id']}"), 404, "not_found")
    refused(ann.get(f"{RULES}/{made['id']}"), 404, "not_found")
    assert get(ann, RULES)["rules"] == [other]
    with person(box, "boss", Role.ADMIN) as boss:
        lines = get(boss, "/v1/audit", object="rule", object_id=made["id"])["audit"]
        assert [(line["action"], line["actor"]) for line in lines] == [
            ("rule.drop", made["created_by"]),
            ("rule.keep", made["created_by"]),
        ]
        assert lines[1]["after"] == COPIES


def test_a_rule_is_its_makers(box: BoxProcess, ann: httpx2.Client) -> None:
    made = keep(ann, **COPIES)
    path = f"{RULES}/{made['id']}"
    with person(box, "other-editor") as other:
        assert get(other, RULES)["rules"] == []
        refused(other.get(path), 404, "not_found")
        refused(other.delete(path), 404, "not_found")
        keep(other, **COPIES)  # a name is one's own
    with person(box, "uploads", Role.UPLOADER) as uploader:
        refused(uploader.post(RULES, json=COPIES), 403, "forbidden")
        refused(uploader.get(RULES), 403, "forbidden")
    with person(box, "boss", Role.ADMIN) as boss:
        refused(boss.get(path), 404, "not_found")
        assert get(boss, path, all="true") == made
    with person(box, "elsewhere", Role.ADMIN, workspace="other") as stranger:
        refused(stranger.get(path, params={"all": "true"}), 404, "not_found")


def test_a_repeat_with_the_same_key_keeps_it_once(ann: httpx2.Client) -> None:
    key = {"Idempotency-Key": "once"}
    first = ann.post(RULES, json=BLANK, headers=key)
    again = ann.post(RULES, json=BLANK, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    refused(ann.post(RULES, json=COPIES, headers=key), 422, "idempotency_mismatch")
    assert len(get(ann, RULES)["rules"]) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "a\nb"},
        {"name": "x" * 101},
        {"family": "feedback"},
        {"family": "none"},
        {"code": ""},
        {"code": "existing_email"},
        {"rule": {}},
        {"rule": {"keep": "most_complete", "discard": "all"}},
        {"owner": "me"},
    ],
)
def test_a_rule_that_makes_no_sense_is_not_kept(ann: httpx2.Client, change: Json) -> None:
    refused(ann.post(RULES, json={**COPIES, **change}), 422, "validation_failed")
    assert get(ann, RULES)["rules"] == []


def test_so_many_rules_and_no_more_are_kept(ann: httpx2.Client) -> None:
    for number in range(100):
        keep(ann, **{**BLANK, "name": f"rule {number}"})
    refused(ann.post(RULES, json=BLANK), 409, "too_many_rules")


def test_a_later_import_needs_nobody_and_says_why(box: BoxProcess, ann: httpx2.Client) -> None:
    made = keep(ann, **COPIES)
    lines = [row("a@x.com", company="One"), row("a@x.com", company="Two"), row("b@x.com")]
    job = upload(ann, "ruled", lines)
    assert (job["state"], counts(job)) == ("completed", (0, 2, 0, 1))
    assert contacts(ann) == {"a@x.com": "One", "b@x.com": "Acme"}
    assert contents(ann, job)[1]["_note"] == "Rule 'keep complete': row 1 is kept instead"
    (issue,) = issues(ann, job)
    assert (issue["resolution"], issue["resolved_by"]) == ("rule", "rule:keep complete")
    (warning,) = job["warnings"]
    assert warning["code"] == "rule_applied"
    assert warning["message"].startswith(
        "Rule 'keep complete' discarded 1 rows and changed 1 (taken back by "
    )
    with person(box, "boss", Role.ADMIN) as boss:
        (line, _) = get(boss, "/v1/audit", object="rule", object_id=made["id"])["audit"]
        assert (line["action"], line["actor"]) == ("rule.apply", "rule:keep complete")
        assert (line["after"]["job"], line["after"]["rule"]) == (job["id"], COPIES["rule"])
        assert f"/v1/audit/{line['id']}/undo" in warning["message"]
    (job_of_contacts, *_) = get(ann, "/jobs")["jobs"]
    assert job_of_contacts["job_issue_count"] == 0


def test_what_a_rule_cannot_settle_waits_for_a_person(ann: httpx2.Client) -> None:
    keep(ann, **BLANK)
    lines = [row("a@x.com", company=""), row("b@x.com", last=""), row("c@x.com")]
    job = upload(ann, "waits", lines)
    assert (job["state"], counts(job)) == ("review", (2, 0, 1, 0))
    assert job["staging"]["open_issues"] == 1
    first = contents(ann, job)[0]
    assert (first["company"], first["_note"]) == ("ACME", "Rule 'no company': company was set")
    (warning,) = job["warnings"]
    assert warning["message"].startswith("Rule 'no company' discarded 0 rows and changed 1 ")
    (audit_id,) = [word for word in warning["message"].split("/") if word.isdigit()]
    told = post(ann, f"/v1/audit/{audit_id}/undo")
    assert (told["restored"], told["kept"]) == (1, 0)
    first = contents(ann, job)[0]
    assert (first["company"], first.get("_note")) == ("", None)
    now = still(ann, job["id"])
    assert (counts(now), now["staging"]["open_issues"]) == ((1, 0, 2, 0), 2)
    # A rule that was taken back is not applied again: from here on it is a person's.
    post(ann, f"/v1/jobs/{job['id']}/reprocess")
    now = still(ann, job["id"])
    assert (now["state"], counts(now)) == ("review", (1, 0, 2, 0))
    assert contents(ann, job)[0]["company"] == ""


def test_what_comes_of_a_rule_is_decided_by_the_others(ann: httpx2.Client) -> None:
    """Rows that get the same address are copies, which a second round sees."""
    keep(ann, **COPIES)
    keep(
        ann,
        name="one address",
        family="contacts",
        code="invalid_email",
        rule={"set": {"field": "email", "value": "all@x.com", "only_blank": False}},
    )
    job = upload(ann, "rounds", [row("wrong", company="One"), row("bad", company="Two"), row("b@x.com")])
    assert (job["state"], counts(job)) == ("completed", (0, 2, 0, 1))
    assert contacts(ann) == {"all@x.com": "One", "b@x.com": "Acme"}
    assert sorted(each["message"].partition(" (")[0] for each in job["warnings"]) == [
        "Rule 'keep complete' discarded 1 rows and changed 1",
        "Rule 'one address' discarded 0 rows and changed 2",
    ]


def test_after_two_rounds_it_is_a_persons_turn(ann: httpx2.Client) -> None:
    """Two rules that undo each other's work end all the same."""
    for name, code, value in (("a", "existing_email", "no address"), ("b", "invalid_email", "a@x.com")):
        rule = {"set": {"field": "email", "value": value, "only_blank": False}}
        keep(ann, name=name, family="contacts", code=code, rule=rule)
    assert upload(ann, "first", [row("a@x.com")])["state"] == "completed"
    job = upload(ann, "second", [row("a@x.com", company="Other")])
    assert (job["state"], job["staging"]["checks"]) == ("review", 3)
    assert len(open_issues(ann, job["id"])) == 1
    assert len(job["warnings"]) == 2


def test_earlier_imports_and_those_of_others_are_left_alone(box: BoxProcess, ann: httpx2.Client) -> None:
    early = upload(ann, "early", [row("a@x.com", company="")])
    keep(ann, **BLANK)
    post(ann, f"/v1/jobs/{early['id']}/reprocess")
    assert still(ann, early["id"])["state"] == "review"
    with person(box, "no-rules") as other:
        assert upload(other, "theirs", [row("a@x.com", company="")])["state"] == "review"
    assert upload(ann, "late", [row("b@x.com", company="")])["state"] == "completed"
    (rule,) = get(ann, RULES)["rules"]
    ann.delete(f"{RULES}/{rule['id']}").raise_for_status()
    assert upload(ann, "later", [row("c@x.com", company="")])["state"] == "review"


def test_all_existing_ones_are_given_up(ann: httpx2.Client) -> None:
    keep(ann, name="known", family="contacts", code="existing_email", rule={"discard": "all"})
    upload(ann, "first", [row("a@x.com"), row("b@x.com")])
    job = upload(ann, "second", [row("a@x.com", company="New"), row("c@x.com")])
    assert (job["state"], counts(job)) == ("completed", (0, 1, 0, 1))
    assert contents(ann, job)[0]["_note"] == "Rule 'known': given up"
    assert contacts(ann) == {"a@x.com": "Acme", "b@x.com": "Acme", "c@x.com": "Acme"}
    only = upload(ann, "third", [row("a@x.com", company="Newer")])
    assert counts(only) == (0, 0, 0, 1)
    assert contacts(ann)["a@x.com"] == "Acme"


def test_a_row_with_another_address_is_no_copy_of_who_has_its_old_one(ann: httpx2.Client) -> None:
    for name, code, value in (("a", "existing_email", "n@x.com"), ("b", "invalid_email", "a@x.com")):
        rule = {"set": {"field": "email", "value": value, "only_blank": False}}
        keep(ann, name=name, family="contacts", code=code, rule=rule)
    upload(ann, "first", [row("a@x.com")])
    job = upload(ann, "second", [row("a@x.com", company="One"), row("bad", company="Two")])
    # In the second round the second row gets the address that the first one has by now.
    told = [
        each["message"].rpartition(" ")[2] for each in issues(ann, job) if each["code"] != "invalid_email"
    ]
    assert sorted(told) == ["a@x.com", "n@x.com"]
    assert set(open_issues(ann, job["id"])) == {"duplicate_email"}
    assert (job["state"], counts(job)) == ("review", (0, 0, 2, 0))
