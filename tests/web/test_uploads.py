"""POST /api/upload at the door of a real box: what it takes, what it refuses and how, and what it leaves."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import json
import os
import signal
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ingestbox.model import Role
from ingestbox.web.multipart import MAX_NAME_CHARACTERS, MAX_PARTS, clean
from tests.harness import PATIENCE, BoxProcess, running, until, wait_job

CSV = b"id,summary,description\nT-1,Late,It came late.\nT-2,Fine,All good!\n"
BOUNDARY = "a-boundary-of-its-own"

Part = tuple[str, str | None, bytes]
"""A part of a form: its name, its file's name, its content."""


def form(*parts: Part, end: bool = True) -> bytes:
    """A form by hand, also one that no client library makes."""
    made = b""
    for name, filename, content in parts:
        given = f'; filename="{filename}"' if filename is not None else ""
        made += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{given}\r\n\r\n'.encode()
        made += content + b"\r\n"
    return made + (f"--{BOUNDARY}--\r\n".encode() if end else b"")


FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    limits = "[limits]\nfeedback_csv_mb = 1\nbody_stall_seconds = 0.5\n"
    with running(tmp_path_factory.mktemp("box"), config=limits) as started:
        yield started


@pytest.fixture(scope="module")
def client(box: BoxProcess) -> Iterator[httpx2.Client]:
    with box.client(Role.INGEST) as opened:
        yield opened


def upload(client: httpx2.Client, name: str, content: bytes, **options: Any) -> httpx2.Response:
    return client.post("/api/upload", files={"file": (name, content)}, **options)


def stored(box: BoxProcess) -> set[str]:
    """The names of all files that the box keeps or is at."""
    return {path.name for folder in ("incoming", "files") for path in (box.data / folder).iterdir()}


def check_refused(reply: httpx2.Response, status: int, code: str) -> str:
    """The sentence of a refusal."""
    assert reply.status_code == status, reply.text
    body = reply.json()
    assert body["code"] == code
    assert body["request_id"] == reply.headers["x-request-id"]
    return str(body["detail"])


def test_a_file_becomes_a_job(box: BoxProcess, client: httpx2.Client) -> None:
    reply = upload(client, "feedback.csv", CSV)
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert body["status_url"] == f"/api/job/{body['job_id']}"
    info = body["file_info"]
    assert (info["filename"], info["size"], info["rows"]) == ("feedback.csv", len(CSV), 2)
    assert info["columns"] == ["id", "summary", "description"]
    assert info["text_columns"] == ["summary", "description"]
    job = wait_job(client, body["job_id"])
    assert job["source"] == job["source_type"] == "csv_upload"
    assert job["file_name"] == "feedback.csv"
    assert (job["status"], job["total_rows"], job["records_processed"]) == ("completed", 2, 2)
    for kept in box.data / "incoming", box.data / "files":
        assert kept.stat().st_mode & 0o777 == 0o700
    (name,) = [each for each in (box.data / "files").iterdir() if each.read_bytes() == CSV]
    assert name.stat().st_mode & 0o777 == 0o600


def test_other_fields_are_taken(client: httpx2.Client) -> None:
    body = form(("note", None, b"from the shop"), ("file", "a.csv", CSV), ("more", None, b""))
    assert client.post("/api/upload", content=body, headers=FORM).status_code == 200


def test_a_form_may_be_compressed(client: httpx2.Client) -> None:
    body = gzip.compress(form(("file", "a.csv", CSV)))
    reply = client.post("/api/upload", content=body, headers={**FORM, "Content-Encoding": "gzip"})
    assert reply.status_code == 200, reply.text
    assert reply.json()["file_info"]["size"] == len(CSV)


def test_a_form_may_come_in_any_pieces(box: BoxProcess) -> None:
    """Also byte by byte, where a boundary is cut everywhere."""
    almost = f'T-3,"no\r\n--{BOUNDARY[:-1]}, but almost\r\n",-\r\n'.encode()
    body = form(("file", "a.csv", CSV + almost))
    with box.client() as client:
        for size in (1, 7, 64):
            pieces = [body[at : at + size] for at in range(0, len(body), size)]
            reply = client.post("/api/upload", content=iter(pieces), headers=FORM)
            assert reply.status_code == 200, reply.text
            info = reply.json()["file_info"]
            assert (info["rows"], info["size"]) == (3, len(CSV + almost))
            assert info["sha256"] == hashlib.sha256(CSV + almost).hexdigest()


