"""What stands in the way of an import, as people read it: with its rows, counted, and however much it is."""

from __future__ import annotations

from ingestbox.families.contacts import issues as module
from ingestbox.store import DATABASE
from ingestbox.store.engine import connect_writer
from tests.families.contacts.person import Person, line, payload, staging_id
from tests.harness import BoxProcess

MEMBERS = {
    "issue_id",
    "issues_job_id",
    "issue_type",
    "issue_resolved",
    "issue_description",
    "issue_resolved_at",
    "issue_resolved_by",
    "issue_resolution_comment",
    "issue_created_at",
    "affected_rows",
    "affected_total",
}
ROW_MEMBERS = {
    "staging_id",
    "staging_email",
    "staging_first_name",
    "staging_last_name",
    "staging_company",
    "staging_created_at",
    "staging_status",
    "row_number",
}


def test_an_issue_holds_its_rows_and_none_of_what_it_is_told_apart_by(box: BoxProcess) -> None:
    ann = Person(box)
    job_id, job = ann.imported(
        line(1),
        line(2, email="Twice@Example.com"),
        line(3, email="twice@example.com"),
        line(4, company=" "),
        line(5, email="nobody"),
    )
    found = ann.client.get(f"/issues/job/{job_id}").json()
    kinds = [each["issue_type"] for each in found["issues"]]
    assert sorted(kinds) == ["DUPLICATE_EMAIL", "INVALID_EMAIL", "MISSING_REQUIRED_FIELD"]
    assert [each["issue_id"] for each in found["issues"]] == sorted(
        (each["issue_id"] for each in found["issues"]), reverse=True
    )
    twice = ann.issue(job_id, "DUPLICATE_EMAIL")
    assert set(twice) == MEMBERS
    assert twice["issues_job_id"] == job_id
    assert (twice["issue_resolved"], twice["issue_resolved_at"], twice["issue_resolved_by"]) == (
        False,
        None,
        None,
    )
    assert (twice["issue_resolution_comment"], twice["affected_total"]) == (None, 2)
    assert [row["row_number"] for row in twice["affected_rows"]] == [2, 3]
    row = twice["affected_rows"][0]
    assert set(row) == ROW_MEMBERS
    assert row == {
        "staging_id": staging_id(job_id, 2),
        "staging_email": "Twice@Example.com",
        "staging_first_name": "P2",
        "staging_last_name": "Q",
        "staging_company": "R",
        "staging_created_at": job["job_created_at"],
        "staging_status": "ISSUE",
        "row_number": 2,
    }
    counts = {name: found[name] for name in ("total", "resolved_count", "unresolved_count")}
    assert counts == {"total": 3, "resolved_count": 0, "unresolved_count": 3}
    assert ann.client.get("/issues").json() == found
    for each in found["issues"]:
        assert ann.client.get(f"/issues/{each['issue_id']}").json() == each


def test_counts_and_etag_follow_what_people_do(box: BoxProcess) -> None:
    ann = Person(box)
    job_id, _ = ann.imported(line(1, email=""), line(2, company=""))
    first, second = ann.issues(job_id)
    before = ann.client.get(f"/issues/{first['issue_id']}")
    assert before.headers["etag"] == f'"{first["issue_id"]}-0-0"'
    assert ann.put_issue(first["issue_id"], issue_resolved=True).status_code == 200
    after = ann.client.get(f"/issues/{first['issue_id']}")
    assert after.headers["etag"] != before.headers["etag"]
    assert after.json()["issue_resolved_by"] == f"local:{ann.subject}"
    found = ann.client.get("/issues").json()
    assert (found["total"], found["resolved_count"], found["unresolved_count"]) == (2, 1, 1)
    assert ann.job(job_id)["job_issue_count"] == 1
    ann.put_row(job_id, 1, email="now@example.com", status="READY")
    shown = ann.client.get(f"/issues/{first['issue_id']}").json()["affected_rows"]
    assert [(row["staging_email"], row["staging_status"]) for row in shown] == [("now@example.com", "READY")]
    ann.put_row(job_id, 2, status="DISCARD")
    assert ann.reprocessed(job_id)["job_status"] == "COMPLETED"
    whole = ann.issues(job_id)
    assert [row["staging_status"] for each in whole for row in each["affected_rows"]] == [
        "SUCCESS",
        "DISCARD",
    ]
    assert second["issue_id"] == whole[1]["issue_id"]


def test_a_row_that_was_put_right_is_none_of_its_issues_any_more(box: BoxProcess) -> None:
    """Whoever then discards all the rows of that issue does not discard this one."""
    ann = Person(box)
    job_id, _ = ann.imported(*(line(n, email="same@example.com") for n in (1, 2, 3)))
    assert ann.issue(job_id, "DUPLICATE_EMAIL")["affected_total"] == 3
    ann.put_row(job_id, 2, email="other@example.com")
    assert ann.reprocessed(job_id)["job_status"] == "NEEDS_REVIEW"
    left = ann.issue(job_id, "DUPLICATE_EMAIL")
    assert [row["row_number"] for row in left["affected_rows"]] == [1, 3]
    assert left["affected_total"] == 2


