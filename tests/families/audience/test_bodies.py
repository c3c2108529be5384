"""Batches as lines of JSON, and as CSV (contract: audience)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ingestbox.families.audience import ndjson
from ingestbox.families.audience.check import NEEDED
from ingestbox.families.audience.shapes import PATH
from tests.families.audience.support import People, read, refused, turns_of, wait_processed
from tests.harness import BoxProcess

NDJSON, CSV = "application/x-ndjson", "text/csv"


def send(
    client: httpx2.Client, content: bytes | str, kind: str = CSV, /, once: str = "", **query: str
) -> httpx2.Response:
    return client.post(
        PATH,
        content=content if isinstance(content, bytes) else content.encode(),
        headers={"Content-Type": kind, **({"Idempotency-Key": once} if once else {})},
        params={"upload_name": "test", **query},
    )


def taken(client: httpx2.Client, content: bytes | str, kind: str = CSV, **query: str) -> dict[str, Any]:
    """The upload that a body becomes."""
    reply = send(client, content, kind, **query)
    assert reply.status_code == 200, reply.text
    return read(client, reply.json()["upload_id"])


@pytest.mark.parametrize("kind", [NDJSON, "application/ndjson", "application/jsonl; charset=utf-8"])
def test_each_line_is_a_record_exactly_as_it_was_sent(anna: httpx2.Client, kind: str) -> None:
    lines = (
        b'\xef\xbb\xbf{"email":"a@b.example","n":1.10}\r\n\n  \t\r\n {"z":"\\u00fc","domain":"b.example"} '
    )
    reply = send(anna, lines, kind)
    text = anna.get(f"{PATH}/{reply.json()['upload_id']}").content
    assert b'"records":[{"email":"a@b.example","n":1.10},{"z":"\\u00fc","domain":"b.example"}]' in text
    upload = json.loads(text)
    assert (upload["upload_name"], upload["fields"]) == ("test", ["email", "n", "z", "domain"])


def test_lines_that_are_no_json_are_faults_of_their_records(anna: httpx2.Client) -> None:
    lines = b'{"email":"a"}\n\n \n\n{"email":\n{"n":1e999}\n{"email":"\xff"}\n[1]\n{}\n{"email":"b"}'
    reply = send(anna, lines, NDJSON)
    body = refused(reply, 400, reply.json()["message"])
    assert body["message"].startswith("Record 1 is not valid: Line 5 is not valid JSON: ")
    assert body["message"].endswith(". 5 of 7 records are not valid.")
    assert [(each["index"], each["code"]) for each in body["errors"]] == [
        (1, "malformed_json"),
        (2, "malformed_json"),
        (3, "malformed_json"),
        (4, "wrong_type"),
        (5, "missing_required"),
    ]
    assert [each["message"].partition(" is ")[0] for each in body["errors"][:3]] == [
        "Line 5",
        "Line 6",
        "Line 7",
    ]
    part = send(anna, lines, NDJSON, mode="partial").json()
    assert (part["rows_received"], part["rows_stored"]) == (7, 2)
    assert [each["index"] for each in part["outcomes"]] == [1, 2, 3, 4, 5]
    issues = anna.get("/v1/issues", params={"job": part["upload_id"]}).raise_for_status().json()["issues"]
    assert sorted(each["code"] for each in issues) == sorted(each["code"] for each in part["outcomes"])
    assert wait_processed(anna, part["upload_id"])["records"] == [{"email": "a"}, {"email": "b"}]


@pytest.mark.parametrize("kind", [NDJSON, CSV])
def test_the_query_has_what_a_json_body_has_inside(anna: httpx2.Client, kind: str) -> None:
    content = "email,n\na@b.example,1\n" if kind == CSV else '{"email":"a@b.example","n":"1"}'
    refused(send(anna, content, kind, upload_name=""), 400, "Upload name is required")
    refused(send(anna, content, kind, upload_name="x" * 101), 400, "Upload name too long")
    refused(anna.post(PATH, content=content, headers={"Content-Type": kind}), 400, "Upload name is required")
    refused(send(anna, content, kind, fields='{"a":1}'), 400, "fields must be a list of names")
    malformed = send(anna, content, kind, fields="[")
    assert refused(malformed, 400, malformed.json()["message"])["code"] == "bad_parameter"
    assert taken(anna, content, kind, fields='["n", "email"]')["fields"] == ["n", "email"]
    both = send(anna, content.replace("a@b.example", ""), kind, upload_name="")
    assert [each["code"] for each in both.json()["errors"]] == ["name_required", "missing_required"]
    for nothing in ("", "\n \r\n", "\ufeff"):
        refused(send(anna, nothing, kind), 400, "At least one record is required")


def test_rows_of_csv_are_records_of_text_exactly_as_in_the_cells(anna: httpx2.Client) -> None:
    rows = (
        'business_email,Note,n,empty\r\na@b.example," two\r\nlines, ""quoted"" ",007,\r\n'
        "c@d.example,\u00fc,1e3\r\n"
    )
    upload = taken(anna, rows)
    assert upload["records"] == [
        {"business_email": "a@b.example", "Note": ' two\r\nlines, "quoted" ', "n": "007", "empty": ""},
        {"business_email": "c@d.example", "Note": "\u00fc", "n": "1e3", "empty": ""},
    ]
    assert upload["fields"] == ["business_email", "Note", "n", "empty"]
    refused(send(anna, "email\n"), 400, "At least one record is required")


def test_columns_of_csv_are_found_by_their_names_or_said(anna: httpx2.Client) -> None:
    rows = "E-mail;Họ;Tên;Tên công ty\na@b.example;Nguyễn;An;Hoa Sen\n"
    upload = taken(anna, rows)
    assert upload["fields"] == ["email", "last_name", "first_name", "company_name"]
    assert upload["records"][0]["company_name"] == "Hoa Sen"
    said = taken(anna, rows, mapping='{"E-mail": "business_email", "Họ": null}')
    assert said["fields"] == ["business_email", "Họ", "Tên", "company_name"]
    wrong = send(anna, rows, mapping='{"E-mail": "nothing"}')
    assert refused(wrong, 400, wrong.json()["message"])["code"] == "bad_parameter"


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("utf-8-sig", None), ("utf-16", None), ("cp1258", "windows-1258"), ("utf-16-le", "utf-16-le")],
)
def test_csv_in_other_encodings(anna: httpx2.Client, encoding: str, said: str | None) -> None:
    rows = "email,city\na@b.example,Ha Long\nc@d.example,Zürich\n".encode(encoding)
    upload = taken(anna, rows, **({"encoding": said} if said else {}))
    assert [each["city"] for each in upload["records"]] == ["Ha Long", "Zürich"]


def test_what_is_said_of_csv_is_checked(anna: httpx2.Client) -> None:
    rows = "email|n\na@b.example|1,2;3\n"
    assert taken(anna, rows, delimiter="pipe")["records"] == [{"email": "a@b.example", "n": "1,2;3"}]
    for query in ({"delimiter": "comma and more"}, {"encoding": "klingon"}, {"mapping": "{"}):
        reply = send(anna, rows, **query)
        assert refused(reply, 400, reply.json()["message"])["code"] == "bad_parameter"


def test_a_row_that_cannot_be_read_is_a_fault_with_its_line(anna: httpx2.Client) -> None:
    rows = b'email,n\na@b.example,"1\n1"\nc@d.example,1,2,3\n,4\n\xff\xfe@b.example,5\n'
    reply = send(anna, rows, encoding="utf-8")
    body = refused(reply, 400, reply.json()["message"])
    assert body["message"] == (
        "Record 1 is not valid: line 4: The row has 4 cells, and the header 2. 3 of 4 records are not valid."
    )
    assert [(each["index"], each["code"]) for each in body["errors"]] == [
        (1, "too_many_cells"),
        (2, "missing_required"),
        (3, "undecodable"),
    ]
    assert body["errors"][1]["message"] == f"line 5: {NEEDED}"
    part = send(anna, rows, encoding="utf-8", mode="partial").json()
    assert (part["rows_received"], part["rows_stored"]) == (4, 1)
    assert wait_processed(anna, part["upload_id"])["records"] == [{"email": "a@b.example", "n": "1\n1"}]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"email,n\nx\0y,1\n", "Line 2 has a NUL byte: this is no text."),
        (b"PK\x03\x04" + b"x" * 100, "The file is a damaged zip archive or workbook."),
    ],
)
def test_what_is_no_csv_at_all(anna: httpx2.Client, content: bytes, sentence: str) -> None:
    refused(send(anna, content), 400, f"The body cannot be read as a table. {sentence}")


def test_rows_that_become_far_larger_as_records_are_refused(anna: httpx2.Client) -> None:
    """Each record repeats the columns' names: 4 MB could become gigabytes."""
    header = b"email," + b",".join(b"c%d" % number + b"x" * 150 for number in range(16_000))
    row = b"a@b.example" + b"," * 16_000 + b"\n"
    reply = send(anna, header + b"\n" + row * 150, delimiter="comma")
    body = refused(reply, 413, reply.json()["message"])
    assert body["message"].startswith("The rows take more than 40 MB as records")


