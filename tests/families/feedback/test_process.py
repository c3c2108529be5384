"""What becomes of a ticket: a sentiment for each text, an aggregate, columns, and a hash to check."""

from __future__ import annotations

import hashlib
import json
from zlib import crc32

import pytest

from ingestbox.errors import IngestError
from ingestbox.families.feedback.process import process, project
from ingestbox.families.feedback.shapes import ticket_body
from ingestbox.model import Chunk, Item, checksum


def test_each_text_is_analysed_by_itself() -> None:
    record = {
        "id": "T-1",
        "summary": "I love this product!",
        "description": "",
        "comments": ["This is terrible.", " ", "The box is on the table."],
    }
    payload = json.dumps(record).encode()
    (outcome,) = process(Chunk("feedback", [Item(3, "T-1", payload)]))
    assert outcome.index == 3
    assert outcome.put is not None
    assert (outcome.put.kind, outcome.put.id) == ("ticket", "T-1")
    result = json.loads(outcome.put.result)
    assert [
        (field["field"], field.get("comment_number"), field["sentiment"]) for field in result["fields"]
    ] == [
        ("summary", None, "positive"),
        ("comment", 1, "negative"),
        ("comment", 3, "neutral"),
    ]
    assert all(0 <= field["confidence"] <= 1 for field in result["fields"])
    assert outcome.put.columns["summary"] == "I love this product!"
    assert outcome.put.columns["sentiment"] == result["sentiment"]
    assert outcome.tallies == {"sentiment_records": 1}
    expected = hashlib.sha256(payload + b"\n" + outcome.put.result).hexdigest()
    assert outcome.put.digest == f"sha256:{expected}"


def test_a_central_box_gets_the_same_columns_from_record_and_result() -> None:
    payload = b'{"id":"T-1","description":"I hate it"}'
    (outcome,) = process(Chunk("feedback", [Item(0, "T-1", payload)]))
    assert outcome.put is not None
    assert project("ticket", payload, outcome.put.result) == outcome.put.columns


def test_outcomes_are_in_the_order_of_the_items() -> None:
    items = [Item(index, str(index), b'{"id":"x","summary":"fine"}') for index in range(20)]
    assert [outcome.index for outcome in process(Chunk("feedback", items))] == list(range(20))


def test_a_damaged_ticket_is_not_served() -> None:
    result, record = b'{"fields":[]}', b'{"id":"T-1","summary":"x"}'
    head = ("T-1", "", "x", "neutral", 0.0, "stable", 0, "job", result)
    own = (*head, None, crc32(result), record, checksum(b"T-1", record))
    foreign = (*head, record, crc32(result + record), None, None)
    for row in (own, foreign):
        assert ticket_body(row).job_id == "job"
        for place, value in enumerate(row):
            if isinstance(value, bytes):
                damaged = value.replace(b"x", b"y").replace(b"[]", b"{}")
                with pytest.raises(IngestError) as caught:
                    ticket_body((*row[:place], damaged, *row[place + 1 :]))
                assert caught.value.code == "damaged"
