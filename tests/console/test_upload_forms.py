"""The forms of the upload page, without a browser: what they say of a file, and what is refused."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from ingestbox import families, samples
from ingestbox.console.texts import load as load_texts
from ingestbox.console.uploadkinds import Was, kinds, query_of
from ingestbox.errors import CATALOGUE
from ingestbox.web.multipart import MAX_PARTS
from tests.console.support import signed_in, visitor
from tests.console.uploads import contacts, on_disk, send
from tests.harness import BoxProcess, running, until


@pytest.fixture(scope="module")
def client(box: BoxProcess) -> Iterator[httpx2.Client]:
    with closing(signed_in(box, "uploader", "editor", "analyst")) as opened:
        yield opened


def was(**said: Any) -> str:
    return json.dumps({"columns": 5, "fields": {"0": "email", "1": "first_name"}, **said})


def test_the_same_form_sent_twice_is_one_import(client: httpx2.Client) -> None:
    content = contacts("again")
    first = send(client, "contacts", content, "again.csv", once="abc")
    second = send(client, "contacts", content, "again.csv", once="abc")
    assert (first.status_code, second.status_code) == (303, 303)
    assert first.headers["location"] == second.headers["location"]
    # Another file in the same form, as a browser's history brings it back, is another import.
    other = send(client, "contacts", contacts("again-2"), "again-2.csv", once="abc")
    assert other.status_code == 303
    assert other.headers["location"] != first.headers["location"]
    assert send(client, "contacts", content, "again.csv", once="xyz").status_code == 409


def shown_was(page: str) -> str:
    """What a preview's page keeps of what it showed."""
    found = re.search(r'name="was" value="([^"]*)"', page)
    assert found is not None
    return html.unescape(found[1])


def test_columns_that_are_found_anew_are_those_of_the_import(box: BoxProcess) -> None:
    with closing(signed_in(box, "uploader", "editor")) as client:
        page = send(client, "contacts/preview", contacts("anew")).text
        moved = {"map.3": "", "map.4": "company"}
        settled(box, send(client, "contacts", contacts("anew"), "1.csv", was=shown_was(page), **moved))
        # The next file with this header is read as the last one, and says so.
        page = send(client, "contacts/preview", contacts("next")).text
        assert "as you said for an earlier file" in page
        assert '"4":"company"' in shown_was(page)
        page = send(client, "contacts/preview", contacts("next"), was=shown_was(page), anew="true").text
        assert '"3":"company"' in shown_was(page)
        job = settled(box, send(client, "contacts", contacts("next"), "2.csv", was=shown_was(page)))
        assert [each["field"] for each in job["file"]["mapping"]][3:] == ["company", None]


def test_a_form_says_of_a_file_what_a_person_changed_and_no_more() -> None:
    kind = kinds(families.load().values())["contacts"]

    def mapping(was: Was, **fields: str) -> str | None:
        given = {"was": msgspec.json.encode(was).decode(), **fields}
        return query_of(kind, given).get("mapping")

    shown = Was(3, {0: "email", 2: "company"})
    same = {"map.0": "email", "map.1": "", "map.2": "company"}
    changed = {**same, "map.1": "first_name"}
    assert mapping(shown) is None
    assert mapping(shown, **same) is None
    assert mapping(shown, **changed) == '["email","first_name","company"]'
    assert mapping(shown, **{"map.2": ""}) == '["email",null,null]'
    # What was said once is said on, also of columns beyond those that the page has room for.
    assert mapping(Was(3, {0: "email", 2: "company"}, said=True)) == '["email",null,"company"]'
    # Read otherwise the file has other columns.
    for other in ({"delimiter": "tab"}, {"encoding": "cp1250"}):
        assert mapping(shown, **changed, **other) is None
        assert mapping(Was(3, {0: "email", 2: "company"}, said=True), **other) is None
    assert mapping(Was(3, {}, delimiter="tab"), **changed, delimiter="tab") is not None
    assert mapping(shown, **changed, anew="true") == "{}"


def test_what_to_do_is_said_of_errors_that_there_are() -> None:
    texts = load_texts()["upload"]
    assert set(texts.remedy) <= set(CATALOGUE)
    for family in families.load().values():
        if family.table and family.table.view:
            assert all(field in set(texts.fields) for field in family.table.view.fields)
            assert family.name in set(texts.families)


def test_without_a_session_nothing_is_stored(box: BoxProcess) -> None:
    before = on_disk(box)
    reads = 0

    def endless() -> Iterator[bytes]:
        nonlocal reads
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nemail\n'
        while reads < 5_000:
            reads += 1
            yield b"a@b.example\n" * 6_000

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    with visitor(box) as stranger:
        answer = send(stranger, "contacts", contacts("stranger"))
        assert answer.status_code == 401
        assert "<html" in answer.text
        # The door reads on only so far as a client needs to hear the answer.
        try:
            answer = stranger.post("/console/upload/feedback", content=endless(), headers=headers)
            assert answer.status_code == 401
        except httpx2.TransportError:
            pass
    assert 0 < reads < 1_500
    assert on_disk(box) == before


def test_a_form_of_another_site_and_a_role_that_may_not_are_refused(
    box: BoxProcess, client: httpx2.Client
) -> None:
    before = on_disk(box)
    for path in ("contacts", "contacts/preview", "feedback", "feedback/preview"):
        for headers in ({"Origin": "https://elsewhere.example"}, {"Origin": "null"}):
            files = {"file": ("a.csv", contacts("site"), "text/csv")}
            answer = client.post(f"/console/upload/{path}", files=files, headers=headers)
            assert answer.status_code == 403, (path, headers)
    with closing(signed_in(box, "editor")) as editor:
        assert send(editor, "contacts", contacts("role")).status_code == 403
        assert send(editor, "feedback/preview", b"id,text\n1,x\n").status_code == 403
        page = editor.get("/console/upload").text  # any role will do for audience
        assert "/console/upload/audience" in page
        assert "/console/upload/contacts" not in page
    with closing(signed_in(box, "analyst")) as analyst:
        page = analyst.get("/console/upload").text
        assert "/console/upload/feedback" in page
        assert "/console/upload/contacts" not in page
        assert send(analyst, "contacts", contacts("role")).status_code == 403
    assert on_disk(box) == before


