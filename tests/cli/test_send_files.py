"""`ingestbox send` with files of rows, to a real box."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ingestbox.cli.sending.files import Form, is_table
from ingestbox.model import Role
from tests.cli.support import Ran, environment, ingestbox
from tests.harness import BoxProcess, running, until

ROWS = 2_000


def send(box: BoxProcess, *more: str | Path) -> Ran:
    return ingestbox("send", *more, "--data", str(box.data), cwd=box.folder)


def count(box: BoxProcess, path: str, name: str) -> int:
    with box.client(Role.ANALYST, Role.ADMIN) as client:
        return int(client.get(path).raise_for_status().json()[name])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / 'vé "mới".csv'
    lines = [f"V-{number};Giao hàng chậm {number};rất tệ" for number in range(ROWS)]
    path.write_text("Mã;Tiêu đề;Mô tả\n" + "\n".join(lines) + "\n", encoding="cp1258", errors="ignore")
    path.write_text("id;summary;description;shop\n" + "\n".join(f"{line};Huế" for line in lines), "utf-8")
    return path


def test_a_file_is_sent_said_followed_and_sent_again_without_doubling(
    own_box: BoxProcess, file: Path
) -> None:
    own_box.start()
    first = send(own_box, file, "--wait", "--json")
    assert first.code == 0, first.err
    report = first.json()
    assert (report["records"], report["completed_jobs"], report["repeated_jobs"]) == (ROWS, 1, 0)
    assert report["bytes"] == file.stat().st_size
    (sent,) = report["files"]
    assert (sent["file_info"]["rows"], sent["file_info"]["delimiter"]) == (ROWS, ";")
    for said in ("2,000 rows", "utf-8", 'delimiter ";";', "summary from 'summary'", "1 more kept"):
        assert said.lower() in first.err.lower(), first.err
    again = send(own_box, file, "--wait")
    assert again.code == 0
    assert "1 job from an earlier call" in again.out
    assert count(own_box, "/api/jobs?limit=500", "count") == 1
    assert count(own_box, "/api/tickets?limit=1", "total") == ROWS
    new = send(own_box, file, "--again", "--wait")
    assert new.code == 0
    assert count(own_box, "/api/jobs?limit=500", "count") == 2
    assert count(own_box, "/api/tickets?limit=1", "total") == ROWS


def test_files_of_rows_and_of_records_go_in_one_call(own_box: BoxProcess, tmp_path: Path) -> None:
    own_box.start()
    (tmp_path / "a.ndjson").write_text('{"id": "N-1", "summary": "one"}\n')
    (tmp_path / "b.tsv").write_text("id\tsummary\nB-1\ttwo\nB-2\t\nB-3\tthree\n")
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    (tmp_path / "empty.csv").write_text("")
    names = [tmp_path / name for name in ("a.ndjson", "b.tsv", "bad.csv", "empty.csv")]
    ran = send(own_box, *names, "--wait")
    assert ran.code == 1
    assert "Refused file: " in ran.err and "bad.csv: " in ran.err and "empty.csv: " in ran.err
    assert "b.tsv, row 2: " in ran.err  # it has no text: an issue, and said where
    assert "delimiter tab" in ran.err
    assert count(own_box, "/api/tickets?limit=1", "total") == 3


def test_a_box_that_is_killed_meanwhile_has_the_file_once(own_box: BoxProcess, file: Path) -> None:
    own_box.start()
    own_box.kill()
    command = [sys.executable, "-m", "ingestbox", "send", str(file), "--wait", "--url", own_box.url]
    with subprocess.Popen(
        [*command, "--token", own_box.token(Role.INGEST)],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        os.set_blocking(process.stderr.fileno(), False)
        until(lambda: b"does not answer" in (process.stderr.read() or b""), "it says so")  # type: ignore[union-attr]
        own_box.start()
        assert process.wait(60) == 0
    assert count(own_box, "/api/tickets?limit=1", "total") == ROWS
    assert count(own_box, "/api/jobs?limit=500", "count") == 1


def test_what_is_wrong_is_said_with_what_to_do(tmp_path: Path, file: Path) -> None:
    with running(tmp_path / "box", config="[limits]\nfeedback_csv_mb = 1\n") as box:
        large = tmp_path / "large.csv"
        large.write_bytes(b"id,summary\n" + b"1,text\n" * 400_000)
        ran = send(box, large)
        assert ran.code == 1
        assert "large.csv: " in ran.err and "Split the file" in ran.err and "1 file refused" in ran.out, (
            ran.err
        )
        wrong = ingestbox("send", file, "--url", box.url, "--token", "ibk_wrong", cwd=tmp_path)
        assert wrong.code == 1 and "ingestbox key create" in wrong.err
    gone = send(box, tmp_path / "none.csv")
    assert gone.code == 2 and "There is no file" in gone.err


def test_what_is_known_of_a_file_can_be_said(own_box: BoxProcess, tmp_path: Path) -> None:
    own_box.start()
    path = tmp_path / "a.csv"
    path.write_bytes("id|text\n1|£5; that, is much\n".encode("cp1252"))
    for options in ([], ["--encoding", "cp1250", "--delimiter", "pipe"]):
        ran = send(own_box, path, *options, "--wait", "--json")
        assert ran.code == 0, ran.err
    info = ran.json()["files"][0]["file_info"]
    assert (info["encoding"], info["encoding_confidence"], info["delimiter"]) == ("cp1250", 1.0, "|")
    assert ran.json()["repeated_jobs"] == 0  # it is another request, whose key is another one
    wrong = send(own_box, path, "--encoding", "klingon")
    assert wrong.code == 1 and "klingon" in wrong.err


async def body_of(form: Form) -> bytes:
    return b"".join([piece async for piece in form.body(lambda _: None)])


def test_a_form_says_its_length_and_escapes_its_name(tmp_path: Path) -> None:
    import asyncio

    import click

    path = tmp_path / 'a"b\n.csv'
    path.write_bytes(b"x" * 600_000)
    form = Form.of(path)
    body = asyncio.run(body_of(form))
    assert len(body) == int(form.headers["Content-Length"])
    assert b'filename="a%22b%0A.csv"' in body
    assert Form.of(path).idempotency_key == form.idempotency_key != Form.of(path, "salt").idempotency_key
    assert Form.of(path, said={"encoding": "utf-8"}).idempotency_key != form.idempotency_key
    path.write_bytes(b"y" * 600_001)
    assert Form.of(path).idempotency_key != form.idempotency_key
    with pytest.raises(click.ClickException, match="changed while"):
        asyncio.run(body_of(form))
    assert [is_table(name) for name in ("a.CSV", "a.tsv", "a.txt", "a.xlsx", "a.ndjson", "-", "csv")] == [
        True, True, True, True, False, False, False,
    ]  # fmt: skip
    assert json.dumps(form.headers)
