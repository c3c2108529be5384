"""Which files `send` understands, and how it says where a record lies."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestbox.cli.sending.source import BadFileError, pieces

RECORDS = [{"id": "a", "summary": "späť"}, {"id": 2, "summary": "x", "more": {"deep": [1, None]}}]


def read(text: str | bytes) -> list[tuple[str, object, str]]:
    data = text.encode() if isinstance(text, str) else text
    found = list(pieces(io.BytesIO(data)))
    assert all(piece.fault is None for piece in found), found
    return [(piece.place, json.loads(piece.raw), piece.key) for piece in found]


def lines(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def test_ndjson_has_a_record_a_line() -> None:
    assert read(lines(*RECORDS)) == [("line 1", RECORDS[0], "a"), ("line 2", RECORDS[1], "2")]


@pytest.mark.parametrize("indent", [None, 2])
def test_a_batch_document_and_an_array_hold_the_same_records(indent: int | None) -> None:
    expected = [("record 1", RECORDS[0], "a"), ("record 2", RECORDS[1], "2")]
    assert read(json.dumps({"records": RECORDS}, indent=indent)) == expected
    assert read(json.dumps({"source": "x", "records": RECORDS}, indent=indent)) == expected
    assert read(json.dumps(RECORDS, indent=indent)) == expected


def test_blank_lines_line_ends_and_a_byte_order_mark_do_not_matter() -> None:
    text = b"\xef\xbb\xbf\n\r\n" + b'{"id":"a"}\r\n\r\n  {"id":"b"}  \r\n{"id":"c"}'
    assert [(place, key) for place, _, key in read(text)] == [
        ("line 3", "a"),
        ("line 5", "b"),
        ("line 6", "c"),
    ]


def test_one_record_over_several_lines_is_one_record() -> None:
    assert read(json.dumps(RECORDS[0], indent=2)) == [("record 1", RECORDS[0], "a")]


def test_a_record_with_a_field_called_records_is_a_record() -> None:
    record = {"id": "a", "summary": "x", "records": [1, 2]}
    assert read(lines(record, record)) == [("line 1", record, "a"), ("line 2", record, "a")]


@pytest.mark.parametrize("text", ["", "\n \n", "[]", '{"records":[]}'])
def test_a_file_without_records_has_none(text: str) -> None:
    assert read(text) == []


@pytest.mark.parametrize(
    "text", ["id,summary\n1,x\n", '"text"', '{"id":"a"', "[1,2", '{"records":5}', '[{"a":1}] x']
)
def test_a_file_that_is_not_json_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(BadFileError, match="JSON"):
        list(pieces(io.BytesIO(text.encode())))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b'{"id":"b","summary":', "not valid JSON"),
        (b'{"id":"b","n":NaN}', "not valid JSON"),
        (b'{"id":"b","summary":"\xff"}', "UTF-8"),
        (b'{"id":"b","x":' + b"[" * 62 + b"]" * 62 + b"}", "too deep"),
        (b"[1]", "not an object"),
        (b"7", "not an object"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_read(line: bytes, fault: str) -> None:
    found = list(pieces(io.BytesIO(b'{"id":"a"}\n' + line + b'\n{"id":"c"}\n')))
    assert [piece.key for piece in found if piece.fault is None] == ["a", "c"]
    (bad,) = [piece for piece in found if piece.fault is not None]
    assert bad.place == "line 2"
    assert bad.fault is not None and fault in bad.fault


def test_a_record_as_deep_as_a_batch_may_carry_is_read() -> None:
    assert len(read(b'{"id":"b","x":' + b"[" * 61 + b"]" * 61 + b"}")) == 1


def test_ndjson_is_never_held_whole(tmp_path: Path) -> None:
    class Counting(io.BytesIO):
        lines_read = 0

        def readline(self, size: int | None = -1) -> bytes:
            type(self).lines_read += 1
            return super().readline(size)

        def __next__(self) -> bytes:
            return self.readline()

        def read(self, size: int | None = -1) -> bytes:
            raise AssertionError("the rest was read at once")

    stream = Counting(lines(*({"id": n} for n in range(1000))).encode())
    found = pieces(stream)
    next(found)
    next(found)
    assert Counting.lines_read == 2


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_record = st.dictionaries(st.text().filter(lambda name: name != "records"), _json, max_size=4)


@settings(deadline=None)  # tests assert no time
@given(st.lists(_record, min_size=1, max_size=5))
def test_whatever_the_records_are_every_form_gives_them_back(records: list[dict[str, object]]) -> None:
    assert [value for _, value, _ in read(lines(*records))] == records
    assert [value for _, value, _ in read(json.dumps(records))] == records
    assert [value for _, value, _ in read(json.dumps({"records": records}))] == records
