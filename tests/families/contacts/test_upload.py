"""POST /jobs/upload at the door of a real box: what it takes, what it refuses, in which order and words."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from ingestbox.config import MIB
from ingestbox.families.contacts import mappings
from ingestbox.families.contacts.fields import FIELDS
from ingestbox.model import Role
from tests.families.contacts.support import (
    HEADER,
    content,
    fields,
    person,
    refused,
    send,
    stored,
    taken,
)
from tests.harness import PATIENCE, BoxProcess, until
from tests.tabular.support import cp1258, text_cell, workbook

MISSING = (
    "CSV file is missing required headers: {}. Found headers: {}. Please ensure your CSV file contains "
    "columns for: email, first_name, last_name, and company."
)
TYPE = "File must be a CSV file (.csv extension required)"
NO_ROWS = "CSV file has no data rows (only header)"


@pytest.fixture
def client(box: BoxProcess, request: pytest.FixtureRequest) -> Iterator[httpx2.Client]:
    """A person of the test's own."""
    with person(box, request.node.name) as opened:
        yield opened


def known(name: str) -> str:
    return f"File '{name}' has already been imported. Please use a different filename."


def test_a_file_is_taken_and_answered_as_the_contract_says(client: httpx2.Client) -> None:
    body = taken(client, "people.csv", content(3))
    assert isinstance(body["job_id"], int)
    assert body["message"] == "File 'people.csv' uploaded successfully and queued for processing"
    assert (body["filename"], body["total_rows"], body["warnings"]) == ("people.csv", 3, [])
    assert fields(body) == {name: name for name in HEADER.strip().split(",")}


def test_only_uploaders_may(box: BoxProcess) -> None:
    with person(box, "reader", Role.ANALYST, Role.EDITOR) as client:
        for path in ("/jobs/upload", "/jobs/preview"):
            assert send(client, "a.csv", content(), path).status_code == 403
    with person(box, "boss", Role.ADMIN) as client:
        taken(client, "a.csv", content())


def xlsx(rows: list[list[str]]) -> bytes:
    """A workbook of one sheet."""
    lines = (
        f'<row r="{line}">'
        + "".join(text_cell(f"{chr(65 + place)}{line}", text) for place, text in enumerate(row))
        + "</row>"
        for line, row in enumerate(rows, 1)
    )
    return workbook([("People", "".join(lines))])


def test_tables_of_other_kinds_are_taken(client: httpx2.Client) -> None:
    taken(client, "a.CSV", content())
    taken(client, "a.tsv", content().replace(b",", b"\t"))
    taken(client, "a.txt", content())
    body = taken(client, "a.xlsx", xlsx([["E-Mail", "Vorname", "Name", "Firma"], ["a@b.de", "A", "B", "C"]]))
    assert (body["total_rows"], fields(body)["last_name"]) == (1, "Name")


BINARY = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
CASES: list[tuple[str, bytes, int, str]] = [
    # Each has all the faults that come later, too.
    ("a.pdf", b"", 400, TYPE),
    ("a", b"", 400, TYPE),
    ("a.csv.exe", b"x" * (6 * MIB), 400, TYPE),
    ("a.csv", b"", 400, "File is empty"),
    ("a.csv", b"\xef\xbb\xbf", 400, "File is empty"),
    ("a.csv", b"email,company\n", 400, MISSING.format("first_name, last_name", "email, company")),
    ("a.csv", b"x;y\n1;2\n", 400, MISSING.format("email, first_name, last_name, company", "x, y")),
    ("a.csv", HEADER.encode(), 400, NO_ROWS),
    ("a.csv", HEADER.encode() + b"\n  \n\r\n\n", 400, NO_ROWS),
    ("a.tsv", b"Correo\tNombre\tApellidos\tEmpresa", 400, NO_ROWS),
]


@pytest.mark.parametrize(("name", "data", "status", "detail"), CASES)
def test_what_is_wrong_is_told_in_the_contracts_order_and_words(
    box: BoxProcess, client: httpx2.Client, name: str, data: bytes, status: int, detail: str
) -> None:
    before = stored(box)
    refused(send(client, name, data), status, detail)
    assert stored(box) == before


