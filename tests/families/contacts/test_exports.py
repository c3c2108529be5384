"""Files for spreadsheets: every cell comes back as it was, none is a formula, and no half of a file passes
for the whole."""

from __future__ import annotations

import csv
import io
import re
import socket
import threading

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestbox.families.contacts.guard import is_contacts, own_columns
from ingestbox.spreadsheet import disposition, guarded, text_of, unguarded
from tests.families.contacts.person import Person, is_refused, line, payload
from tests.harness import PATIENCE, BoxProcess, until

RISKY = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
HEADER = "E-mail;First Name;Last Name;Company;Phone;Note"
WILD = (
    "+84 905 123 456",
    '=HYPERLINK("http://x")',
    "-5",
    "@home",
    "'=kept",
    "''=twice",
    "'quoted'",
    "O'Neill",
    " =blank",
    "\ttab",
    'a;b"c,d',
    "two\nlines",
    "＝wide",
    "",
)


def rows_in(text: str, delimiter: str = ",") -> list[list[str]]:
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text[1:], newline=""), delimiter=delimiter))


def quoted(*cells: str) -> str:
    return ";".join('"' + cell.replace('"', '""') + '"' for cell in cells)


@given(st.text(alphabet=st.sampled_from("'=+-@\t\r\n \u00a0\uff0bab\"")) | st.text())
def test_every_cell_comes_back_and_none_is_a_formula(cell: str) -> None:
    out = guarded(cell)
    assert unguarded(out) == cell
    assert out.lstrip(" \u00a0\u3000")[:1] not in tuple(RISKY)
    written = text_of([[cell, "x"]]).decode("utf-8", "replace")
    (read,) = csv.reader(io.StringIO(written, newline=""))
    assert unguarded(read[0]) == cell.encode("utf-8", "replace").decode()


@pytest.mark.parametrize(
    ("header", "statuses", "own"),
    [
        (["email", "Status", "ERRORS"], ["ISSUE"], (1, 2)),
        (["errors", "email", "status"], ["done by me", "ISSUE"], (2, 0)),
        (["email", "status", "errors"], ["", " "], (1, 2)),
        (["email", "status", "errors"], [], (1, 2)),
        (["email", "status", "status_2", "errors"], ["ISSUE"], (2, 3)),
        (["errors", "status", "status_2", "errors_2"], ["ISSUE"], (2, 3)),
        (["email", "status", "errors"], ["lead", "customer"], ()),
        (["email", "status"], ["ISSUE"], ()),
        (["email", "errors", "contact_id"], ["ISSUE"], ()),
        (["email", "old status", "errors"], ["ISSUE"], ()),
    ],
)
def test_only_our_own_exports_are_put_back(
    header: list[str], statuses: list[str], own: tuple[int, ...]
) -> None:
    place = own[0] if own else 1
    preview = [["x"] * place + [status] + ["x"] * (len(header) - place - 1) for status in statuses]
    assert own_columns(header, preview) == own


def test_contacts_of_another_system_are_not_our_export_of_contacts() -> None:
    assert is_contacts(["email", "first_name", "last_name", "company", "owner", "contact_id", "created_at"])
    assert not is_contacts(["E-Mail", "Vorname", "Name", "Firma", "contact_id", "created_at"])


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("a b.csv", "attachment; filename=\"a b.csv\"; filename*=UTF-8''a%20b.csv"),
        (
            "Kontakte März.csv",
            "attachment; filename=\"Kontakte Marz.csv\"; filename*=UTF-8''Kontakte%20M%C3%A4rz.csv",
        ),
        ('x"\r\ny.csv', "attachment; filename=\"x_y.csv\"; filename*=UTF-8''x%22%0D%0Ay.csv"),
        ("..\\/etc", "attachment; filename=\"_etc\"; filename*=UTF-8''..%5C%2Fetc"),
        ("😀", "attachment; filename=\"export.csv\"; filename*=UTF-8''%F0%9F%98%80"),
        (
            "n" * 300 + ".csv",
            f"attachment; filename=\"{'n' * 146}.csv\"; filename*=UTF-8''{'n' * 146}.csv",
        ),
    ],
)
def test_a_file_name_is_told_safely(name: str, wanted: str) -> None:
    assert disposition(name) == wanted


