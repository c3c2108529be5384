"""The accept/reject table of the contract, and that every fault of every record is told."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from typing import Any

import pytest

from ingestbox.errors import IngestError
from ingestbox.families.feedback import decode as module
from ingestbox.families.feedback.decode import Decoded


def decode(text: bytes, *, max_records: int = 1000, partial: bool = False) -> Decoded:
    return asyncio.run(module.decode(text, max_records=max_records, partial=partial))


def body(*records: object) -> bytes:
    return json.dumps({"records": records}).encode()


def faults(*records: object, partial: bool = False) -> list[tuple[int | None, str | None, str]]:
    with pytest.raises(IngestError) as caught:
        decode(body(*records), max_records=1000, partial=partial)
    assert caught.value.status == 422
    return [(fault.index, fault.field, fault.code) for fault in caught.value.faults]


GOOD: list[dict[str, Any]] = [
    {"id": "a", "summary": "text"},
    {"id": "a", "description": "text"},
    {"id": "a", "summary": None, "description": "text"},
    {"id": "a", "summary": "", "description": "text"},
    {"id": "a", "summary": "text", "description": None},
    {"id": "a", "summary": "text", "description": ""},
    {"id": "a", "summary": " \n", "description": "text"},
    {"id": "a", "summary": "text", "comments": None},
    {"id": "a", "summary": "text", "comments": []},
    {"id": "a", "summary": "text", "comments": ["", " ", "said"]},
    {"id": "x" * 100, "summary": "text"},
    {"id": 17, "summary": "text"},
    {"id": -3, "summary": "text"},
    {"id": 0, "summary": "text"},
    {"id": "a", "summary": "text", "unknown": {"kept": [1, 2.5, None, "ü"]}},
]


@pytest.mark.parametrize("record", GOOD, ids=[json.dumps(each)[:60] for each in GOOD])
def test_accepted(record: dict[str, Any]) -> None:
    (intake,) = decode(body(record), max_records=1000, partial=False).batch.records
    assert json.loads(intake.payload) == record  # kept as sent, unknown fields included
    assert intake.key == str(record["id"])
    assert intake.fault is None


BAD: list[tuple[Any, list[tuple[str | None, str]]]] = [
    ({"summary": "text"}, [("id", "id_required")]),
    ({"id": None, "summary": "text"}, [("id", "id_required")]),
    ({"id": "", "summary": "text"}, [("id", "id_length")]),
    ({"id": "x" * 101, "summary": "text"}, [("id", "id_length")]),
    ({"id": 10**100, "summary": "text"}, [("id", "id_length")]),
    ({"id": 1.0, "summary": "text"}, [("id", "wrong_type")]),
    ({"id": True, "summary": "text"}, [("id", "wrong_type")]),
    ({"id": ["a"], "summary": "text"}, [("id", "wrong_type")]),
    ({"id": "a"}, [("summary", "text_required")]),
    ({"id": "a", "summary": None, "description": None}, [("summary", "text_required")]),
    ({"id": "a", "summary": "", "description": " \t\n "}, [("summary", "text_required")]),
    ({"id": "a", "summary": 5}, [("summary", "wrong_type")]),
    ({"id": "a", "summary": "text", "description": {}}, [("description", "wrong_type")]),
    ({"id": "a", "summary": "text", "comments": "said"}, [("comments", "wrong_type")]),
    ({"id": "a", "summary": "text", "comments": ["said", 3]}, [("comments[1]", "wrong_type")]),
    (
        {"id": 1.5, "summary": 5, "comments": [1]},
        [("id", "wrong_type"), ("summary", "wrong_type"), ("comments[0]", "wrong_type")],
    ),
    ("text", [(None, "wrong_type")]),
    (None, [(None, "wrong_type")]),
    ([], [(None, "wrong_type")]),
]


@pytest.mark.parametrize(("record", "expected"), BAD, ids=[json.dumps(each[0])[:60] for each in BAD])
def test_rejected_with_every_fault(record: object, expected: list[tuple[str | None, str]]) -> None:
    good = {"id": "good", "summary": "text"}
    assert faults(good, record) == [(1, field, code) for field, code in expected]


def test_faults_of_all_records_are_listed_up_to_a_thousand() -> None:
    assert faults(*[{"id": "a"}] * 700) == [(index, "summary", "text_required") for index in range(700)]
    assert len(faults(*[{}] * 1000)) == 1000  # two faults each


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (body(), "records cannot be empty"),
        (body(*[{"id": "a", "summary": "b"}] * 1001), "records exceeds batch limit of 1000"),
        (b"{}", "The body must be an object with a list `records`."),
        (b"[]", "The body must be an object with a list `records`."),
        (b"null", "The body must be an object with a list `records`."),
        (b'{"records": {}}', "The body must be an object with a list `records`."),
        (b'{"records": null}', "The body must be an object with a list `records`."),
    ],
)
def test_a_body_of_the_wrong_shape(text: bytes, sentence: str) -> None:
    with pytest.raises(IngestError) as caught:
        decode(text, max_records=1000, partial=False)
    assert (caught.value.status, caught.value.detail) == (422, sentence)


def test_a_thousand_records_are_not_too_many() -> None:
    records = [{"id": number, "summary": "b"} for number in range(1000)]
    assert len(decode(body(*records), max_records=1000, partial=False).batch.records) == 1000


def test_of_one_id_in_a_batch_the_last_wins_and_the_job_says_so() -> None:
    batch = decode(
        body({"id": "a", "summary": "1"}, {"id": "b", "summary": "2"}, {"id": "a", "summary": "3"}),
        max_records=1000,
        partial=False,
    ).batch
    assert [record.superseded for record in batch.records] == [True, False, False]
    assert [(notice.code, notice.index) for notice in batch.warnings] == [("duplicate_id", 0)]


def test_an_integer_and_its_text_are_the_same_id() -> None:
    batch = decode(
        body({"id": 7, "summary": "1"}, {"id": "7", "summary": "2"}), max_records=1000, partial=False
    ).batch
    assert [record.superseded for record in batch.records] == [True, False]


def test_partial_takes_the_good_and_says_what_became_of_each() -> None:
    decoded = decode(
        body({"id": "a", "summary": "x"}, {"id": "b"}, 5, {"id": "a", "summary": "y"}),
        max_records=1000,
        partial=True,
    )
    assert [(each["index"], each["id"], each["outcome"], each.get("code")) for each in decoded.outcomes] == [
        (0, "a", "duplicate", "duplicate_id"),
        (1, "b", "rejected", "text_required"),
        (2, None, "rejected", "wrong_type"),
        (3, "a", "accepted", None),
    ]
    assert [record.fault is not None for record in decoded.batch.records] == [False, True, True, False]


def test_a_rejected_record_never_supersedes_a_good_one() -> None:
    decoded = decode(body({"id": "a", "summary": "x"}, {"id": "a"}), max_records=1000, partial=True)
    assert [each["outcome"] for each in decoded.outcomes] == ["accepted", "rejected"]


def test_partial_with_no_good_record_is_refused() -> None:
    assert faults({"id": "a"}, 5, partial=True) == [(0, "summary", "text_required"), (1, None, "wrong_type")]


def test_a_record_over_several_lines_is_stored_on_one() -> None:
    text = b'{"records": [\n{\n "id": "a",\r\n "summary": "two\\nlines", "n": 1.50 }\n]}'
    (intake,) = decode(text, max_records=1000, partial=False).batch.records
    assert intake.payload == b'{"id":"a","summary":"two\\nlines","n":1.50}'  # 1.50 stays 1.50


def test_of_duplicate_keys_the_last_wins() -> None:
    text = b'{"records": 5, "records": [{"id": "a", "id": "b", "summary": "x"}]}'
    (intake,) = decode(text, max_records=1000, partial=False).batch.records
    assert intake.key == "b"


MALFORMED = [
    b'{"records": [{"id": "a", "summary": "x"}], "other": NaN}',
    b'{"records": [{"id": "a", "summary": "x"}], "other": "\xff"}',
    b'{"records": [{"id": "a", "summary": "x"}], "other": 1e999}',
    b'{"records": [{"id": "a", "summary": "x", "n": 1e999}]}',
    b'{"records": [{"id": "a", "summary": "\xff"}]}',
    b'{"records": "\xff"}',
    b'{"records": 1e999}',
    b"[1e999]",
    b'"\xff"',
    b'{"records": [{"id": "a", "summary": "x"}]',
    b'{"records": [{"id": "a", "summary": "x", "n": ' + b"[" * 62 + b"]" * 62 + b"}]}",
    b'{"records": [{"id": "a", "summary": "x", "n": ' + b"[" * 9999 + b"]" * 9999 + b"}]}",
    b'{"records": [{"id": "a", "summary": "x"}], "n": ' + b"[" * 64 + b"]" * 64 + b"}",
]


@pytest.mark.parametrize("text", MALFORMED, ids=[repr(each[:70]) for each in MALFORMED])
def test_json_is_strict_wherever_it_is(text: bytes) -> None:
    with pytest.raises(IngestError) as caught:
        decode(text)
    assert (caught.value.status, caught.value.code) == (400, "malformed_json")


def test_the_deepest_that_is_allowed() -> None:
    decode(b'{"records": [{"id": "a", "summary": "x", "n": ' + b"[" * 61 + b"]" * 61 + b"}]}")


def test_what_is_malformed_is_said_with_its_record() -> None:
    text = b'{"records": [{"id": "a", "summary": "x"}, {"id": "b", "summary": "y", "n": 1e999}]}'
    with pytest.raises(IngestError, match="Record 1 is not valid JSON"):
        decode(text)


def test_many_repeated_ids_are_counted_past_the_first_hundred() -> None:
    batch = decode(body(*[{"id": "a", "summary": "x"}] * 500)).batch
    assert sum(record.superseded for record in batch.records) == 499
    assert [notice.index for notice in batch.warnings] == [*range(100), None]
    assert batch.warnings[-1].message.startswith("399 more ")


MANY = 300_000
MEMBERS = b",".join(b'"%d":1' % number for number in range(MANY))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b'{"records":[' + b"1," * MANY + b"1]}", "validation_failed"),
        (b'{"records":[],' + MEMBERS + b"}", "malformed_json"),
        (b"{" + MEMBERS + b',"records":[]}', "malformed_json"),
        (b"{" + MEMBERS + b"}", "malformed_json"),
    ],
    ids=["elements", "members behind", "members before", "no records"],
)
def test_an_envelope_without_measure_is_refused_before_it_is_made(text: bytes, code: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(IngestError) as caught:
            decode(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.code == code
    assert peak < 12 * 1_048_576  # 300,000 values take over 20 MB


def test_what_is_beside_the_records_is_checked_and_may_be_long() -> None:
    good = b'"records":[{"id":"a","summary":"x"}]'
    for beside in (b'"source":{"a":[1]}', b'"text":"' + b", " * 400_000 + b'"', b'"records":7'):
        assert len(decode(b"{" + beside + b"," + good + b"}").batch.records) == 1
    assert len(decode(b'{"\\u0072ecords":[{"id":"a","summary":"x"}]}').batch.records) == 1
    long = b'"text":"' + b"x" * 100_000 + b'",'
    for bad in (b'"n":1e999', b'"n":"\\ud800"', b'"n":' + b"[" * 64 + b"]" * 64):
        for more in (b"", long):
            with pytest.raises(IngestError) as caught:
                decode(b"{" + more + bad + b"," + good + b"}")
            assert caught.value.code == "malformed_json"


def test_a_long_list_is_read_to_its_end() -> None:
    records = [{"id": str(n), "summary": "x" * 1_000} for n in range(1_000)]
    assert [each.key for each in decode(body(*records)).batch.records] == [str(n) for n in range(1_000)]
    assert len(decode(body(*records[:700])).batch.records) == 700
    for most in (999, 10):
        with pytest.raises(IngestError) as caught:
            decode(body(*records), max_records=most)
        assert caught.value.faults[0].code == "batch_too_large"