def test_a_repeated_body_of_any_kind_is_the_same_upload(people: People) -> None:
    for kind, content in ((CSV, "email\na@b.example\n"), (NDJSON, '{"email":"a@b.example"}')):
        first, again = (send(people.anna, content, kind, once=kind) for _ in range(2))
        assert (first.status_code, again.json()) == (200, first.json())
        assert again.headers["Idempotency-Replayed"] == "true"
        assert send(people.anna, content, kind, once=kind, upload_name="other").status_code == 422
        assert send(people.anna, content + "\n", kind, once=kind).status_code == 422
    assert len(people.anna.get(PATH).json()["uploads"]) == 2


def test_nothing_is_left_of_a_body_that_was_read_in_a_child(box: BoxProcess, anna: httpx2.Client) -> None:
    for _ in range(3):
        taken(anna, "email\na@b.example\n")
        refused(send(anna, "email\n"), 400, "At least one record is required")
    open_files = [each for pid in box.children() for each in Path(f"/proc/{pid}/fd").iterdir()]
    assert open_files
    assert not [each for each in open_files if "memfd" in str(each.readlink())]


def test_lines_are_read_in_turns() -> None:
    lines = b'{"email":"a@b.example","n":"x"}\n' * 20_000
    gathered, turns = turns_of(ndjson.gather(lines, 20_000, ()))
    assert len(gathered) == 20_000
    assert turns > 20
    empty, turns = turns_of(ndjson.gather(b"\n " * 200_000, 20_000, ()))
    assert len(empty) == 0
    assert turns > 20


def test_a_child_that_reads_csv_loads_nothing_of_the_door() -> None:
    code = "import sys, ingestbox.families.audience.csvbody; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"asyncio", "starlette", "aiosqlite"} & set(done.stdout.split())