def test_rows_that_wait_are_corrected_and_uploaded_again_without_losing_a_character(box: BoxProcess) -> None:
    ann = Person(box)
    lines = [quoted(f"w{n}@example.com", "", f"L{n}", wild, "07", wild) for n, wild in enumerate(WILD)]
    lines.append(quoted("good@example.com", "G", "H", "I", "+1", "=1"))
    job_id, _ = ann.imported(*lines, header=HEADER, name="Ä wild.csv")
    answer = ann.client.get(f"/jobs/{job_id}/errors.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="A wild-errors.csv"')
    header, *rows = rows_in(answer.text, ";")
    assert header == [*HEADER.split(";"), "status", "errors"]
    assert len(rows) == len(WILD)
    assert {row[6] for row in rows} == {"ISSUE"}
    assert all("MISSING_REQUIRED_FIELD: Missing required field: first_name" in row[7] for row in rows)
    assert not any(cell.lstrip(" ").startswith(tuple(RISKY)) for row in rows for cell in row)
    corrected = "\n".join(quoted(*row[:1], "Now", *row[2:]) for row in [header, *rows])
    corrected = corrected.replace('"Now"', '"First Name"', 1)
    second = ann.client.post("/jobs/upload", files={"file": ("again.csv", corrected.encode())})
    assert second.status_code == 201, second.text
    again = second.json()["job_id"]
    ann.settled(again)
    for number, wild in enumerate(WILD, start=1):
        before, after = payload(box, job_id, number), payload(box, again, number)
        assert after["first_name"] == "Now"
        for name in ("email", "last_name", "company", "Phone", "Note"):
            assert after[name] == before[name], (wild, name)
        assert before["Note"] == wild
    third = rows_in(ann.client.get(f"/jobs/{again}/errors.csv?rows=all").text, ";")
    assert third[0] == header  # its own columns are not there twice
    assert [row[5] for row in third[1:]] == [guarded(wild) for wild in WILD]


def test_the_rows_of_a_file_with_a_long_name_can_be_uploaded_under_their_own(box: BoxProcess) -> None:
    ann = Person(box)
    job_id, _ = ann.imported(line(1, company=""), name="x" * 300 + ".csv")
    told = ann.client.get(f"/jobs/{job_id}/errors.csv").headers["content-disposition"]
    (name,) = re.findall('filename="(x+-errors.csv)"', told)
    assert name in told.partition("filename*")[2]


@pytest.mark.parametrize("columns", ["status", "Errors", "Status,errors", "+84,status_2"])
def test_columns_that_are_called_as_ours_are_kept(box: BoxProcess, columns: str) -> None:
    """A status is what many a customer file has."""
    ann = Person(box)
    lines = [line(n, company="") + ",lead" * (columns.count(",") + 1) for n in range(3)]
    header = f"email,first_name,last_name,company,{columns}"
    job_id, _ = ann.imported(*lines, header=header)
    before = [payload(box, job_id, number) for number in (1, 2, 3)]
    assert all(row[name] == "lead" for row in before for name in columns.split(","))
    for again in range(2):
        export = ann.client.get(f"/jobs/{job_id}/errors.csv").content
        assert rows_in(export.decode())[0] == [
            *header.replace("+84", "'+84").split(","),
            "status",
            "errors",
        ]
        ann.client.delete(f"/jobs/{job_id}").raise_for_status()
        taken = ann.client.post("/jobs/upload", files={"file": (f"{columns}-{again}.csv", export)})
        job_id = taken.json()["job_id"]
        ann.settled(job_id)
        assert [payload(box, job_id, number) for number in (1, 2, 3)] == before


def test_what_the_box_said_of_rows_does_not_set_them_apart(box: BoxProcess) -> None:
    """Identical rows are one row after an export of all of them too."""
    ann = Person(box)
    job_id, _ = ann.imported(line(1), line(1), line(2, company=""))
    export = ann.client.get(f"/jobs/{job_id}/errors.csv?rows=all").content
    ann.client.delete(f"/jobs/{job_id}").raise_for_status()
    taken = ann.client.post("/jobs/upload", files={"file": ("all.csv", export)}).json()["job_id"]
    ann.settled(taken)
    assert [issue["issue_type"] for issue in ann.issues(taken)] == ["MISSING_REQUIRED_FIELD"]
    states = [ann.row(taken, number).json()["staging_status"] for number in (1, 2, 3)]
    assert states == ["READY", "DISCARD", "ISSUE"]


def test_all_rows_are_there_when_they_are_asked_for(box: BoxProcess) -> None:
    ann = Person(box)
    lines = [line(1), line(2, email=""), line(3), line(3), line(4, company=""), "too,many,cells,in,this,row"]
    job_id, _ = ann.imported(*lines)
    ann.put_row(job_id, 5, status="DISCARD")
    every = rows_in(ann.client.get(f"/jobs/{job_id}/errors.csv?rows=all").text)
    assert [row[4] for row in every[1:]] == ["READY", "ISSUE", "READY", "DISCARD", "DISCARD", "ISSUE"]
    assert [row[5] for row in every[1:3]] == ["", "MISSING_REQUIRED_FIELD: Missing required field: email"]
    assert every[4][5].startswith("Identical to row")
    assert every[6][:4] == ["", "", "", ""]
    assert "too,many,cells,in,this,row" in every[6][5]
    waiting = rows_in(ann.client.get(f"/jobs/{job_id}/errors.csv").text)
    assert waiting == [every[0], every[2], every[6]]
    is_refused(ann.client.get(f"/jobs/{job_id}/errors.csv?rows=some"), 400, "bad_parameter", "rows")


def test_an_export_of_contacts_is_what_the_list_has_and_comes_back(box: BoxProcess) -> None:
    ann = Person(box)
    count = 1_300  # several pieces
    ann.imported(*(line(n, company="+84" if n % 2 else "=A1") for n in range(count)))
    answer = ann.client.get("/contacts.csv")
    assert 'attachment; filename="contacts.csv"' in answer.headers["content-disposition"]
    header, *rows = rows_in(answer.text)
    assert header == ["email", "first_name", "last_name", "company", "contact_id", "created_at"]
    listed = ann.client.get("/contacts").json()["contacts"]
    assert [row[4] for row in rows] == [str(each["contact_id"]) for each in listed]
    assert [row[0] for row in rows] == [each["contact_email"] for each in listed]
    assert {row[3] for row in rows} == {"'+84", "'=A1"}
    ben = Person(box)
    taken = ben.client.post("/jobs/upload", files={"file": ("theirs.csv", answer.content)})
    assert ben.settled(taken.json()["job_id"])["job_status"] == "COMPLETED"
    companies = {each["contact_email"]: each["contact_company"] for each in listed}
    assert {email: each["contact_company"] for email, each in ben.contacts().items()} == companies


def test_few_rows_among_very_many_are_all_found(box: BoxProcess) -> None:
    ann = Person(box)
    count, every = 45_000, 9_000  # beyond one stretch
    job_id = ann.upload(*(line(n, company="" if n % every == 0 else "R") for n in range(count)))
    ann.settled(job_id)
    rows = rows_in(ann.client.get(f"/jobs/{job_id}/errors.csv").text)[1:]
    assert [row[0] for row in rows] == [f"p{n}@example.com" for n in range(0, count, every)]
    assert len(rows_in(ann.client.get(f"/jobs/{job_id}/errors.csv?rows=all").text)) == count + 1


def test_a_head_is_answered_without_the_file(box: BoxProcess) -> None:
    ann = Person(box)
    ann.imported(line(1))
    answer = ann.client.head("/contacts.csv")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert ann.client.get("/contacts.csv").text.count("\n") == 2  # the connection goes on


def big(box: BoxProcess) -> tuple[Person, int]:
    """Somebody with an import whose export is far more than what connections hold on their own."""
    ann = Person(box)
    wide = "x" * 20_000
    job_id = ann.upload(*(line(n, company="", first_name=wide) for n in range(1_000)))
    ann.settled(job_id)
    return ann, job_id


CONFIG = "[limits]\ncontacts_mb = 100\n[server]\nstop_seconds = 4\n"


def begun(ann: Person, path: str) -> socket.socket:
    """A download of which nothing more is read than its beginning."""
    host, port = ann.box.url.removeprefix("http://").split(":")
    head = (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {ann.client.headers['Authorization']}\r\n\r\n"
    )
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
    plain.settimeout(PATIENCE)
    plain.connect((host, int(port)))
    plain.sendall(head.encode())
    assert plain.recv(2_000).startswith(b"HTTP/1.1 200 OK")
    return plain


def test_a_download_ends_with_its_client_and_with_the_box(own_box: BoxProcess) -> None:
    own_box.configure(CONFIG)
    own_box.start()
    ann, job_id = big(own_box)
    path = f"/jobs/{job_id}/errors.csv"
    whole = ann.client.get(path)
    assert len(whole.content) > 20_000_000
    assert len(rows_in(whole.text)) == 1_001
    before = whole.content.count(b"\n")
    plain = begun(ann, path)
    plain.close()

    def noted() -> bool:
        return own_box.log.read_text(errors="replace").count(f'"path":"{path}"') >= 2

    until(noted, "the request whose client is gone is over")
    plain = begun(ann, path)
    codes: list[int] = []
    stopping = threading.Thread(target=lambda: codes.append(own_box.stop()))
    stopping.start()
    received = b""
    try:
        while piece := plain.recv(65_536):
            received += piece
    except ConnectionResetError:
        pass
    plain.close()
    stopping.join(PATIENCE)
    assert codes == [0]
    assert not received.endswith(b"0\r\n\r\n")
    assert received.count(b"\n") < before
    assert "Traceback" not in own_box.tail()


def test_an_export_that_cannot_go_on_is_cut_off(own_box: BoxProcess) -> None:
    """While it is sent, one of its imports is taken back: nobody takes the half for the whole."""
    own_box.configure(CONFIG)
    own_box.start()
    ann = Person(own_box)
    wide = "x" * 8_000
    ann.imported(*(line(n, company=wide) for n in range(1_500)))
    job_id, _ = ann.imported(*(line(n, company=wide) for n in range(1_500, 2_100)))
    assert len(ann.client.get("/contacts.csv").content) > 16_000_000
    other = Person(own_box, subject=ann.subject)
    with (
        pytest.raises(httpx2.RemoteProtocolError),
        ann.client.stream("GET", "/contacts.csv") as answer,
    ):
        pieces = answer.iter_raw(8_192)
        next(pieces)
        other.client.post(f"/jobs/{job_id}/undo").raise_for_status()
        until(lambda: "undone_at" in other.job(job_id), "the import is undone")
        for _ in pieces:
            pass
    assert len(rows_in(ann.client.get("/contacts.csv").text)) == 1_501
