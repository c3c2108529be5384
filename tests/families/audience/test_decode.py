"""The accept/reject table of the contract, and that every fault of every record is told."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from typing import Any

import pytest
from msgspec import Raw

from ingestbox.errors import IngestError
from ingestbox.families.audience import decode as module
from ingestbox.families.audience.check import NEEDED
from ingestbox.families.audience.decode import check_record
from ingestbox.families.audience.fields import IDENTIFYING
from ingestbox.families.envelope import TooManyError, elements
from ingestbox.family import Batch
from tests.families.audience.support import turns_of


def decode(text: bytes, *, max_records: int = 50_000, partial: bool = False) -> Batch:
    return asyncio.run(module.decode(text, max_records=max_records, partial=partial))


def body(*records: object, **members: object) -> bytes:
    return json.dumps({"upload_name": "test", "records": records, **members}).encode()


def refusal(text: bytes, *, max_records: int = 50_000, partial: bool = False) -> IngestError:
    with pytest.raises(IngestError) as caught:
        decode(text, max_records=max_records, partial=partial)
    assert caught.value.status == 400
    return caught.value


def faults(error: IngestError) -> list[tuple[int | None, str | None, str]]:
    return [(fault.index, fault.field, fault.code) for fault in error.faults]


@pytest.mark.parametrize("name", IDENTIFYING)
def test_one_of_the_five_is_enough(name: str) -> None:
    (record,) = decode(body({name: " A@B.example "})).records
    assert (record.key, record.fault) == ("A@B.example", None)


GOOD: list[dict[str, Any]] = [
    {"business_email": "a@b.example", "email": None, "domain": ""},
    {"business_email": "", "personal_email": " ", "company_domain": "b.example"},
    {"email": "not an address"},  # whether it is one is found out, and told beside it
    {"domain": "b.example", "email": 7, "personal_email": False, "business_email": ["a@b.example"]},
    {"email": "a@b.example", "unknown": {"kept": [1, 2.5, None, "ü"]}, "": "", "_email": 1},
]


@pytest.mark.parametrize("record", GOOD, ids=[json.dumps(each)[:60] for each in GOOD])
def test_accepted(record: dict[str, Any]) -> None:
    (intake,) = decode(body(record)).records
    assert json.loads(intake.payload) == record
    assert intake.fault is None


BAD: list[tuple[Any, list[tuple[str | None, str]]]] = [
    ({}, [(None, "missing_required")]),
    ({"first_name": "Anna"}, [(None, "missing_required")]),
    (dict.fromkeys(IDENTIFYING, ""), [(None, "missing_required")]),
    (dict.fromkeys(IDENTIFYING), [(None, "missing_required")]),
    ({"email": " \t\n\u00a0"}, [(None, "missing_required")]),
    ({"Email": "a@b.example"}, [(None, "missing_required")]),
    ({"email": 7}, [(None, "missing_required"), ("email", "wrong_type")]),
    (
        {"domain": True, "business_email": ["a@b.example"], "email": ""},
        [(None, "missing_required"), ("business_email", "wrong_type"), ("domain", "wrong_type")],
    ),
    ("a@b.example", [(None, "wrong_type")]),
    (["a@b.example"], [(None, "wrong_type")]),
    (None, [(None, "wrong_type")]),
    (5, [(None, "wrong_type")]),
]


@pytest.mark.parametrize(("record", "wrong"), BAD, ids=[json.dumps(each)[:60] for each, _ in BAD])
def test_rejected(record: Any, wrong: list[tuple[str | None, str]]) -> None:
    error = refusal(body({"email": "a@b.example"}, record))
    assert faults(error) == [(1, field, code) for field, code in wrong]


def test_every_record_is_looked_at_and_every_fault_is_told() -> None:
    """Not only the first one's keys."""
    records = [{"email": "a@b.example"}, {}, {"email": "b@b.example"}, 5, {"email": 1, "domain": 2}]
    error = refusal(body(*records))
    assert faults(error) == [
        (1, None, "missing_required"),
        (3, None, "wrong_type"),
        (4, None, "missing_required"),
        (4, "email", "wrong_type"),
        (4, "domain", "wrong_type"),
    ]
    assert error.detail == (
        f"Missing required fields for enrichment: record 1. {NEEDED} 3 of 5 records are not valid."
    )


