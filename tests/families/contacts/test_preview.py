"""POST /jobs/preview: how a file would be read, and that nothing of it stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tests.families.contacts.support import (
    HEADER,
    content,
    fields,
    person,
    previewed,
    refused,
    send,
    stored,
    taken,
)
from tests.families.contacts.test_upload import NO_ROWS, TEXT, TYPE, too_large, xlsx
from tests.harness import BoxProcess


@pytest.fixture
def client(box: BoxProcess, request: pytest.FixtureRequest) -> Iterator[httpx2.Client]:
    with person(box, request.node.name) as opened:
        yield opened


def test_a_preview_tells_how_the_file_would_be_read(client: httpx2.Client) -> None:
    body = previewed(client, "a.csv", TEXT.encode("cp1252"))
    assert (body["encoding"], body["delimiter"], body["total_rows"]) == ("cp1252", ";", 20)
    assert 0 < body["confidence"] == min(body["encoding_confidence"], body["delimiter_confidence"]) < 1
    assert body["mapping"] == [
        {"column": "E-mail", "field": "email", "confidence": 1.0},
        {"column": "Prénom", "field": "first_name", "confidence": 1.0},
        {"column": "Nom", "field": "last_name", "confidence": 1.0},
        {"column": "Société", "field": "company", "confidence": 1.0},
        {"column": "Note", "field": None, "confidence": 0.0},
    ]
    assert body["rows"][0] == {
        "E-mail": "a0@exemple.fr",
        "Prénom": "Zoé",
        "Nom": "Lefèvre",
        "Société": "Café Noël & Fils",
        "Note": "«déjà vu» à Besançon, où l'été brûle",
    }
    assert "cp1250" in body["encodings"]
    assert [each["code"] for each in body["warnings"]] == ["encoding_detected"]


def test_an_export_is_shown_as_it_would_be_taken(client: httpx2.Client) -> None:
    cells = "a@b.de,Anna,Lee,'=Acme"
    body = previewed(client, "a.csv", f"{HEADER.strip()},status,errors\n{cells},ISSUE,'-x\n".encode())
    assert (body["rows"][0]["company"], body["rows"][0]["errors"]) == ("=Acme", "-x")
    body = previewed(client, "b.csv", f"{HEADER}{cells}\n".encode())
    assert body["rows"][0]["company"] == "'=Acme"


def test_twenty_rows_are_shown_and_all_counted(client: httpx2.Client) -> None:
    for rows, shown in ((1, 1), (19, 19), (20, 20), (21, 20), (3_000, 20)):
        body = previewed(client, "a.csv", content(rows))
        assert (body["total_rows"], len(body["rows"])) == (rows, shown)


def test_nothing_is_stored(box: BoxProcess, client: httpx2.Client) -> None:
    before = stored(box)
    data = content()
    for name, each in (
        ("a.csv", data),
        ("wide.csv", data.decode().encode("utf-16")),
        ("a.xlsx", xlsx([["email", "first name"], ["a@b.de", "A"]])),
    ):
        previewed(client, name, each)
        assert stored(box) == before
    refused(send(client, "a.csv", HEADER.encode(), "/jobs/preview"), 400, NO_ROWS)
    assert stored(box) == before
    # A file that was looked at has not been imported.
    assert taken(client, "a.csv", data)["total_rows"] == 2


def test_what_is_missing_is_shown_so_that_a_person_can_say_it(client: httpx2.Client) -> None:
    data = b"Full name,Kontakt,E-mail,Mail\nAnna Lee,Acme,a@b.de,c@d.de\n"
    body = previewed(client, "a.csv", data)
    assert body["missing"] == ["first_name", "last_name", "company"]
    assert body["others"] == [{"column": "Mail", "field": "email", "confidence": 1.0}]
    assert [each["code"] for each in body["warnings"]] == ["whole_name"]
    assert send(client, "a.csv", data).status_code == 400
    said = {"mapping": json.dumps({"Kontakt": "company", "Mail": "email"})}
    body = previewed(client, "a.csv", data, data=said)
    assert body["missing"] == ["first_name", "last_name"]
    assert fields(body) == {"company": "Kontakt", "email": "Mail"}


def test_what_is_said_of_the_file_is_followed(client: httpx2.Client) -> None:
    data = "email;first_name;last_name;company\na@b.de;Ł;B;C\n".encode("cp1250")
    body = previewed(client, "a.csv", data, params={"encoding": "cp1252"}, data={"delimiter": ";"})
    assert (body["encoding"], body["rows"][0]["first_name"]) == ("cp1252", "£")
    body = previewed(client, "a.csv", data, params={"encoding": "cp1250"})
    assert body["rows"][0]["first_name"] == "Ł"
    reply = send(client, "a.csv", data, "/jobs/preview", params={"mapping": '{"x":"email"}'})
    assert (reply.status_code, reply.json()["code"]) == (400, "bad_parameter")


def test_rows_that_cannot_be_read_are_told(client: httpx2.Client) -> None:
    data = HEADER.encode() + b"a@b.de,A,B,C\nc@d.de,A,B,C,D,E,F\ne@f.de,\xff\xfe,B,C\n"
    body = previewed(client, "a.csv", data, params={"encoding": "utf-8"})
    assert body["total_rows"] == 3
    assert body["refused"] == len(body["unreadable"]) == 3 - len(body["rows"]) > 0
    assert {each["line"] for each in body["unreadable"]} <= {3, 4}
    assert all(each["reason"] and each["raw"] for each in body["unreadable"])


def test_long_cells_and_many_columns_stay_small(client: httpx2.Client) -> None:
    names = [f"column {number}" for number in range(2_000)]
    row = ",".join(["x" * 400] * 2_000)
    body = previewed(client, "a.csv", (",".join(names) + "\n" + row + "\n" + row + "\n").encode())
    assert (len(body["rows"]), body["total_rows"]) == (1, 2)
    data = HEADER.encode() + b'a@b.de,A,B,"' + b"y" * 1_000_000 + b'"\n'
    assert len(previewed(client, "a.csv", data)["rows"][0]["company"]) == 501


def test_faults_are_told_as_for_an_upload(client: httpx2.Client) -> None:
    refused(send(client, "a.doc", content(), "/jobs/preview"), 400, TYPE)
    refused(send(client, "a.csv", b"", "/jobs/preview"), 400, "File is empty")
    data = content() + b"x" * (6 << 20)
    refused(send(client, "a.csv", data[: 6 << 20], "/jobs/preview"), 413, too_large("6.00MB"))


def test_previews_at_once_do_not_meet(box: BoxProcess, client: httpx2.Client) -> None:
    before = stored(box)
    files = [content(count) for count in range(1, 13)]
    with ThreadPoolExecutor(6) as threads:
        bodies = list(threads.map(lambda data: previewed(client, "a.csv", data), files))
    assert [body["total_rows"] for body in bodies] == list(range(1, 13))
    assert stored(box) == before
