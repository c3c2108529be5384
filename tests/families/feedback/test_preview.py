"""POST /api/upload/preview: how a file of tickets would be read; and what may be said of its columns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from ingestbox.families.feedback.table import plan
from ingestbox.model import Role
from tests.harness import BoxProcess, wait_job

Json = dict[str, Any]

CSV = b"no;wann;titel;was\n7;gestern;Late;It came late\n8;heute;Fine;All good!\n"
MAPPING = {"no": "id", "titel": "summary", "was": "description"}


@pytest.fixture(scope="module")
def client(box: BoxProcess) -> Iterator[httpx2.Client]:
    with box.client(Role.ANALYST, workspace="preview") as opened:
        yield opened


def send(
    client: httpx2.Client, content: bytes, path: str = "/api/upload/preview", **said: str
) -> httpx2.Response:
    return client.post(path, files={"file": ("tickets.csv", content)}, params=said)


def previewed(client: httpx2.Client, content: bytes, **said: str) -> Json:
    answer = send(client, content, **said)
    assert answer.status_code == 200, answer.text
    body: Json = answer.json()
    return body


def fields(body: Json) -> list[str | None]:
    return [each["field"] for each in body["mapping"]]


def test_a_preview_tells_how_the_file_would_be_read(box: BoxProcess, client: httpx2.Client) -> None:
    body = previewed(client, "id,Betreff,Text\n1,Zu spät,Größe falsch\n".encode("cp1252"))
    assert (body["encoding"], body["delimiter"], body["total_rows"]) == ("cp1252", ",", 1)
    assert fields(body) == ["id", None, "description"]
    assert body["rows"] == [{"id": "1", "Betreff": "Zu spät", "Text": "Größe falsch"}]
    assert (body["missing"], body["remembered"], body["filename"]) == ([], False, "tickets.csv")
    assert body["encodings"]
    assert not list((box.data / "files").iterdir())


def test_without_a_text_it_is_told_and_nothing_is_refused(client: httpx2.Client) -> None:
    body = previewed(client, CSV)
    assert body["missing"] == ["description"]
    assert fields(body) == [None] * 4
    assert send(client, CSV, "/api/upload").json()["code"] == "text_column_required"


@pytest.mark.parametrize(
    "mapping", [MAPPING, ["id", None, "summary", "description"], {v: k for k, v in MAPPING.items()}]
)
def test_the_columns_are_as_they_are_said(client: httpx2.Client, mapping: object) -> None:
    body = previewed(client, CSV, mapping=json.dumps(mapping))
    assert fields(body) == ["id", None, "summary", "description"]
    assert body["missing"] == []


def test_what_is_said_in_the_form_or_the_query_holds_for_the_upload(client: httpx2.Client) -> None:
    form = {"mapping": json.dumps(MAPPING), "delimiter": "comma", "encoding": "cp1252"}
    answer = client.post(
        "/api/upload?delimiter=semicolon",
        data=form,
        files={"file": ("t.csv", CSV.replace(b"good", b"g\xf6d"))},
    )
    assert answer.status_code == 200, answer.text
    info = answer.json()["file_info"]
    assert (info["encoding"], info["delimiter"]) == ("cp1252", ";")
    assert info["text_columns"] == ["titel", "was"]
    assert wait_job(client, answer.json()["job_id"])["status"] == "completed"
    ticket = client.get("/api/tickets/8").raise_for_status().json()
    assert (ticket["summary"], ticket["description"]) == ("Fine", "All göd!")
    assert ticket["extra"] == {"wann": "heute"}


def test_a_mapping_that_cannot_be_followed_is_refused(client: httpx2.Client) -> None:
    for mapping in ("{", "5", '{"nope":"id"}', '["id"]', '["id","id",null,null]', '{"no":"email"}'):
        for path in ("/api/upload/preview", "/api/upload"):
            answer = send(client, CSV, path, mapping=mapping)
            assert (answer.status_code, answer.json()["code"]) == (400, "bad_parameter"), mapping


def test_who_may_not_upload_may_not_look(box: BoxProcess) -> None:
    with box.client(Role.EDITOR) as editor:
        assert send(editor, CSV).status_code == 403


def roles(header: str, mapping: object) -> list[str | None]:
    names = header.split(",")
    made = plan(names, [[f"a{n}" for n in range(len(names))]], json.dumps({"mapping": mapping}).encode())
    assert made.refusal is None
    return [each.field for each in made.columns]


def test_what_is_not_said_is_found_out() -> None:
    assert roles("id,title,text,note", {"note": "description"}) == [
        "id",
        "summary",
        "comments",
        "description",
    ]
    assert roles("id,title,text,note", [{"column": "id", "field": None}]) == [
        None,
        "summary",
        "description",
        None,
    ]
    assert roles("id,title,text,note", {"text": "summary"}) == ["id", "description", "summary", None]
    assert roles("id,text,a,b", {"a": "comments", "b": "comments"}) == [
        "id",
        "description",
        "comments",
        "comments",
    ]
    # A doubtful name counts only where there is no text at all.
    assert roles("comment count,a", {"a": "description"}) == [None, "description"]
    assert roles("a,b", {"a": "comments"}) == ["comments", None]