def test_of_very_many_faults_the_first_thousand_are_listed_and_all_are_counted() -> None:
    error = refusal(body(*[{"email": 1}] * 700))
    assert len(error.faults) == 1_000
    assert error.detail.endswith(
        " 700 of 700 records are not valid. Of their 1,400 faults the first 1,000 are listed."
    )


@pytest.mark.parametrize(
    ("name", "code", "sentence"),
    [
        (None, "name_required", "Upload name is required"),
        ("", "name_required", "Upload name is required"),
        (" \t", "name_required", "Upload name is required"),
        ("x" * 101, "name_too_long", "Upload name too long"),
        ("ü" * 101, "name_too_long", "Upload name too long"),
        (7, "wrong_type", "Upload name must be text"),
        (["x"], "wrong_type", "Upload name must be text"),
    ],
)
def test_names(name: object, code: str, sentence: str) -> None:
    error = refusal(body({"email": "a@b.example"}, upload_name=name))
    assert (error.detail, faults(error)) == (sentence, [(None, "upload_name", code)])


def test_a_name_has_a_hundred_characters_whatever_their_bytes() -> None:
    assert decode(body({"email": "a@b.example"}, upload_name="ữ" * 100)).name == "ữ" * 100
    error = refusal(b'{"records":[{"email":"a@b.example"}]}')
    assert error.detail == "Upload name is required"


def test_what_is_wrong_beside_the_records_is_told_with_what_is_wrong_with_them() -> None:
    error = refusal(body({"email": "a@b.example"}, {}, upload_name="", fields=["a", 1, "b", None]))
    assert error.detail == "Upload name is required"
    assert faults(error) == [
        (None, "upload_name", "name_required"),
        (None, "fields[1]", "wrong_type"),
        (None, "fields[3]", "wrong_type"),
        (1, None, "missing_required"),
    ]
    assert faults(refusal(body({"email": "x"}, {}, upload_name=""), partial=True))[0][2] == "name_required"


@pytest.mark.parametrize("members", [b'"records":[]', b'"records":null', b'"other":1'])
def test_no_records(members: bytes) -> None:
    error = refusal(b'{"upload_name":"test",' + members + b"}")
    assert (error.detail, faults(error)) == (
        "At least one record is required",
        [(None, "records", "empty_batch")],
    )


@pytest.mark.parametrize("records", ["{}", '"x"', "7", "true"])
def test_records_that_are_no_list(records: str) -> None:
    error = refusal(f'{{"upload_name":"test","records":{records}}}'.encode())
    assert faults(error) == [(None, "records", "wrong_type")]


@pytest.mark.parametrize("text", ["[]", '"x"', "7", "null"])
def test_bodies_that_are_no_object(text: str) -> None:
    assert faults(refusal(text.encode())) == [(None, None, "wrong_type")]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b'{"upload_name":"t","records":[{"email":"a"}]} x',
        b'{"upload_name":"t","records":[{"email":"a",}]}',
        b'{"upload_name":"t","records":[{"email":"a","n":NaN}]}',
        b'{"upload_name":"t","records":[{"email":"a","n":1e999}]}',
        b'{"upload_name":"t","records":[{"email":"a","n":"\\ud800"}]}',
        b'{"upload_name":"t","records":[{"email":"\xff"}]}',
        b'{"upload_name":"t","records":[{"email":"a"}],"other":1e999}',
        b'{"upload_name":"t","records":[{"email":"a"}],"other":"\\ud800"}',
        b'{"upload_name":"\\ud800","records":[{"email":"a"}]}',
        b'{"upload_name":"t","records":[{"email":"a"}],"fields":["\\ud800"]}',
        b'{"upload_name":"t","records":[{"email":"a","n":' + b"[" * 63 + b"]" * 63 + b"}]}",
        b'{"upload_name":"t","records":[{"email":"a"}],"other":' + b"[" * 64 + b"]" * 64 + b"}",
        b'{"upload_name":"t","records":' + b"[" * 100_000 + b"}",
    ],
    ids=range(15),
)
def test_json_is_strict_also_where_nothing_is_looked_into(text: bytes) -> None:
    for partial in (False, True):
        assert refusal(text, partial=partial).code == "malformed_json"