def test_an_issue_with_very_many_rows_shows_the_first_of_them(box: BoxProcess) -> None:
    ann = Person(box)
    many = module.MOST_ROWS + 200
    job_id, _ = ann.imported(*(line(n, email="same@example.com") for n in range(many)))
    for path in (f"/issues/{ann.issue(job_id, 'DUPLICATE_EMAIL')['issue_id']}", "/issues"):
        body = ann.client.get(path).json()
        found = body["issues"][0] if "issues" in body else body
        assert found["affected_total"] == many
        assert [row["row_number"] for row in found["affected_rows"]] == list(range(1, module.MOST_ROWS + 1))


def test_a_list_with_ten_thousand_issues_is_whole_and_in_order(box: BoxProcess) -> None:
    ann = Person(box)
    job_id, _ = ann.imported(*(line(n, company="") for n in range(10_050)))
    other, _ = ann.imported(line(0, company=""))
    whole = ann.client.get("/issues").json()
    assert (whole["total"], whole["unresolved_count"], len(whole["issues"])) == (10_051, 10_051, 10_000)
    assert whole["issues"][0]["issues_job_id"] == other
    ids = [each["issue_id"] for each in whole["issues"]]
    assert ids == sorted(set(ids), reverse=True)
    assert all(each["affected_total"] == len(each["affected_rows"]) == 1 for each in whole["issues"])
    rest = ann.client.get("/issues", params={"cursor": whole["next_cursor"]}).json()
    assert len(rest["issues"]) == 51
    assert "next_cursor" not in rest
    assert {row["row_number"] for part in (whole, rest) for row in part["issues"][-1]["affected_rows"]}
    numbers = [
        row["row_number"]
        for each in whole["issues"] + rest["issues"]
        if each["issues_job_id"] == job_id
        for row in each["affected_rows"]
    ]
    assert sorted(numbers) == list(range(1, 10_051))


def test_a_list_that_shows_too_much_goes_on_with_a_cursor(box: BoxProcess) -> None:
    ann = Person(box)
    for start in (0, 12, 24):
        ann.imported(*(line(n, first_name="x" * 300_000, company="") for n in range(start, start + 12)))
    ids: list[int] = []
    parts: list[int] = []
    query: dict[str, str] = {}
    while True:
        answer = ann.client.get("/issues", params=query)
        part = answer.json()
        ids += [each["issue_id"] for each in part["issues"]]
        parts.append(len(part["issues"]))
        assert part["total"] == 36
        assert 0 < len(answer.content) < module.LIST_BYTES + 1_000_000
        if "next_cursor" not in part:
            break
        query["cursor"] = part["next_cursor"]
    assert ids == sorted(set(ids), reverse=True)
    assert (len(ids), len(parts)) == (36, 2)


def test_a_row_that_could_not_be_read_is_there_too(box: BoxProcess) -> None:
    ann = Person(box)
    job_id, _ = ann.imported(line(1), "a,b,c,d,e,f,g", line(2))
    (found,) = ann.issues(job_id)
    (row,) = found["affected_rows"]
    assert (row["row_number"], row["staging_email"], row["staging_status"]) == (2, None, "ISSUE")
    assert found["issue_type"] == found["issue_type"].upper()


def test_a_damaged_row_is_never_served_as_good(own_box: BoxProcess) -> None:
    damage = ("payload = CAST(payload AS TEXT) || ' '", "key = key || 'x'")
    own_box.start()
    ann = Person(own_box)
    job_id, _ = ann.imported(*(line(number, company="") for number in (1, 2, 3)))
    own_box.kill()
    connection = connect_writer(own_box.data / DATABASE)
    for number, spoil in enumerate(damage, start=1):
        connection.execute(f"UPDATE records SET {spoil} WHERE id = ?", (staging_id(job_id, number),))
    connection.close()
    own_box.start()
    ann = Person(own_box, subject=ann.subject)
    assert payload(own_box, job_id, 3)["first_name"] == "P3"
    *spoilt, sound = [row for each in ann.issues(job_id) for row in each["affected_rows"]]
    assert "damaged" not in sound
    text = ann.client.get(f"/jobs/{job_id}/errors.csv").text
    assert "p3@example.com,P3" in text
    assert len(spoilt) == len(damage)
    for number, each in enumerate(spoilt, start=1):
        assert each["damaged"] is True, damage[number - 1]
        assert {each[f"staging_{name}"] for name in ("email", "first_name", "last_name", "company")} == {None}
        assert f"P{number}" not in text
        assert f"DAMAGED: what is stored of row {number}" in text
