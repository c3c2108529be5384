"""Rows that the server refuses: they are found and parked, the others of their batch are stored."""

from __future__ import annotations

import msgspec
import pytest

from ingestbox.forward.sink import Decision, Delivered, Refused
from ingestbox.forward.sinks import postgres
from ingestbox.forward.sinks.postgres import PostgresSink
from tests.forward.support import HeldClock
from tests.postgres.support import Server, deliver, line, run, send

NUL = {"id": "T", "summary": "a\0b"}


def raw(text: bytes) -> msgspec.Raw:
    return msgspec.Raw(text)


@pytest.mark.parametrize(
    ("code", "record", "said"),
    [
        ("record_invalid", rb'{"id":"T","summary":"a\u0000b"}', r"\u0000 cannot be converted to text"),
        ("line_invalid", rb'{"id":"T","summary":"\ud800 x"}', "cannot be read"),
        ("record_invalid", b'{"id":"T","n":1e999999}', "overflows"),
        ("line_invalid", b'{"id":"T","n":' + b"[" * 20_000 + b"]" * 20_000 + b"}", "cannot be read"),
    ],
)
def test_a_record_that_jsonb_cannot_hold_is_parked_alone(
    server: Server, table: str, code: str, record: bytes, said: str
) -> None:
    lines = [line(seq, f"T-{seq:02}") for seq in range(1, 41)]
    lines[16]["record"] = raw(record)
    (decision,) = deliver(server.lane(table), lines)
    assert isinstance(decision, Delivered)
    (parked,) = decision.rejected
    assert (parked.seq, parked.code) == (17, code)
    assert said in parked.message
    assert len(server.rows(table)) == 39
    server.sql(f"DROP TABLE {table}")


def test_an_id_that_text_cannot_hold_is_parked_alone(server: Server, table: str) -> None:
    (decision,) = deliver(
        server.lane(table), [line(1, "a"), line(2, "b\0"), line(3, "c" * 10_000), line(4, "d")]
    )
    assert isinstance(decision, Delivered)
    # Ten thousand equal letters are compressed, and fit.
    assert [each.seq for each in decision.rejected] == [2]
    assert [row[0] for row in server.rows(table)] == ["a", "c" * 10_000, "d"]


def test_when_the_newest_version_is_refused_the_one_before_it_counts(server: Server, table: str) -> None:
    lines = [line(1, "a", 1), line(2, "a", 2), line(3, "a", 3), line(4, "a", 4), line(5, "b")]
    for each in lines[2:4]:
        each["record"] = NUL
    (decision,) = deliver(server.lane(table), lines)
    assert isinstance(decision, Delivered)
    assert [each.seq for each in decision.rejected] == [4, 3]
    assert server.rows(table, "id, version") == [["a", 2], ["b", 1]]


def test_what_the_operators_own_table_refuses_is_parked(server: Server, table: str) -> None:
    """A constraint of theirs, checked at once or at the end of the transaction."""
    assert deliver(server.lane(table), [line(1, "a")]) == [Delivered()]
    server.sql(f"ALTER TABLE {table} ADD CONSTRAINT short CHECK (length(id) < 3)")
    (decision,) = deliver(server.lane(table), [line(2, "b"), line(3, "secret"), line(4, "c")])
    assert isinstance(decision, Delivered)
    (parked,) = decision.rejected
    assert parked.seq == 3
    assert '"short"' in parked.message
    assert "secret" not in parked.message, "the row's contents are not repeated"
    assert [row[0] for row in server.rows(table)] == ["a", "b", "c"]

    server.sql(
        f"CREATE TABLE {table}_known (id text PRIMARY KEY); "
        f"INSERT INTO {table}_known VALUES ('a'), ('b'), ('c'); "
        f"ALTER TABLE {table} ADD FOREIGN KEY (id) REFERENCES {table}_known DEFERRABLE INITIALLY DEFERRED"
    )
    (decision,) = deliver(server.lane(table), [line(5, "a", 2), line(6, "d")])
    assert isinstance(decision, Refused), "which row it is only shows when each is sent alone"
    assert server.rows(table, "id, version")[0] == ["a", 1]


def test_a_batch_of_which_nothing_is_taken_is_the_lanes_to_halve(server: Server, table: str) -> None:
    """It counts single refusals, to notice that it is the upstream that changed."""
    bad = [line(seq, f"T-{seq}", record=NUL) for seq in range(1, 60)]
    good = line(60, "good")
    decisions = deliver(server.lane(table, refusals=20), bad[:1], bad, [*bad, good], [*bad[:19], good])
    assert all(isinstance(each, Refused) and each.code == "record_invalid" for each in decisions[:3])
    assert isinstance(decisions[3], Delivered)
    assert len(decisions[3].rejected) == 19
    assert [row[0] for row in server.rows(table)] == ["good"]


def test_a_batch_of_which_too_much_is_refused_is_the_lanes_to_halve(
    server: Server, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "MOST_REFUSED", 10)
    lines = [line(seq, f"T-{seq}", record=NUL if seq % 2 else {"id": "T"}) for seq in range(22)]
    refused, taken = deliver(server.lane(table), lines, lines[:20])
    assert isinstance(refused, Refused)
    assert isinstance(taken, Delivered)
    assert len(taken.rejected) == 10
    assert len(server.rows(table)) == 10


class Hurried(HeldClock):
    """A second for each look at it: on a line so slow that each statement takes one."""

    def monotonic(self) -> float:
        self.advance(1)
        return super().monotonic()


def test_a_batch_whose_refused_row_takes_too_long_to_find_is_the_lanes_to_halve(
    server: Server, table: str
) -> None:
    """Otherwise it would run into its time-out again and again."""
    lines = [line(seq, f"T-{seq}", record=NUL if seq == 100 else {"id": "T"}) for seq in range(1, 101)]

    async def test() -> Decision:
        sink = PostgresSink(server.lane(table), Hurried())
        try:
            assert await send(sink, line(1, "a")) == Delivered()
            return await send(sink, *lines)
        finally:
            await sink.close()

    assert isinstance(run(test()), Refused)
    assert [row[0] for row in server.rows(table)] == ["a"]


def test_a_line_that_cannot_be_read_is_parked_alone(server: Server, table: str) -> None:
    lines = [line(1, "a"), line(2, "b", at="yesterday"), line(3, "c", version=2**63), line(4, "d")]
    (decision,) = deliver(server.lane(table), lines)
    assert isinstance(decision, Delivered)
    assert [(each.seq, each.code) for each in decision.rejected] == [(2, "line_invalid"), (3, "line_invalid")]
    assert [row[0] for row in server.rows(table)] == ["a", "d"]