def test_of_duplicate_keys_the_last_wins_whatever_the_others_are() -> None:
    text = b'{"records":5,"upload_name":1,"fields":2,"records":[{"email":1,"email":"a"}],"upload_name":"t"'
    batch = decode(text + b',"fields":["x"]}')
    assert (batch.name, [each.key for each in batch.records]) == ("t", ["a"])
    assert batch.about == {"fields": '["x"]'}


def test_records_keep_the_spelling_of_their_numbers_and_lose_line_ends_alone() -> None:
    text = (
        b'{"upload_name":"t","records":[{"email":"a@b.example","n":1.10,"m":1E2,"big":12345678901234567890}]}'
    )
    (record,) = decode(text).records
    assert record.payload == b'{"email":"a@b.example","n":1.10,"m":1E2,"big":12345678901234567890}'
    (record,) = decode(text.replace(b",", b",\r\n  ")).records
    assert record.payload == b'{"email":"a@b.example","n":1.10,"m":1E2,"big":12345678901234567890}'


def test_fields_are_the_given_ones_or_every_key_in_order_of_first_appearance() -> None:
    records = [{"email": "a", "z": 1}, {"a": 1, "email": "b"}, {"é": 1, "domain": "c", "z": 2}]
    assert decode(body(*records)).about == {"fields": '["email","z","a","é","domain"]'}
    assert decode(body(*records, fields=None)).about == {"fields": '["email","z","a","é","domain"]'}
    assert decode(body(*records, fields=["z", "z", "other"])).about == {"fields": '["z","z","other"]'}
    assert decode(body(*records, fields=[])).about == {"fields": "[]"}
    assert faults(refusal(body(*records, fields="email"))) == [(None, "fields", "wrong_type")]


def test_partial_takes_the_good_ones_and_keeps_what_is_wrong_with_the_others() -> None:
    batch = decode(body({"email": "a"}, {"n": 1}, 5, {"domain": "b"}), partial=True)
    told = [record.fault and (record.fault.index, record.fault.code) for record in batch.records]
    assert told == [None, (1, "missing_required"), (2, "wrong_type"), None]
    assert [record.payload for record in batch.records][1:3] == [b'{"n": 1}', b"5"]
    error = refusal(body({"n": 1}, 5), partial=True)
    assert faults(error) == [(0, None, "missing_required"), (1, None, "wrong_type")]


def test_a_value_that_is_no_text_beside_one_that_is_is_told_as_a_warning() -> None:
    batch = decode(body({"email": "a", "domain": 5}, {"email": "b"}, {"domain": "c", "email": False}))
    assert [(each.code, each.index) for each in batch.warnings] == [("wrong_type", 0), ("wrong_type", 2)]
    many = decode(body(*[{"email": "a", "domain": 5}] * 150)).warnings
    assert len(many) == 101
    assert many[-1].message.startswith("50 more values")


def test_batches_are_counted_before_they_are_made() -> None:
    """5 MB hold millions of elements; a list of them all would take hundreds of MB."""
    records = {"objects": b"{}," * 1_600_000 + b"{}", "numbers": b"1," * 2_500_000 + b"1"}
    for kind, inside in records.items():
        text = b'{"upload_name":"t","records":[' + inside + b"]}"
        tracemalloc.start()
        try:
            error = refusal(text)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert error.detail == "Batch size too large. Maximum 50000 records per request.", kind
        assert peak < 120 * 1_048_576, (kind, peak)


