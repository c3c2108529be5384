"""An article of low quality is held: it is there and can be found, but nothing goes upstream before a person
has decided."""

from __future__ import annotations

from tests.families.knowledge.deciding import issue, job_of, poor, record_of, resolve, told
from tests.families.knowledge.support import People, article, status, taken, upload, wait
from tests.harness import until
from tests.web.v1.support import Json, get, refused


def held(people: People, number: int, **fields: object) -> tuple[str, Json]:
    """A held article, and its issue."""
    found = taken(people.crawler, poor(number, **fields))
    job_of(people.admin, found)
    return found, issue(people.admin, found)


def counts(people: People, content_id: str) -> tuple[str, dict[str, int]]:
    job = job_of(people.admin, content_id)
    return job["state"], {name: job["counts"][name] for name in ("finished", "issue", "discarded")}


def test_it_is_completed_and_waits_with_its_reasons(people: People) -> None:
    found, open_issue = held(people, 1)
    (item,) = status(people.crawler, content_id=found)["items"]
    assert (item["status"], item["quality_score"] < 0.5) == ("completed", True)
    assert (open_issue["code"], open_issue["held"], open_issue["field"]) == ("low_quality", True, "content")
    score = f"{item['quality_score']:.2f}"
    assert open_issue["message"].startswith(f"Quality {score} is below 0.50. ")
    assert "103 characters" in open_issue["message"] or "characters; 1,500" in open_issue["message"]
    assert "Language" not in open_issue["message"]  # it costs nothing
    assert counts(people, found) == ("completed", {"finished": 0, "issue": 1, "discarded": 0})
    assert told(people.admin, found) == []
    assert get(people.admin, f"/v1/records/{record_of(found)}")["state"] == "issue"


def test_what_is_good_is_told_at_once_with_all_that_it_says_and_has_no_issue(people: People) -> None:
    """Also what is personal: that is let be unless the settings say otherwise."""
    item = article(2)
    item["content"] = f"{item['content']} Liên hệ an.le@hospital.example hoặc 0912 345 678."
    found = taken(people.crawler, item)
    (line,) = told(people.admin, found)
    assert (line["op"], line["record"]) == ("put", item)
    assert line["result"]["text"] == item["content"]
    assert "pii" not in line["result"]
    assert get(people.admin, "/v1/issues")["issues"] == []


def test_accepting_forwards_it_as_it_is_and_stays_so_when_it_is_processed_again(people: People) -> None:
    found, open_issue = held(people, 3)
    assert resolve(people.admin, open_issue["id"], "accept", comment="fine").json()["resolution"] == "accept"
    (line,) = until(lambda: told(people.admin, found), "it is told")
    assert line["result"]["quality_score"] < 0.5
    assert counts(people, found) == ("completed", {"finished": 1, "issue": 0, "discarded": 0})
    trail = get(people.admin, "/v1/audit", action="issue.accept")["audit"]
    assert [(each["object_id"], each["after"]["comment"]) for each in trail] == [(open_issue["id"], "fine")]
    job = job_of(people.admin, found)["id"]
    assert people.admin.post(f"/v1/jobs/{job}/reprocess", params={"records": "all"}).status_code < 300

    def twice() -> list[Json] | None:
        lines = told(people.admin, found)
        return lines if len(lines) == 2 else None

    first, second = until(twice, "it is told again")
    assert first["version"] < second["version"]
    assert counts(people, found) == ("completed", {"finished": 1, "issue": 0, "discarded": 0})


def test_trying_again_holds_it_again(people: People) -> None:
    found, first = held(people, 4)
    assert resolve(people.admin, first["id"], "retry").status_code == 200
    job_of(people.admin, found)
    second = issue(people.admin, found)
    assert (second["id"] != first["id"], second["held"]) == (True, True)
    assert told(people.admin, found) == []
    assert counts(people, found) == ("completed", {"finished": 0, "issue": 1, "discarded": 0})


def test_discarding_removes_it_and_frees_nobody_else(people: People) -> None:
    found, open_issue = held(people, 5)
    assert resolve(people.admin, open_issue["id"], "discard").status_code == 200
    (item,) = status(people.crawler, content_id=found)["items"]
    assert item["status"] == "failed"
    assert [line["op"] for line in told(people.admin, found)] == ["delete"]  # of what nobody upstream has
    assert counts(people, found)[1] == {"finished": 0, "issue": 0, "discarded": 1}


def test_a_correction_that_is_better_is_told(people: People) -> None:
    found, _ = held(people, 6)
    better = article(600)
    patch = {name: better[name] for name in ("title", "content", "metadata", "source_id", "source_url")}
    reply = people.admin.patch(f"/v1/records/{record_of(found)}", json=patch)
    assert reply.status_code == 200, reply.text
    (line,) = until(lambda: told(people.admin, found), "the corrected article is told")
    assert line["record"]["title"] == better["title"]
    assert counts(people, found) == ("completed", {"finished": 1, "issue": 0, "discarded": 0})
    again = people.crawler.post("/knowledge-management/content/upload", json=better)
    assert (again.status_code, again.json()["content_id"]) == (200, found)  # it is what is there now
    upload(people.crawler, poor(6))  # and what it was is not


def test_what_is_not_held_cannot_be_accepted(people: People) -> None:
    people.crawler.post(
        "/knowledge-management/content/bulk-upload",
        json={"batch_id": "b", "source_id": "s", "items": [{"source_url": "https://a.example/1"}]},
    ).raise_for_status()
    wait(people.crawler, batch_id="b")
    (open_issue,) = get(people.admin, "/v1/issues", state="open")["issues"]
    assert open_issue["held"] is False
    refused(resolve(people.admin, open_issue["id"], "accept"), 409, "issue_not_held")
    many = people.admin.post("/v1/issues/bulk", json={"ids": [open_issue["id"]], "action": "accept"}).json()
    assert many["outcomes"][0]["outcome"] == "issue_not_held"
    assert get(people.admin, f"/v1/issues/{open_issue['id']}")["state"] == "open"


def test_many_are_accepted_at_once(people: People) -> None:
    found = [held(people, number)[0] for number in (90, 91, 92)]
    body = {"filter": {"code": "low_quality"}, "action": "accept"}
    assert people.admin.post("/v1/issues/bulk", json={**body, "dry_run": True}).json()["matched"] == 3
    assert people.admin.post("/v1/issues/bulk", json=body).json()["resolved"] == 3
    until(lambda: all(told(people.admin, each) for each in found), "all of them are told")


def test_two_who_decide_at_once_are_not_both_right(people: People) -> None:
    found, open_issue = held(people, 10)
    replies = [resolve(people.admin, open_issue["id"], action) for action in ("accept", "discard")]
    assert [reply.status_code for reply in replies] == [200, 409]
    until(lambda: told(people.admin, found), "it is told")


def test_one_that_became_nothing_does_not_make_the_whole_fail_where_another_is_held(people: People) -> None:
    sent: list[dict[str, object]] = [{"source_url": "https://a.example/2"}, poor(11)]
    body = {"batch_id": "mixed", "source_id": "s", "items": sent}
    people.crawler.post("/knowledge-management/content/bulk-upload", json=body).raise_for_status()
    wait(people.crawler, batch_id="mixed")
    items = status(people.crawler, batch_id="mixed")["items"]
    state, counted = counts(people, items[0]["content_id"])
    assert (state, counted["issue"], [each["status"] for each in items]) == (
        "completed",
        2,
        ["failed", "completed"],
    )