REFUSED: tuple[tuple[str, str, bytes, Mapping[str, str], int, str], ...] = (
    ("contacts", "a.pdf", b"x", {}, 415, "Save it from your spreadsheet as CSV"),
    ("contacts", "a.csv", b"x" * (5 * 1_048_576 + 9), {}, 413, "The file is larger than 5.0 MB."),
    ("contacts", "a.csv", b"", {}, 422, "needs a first line that names the columns"),
    ("contacts", "a.csv", b"email,x\na@b.de,1\n", {}, 400, "Found headers: email, x"),
    ("feedback", "a.csv", b"id,price\n1,2\n", {}, 422, "lets you say which column has the text"),
    ("feedback", "a.csv", b"id,text\n1,x\n", {"delimiter": "ab"}, 400, "delimiter: write comma"),
    ("contacts", "a.csv", contacts("was"), {"was": "{"}, 400, "is damaged"),
    ("contacts", "a.csv", contacts("was"), {"was": '{"columns":1e9}'}, 400, "is damaged"),
    ("contacts", "a.csv", contacts("was"), {"was": '{"columns":20000}'}, 400, "is damaged"),
    ("contacts", "a.csv", contacts("was"), {"was": was(columns=4), "map.1": "email"}, 400, "4 fields"),
    ("contacts", "a.csv", contacts("was"), {"was": was(), "map.2": "phone"}, 400, "no field `phone`"),
    ("contacts", "a.csv", contacts("was"), {f"f{n}": "" for n in range(MAX_PARTS)}, 400, "parts"),
)


@pytest.mark.parametrize(("family", "name", "content", "fields", "status", "says"), REFUSED)
def test_what_is_refused_is_said_on_a_page_and_in_a_piece(
    box: BoxProcess,
    client: httpx2.Client,
    family: str,
    name: str,
    content: bytes,
    fields: Mapping[str, str],
    status: int,
    says: str,
) -> None:
    before = on_disk(box)
    answer = send(client, family, content, name, **fields)
    assert answer.status_code == status, answer.text
    assert says in answer.text
    assert answer.text.lstrip().startswith("<!doctype html>")
    client.headers["HX-Request"] = "true"
    try:
        piece = send(client, family, content, name, **fields)
    finally:
        del client.headers["HX-Request"]
    assert piece.status_code == status
    assert says in piece.text
    assert "<html" not in piece.text
    assert on_disk(box) == before


def test_a_box_that_is_behind_says_so_before_it_takes_the_file(tmp_path: Path) -> None:
    config = "[limits]\nbacklog_records = 1000\n[work]\nchildren = 1\n"
    with running(tmp_path, config=config) as box, closing(signed_in(box, "analyst")) as client:
        rows = "".join(f"B-{n},It came late and the taste was bad.\n" for n in range(30_000))
        answer = send(client, "feedback", f"id,text\n{rows}".encode())
        assert answer.status_code == 303, answer.text
        answer = send(client, "feedback", b"id,text\n1,x\n")
        assert answer.status_code in (429, 503)
        assert int(answer.headers["retry-after"]) > 0
        assert "Wait a moment, then try again" in answer.text


def test_the_sample_is_a_file_that_the_page_takes(client: httpx2.Client) -> None:
    known = families.load()
    for family in known:
        answer = client.get(f"/console/upload/sample/{family}").raise_for_status()
        found = samples.table(family)
        assert found is not None
        assert answer.content == found[1]
        assert answer.headers["content-disposition"] == f'attachment; filename="{found[0]}"'
        if known[family].table is not None:
            assert send(client, family, answer.content, found[0]).status_code == 303
    assert client.get("/console/upload/sample/nobody").status_code == 404


def test_addresses_that_take_files_lead_back_to_the_page(client: httpx2.Client) -> None:
    for path in ("contacts", "contacts/preview"):
        answer = client.get(f"/console/upload/{path}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/upload?as=contacts")
    assert 'action="/console/upload/contacts"' in client.get("/console/upload?as=contacts").text
    assert client.get("/console/upload?as=nothing").status_code == 200


def test_rows_that_are_known_already_are_passed_over(box: BoxProcess) -> None:
    with closing(signed_in(box, "uploader", "editor")) as client:
        first = send(client, "contacts", contacts("base"), "base.csv")
        settled(box, first, "completed")
        content = contacts("base", 5)
        settled(box, send(client, "contacts", content, "more.csv"), "review")
        known = send(client, "contacts", content + b"\n", "known.csv", baseline="true")
        job = settled(box, known, "completed")
        assert (job["counts"]["finished"], job["counts"]["discarded"]) == (2, 3)


def settled(box: BoxProcess, answer: httpx2.Response, wanted: str = "completed") -> dict[str, Any]:
    """The job of a form that was taken, once it is in this state."""
    assert answer.status_code == 303, answer.text
    job_id = answer.headers["location"].rpartition("/")[2]

    def there() -> dict[str, Any] | None:
        with box.client() as client:
            job: dict[str, Any] = client.get(f"/v1/jobs/{job_id}", params={"all": "true"}).json()
        return job if job.get("state") == wanted else None

    return until(there, f"the job is {wanted}")