BINARY = bytes(range(256)) * 64


@pytest.mark.parametrize(
    ("parts", "status", "code", "says"),
    [
        ((), 422, "file_required", "no part `file`"),
        ((("note", None, b"x"),), 422, "file_required", "file"),
        ((("file", None, CSV),), 422, "file_required", "no file name"),
        ((("upload", "a.csv", CSV),), 422, "file_required", "`upload`"),
        ((("file", "a.csv", CSV), ("file", "b.csv", CSV)), 422, "file_required", "more than one"),
        ((("file", "a.csv", b""),), 422, "file_empty", "empty"),
        ((("file", "a.csv", b"id,text\n"),), 422, "file_empty", "no rows"),
        ((("file", "a.exe", CSV),), 415, "file_type_not_supported", ".xlsx"),
        ((("file", "csv", CSV),), 415, "file_type_not_supported", ".csv"),
        ((("file", "a.csv", BINARY),), 422, "file_unreadable", ""),
        ((("file", "a.xlsx", b"PK\x03\x04" + BINARY),), 422, "file_unreadable", ""),
        ((("file", "a.csv", b"id,price\n1,2\n"),), 422, "text_column_required", "`id`, `price`"),
        (
            tuple((f"f{n}", None, b"") for n in range(MAX_PARTS + 1)),
            400,
            "malformed_multipart",
            f"{MAX_PARTS} parts",
        ),
        ((("note", None, b"x" * 70_000), ("file", "a.csv", CSV)), 400, "malformed_multipart", "65,536"),
    ],
)
def test_what_is_no_file_of_feedback_is_refused(
    box: BoxProcess, client: httpx2.Client, parts: Sequence[Part], status: int, code: str, says: str
) -> None:
    before = stored(box)
    reply = client.post("/api/upload", content=form(*parts), headers=FORM)
    assert says in check_refused(reply, status, code)
    assert stored(box) == before


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (form(("file", "a.csv", CSV), end=False), FORM, 400, "malformed_multipart"),
        (b"", FORM, 400, "malformed_multipart"),
        (b"no form at all", FORM, 400, "malformed_multipart"),
        (form(("file", "a.csv", CSV)), {"Content-Type": "multipart/form-data"}, 400, "malformed_multipart"),
        (
            form(("file", "a.csv", CSV)),
            {"Content-Type": f"multipart/form-data; boundary={'b' * 300}"},
            400,
            "malformed_multipart",
        ),
        (CSV, {"Content-Type": "text/csv"}, 415, "unsupported_media_type"),
        (CSV, {}, 415, "unsupported_media_type"),
        (CSV, {**FORM, "Content-Encoding": "br"}, 415, "unsupported_media_type"),
        (form(("file", "a.csv", CSV)), {**FORM, "Content-Encoding": "gzip"}, 400, "malformed_encoding"),
        (
            form(("file", "a.csv", CSV)).replace(b"\r\n\r\n", b"\r\nX-Long: %b\r\n\r\n" % (b"x" * 9_000), 1),
            FORM,
            400,
            "malformed_multipart",
        ),
        (
            form(("file", "a.csv", CSV)).replace(b"form-data", b"attachment"),
            FORM,
            400,
            "malformed_multipart",
        ),
        (
            form(("file", "a.csv", CSV)).replace(
                b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1
            ),
            FORM,
            400,
            "malformed_multipart",
        ),
    ],
)
def test_what_is_no_form_is_refused(
    box: BoxProcess,
    client: httpx2.Client,
    content: bytes,
    headers: Mapping[str, str],
    status: int,
    code: str,
) -> None:
    before = stored(box)
    check_refused(client.post("/api/upload", content=content, headers=headers), status, code)
    assert stored(box) == before


LARGE = CSV + b'T-3,"' + b"x" * (1 << 20) + b'",y\n'


