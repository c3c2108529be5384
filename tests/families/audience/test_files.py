"""Files of audience records, taken and looked at (contract: audience)."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from ingestbox.families.audience.check import NEEDED
from ingestbox.families.audience.decode import check_record
from ingestbox.families.audience.shapes import PATH
from ingestbox.families.audience.table import FIELDS, plan
from tests.families.audience.support import People, refused, wait_processed
from tests.harness import until
from tests.tabular.support import text_cell, workbook


def send(
    client: httpx2.Client, rows: bytes | str, name: str = "Leads 2025.csv", path: str = "file", **options: Any
) -> httpx2.Response:
    content = rows if isinstance(rows, bytes) else rows.encode()
    return client.post(f"{PATH}/{path}", files={"file": (name, content)}, **options)


def taken(client: httpx2.Client, rows: bytes | str, name: str = "Leads 2025.csv", **options: Any) -> Any:
    reply = send(client, rows, name, **options)
    assert reply.status_code == 200, reply.text
    return reply.json()


ROWS = 'Email công ty;Họ;Tên;Ghi chú\na@b.example;Nguyễn;An;" x "\nc@d.example;Lê;Bình;007\n'


def test_a_file_becomes_an_upload(anna: httpx2.Client) -> None:
    answer = taken(anna, ROWS)
    assert (answer["status"], answer["message"]) == ("success", "Batch upload successful")
    assert (answer["rows_received"], answer["refused"]) == (2, 0)
    assert answer["job_id"] == answer["upload_id"]
    assert answer["session_token"].startswith("sess_")
    assert (answer["upload_name"], answer["delimiter"]) == ("Leads 2025", ";")
    assert answer["fields"] == ["business_email", "last_name", "first_name", "Ghi chú"]
    upload = wait_processed(anna, answer["upload_id"])
    assert (upload["upload_name"], upload["fields"]) == (answer["upload_name"], answer["fields"])
    assert upload["records"] == [
        {"business_email": "a@b.example", "last_name": "Nguyễn", "first_name": "An", "Ghi chú": " x "},
        {"business_email": "c@d.example", "last_name": "Lê", "first_name": "Bình", "Ghi chú": "007"},
    ]
    job = anna.get(f"/v1/jobs/{answer['job_id']}").raise_for_status().json()
    assert (job["name"], job["source"]) == ("Leads 2025.csv", "csv_upload")


def test_rows_without_an_address_or_domain_wait_as_issues(anna: httpx2.Client) -> None:
    answer = taken(anna, "email,n\na@b.example,1\n,2\n  ,3\nc@d.example,4,5,6\nd@e.example,7\n")
    upload = wait_processed(anna, answer["upload_id"])
    assert (upload["rows_received"], upload["rows_stored"], upload["rows_processed"]) == (5, 2, 2)
    assert [each["n"] for each in upload["records"]] == ["1", "7"]
    issues = anna.get("/v1/issues", params={"job": answer["job_id"]}).raise_for_status().json()["issues"]
    assert {(each["code"], each["message"]) for each in issues} == {
        ("missing_required", f"line 3: {NEEDED}"),
        ("missing_required", f"line 4: {NEEDED}"),
        ("too_many_cells", "line 5: The row has 4 cells, and the header 2."),
    }


def test_an_issue_that_is_repaired_joins_the_upload(people: People) -> None:
    admin = people.admin
    answer = taken(admin, "email,n\na@b.example,1\n,2\n")
    wait_processed(admin, answer["upload_id"])
    issues = admin.get("/v1/issues", params={"job": answer["job_id"]}).raise_for_status().json()["issues"]
    record = f"/v1/records/{issues[0]['record']}"
    row = admin.get(record).raise_for_status()
    assert row.json()["payload"] == {"email": "", "n": "2"}
    patch = {"Content-Type": "application/merge-patch+json", "If-Match": row.headers["ETag"]}
    admin.patch(record, json={"email": "b@b.example"}, headers=patch).raise_for_status()

    def joined() -> Any:
        upload = wait_processed(admin, answer["upload_id"])
        return upload if upload["rows_stored"] == 2 else None

    assert until(joined, "the row joins")["records"][1] == {"email": "b@b.example", "n": "2"}


def test_rows_with_one_address_all_stay(anna: httpx2.Client) -> None:
    one = "twice@files.example"
    answer = taken(anna, f"email,n\n{one},1\nother@files.example,2\n{one},3\n{one.upper()},4\n")
    upload = wait_processed(anna, answer["upload_id"])
    assert [each["n"] for each in upload["records"]] == ["1", "2", "3", "4"]
    first = f"{answer['upload_id']}/0"
    assert [each["_duplicate_of"] for each in upload["results"]] == [None, None, first, first]
    assert (upload["rows_stored"], upload["rows_processed"]) == (4, 4)
    assert not anna.get(f"/v1/jobs/{answer['job_id']}").raise_for_status().json()["warnings"]


def test_a_repaired_row_has_what_its_person_gave_alone(people: People) -> None:
    admin = people.admin
    answer = taken(admin, "email,n\na@row.example,1\nb@row.example,2,3,4\n")
    wait_processed(admin, answer["upload_id"])
    (issue,) = admin.get("/v1/issues", params={"job": answer["job_id"]}).raise_for_status().json()["issues"]
    record = f"/v1/records/{issue['record']}"
    row = admin.get(record).raise_for_status()
    assert row.json()["payload"]["_row"]["raw"] == "b@row.example,2,3,4"
    patch = {"Content-Type": "application/merge-patch+json", "If-Match": row.headers["ETag"]}
    admin.patch(record, json={"email": "b@row.example", "n": "2"}, headers=patch).raise_for_status()

    def joined() -> Any:
        upload = wait_processed(admin, answer["upload_id"])
        return upload if upload["rows_stored"] == 2 else None

    assert until(joined, "the row joins")["records"][1] == {"email": "b@row.example", "n": "2"}
    assert "_row" not in admin.get(f"{PATH}/{answer['upload_id']}.ndjson").raise_for_status().text


@pytest.mark.parametrize("own", ["7", '{"line": 3}', '"line 3"', "null"])
def test_a_member_of_that_name_that_somebody_sent_stays(own: str) -> None:
    record = f'{{"_row":{own},"email":"a@b.example","n":1.0}}'.encode()
    assert check_record(record).payload == record.replace(b": ", b":")


def test_a_name_may_be_given_in_the_form_or_the_query(anna: httpx2.Client) -> None:
    assert taken(anna, ROWS, data={"upload_name": "form"})["upload_name"] == "form"
    query = {"upload_name": "query"}
    assert taken(anna, ROWS, data={"upload_name": "form"}, params=query)["upload_name"] == "query"
    refused(send(anna, ROWS, params={"upload_name": "x" * 101}), 400, "Upload name too long")
    refused(send(anna, ROWS, params={"upload_name": "  "}), 400, "Upload name is required")
    assert taken(anna, ROWS, "a" * 150 + ".csv")["upload_name"] == "a" * 100


def test_a_file_is_looked_at_without_storing_it(anna: httpx2.Client) -> None:
    seen = send(anna, ROWS, path="preview").raise_for_status().json()
    assert (seen["total_rows"], seen["missing"]) == (2, [])
    assert {each["column"]: each["field"] for each in seen["mapping"]} == {
        "Email công ty": "business_email",
        "Họ": "last_name",
        "Tên": "first_name",
        "Ghi chú": None,
    }
    assert send(anna, "a,b\n1,2\n", path="preview").raise_for_status().json()["missing"] == ["email"]
    mapping = {"mapping": '["domain", null]'}
    seen = send(anna, "a,b\n1,2\n", path="preview", params=mapping).raise_for_status().json()
    assert (seen["missing"], seen["mapping"][0]["field"]) == ([], "domain")
    assert anna.get(PATH).json()["uploads"] == []


def test_files_that_are_refused(anna: httpx2.Client) -> None:
    reply = send(anna, "a,b\n1,2\n")
    sentence = f"Missing required fields for enrichment. {NEEDED} The columns are `a`, `b`."
    assert refused(reply, 400, sentence)["code"] == "missing_headers"
    over = b"email\n" + b"x" * (5 * 1_048_576)
    refused(send(anna, over), 413, "Payload too large. Maximum size is 5MB.")
    for rows, name, status, code in (
        ("email\n", "x.csv", 422, "file_empty"),
        ("x", "x.pdf", 415, "file_type_not_supported"),
        ("x\0y", "x.csv", 422, "file_unreadable"),
    ):
        reply = send(anna, rows, name)
        assert refused(reply, status, reply.json()["message"])["code"] == code
    for query in ({"encoding": "klingon"}, {"delimiter": "two"}, {"mapping": "{"}, {"mapping": '{"x":"y"}'}):
        reply = send(anna, ROWS, params=query)
        assert refused(reply, 400, reply.json()["message"])["code"] == "bad_parameter"
    assert anna.get(PATH).json()["uploads"] == []


def test_the_same_file_with_the_same_key_is_the_same_upload(anna: httpx2.Client) -> None:
    key = {"Idempotency-Key": "once"}
    first, again = (send(anna, ROWS, headers=key) for _ in range(2))
    assert (first.status_code, again.json()) == (200, first.json())
    other = send(anna, ROWS + "x@y.example;;;\n", headers=key)
    assert refused(other, 422, other.json()["message"])["code"] == "idempotency_mismatch"
    assert len(anna.get(PATH).json()["uploads"]) == 1


def test_a_workbook_is_a_file_too_and_no_body_of_csv(anna: httpx2.Client) -> None:
    table = [["Work Email", "Website"], ["a@b.example", "https://www.b.example/"]]
    lines = [
        f'<row r="{line}">' + text_cell(f"A{line}", one) + text_cell(f"B{line}", other) + "</row>"
        for line, (one, other) in enumerate(table, 1)
    ]
    book = workbook([("Leads", "".join(lines))])
    upload = wait_processed(anna, taken(anna, book, "leads.xlsx")["upload_id"])
    assert upload["records"] == [
        {"business_email": "a@b.example", "company_domain": "https://www.b.example/"}
    ]
    reply = anna.post(PATH, params={"upload_name": "x"}, content=book, headers={"Content-Type": "text/csv"})
    refused(reply, 400, "The body cannot be read as a table. It is a workbook; send it as a file.")


HEADERS = [
    (["Business Email", "First Name", "Surname"], ["business_email", "first_name", "last_name"]),
    (["E-MAIL", "email_status", "Mail Count"], ["email", None, None]),
    (["Email cá nhân", "Email công việc", "Email"], ["personal_email", "business_email", "email"]),
    (["e-mail", "email"], [None, "email"]),  # the very name wins
    (["Email", "Email Address"], ["email", None]),
    (["Họ và tên", "Địa chỉ email"], [None, "email"]),  # a whole name is no part of one
    (["Tên", "email"], [None, "email"]),
    (["Name", "Surname", "email"], ["first_name", "last_name", "email"]),
    (["Công ty", "Tên miền", "Website"], ["company_name", "domain", "company_domain"]),
    (["Company Domain", "Website"], ["company_domain", None]),
    (["Empresa", "Sobrenome", "Correo"], ["company_name", "last_name", "email"]),
]


@pytest.mark.parametrize(("header", "fields"), HEADERS, ids=[" ".join(each) for each, _ in HEADERS])
def test_columns_are_found_by_their_names(header: list[str], fields: list[str | None]) -> None:
    assert [each.field for each in plan(header, []).columns] == fields


def test_every_field_is_found_by_its_own_name_and_is_sure() -> None:
    assert [(each.field, each.confidence) for each in plan(FIELDS, []).columns] == [
        (field, 1.0) for field in FIELDS
    ]


def test_what_a_person_says_of_columns_counts_and_names_stay_different(anna: httpx2.Client) -> None:
    rows = "email,Mail,domain\nwork@b.example,home@c.example,b.example\n"
    answer = taken(anna, rows, params={"mapping": '{"Mail": "email", "domain": null}'})
    assert answer["fields"] == ["email (2)", "email", "domain (2)"]
    (record,) = wait_processed(anna, answer["upload_id"])["records"]
    assert record["email"] == "home@c.example"
