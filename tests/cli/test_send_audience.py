"""`ingestbox send --family audience` to a real box: names and parts, what is found out, what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ingestbox.cli.reach import SUBJECT
from ingestbox.model import Role
from tests.cli.support import Ran, ingestbox
from tests.harness import PATIENCE, BoxProcess, running
from tests.tabular.support import text_cell, workbook

PATH = "/api/audience/batch-upload"
LIMIT = 1_000


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    """A box that takes parts of at most 1 MB."""
    config = f"[limits]\naudience_mb = 1\naudience_records = {LIMIT}\n"
    with running(tmp_path_factory.mktemp("box"), config=config) as started:
        yield started


@pytest.fixture(scope="module")
def sender(box: BoxProcess) -> Iterator[httpx2.Client]:
    """Whoever the command is without a token."""
    headers = {"Authorization": f"Bearer {box.token(Role.INGEST, subject=SUBJECT)}"}
    with httpx2.Client(
        base_url=box.url, headers=headers, timeout=PATIENCE, trust_env=False, verify=False
    ) as client:
        yield client


def send(box: BoxProcess, folder: Path, *more: str, stdin: bytes = b"") -> Ran:
    at = ("--data", str(box.data), "--config", str(box.folder / "ingestbox.toml"))
    return ingestbox("send", "--family", "audience", *more, *at, cwd=folder, stdin=stdin)


def person(number: int, **fields: object) -> dict[str, object]:
    return {"business_email": f"ann.{number}@firm-{number}.example", "first_name": "Ann", **fields}


def lines(records: Sequence[object]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in records)


def listed(sender: httpx2.Client, name: str) -> list[dict[str, Any]]:
    """The uploads whose names begin so, oldest first."""
    found: list[dict[str, Any]] = sender.get(PATH).raise_for_status().json()["uploads"]
    return [each for each in reversed(found) if each["upload_name"].startswith(name)]


def records_of(sender: httpx2.Client, upload: dict[str, Any]) -> list[Any]:
    found: list[Any] = sender.get(f"{PATH}/{upload['upload_id']}").raise_for_status().json()["records"]
    return found


def test_what_was_found_out_is_said_of_each_upload(
    box: BoxProcess, sender: httpx2.Client, tmp_path: Path
) -> None:
    every = [person(1), person(2), person(1), {"email": "no address"}, {"domain": "firm.example"}]
    (tmp_path / "found.ndjson").write_bytes(lines(every))
    first = send(box, tmp_path, "found.ndjson", "--wait")
    assert first.code == 0, first
    (upload,) = listed(sender, "found.ndjson")
    assert first.out.splitlines()[0] == (
        f"{upload['upload_id']}  found.ndjson: 5 records, 1 duplicate, 1 invalid address"
    )
    assert first.out.splitlines()[1].startswith("5 records in 1 upload, ")
    assert records_of(sender, upload) == every
    again = send(box, tmp_path, "found.ndjson", "--wait", "--json")
    assert again.json()["repeated_jobs"] == 1
    assert len(listed(sender, "found.ndjson")) == 1
    anew = send(box, tmp_path, "found.ndjson", "--again", "--gzip", "--wait", "--json")
    (found,) = anew.json()["uploads"]
    assert (found["records"], found["duplicates"], found["invalid"], found["waiting"]) == (5, 5, 1, 0)
    assert len(listed(sender, "found.ndjson")) == 2


def test_a_large_file_is_several_uploads_in_its_order(
    box: BoxProcess, sender: httpx2.Client, tmp_path: Path
) -> None:
    every = [person(number) for number in range(2 * LIMIT + 1)]
    (tmp_path / "many.json").write_text(json.dumps(every))
    ran = send(box, tmp_path, "many.json", "--name", "Fair", "--json")
    assert ran.code == 0, ran
    uploads = listed(sender, "Fair")
    assert [each["upload_name"] for each in uploads] == ["Fair (1)", "Fair (2)", "Fair (3)"]
    assert [each["upload_id"] for each in uploads] == ran.json()["jobs"]
    assert [each["rows_received"] for each in uploads] == [LIMIT, LIMIT, 1]
    assert [record for each in uploads for record in records_of(sender, each)] == every


def test_parts_are_below_the_size_that_the_box_takes(
    box: BoxProcess, sender: httpx2.Client, tmp_path: Path
) -> None:
    every = [person(number, note="x" * 300_000) for number in range(7)]
    long = "n" * 100
    (tmp_path / "wide.json").write_text(json.dumps({"records": every}))
    ran = send(box, tmp_path, "wide.json", "--name", long)
    assert ran.code == 0, ran
    uploads = listed(sender, "nnn")
    assert [each["rows_received"] for each in uploads] == [3, 3, 1]
    assert [each["upload_name"] for each in uploads] == [f"{'n' * 96} ({part})" for part in (1, 2, 3)]


def test_what_the_box_says_of_a_whole_batch_is_said(box: BoxProcess, tmp_path: Path) -> None:
    (tmp_path / "over.ndjson").write_bytes(lines([person(number) for number in range(LIMIT + 1)]))
    ran = send(box, tmp_path, "over.ndjson", "--batch", str(LIMIT + 1))
    assert ran.code == 1
    assert f"over.ndjson, line 1: Batch size too large. Maximum {LIMIT} records per request." in ran.err


def test_records_without_what_is_needed_are_named(
    box: BoxProcess, sender: httpx2.Client, tmp_path: Path
) -> None:
    one, other = (person(number, business_email=f"piped.{number}@firm.example") for number in range(2))
    every = lines([one, {"first_name": "Nobody"}]) + b'{"email": \n' + lines([other])
    whole = send(box, tmp_path, "-", stdin=every)
    assert whole.code == 1
    assert "Refused: stdin, line 3: It is not valid JSON" in whole.err
    assert "Refused: stdin, line 2: At least one of: business_email, " in whole.err
    assert "Refused: stdin, line 1: it is in a batch that was refused for other records" in whole.err
    assert listed(sender, "stdin") == []
    late = send(box, tmp_path, "-", stdin=lines([person(number) for number in range(30)]) + every)
    named = [line for line in late.err.splitlines() if line.startswith("Refused: stdin, line ")]
    assert "line 33: It is not valid JSON" in named[0]
    assert "line 32: At least one of: business_email, " in named[1]
    some = send(box, tmp_path, "-", "--partial", "--wait", stdin=every)
    assert some.code == 1
    assert "Refused: stdin, line 2: At least one of: business_email, " in some.err
    assert "stdin: 2 records, 0 duplicates, 0 invalid addresses, 1 more waits as an issue" in some.out
    (upload,) = listed(sender, "stdin")
    assert (upload["rows_received"], upload["rows_stored"]) == (3, 2)


def sheet(rows: Sequence[Sequence[str]]) -> bytes:
    """A workbook."""
    written = (
        f'<row r="{line}">'
        + "".join(text_cell(f"{chr(65 + place)}{line}", text) for place, text in enumerate(row))
        + "</row>"
        for line, row in enumerate(rows, 1)
    )
    return workbook([("Fair", "".join(written))])


HEADER = ["business_email", "first_name", "employees"]
ROWS = [["ann@a.example", "Ánh", "12"], ["", "Nobody", "1"], ["ben@b.example", "Bội", "7"]]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.csv", ";".join(HEADER) + "\n" + "\n".join(map(";".join, ROWS)) + "\n", 'delimiter ";"'),
        ("rows.tsv", "\t".join(HEADER) + "\r\n" + "\r\n".join(map("\t".join, ROWS)), "delimiter tab"),
        ("rows.xlsx", "", 'rows.xlsx: 3 rows, sheet "Fair"; business_email from'),
    ],
    ids=["csv", "tsv", "xlsx"],
)
def test_rows_are_sent_as_records_and_those_that_are_none_are_named(
    box: BoxProcess, sender: httpx2.Client, tmp_path: Path, name: str, content: str, said: str
) -> None:
    (tmp_path / name).write_bytes(content.encode() or sheet([HEADER, *ROWS]))
    ran = send(box, tmp_path, name, "--wait")
    assert ran.code == 1
    assert said in ran.err
    assert f"Refused: {name}, line 3: " in ran.err and "At least one of: business_email" in ran.err
    (upload,) = listed(sender, name)
    assert [record["first_name"] for record in records_of(sender, upload)] == ["Ánh", "Bội"]
    assert upload["fields"] == HEADER


def test_columns_are_what_a_person_says(box: BoxProcess, sender: httpx2.Client, tmp_path: Path) -> None:
    (tmp_path / "said.csv").write_text("x,Wer\nann@a.example,Ánh\n")
    refused = send(box, tmp_path, "said.csv")
    assert refused.code == 1
    assert "said.csv cannot be sent: Missing required fields" in refused.err
    ran = send(box, tmp_path, "said.csv", "--mapping", "business_email=x", "--mapping", "first_name=Wer")
    assert ran.code == 0, ran
    assert "business_email from 'x', first_name from 'Wer'" in ran.err
    (upload,) = listed(sender, "said.csv")
    assert records_of(sender, upload) == [{"business_email": "ann@a.example", "first_name": "Ánh"}]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a.json", "--name", " "), "--name has 1 to 100 characters"),
        (("a.json", "--name", "x" * 101), "--name has 1 to 100 characters"),
        (("a.json", "a.json", "--name", "both"), "--name is for one file"),
        (("a.json", "--baseline"), "--baseline is for --family contacts"),
        (("a.csv", "--mapping", "email"), "--mapping 'email' has to be FIELD=COLUMN"),
        (("a.json", "--family", "feedback", "--mapping", "a=b"), "--mapping is for contacts and audience"),
        (("a.csv", "--encoding", "klingon"), "--encoding: "),
        (("a.csv",), "a.csv cannot be sent: "),
        (("a.json", "--family", "feedback", "--name", "x"), "--name for audience"),
    ],
)
def test_what_has_no_meaning_is_refused_in_words(
    box: BoxProcess, tmp_path: Path, arguments: Sequence[str], said: str
) -> None:
    (tmp_path / "a.json").write_text(json.dumps([person(1)]))
    (tmp_path / "a.csv").write_text("")
    ran = send(box, tmp_path, *arguments)
    assert ran.code != 0
    assert said in ran.err, ran.err
    assert "Traceback" not in ran.err


def test_a_token_that_the_box_does_not_know_is_said_with_what_helps(box: BoxProcess, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([person(1)]))
    ran = send(box, tmp_path, "a.json", "--url", box.url, "--token", "nobody")
    assert ran.code == 1
    assert "ingestbox token create" in ran.err