@pytest.mark.parametrize(
    "data", [BINARY, HEADER.encode() + b"a@b.de,A\x00,B,C\n", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + BINARY]
)
def test_what_is_no_text_is_a_bad_request(box: BoxProcess, client: httpx2.Client, data: bytes) -> None:
    before = stored(box)
    reply = send(client, "a.csv", data)
    assert (reply.status_code, reply.json()["code"]) == (400, "file_unreadable"), reply.text
    assert stored(box) == before


def test_a_form_without_a_file_is_a_bad_request(client: httpx2.Client) -> None:
    reply = client.post("/jobs/upload", files={"data": ("a.csv", content())})
    assert (reply.status_code, reply.json()["code"]) == (400, "file_required")
    reply = client.post(
        "/jobs/upload", content=b"x", headers={"Content-Type": "multipart/form-data; boundary=b"}
    )
    assert (reply.status_code, reply.json()["code"]) == (400, "malformed_multipart")
    assert client.post("/jobs/upload", json={}).status_code == 415


def too_large(shown: str) -> str:
    return f"File size ({shown}) exceeds maximum allowed size (5MB)"


def test_a_file_over_the_limit_is_told_its_size_as_far_as_that_is_known(
    box: BoxProcess, client: httpx2.Client
) -> None:
    before = stored(box)
    start = content()
    for size, shown in (
        (5 * MIB + 1, "5.01MB"),
        (int(5.2 * MIB), "5.20MB"),
        (6 * MIB, "6.00MB"),
        (9 * MIB, "9.00MB"),
        (20 * MIB, "more than 5MB"),
    ):
        data = start + b"x" * (size - len(start))
        assert refused(send(client, "a.csv", data), 413, too_large(shown))["code"] == "payload_too_large"
    data = start + b"x" * (int(5.2 * MIB) - len(start))
    # Fields after the file, and a body that says nothing of its length, are no part of the size.
    body, headers = _form(data)
    field = b'\r\n--b\r\nContent-Disposition: form-data; name="mapping"\r\n\r\n' + b" " * 60_000
    with_field = body.removesuffix(b"\r\n--b--\r\n") + field + b"\r\n--b--\r\n"
    refused(client.post("/jobs/upload", content=with_field, headers=headers), 413, too_large("5.20MB"))
    pieces = iter([body[:1_000], body[1_000:3_000_000], body[3_000_000:]])
    refused(client.post("/jobs/upload", content=pieces, headers=headers), 413, too_large("5.20MB"))
    packed = gzip.compress(body)
    encoded = {**headers, "Content-Encoding": "gzip"}
    refused(client.post("/jobs/upload", content=packed, headers=encoded), 413, too_large("5.20MB"))
    body, _ = _form(start + b"x" * (30 * MIB))
    packed = gzip.compress(body)
    refused(client.post("/jobs/upload", content=packed, headers=encoded), 413, too_large("more than 5MB"))
    assert stored(box) == before


def _form(data: bytes) -> tuple[bytes, dict[str, str]]:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    return head + data + b"\r\n--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}


def test_a_file_of_just_the_limit_is_taken(client: httpx2.Client) -> None:
    start = content() + b"z@b.de,"
    end = b",B,C\n"
    taken(client, "a.csv", start + b"x" * (5 * MIB - len(start) - len(end)) + end)


TEXT = "E-mail;Prénom;Nom;Société;Note\n" + "".join(
    f"a{n}@exemple.fr;Zoé;Lefèvre;Café Noël & Fils;«déjà vu» à Besançon, où l'été brûle\n" for n in range(20)
)
POLISH = "Email;First name;Last name;Company\n" + "".join(
    f"a{n}@x.pl;Łukasz;Wiśniewski;Spółka „Żółć” w Łodzi, święto źrebięcia, gęś\n" for n in range(40)
)
VIETNAMESE = "Email,Họ đệm,Tên,Công ty\n" + "".join(
    f"a{n}@x.vn,Nguyễn Văn,Đức,Công ty trách nhiệm hữu hạn thương mại dịch vụ Phước Lộc\n" for n in range(40)
)