def test_a_file_over_the_limit_is_refused_whatever_is_said_of_its_length(
    box: BoxProcess, client: httpx2.Client
) -> None:
    before = stored(box)
    body = form(("file", "a.csv", LARGE))
    for content in (body, iter([body[:500_000], body[500_000:]])):
        reply = client.post("/api/upload", content=content, headers=FORM)
        check_refused(reply, 413, "payload_too_large")
    packed = gzip.compress(body)
    assert len(packed) < 10_000
    reply = client.post("/api/upload", content=packed, headers={**FORM, "Content-Encoding": "gzip"})
    check_refused(reply, 413, "payload_too_large")
    assert stored(box) == before


def test_a_file_of_just_the_limit_is_taken(client: httpx2.Client) -> None:
    content = CSV + b"T-9,Late,"
    content += b"x" * ((1 << 20) - len(content) - 1) + b"\n"
    assert len(content) == 1 << 20
    assert upload(client, "a.csv", content).status_code == 200


def test_a_client_that_stops_in_the_middle_gets_a_408_and_leaves_nothing(box: BoxProcess) -> None:
    before = stored(box)
    body = form(("file", "a.csv", CSV * 20_000), end=False)
    assert _unfinished(box, body[:600_000]) == 408
    until(lambda: stored(box) == before, "nothing is left")


def test_a_client_that_goes_away_in_the_middle_leaves_nothing(box: BoxProcess) -> None:
    before = stored(box)
    connection = _begun(box, form(("file", "a.csv", CSV * 20_000), end=False)[:600_000])
    until(lambda: stored(box) != before, "the file has begun")
    connection.close()
    until(lambda: stored(box) == before, "nothing is left")


def _begun(box: BoxProcess, sent: bytes) -> http.client.HTTPConnection:
    host, _, port = box.url.removeprefix("http://").rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    connection.putrequest("POST", "/api/upload")
    for name, value in {**FORM, "Authorization": f"Bearer {box.token()}"}.items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(sent) + 100_000))
    connection.endheaders()
    connection.send(sent)
    return connection


def _unfinished(box: BoxProcess, sent: bytes) -> int:
    connection = _begun(box, sent)
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_disk_without_room_is_said_at_once(tmp_path: Path) -> None:
    config = "[store]\nmin_free_mb = 1000000000\n"
    with running(tmp_path / "box", config=config) as box, box.client() as client:
        reply = upload(client, "a.csv", CSV)
        assert "no room" in check_refused(reply, 507, "storage_full")
        assert int(reply.headers["retry-after"]) > 0
        assert stored(box) == set()


def test_the_same_key_with_the_same_file_is_answered_again(box: BoxProcess, client: httpx2.Client) -> None:
    key = {"Idempotency-Key": "one upload"}
    first = upload(client, "a.csv", CSV, headers=key)
    before = stored(box)
    again = upload(client, "a.csv", CSV, headers=key)
    packed = gzip.compress(form(("file", "a.csv", CSV)))
    bounded = client.post("/api/upload", content=packed, headers={**key, **FORM, "Content-Encoding": "gzip"})
    assert first.status_code == again.status_code == bounded.status_code == 200
    assert first.content == again.content == bounded.content
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == bounded.headers["idempotency-replayed"] == "true"
    for name, content in (("b.csv", CSV), ("a.csv", CSV + b"T-3,a,b\n")):
        check_refused(upload(client, name, content, headers=key), 422, "idempotency_mismatch")
    parts = form(("file", "a.csv", CSV), ("note", None, b"x"))
    reply = client.post("/api/upload", content=parts, headers={**FORM, **key})
    check_refused(reply, 422, "idempotency_mismatch")
    assert stored(box) == before
    assert client.get(first.json()["status_url"]).status_code == 200


def test_a_refused_file_leaves_its_key_free(client: httpx2.Client) -> None:
    key = {"Idempotency-Key": "mended"}
    assert upload(client, "a.csv", b"id,price\n1,2\n", headers=key).status_code == 422
    assert upload(client, "a.csv", CSV, headers=key).status_code == 200


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.ADMIN, Role.ANALYST, Role.INGEST}))
def test_other_roles_may_not(box: BoxProcess, role: Role) -> None:
    before = stored(box)
    with box.client(role) as client:
        check_refused(upload(client, "a.csv", CSV), 403, "forbidden")
    assert stored(box) == before