@pytest.mark.parametrize("filler", [b'"x\\"],[{"', b"[[1,2],{}]", b"{}", b"7"])
def test_the_most_records_are_taken_and_one_more_is_not(filler: bytes) -> None:
    """Also where not all are objects, so that they are counted by their commas."""
    text_in_it = b'"' + b'\\\\\\"],{[' * 40_000 + b'"'
    long = b'{"email":"a","s":' + text_in_it + b',"n":[' + b",".join([filler] * 10_000) + b"]}"
    text = b'{"upload_name":"t","records":[%s,[1,2,3],"a,b",%s]}'
    assert len(decode(text % (long, b'{"email":"b"}'), max_records=4, partial=True).records) == 4
    assert "Maximum 3 records" in refusal(text % (long, b'{"email":"b"}'), max_records=3).detail


def test_a_corrected_record_is_checked_in_the_same_way() -> None:
    assert check_record(b'{"email": 7}').faults[0].code == "missing_required"
    checked = check_record(b'{"email":\n "a@b.example", "n": 1.10}')
    assert (checked.key, checked.payload) == ("a@b.example", b'{"email":"a@b.example","n":1.10}')
    assert not checked.faults


def test_a_key_is_no_longer_than_people_can_read() -> None:
    (record,) = decode(body({"email": "x" * 5_000})).records
    assert record.key == "x" * 200


def test_a_large_body_is_decoded_in_turns() -> None:
    records = [{"email": f"p{number}@b.example", "n": number} for number in range(20_000)]
    batch, turns = turns_of(module.decode(body(*records), max_records=20_000, partial=False))
    assert len(batch.records) == 20_000
    assert turns > 20
    one = body({"email": "a", "n": [[]] * 40_000, "s": "[," * 1_000_000})
    _, turns = turns_of(module.decode(one, max_records=1, partial=False))
    assert turns > 8


def test_a_long_list_is_counted_in_turns() -> None:
    found, turns = turns_of(elements(Raw(b"[" + b'{"n":"[,"},' * 200_000 + b"1]"), 200_001))
    assert found is not None
    assert len(found) == 200_001
    assert turns > 8


@pytest.mark.parametrize("most", [1_000, 50_000])
def test_of_millions_of_objects_no_more_are_made_than_are_counted(most: int) -> None:
    """16 MB of them are made in 1.6 s, in which nothing else has its turn."""
    records = Raw(b"[" + b"{}," * 5_000_000 + b"{}]")
    tracemalloc.start()
    try:
        with pytest.raises(TooManyError):
            asyncio.run(elements(records, most))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < len(records) + 24 * 1_048_576  # of all of them 100 MB


@pytest.mark.parametrize("record", [b'{"n":{"n":1}}', b'{"n":[{"n":{}},{}]}', b'{"n":' * 7 + b"1" + b"}" * 7])
def test_objects_in_objects_are_not_counted_as_records(record: bytes) -> None:
    raw = Raw(b"[" + b",".join([record] * 60_000) + b"]")
    found = asyncio.run(elements(raw, 60_000))
    assert found is not None
    assert len(found) == 60_000
    with pytest.raises(TooManyError):
        asyncio.run(elements(raw, 59_999))


def test_a_large_thing_that_is_no_list_is_said_to_be_none() -> None:
    members = b",".join(b'"number %d":1' % number for number in range(60_000))
    assert asyncio.run(elements(Raw(b"{" + members + b"}"), 50_000)) is None


def test_what_lies_in_one_record_is_not_counted_to_the_end() -> None:
    """No record may have so much in it; 16 MB of it took 10 s."""
    inside = b",".join([b"[" * 8 + b"]" * 8] * 60_000)
    for more in (b"", b",{}"):
        with pytest.raises(IngestError) as caught:
            asyncio.run(elements(Raw(b"[1,[" + inside + b"]" + more + b"]"), 1_000))
        assert caught.value.code == "malformed_json"
        assert "too many lists and objects" in caught.value.detail