@pytest.mark.parametrize(
    ("text", "encoding", "last"),
    [
        (TEXT, "utf-8", "Lefèvre"),
        (TEXT, "utf-8-sig", "Lefèvre"),
        (TEXT, "latin-1", "Lefèvre"),
        (TEXT, "cp1252", "Lefèvre"),
        (TEXT, "utf-16", "Lefèvre"),
        (TEXT, "utf-16-be", "Lefèvre"),
        (TEXT, "utf-32", "Lefèvre"),
        (POLISH, "cp1250", "Wiśniewski"),
        (VIETNAMESE, "cp1258", "Nguyễn Văn"),
        (VIETNAMESE, "utf-8", "Nguyễn Văn"),
    ],
)
def test_encodings_are_found_out(client: httpx2.Client, text: str, encoding: str, last: str) -> None:
    data = _encoded(text, encoding)
    body = taken(client, f"{encoding}.csv", data)
    assert body["total_rows"] == text.count("\n") - 1
    reply = send(client, "again.csv", data, "/jobs/preview").json()
    assert reply["rows"][0][fields(reply)["last_name"]] == last
    assert reply["encoding"] == body["encoding"]


def _encoded(text: str, encoding: str) -> bytes:
    return cp1258(text) if encoding == "cp1258" else text.encode(encoding)


def test_what_is_said_of_a_file_counts_in_the_query_before_the_form(client: httpx2.Client) -> None:
    data = TEXT.encode("cp1252")
    said = {"encoding": "latin-1", "delimiter": "semicolon"}
    assert taken(client, "a.csv", data, data=said)["encoding"] == "iso8859-1"
    body = taken(client, "b.csv", data + b"\n;", data=said, params={"encoding": "cp1252"})
    assert (body["encoding"], body["delimiter"]) == ("cp1252", ";")
    for bad in ({"encoding": "klingon"}, {"delimiter": "ab"}, {"mapping": "{"}, {"baseline": "maybe"}):
        for way in ("params", "data"):
            options: dict[str, Any] = {way: bad}
            reply = send(client, "c.csv", content(), **options)
            assert (reply.status_code, reply.json()["code"]) == (400, "bad_parameter"), (bad, reply.text)
            assert next(iter(bad)) in reply.json()["detail"]