@pytest.mark.parametrize(
    ("query", "content", "encoding", "delimiter", "text"),
    [
        ("encoding=cp1250", "id,text\n1,ł\n".encode("cp1250"), "cp1250", ",", "ł"),
        ("encoding=UTF-16", "id;text\n1;ł\n".encode("utf-16"), "utf-16-le", ";", "ł"),
        ("delimiter=pipe", b"id|text,a,b\n1|x,y,z\n", "utf-8", "|", "x,y,z"),
        ("delimiter=%7C", b"id|text,a,b\n1|x,y,z\n", "utf-8", "|", "x,y,z"),
        ("delimiter=Tab", b"id\ttext\n1\tx,y\n", "utf-8", "\t", "x,y"),
        ("delimiter=none", b"text\n1,2\n3,4\n", "utf-8", "", "1,2"),
        ("encoding=&delimiter=", b"id,text\n1,x\n", "utf-8", ",", "x"),
    ],
)
def test_what_is_known_of_a_file_can_be_said(
    box: BoxProcess,
    client: httpx2.Client,
    query: str,
    content: bytes,
    encoding: str,
    delimiter: str,
    text: str,
) -> None:
    reply = client.post(f"/api/upload?{query}", files={"file": ("a.csv", content)})
    assert reply.status_code == 200, reply.text
    info = reply.json()["file_info"]
    assert (info["encoding"], info["delimiter"]) == (encoding, delimiter)
    wait_job(client, reply.json()["job_id"])
    with box.client() as reader:
        record = reader.get(f"/v1/jobs/{reply.json()['job_id']}/records").json()["records"][0]
        found = reader.get(f"/v1/records/{record['id']}").json()
    assert found["payload"]["description"] == text


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("encoding=klingon", "'klingon'"),
        ("encoding=utf-7", "'utf-7'"),
        ("encoding=a%00b", "encoding"),
        (f"encoding={'x' * 5_000}", "encoding"),
        ("delimiter=%22", "letter, digit or quote"),
        ("delimiter=xy", "comma, semicolon, tab, pipe, space, none"),
        ("delimiter=%C2%A6", "ASCII"),
        ("delimiter=%00", "ASCII"),
        ("delimiter=%0A", "ASCII"),
        ("delimiter=7", "ASCII"),
    ],
)
def test_what_cannot_be_said_of_a_file_is_refused(
    box: BoxProcess, client: httpx2.Client, query: str, says: str
) -> None:
    before = stored(box)
    reply = client.post(f"/api/upload?{query}", files={"file": ("a.csv", CSV)})
    assert says in check_refused(reply, 400, "bad_parameter")
    assert stored(box) == before


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-32", "shift_jis", "utf-8", "iso2022_jp"])
def test_an_encoding_that_a_file_is_not_in_makes_no_500(client: httpx2.Client, encoding: str) -> None:
    content = "id,text\n1,góp ý\n2,được\n".encode("cp1258", "replace")
    reply = client.post("/api/upload", params={"encoding": encoding}, files={"file": ("a.csv", content)})
    assert reply.status_code in (200, 400, 422), reply.text


def test_a_key_whose_file_is_being_looked_through_is_answered_409(
    box: BoxProcess, client: httpx2.Client
) -> None:
    """Both would be looked through otherwise, and one of them in vain."""
    content = CSV + b"T-3,a,b\n" * 100_000
    key = {"Idempotency-Key": "at once"}
    # The children are stopped meanwhile, so that the first one is certainly still at it.
    upload(client, "warm.csv", CSV)
    children = until(box.children, "a child")
    for pid in children:
        os.kill(pid, signal.SIGSTOP)
    with box.client(Role.INGEST) as one, box.client(Role.INGEST) as other, ThreadPoolExecutor(2) as threads:
        try:
            both = [threads.submit(upload, each, "a.csv", content, headers=key) for each in (one, other)]
            refused = next(as_completed(both, timeout=PATIENCE))
            seen = check_refused(refused.result(), 409, "request_in_progress")
            assert seen and int(refused.result().headers["retry-after"]) >= 1
        finally:
            for pid in children:
                os.kill(pid, signal.SIGCONT)
        (done,) = (each.result() for each in both if each is not refused)
        assert done.status_code == 200
        again = upload(one, "a.csv", content, headers=key)
    assert (again.content, again.headers["idempotency-replayed"]) == (done.content, "true")


