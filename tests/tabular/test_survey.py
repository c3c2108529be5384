"""Whole files: what is refused, what is noticed, and that it all goes to JSON and back."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import msgspec
import pytest

from ingestbox.tabular import Given, NotTabular, Row, Slice, Survey, read, survey
from tests.tabular.support import all_rows, written


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.csv", "id\n1\n")
    return out.getvalue()


REFUSED: dict[str, tuple[bytes, str, int]] = {
    "empty": (b"", "file_empty", 0),
    "a mark only": (b"\xef\xbb\xbf", "file_empty", 0),
    "blank lines only": (b"\n  \n\n", "no_header", 0),
    "sep only": (b"sep=;\n", "no_header", 0),
    "zip": (zipped(), "binary_file", 0),
    "broken zip": (b"PK\x03\x04" + b"x" * 100, "workbook_unreadable", 0),
    "gzip": (gzip.compress(b"id\n1\n"), "binary_file", 0),
    "pdf": (b"%PDF-1.7\n1 0 obj", "binary_file", 0),
    "png": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary_file", 0),
    "jpeg": (b"\xff\xd8\xff\xe0\x00\x10JFIF", "binary_file", 0),
    "old excel": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "workbook_kind", 0),
    "a zero byte": (b"id,text\n1,a\0b\n", "nul_bytes", 2),
    "a zero byte far away": (b"id,text\n" + b"1,abc\n" * 300_000 + b"\0", "nul_bytes", 300_002),
    "zeros": (b"\0" * 1000, "nul_bytes", 1),
    "zeros in utf-16": ("id\n1\0\n".encode("utf-16"), "nul_bytes", 2),
    "control characters": (bytes(range(1, 9)) * 50, "binary_file", 0),
    "web page": (b"<!DOCTYPE html><html>", "not_a_table", 1),
    "xml": (b'\xef\xbb\xbf<?xml version="1.0"?>', "not_a_table", 1),
    "json": (b'[\n  {"id": 1}]', "not_a_table", 1),
    "columns": (",".join(f"c{n}" for n in range(17_000)).encode() + b"\n1\n", "too_many_columns", 1),
    "a header without end": (b"x" * 5_000_000, "no_header", 1),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(tmp_path: Path, case: str) -> None:
    data, code, line = REFUSED[case]
    path = written(tmp_path, data)
    with pytest.raises(NotTabular) as caught:
        survey(path)
    assert (caught.value.code, caught.value.line) == (code, line)
    assert caught.value.sentence.endswith(".")
    assert [each.name for each in tmp_path.iterdir()] == ["table.csv"]


@pytest.mark.parametrize(
    "given",
    [Given(delimiter=";;"), Given(delimiter="\n"), Given(quote="ab"), Given(delimiter="'", quote="'")],
)
def test_what_cannot_be_given(tmp_path: Path, given: Given) -> None:
    with pytest.raises(NotTabular) as caught:
        survey(written(tmp_path, b"id\n1\n"), given=given)
    assert caught.value.code == "bad_given"


NOTICED: dict[str, tuple[str, str, int, list[int]]] = {
    "short rows": ("id,text\n1,a\n2\n3\n", "missing_cells", 2, [3, 4]),
    "stray quotes": ('id,text\n1,"a "b" c"\n', "stray_quote", 1, [2]),
    "same names": ("id,text,text\n1,a,b\n", "duplicate_columns", 1, []),
    "no names": ("id,,text\n1,a,b\n", "unnamed_columns", 1, []),
    "no header": ("1,good,2024-01-01\n2,bad,2024-01-02\n", "header_unlikely", 1, [1]),
    "a title": ("Report of May\n\nid,text\n1,a\n2,b\n3,c\n", "preamble", 1, []),
    "sep": ("sep=;\nid;text\n1;a\n", "delimiter_named", 0, []),
}


@pytest.mark.parametrize("case", NOTICED)
def test_noticed(tmp_path: Path, case: str) -> None:
    text, code, count, lines = NOTICED[case]
    found = survey(written(tmp_path, text.encode()))
    (notice,) = [each for each in found.notices if each.code == code]
    assert (notice.count, notice.lines) == (count, lines)


def test_a_plain_table_has_no_notices(tmp_path: Path) -> None:
    assert survey(written(tmp_path, "id,text\n1,tốt\n2,kém\n".encode())).notices == []


def test_a_notice_names_the_first_lines_only(tmp_path: Path) -> None:
    found = survey(written(tmp_path, b"id,text\n" + b"1\n" * 100))
    assert (found.notices[0].count, found.notices[0].lines) == (100, [2, 3, 4, 5, 6])


def test_without_a_header(tmp_path: Path) -> None:
    path = written(tmp_path, b"1,good\n2,bad\n")
    found = survey(path, given=Given(has_header=False))
    assert found.format.header == ["column_1", "column_2"]
    assert found.format.header_line == 0
    assert found.total == 2
    assert [row.cells for row in found.preview if isinstance(row, Row)] == [["1", "good"], ["2", "bad"]]
    assert [row.line for row in found.preview] == [1, 2]


def test_a_header_alone(tmp_path: Path) -> None:
    found = survey(written(tmp_path, b"id,text"))
    assert (found.format.header, found.total) == (["id", "text"], 0)
    assert read(tmp_path / "table.csv", found.format).done


def test_a_header_over_lines_and_below_a_title(tmp_path: Path) -> None:
    path = written(tmp_path, b'Report\n\n"id","the\ntext"\n1,a\n2,b\n3,c\n')
    found = survey(path)
    assert found.format.header == ["id", "the text"]
    assert (found.format.header_line, found.format.line) == (3, 5)
    assert [row.line for row in found.preview] == [5, 6, 7]


def test_preview_is_the_first_rows(tmp_path: Path) -> None:
    path = written(tmp_path, b"id\n" + b"".join(b"%d\n" % number for number in range(100)))
    found = survey(path)
    assert found.preview == read(path, found.format).rows[:20]
    assert found.total == 100


def test_newlines(tmp_path: Path) -> None:
    for text, newline in {
        "a\nb\n": "\n",
        "a\r\nb\r\n": "\r\n",
        "a\rb\r": "\r",
        "a\nb\r\n": "mixed",
        "a": "\n",
    }.items():
        assert survey(written(tmp_path, text.encode())).format.newline == newline


def test_all_of_it_goes_through_json(tmp_path: Path) -> None:
    path = written(tmp_path, 'id;text\n1;trés bien\n2;a;b\n3;"x\n'.encode("cp1252"))
    found = survey(path)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Survey) == found
    part = read(path, found.format, found.start, 1)
    again = msgspec.json.decode(msgspec.json.encode(part), type=Slice)
    assert again == part
    assert read(path, found.format, again.position).rows == all_rows(path, found.format)[1:]


def test_the_same_file_gives_the_same_survey(tmp_path: Path) -> None:
    path = written(tmp_path, "id;text\n1;très bien, ça\n".encode("cp1252") * 50)
    assert survey(path) == survey(path)


MEMORY = '''
import sys
from pathlib import Path
from ingestbox.tabular import survey, read
def peak() -> int:
    """Kilobytes; of this program alone, which the resource usage of a child is not."""
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))

before = peak()
found = survey(Path(sys.argv[1]))
position = found.start
rows = 0
while True:
    part = read(Path(sys.argv[1]), found.format, position, 1000)
    rows += len(part.rows)
    position = part.position
    if part.done:
        break
assert rows == found.total, (rows, found.total)
print(found.total, peak() - before)
'''

LARGE: dict[str, tuple[bytes, int]] = {
    "ordinary": ('1,Giao hàng chậm,"nhân viên, thân thiện"\n'.encode(), 300_000),
    "quotes": (b'"', 8_000_000),
    "lines of a quote": (b'"\n', 150_000),
    "delimiters": (b",", 8_000_000),
    "newlines": (b"\r", 1_000_000),
    "closed and opened": (b'x","z\n', 150_000),
    "open on each line": (b'1,"abc\n', 150_000),
    "open once": (b"2,b\n", 300_000),
}


@pytest.mark.parametrize("case", LARGE)
def test_memory_is_bounded_whatever_the_file(tmp_path: Path, case: str) -> None:
    line, times = LARGE[case]
    begin = b'id,text,who\n1,"open\n' if case == "open once" else b"id,text,who\n"
    path = written(tmp_path, begin + line * times)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, check=True, timeout=120
    )
    total, grown = map(int, done.stdout.split())
    assert 0 < grown < 60 * 1024
    assert total > 0 or case == "newlines"