DIALECTS: dict[str, tuple[str, int]] = {
    "semicolons": ("email;first_name;last_name;company\na@b.de;A;B;Acme, Inc.\nc@d.de;A;B;C, D, E\n", 2),
    "tabs": ("email\tfirst_name\tlast_name\tcompany\na@b.de\tA\tB\tC\n", 1),
    "pipes": ("email|first_name|last_name|company\na@b.de|A|B|C\n", 1),
    "sep": ("sep=;\nemail;first_name;last_name;company\na@b.de;A;B;C,D\n", 1),
    "quotes": ('email,first_name,last_name,company\n"a@b.de","A ""the"" B","B\nC","C, D"\n', 1),
    "escaped": ('email,first_name,last_name,company\n"a@b.de","A \\"the\\" B","B","C"\n', 1),
    "blank lines": ("email,first_name,last_name,company\n\n\na@b.de,A,B,C\n\nc@d.de,A,B,C\n   \n", 2),
    "no last newline": ("email,first_name,last_name,company\na@b.de,A,B,C", 1),
    "old newlines": ("email,first_name,last_name,company\ra@b.de,A,B,C\rc@d.de,A,B,C\r", 2),
    "mixed newlines": ("email,first_name,last_name,company\r\na@b.de,A,B,C\nc@d.de,A,B,C\r\n", 2),
    "ragged": ("email,first_name,last_name,company\na@b.de,A,B,C\nc@d.de,A\ne@f.de,A,B,C,D,E\n", 3),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_dialects_are_found_out_and_rows_are_counted_exactly(client: httpx2.Client, name: str) -> None:
    text, rows = DIALECTS[name]
    assert taken(client, "a.csv", text.encode())["total_rows"] == rows


def test_the_same_name_and_the_same_content_are_imported_once(box: BoxProcess, client: httpx2.Client) -> None:
    one, other = content(), content()
    taken(client, "one.csv", one)
    before = stored(box)
    assert refused(send(client, "one.csv", one), 409, known("one.csv"))["code"] == "already_imported"
    refused(send(client, "two.csv", one), 409, known("two.csv"))
    refused(send(client, "one.csv", other), 409, known("one.csv"))
    assert stored(box) == before
    taken(client, "two.csv", other)
    # What is wrong with the file itself comes first.
    refused(send(client, "one.csv", HEADER.encode()), 400, NO_ROWS)
    with person(box, "somebody else") as another:
        taken(another, "one.csv", one)


def test_of_uploads_of_one_file_at_once_one_is_taken(box: BoxProcess, client: httpx2.Client) -> None:
    data = content(500)
    with ThreadPoolExecutor(6) as threads:
        replies = list(threads.map(lambda n: send(client, f"{n % 2}.csv", data), range(6)))
    assert sorted(reply.status_code for reply in replies) == [201, *[409] * 5]
    with ThreadPoolExecutor(6) as threads:
        replies = list(threads.map(lambda _: send(client, "same.csv", content()), range(6)))
    assert sorted(reply.status_code for reply in replies) == [201, *[409] * 5]


def test_the_same_request_with_its_key_gets_its_answer_again(client: httpx2.Client) -> None:
    data, key = content(), {"Idempotency-Key": "a-key"}
    first = send(client, "a.csv", data, headers=key)
    again = send(client, "a.csv", data, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    said = {"mapping": json.dumps({"company": "company"})}
    assert send(client, "a.csv", data, headers=key, data=said).status_code == 422


ODD = b"a;b;c;d;e\nx@y.de;A;B;C;D\n"
SAID = {"a": "email", "b": "first_name", "c": "last_name", "e": "company"}


@pytest.mark.parametrize("way", ["params", "data"])
def test_a_mapping_is_followed_and_remembered_for_the_same_header(
    box: BoxProcess, client: httpx2.Client, way: str
) -> None:
    wanted = {field: column for column, field in SAID.items()}
    missing = MISSING.format("email, first_name, last_name, company", "a, b, c, d, e")
    refused(send(client, "a.csv", ODD), 400, missing)
    body = taken(client, "a.csv", ODD, **{way: {"mapping": json.dumps(SAID)}})
    assert (fields(body), body["remembered"]) == (wanted, False)
    later = ODD.upper().replace(b"X@Y", b"Z@Y")
    shown = send(client, "b.csv", later, "/jobs/preview").json()
    assert shown["remembered"]
    assert {each["confidence"] for each in shown["mapping"] if each["field"]} == {1.0}
    body = taken(client, "b.csv", later)
    assert fields(body) == {field: column.upper() for field, column in wanted.items()}
    assert body["remembered"]
    with person(box, f"another {way}") as other:
        refused(send(other, "a.csv", ODD), 400, missing)
        assert not send(other, "a.csv", ODD, "/jobs/preview").json()["remembered"]
    # Another header is another matter.
    assert send(client, "c.csv", ODD.replace(b"e\n", b"f\n", 1)).status_code == 400


def test_a_mapping_said_anew_replaces_the_one_that_is_remembered(client: httpx2.Client) -> None:
    taken(client, "a.csv", ODD, data={"mapping": json.dumps(SAID)})
    anew: dict[str, Any] = {**SAID, "e": None, "d": "company"}
    taken(client, "b.csv", ODD + b"1@y.de;A;B;C;D\n", data={"mapping": json.dumps(anew)})
    body = taken(client, "c.csv", ODD + b"2@y.de;A;B;C;D\n")
    assert (fields(body)["company"], body["remembered"]) == ("d", True)


def test_a_mapping_of_a_file_that_was_refused_is_not_remembered(client: httpx2.Client) -> None:
    said = {"mapping": json.dumps(SAID)}
    refused(send(client, "a.csv", ODD[:10], data=said), 400, NO_ROWS)
    assert send(client, "a.csv", ODD, "/jobs/preview", data=said).status_code == 200
    assert send(client, "a.csv", ODD).status_code == 400


def test_a_preview_can_be_sent_back_as_the_mapping(client: httpx2.Client) -> None:
    data = b"emial,frist name,lastnmae,compnay\nx@y.de,A,B,C\n"
    shown = send(client, "a.csv", data, "/jobs/preview").json()
    assert fields(shown).keys() == {"email", "first_name", "last_name", "company"}
    body = taken(client, "a.csv", data, data={"mapping": json.dumps(shown["mapping"])})
    assert fields(body) == fields(shown)
    assert {each["confidence"] for each in body["mapping"]} == {1.0}


def test_a_mapping_of_what_is_not_there_is_told(client: httpx2.Client) -> None:
    fields_there = "there are email, first_name, last_name, company, and null for none."
    for mapping, why in (
        ({"q": "email"}, "mapping: there is no column `q`; there are `a`, `b`, `c`, `d`, `e`."),
        ({"a": "phone"}, f"mapping: there is no field `phone`; {fields_there}"),
        ("x", "mapping: it must be an object or a list of objects."),
    ):
        refused(send(client, "a.csv", ODD, data={"mapping": json.dumps(mapping)}), 400, why)


@pytest.mark.parametrize(
    "name", ["a'b.csv", "é\u202e.csv", "../../etc/x.csv", "C:\\x\\y.csv", "x" * 400 + ".csv"]
)
def test_odd_names_of_files_are_cleaned(client: httpx2.Client, name: str) -> None:
    body = taken(client, name, content())
    assert body["message"] == f"File '{body['filename']}' uploaded successfully and queued for processing"
    assert not set("/\\\u202e") & set(body["filename"])
    assert len(body["filename"]) <= 200


def test_of_a_persons_mappings_the_last_ones_are_kept(client: httpx2.Client) -> None:
    def header(number: int) -> bytes:
        return f"a{number},b,c,d\n{number}@x.de,A,B,C\n".encode()

    for number in range(mappings.MOST + 3):
        said = [f"a{number}", "b", "c", "d"]
        mapping = json.dumps(dict(zip(FIELDS, said, strict=True)))
        taken(client, f"{number}.csv", header(number), data={"mapping": mapping})
        if number == mappings.MOST - 1:  # what is used again is not the oldest any more
            taken(client, "again.csv", header(0) + b"y@x.de,A,B,C\n")

    def remembered(number: int) -> bool:
        found: bool = send(client, "p.csv", header(number), "/jobs/preview").json()["remembered"]
        return found

    assert [remembered(number) for number in (0, 1, 2, 3, 4, 5, mappings.MOST + 2)] == [
        *(True, False, False, False),
        *(True, True, True),
    ]


def test_who_asks_first_whether_to_send_so_much_hears_no(box: BoxProcess) -> None:
    address = box.url.removeprefix("http://")
    head = (
        f"POST /jobs/upload HTTP/1.1\r\nHost: {address}\r\nExpect: 100-continue\r\n"
        f"Authorization: Bearer {box.token(Role.UPLOADER)}\r\nContent-Length: {6 * MIB}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    )
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), PATIENCE) as connection:
        connection.sendall(head.encode())
        reply = http.client.HTTPResponse(connection)
        reply.begin()
        assert reply.status == 413
        assert json.loads(reply.read())["detail"] == too_large("more than 5MB")


@pytest.mark.parametrize(("baseline", "state"), [("true", "completed"), ("false", "review"), ("", "review")])
def test_of_a_baseline_what_is_known_already_is_passed_over(
    box: BoxProcess, client: httpx2.Client, baseline: str, state: str
) -> None:
    known_one, new_one = content(1), content(1).removeprefix(HEADER.encode())

    assert ended(client, taken(client, "first.csv", known_one)) == "completed"
    options: dict[str, Any] = {"params": {"baseline": baseline}}
    assert ended(client, taken(client, "second.csv", known_one + new_one, **options)) == state


def ended(client: httpx2.Client, body: dict[str, Any]) -> str:
    """The state of an import once it waits or is over."""

    def state_of() -> str | None:
        found: str = client.get(f"/v1/jobs/{body['public_id']}").raise_for_status().json()["state"]
        return None if found in ("queued", "running") else found

    return until(state_of, "the import ends")


def test_the_rows_of_a_file_wait_with_what_is_wrong_with_them(client: httpx2.Client) -> None:
    data = HEADER.encode() + b"anna,A,B,C\nx@y.de,A,,C\nz@y.de,A,B,C\nq@y.de,A,B,C,D,E,F\n"
    body = taken(client, "a.csv", data)
    assert ended(client, body) == "review"
    issues = client.get("/v1/issues", params={"job": body["public_id"]}).raise_for_status().json()["issues"]
    assert {(each["index"], each["code"], each["message"]) for each in issues} == {
        (0, "invalid_email", "Invalid email: An email address must have an @-sign."),
        (1, "missing_required_field", "Missing required field: last_name"),
        (3, "too_many_cells", "line 5: The row has 7 cells, and the header 4."),
    }