def test_names_are_for_display_alone(box: BoxProcess, client: httpx2.Client) -> None:
    for name in ("../../etc/x.csv", "C:\\temp\\x.csv", "/x.csv", "\u202ex.csv"):
        body = form(("file", name, CSV))
        reply = client.post("/api/upload", content=body, headers=FORM)
        assert reply.status_code == 200, reply.text
        assert reply.json()["file_info"]["filename"] == "x.csv"
    assert not [name for name in stored(box) if "x.csv" in name]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("filename*=utf-8''g%C3%B3p%20%C3%BD.csv", "góp ý.csv"),
        ("filename*=UTF-8'vi'g%C3%B3p%20%C3%BD.csv; size=3", "góp ý.csv"),
        ("filename=\"a; filename*=utf-8''b.csv\"", "a; filename*=utf-8''b.csv"),
        ("filename=\"a.csv\"; filename*=utf-8''b.csv", "a.csv"),
        ("filename*=iso-8859-1''%A35.csv", "£5.csv"),
        ("filename=\"a.csv\"; filename*=klingon''b.csv", "a.csv"),
        ("filename=\"a.csv\"; filename*=utf-8''%ff.csv", "a.csv"),
        ('filename="a.csv"; filename*=b.csv', "a.csv"),
    ],
)
def test_an_extended_name_is_understood(client: httpx2.Client, sent: str, shown: str) -> None:
    body = form(("file", "x.csv", CSV)).replace(b'filename="x.csv"', sent.encode())
    reply = client.post("/api/upload", content=body, headers=FORM)
    assert reply.status_code == 200, reply.text
    assert reply.json()["file_info"]["filename"] == shown


@pytest.mark.parametrize(
    "before", [b"\r\n", b"This is a form.\r\nRead it.\r\n", b"--a\r\n", b"x" * 60_000 + b"\r\n"]
)
def test_what_is_before_and_after_a_form_means_nothing(client: httpx2.Client, before: bytes) -> None:
    body = before + form(("file", "a.csv", CSV)) + b"the end\r\n"
    for size in (len(body), 7_001, 13):
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        reply = client.post("/api/upload", content=iter(pieces), headers=FORM)
        assert reply.status_code == 200, reply.text
        assert reply.json()["file_info"]["size"] == len(CSV)


def test_a_form_that_does_not_begin_is_refused(client: httpx2.Client) -> None:
    body = b"x" * 70_000 + b"\r\n" + form(("file", "a.csv", CSV))
    for content in (body, iter([body[:100], body[100:66_000], body[66_000:]])):
        reply = client.post("/api/upload", content=content, headers=FORM)
        check_refused(reply, 400, "malformed_multipart")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("góp ý.csv", "góp ý.csv"),
        ("go\u0301p y\u0301.csv", "góp ý.csv"),
        ("a\x00b\r\n\x7f.csv", "ab.csv"),
        ("  a \t b  .csv ", "a b .csv"),
        ("", "file"),
        ("///", "file"),
        ("..", ".."),
        ("x" * 300 + ".csv", "x" * (MAX_NAME_CHARACTERS - 5) + "….csv"),
        ("x" * 300, "x" * (MAX_NAME_CHARACTERS - 1) + "…"),
    ],
)
def test_a_name_is_cleaned(given: str, shown: str) -> None:
    assert clean(given) == shown
    assert len(clean(given)) <= MAX_NAME_CHARACTERS


def test_a_workbook_that_is_only_called_one_is_refused(client: httpx2.Client) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("hello.txt", "no workbook")
    check_refused(upload(client, "a.xlsx", buffer.getvalue()), 422, "file_unreadable")


def test_it_is_documented_as_a_form_with_a_file(client: httpx2.Client) -> None:
    document = client.get("/openapi.json").json()
    operation = document["paths"]["/api/upload"]["post"]
    assert list(operation["requestBody"]["content"]) == ["multipart/form-data"]
    assert operation["requestBody"]["x-limit-bytes"] == 1 << 20
    reference = operation["requestBody"]["content"]["multipart/form-data"]["schema"]["$ref"]
    schema = document["components"]["schemas"][reference.rpartition("/")[2]]
    assert schema["required"] == ["file"]
    assert schema["properties"]["file"]["contentMediaType"] == "application/octet-stream"
    codes = json.dumps(operation["responses"]["422"])
    for code in ("file_required", "file_empty", "file_unreadable", "text_column_required", "too_many_rows"):
        assert code in codes
