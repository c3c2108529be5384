"""Batches: never over a limit, nothing lost, and keys that the same file gives again."""

from __future__ import annotations

import json
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from ingestbox.cli.sending.batches import Batch, Batches
from ingestbox.cli.sending.source import Piece


def piece(number: int, size: int = 0) -> Piece:
    raw = json.dumps({"id": number, "x": "y" * size}).encode()
    return Piece(f"line {number}", raw, str(number), len(raw) + 1)


def cut(pieces: Iterable[Piece], *, records: int = 1000, size: int = 1 << 20, salt: str = "") -> list[Batch]:
    return list(Batches(most_records=records, most_bytes=size, salt=salt).cut(pieces))


@settings(deadline=None)  # tests assert no time
@given(st.lists(st.integers(0, 300), max_size=40), st.integers(1, 7), st.integers(60, 600))
def test_no_batch_is_over_a_limit_and_no_record_is_lost(sizes: list[int], records: int, size: int) -> None:
    pieces = [piece(number, length) for number, length in enumerate(sizes)]
    batches = cut(pieces, records=records, size=size)
    sent = [record for batch in batches for record in json.loads(batch.body)["records"]]
    assert sent == [json.loads(each.raw) for each in pieces]
    assert [place for batch in batches for place in batch.places] == [each.place for each in pieces]
    assert sum(batch.span for batch in batches) == sum(each.span for each in pieces)
    for batch in batches:
        assert len(batch.places) <= records
        assert len(batch.body) <= size or len(batch.places) == 1
        assert batch.ids == {str(record["id"]) for record in json.loads(batch.body)["records"]}


def test_a_batch_is_as_full_as_the_limits_allow() -> None:
    assert [len(batch.places) for batch in cut(map(piece, range(25)), records=10)] == [10, 10, 5]


def test_the_same_file_gives_the_same_keys_and_other_content_gives_others() -> None:
    once, again = (cut(map(piece, range(25)), records=10) for _ in range(2))
    assert [batch.idempotency_key for batch in once] == [batch.idempotency_key for batch in again]
    changed = cut([*map(piece, range(24)), piece(99)], records=10)
    same = [a.idempotency_key == b.idempotency_key for a, b in zip(once, changed, strict=True)]
    assert same == [True, True, False]
    assert all(1 <= len(batch.idempotency_key) <= 255 for batch in once)


def test_a_batch_that_comes_twice_has_two_keys() -> None:
    """A, B, A in one file ends with A: its second A must not be taken for a repeat of the first."""
    first, other, second = cut([piece(1), piece(2), piece(1)], records=1)
    assert first.body == second.body != other.body
    assert len({first.idempotency_key, other.idempotency_key, second.idempotency_key}) == 3


def test_salt_makes_every_key_new() -> None:
    plain, salted = cut([piece(1)]), cut([piece(1)], salt="x")
    assert plain[0].body == salted[0].body
    assert plain[0].idempotency_key != salted[0].idempotency_key
