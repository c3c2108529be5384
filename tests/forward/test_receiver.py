"""A central box: one effect per line, gaps found and healed, versions that never go back."""

from __future__ import annotations

import base64
import hashlib
import logging
import random
import tracemalloc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingestbox import families
from ingestbox.errors import IngestError
from ingestbox.families.feedback.read.ticket import ticket_body
from ingestbox.family import Family
from ingestbox.model import Caller, Columns, Role, delivery_digest
from ingestbox.route import Reply
from ingestbox.store import Store
from ingestbox.store.chain import Hole, Link, cover
from ingestbox.store.sync import UNIT_LINES
from ingestbox.web.v1 import sync
from tests.forward.support import START_MS, HeldClock, opened, run, ticket_line

BOX, EPOCH = "b00112233", "e1"
FAMILIES = families.load()
SENDER = Caller("key:1", "default", frozenset({Role.FORWARDER}))


@dataclass
class Ask:
    """A request as the door gives it to the handler."""

    headers: Mapping[str, str]
    body: bytes = b""
    caller: Caller = SENDER
    wire_sha256: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.wire_sha256 = hashlib.sha256(self.body).digest()


class Central:
    """The two handlers over a store."""

    def __init__(self, store: Store, known: Mapping[str, Family] = FAMILIES) -> None:
        self.store = store
        post, listing = sync.routes(store, known)
        self._post, self._list = post.handler, listing.handler

    async def send(
        self,
        lines: Sequence[Mapping[str, Any]],
        after: int | None = None,
        *,
        workspace: str = "default",
        headers: Mapping[str, str | None] | None = None,
        body: bytes | None = None,
    ) -> dict[str, Any]:
        """Posts a batch; `headers` replace those that fit it (None takes one away)."""
        text = b"".join(msgspec.json.encode(line) + b"\n" for line in lines) if body is None else body
        digest = base64.b64encode(hashlib.sha256(text).digest()).decode()
        fitting: dict[str, str | None] = {
            "content-digest": f"sha-256=:{digest}:",
            "ingestbox-box": BOX,
            "ingestbox-epoch": lines[0]["epoch"] if lines else EPOCH,
            "ingestbox-after": str(lines[0]["seq"] - 1 if after is None else after),
            "ingestbox-seq": f"{lines[0]['seq']}-{lines[-1]['seq']}" if lines else "1-1",
            "ingestbox-lane": "central",
            **(headers or {}),
        }
        given = {name: value for name, value in fitting.items() if value is not None}
        caller = msgspec.structs.replace(SENDER, workspace=workspace)
        return answer(await self._post(Ask(given, text, caller)))

    async def boxes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = answer(await self._list(Ask({})))["boxes"]
        return found

    async def tickets(self) -> dict[str, int]:
        """What stands in the table: each ticket's version (its score times a thousand, see `put`)."""
        everything = {"from_ms": -(10**18), "before_ms": 10**18, "before_id": 0, "limit": 10_000}
        rows = await self.store.read("feedback.tickets", {"workspace": "default", **everything})
        return {row[0]: round(1_000 * row[4]) for row in rows}


def answer(reply: Reply) -> dict[str, Any]:
    assert reply.status == 200
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(reply.body))
    return found


def put(seq: int, **fields: Any) -> dict[str, Any]:
    return ticket_line(BOX, EPOCH, seq, **fields)


def skip(seq: int) -> dict[str, Any]:
    return {"box": BOX, "epoch": EPOCH, "seq": seq, "op": "skip"}


def ok(accepted: int = 0, duplicate: int = 0, missing: Sequence[Sequence[int]] = ()) -> dict[str, Any]:
    return {
        "box": BOX,
        "accepted": accepted,
        "duplicate": duplicate,
        "rejected": [],
        "missing": [list(gap) for gap in missing],
    }


def codes(reply: dict[str, Any]) -> list[tuple[int, str]]:
    return [(each["seq"], each["code"]) for each in reply["rejected"]]


def test_a_batch_is_applied_once_however_often_it_comes(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path, HeldClock()) as store:
            central = Central(store)
            lines = [put(seq) for seq in range(1, UNIT_LINES * 2 + 8)]
            assert await central.send(lines) == ok(accepted=len(lines))
            assert await central.send(lines) == ok(duplicate=len(lines))
            assert await central.send([*lines, put(lines[-1]["seq"] + 1)], after=0) == ok(1, len(lines))
            assert len(await central.tickets()) == len(lines) + 1

    run(test())


def test_a_ticket_of_another_box_is_read_with_its_record(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            await Central(store).send([put(1, object_id="A")])
            (row,) = await store.read("feedback.ticket", {"workspace": "default", "ticket_id": "A"})
            assert (row[1], row[2], row[7]) == (BOX, "ticket 1", "0190")
            assert msgspec.json.decode(row[9]) == {"id": "A", "summary": "ticket 1"}

    run(test())


def test_only_a_newer_version_is_applied(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            central = Central(store)
            await central.send([put(5, version=3, object_id="A"), put(6, version=1, object_id="B")], after=0)
            late = [
                put(1, version=1, object_id="A"),
                put(2, version=2, object_id="A"),
                put(3, version=2, object_id="B"),
            ]
            assert (await central.send(late, after=0))["accepted"] == 3
            assert await central.tickets() == {"A": 3, "B": 2}
            both = [put(7, version=5, object_id="A"), put(8, version=4, object_id="A")]  # within one unit
            await central.send(both)
            assert await central.tickets() == {"A": 5, "B": 2}

    run(test())


def test_a_later_epoch_has_the_newer_word_and_nothing_of_it_is_a_duplicate(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            central = Central(store)
            await central.send([put(1, version=7, object_id="A"), put(2, object_id="B")])
            # The box was restored to a time when A was at version 2; it counts on from there.
            restored = ticket_line(BOX, "e2", 1, version=3, object_id="A")
            assert await central.send([restored]) == ok(accepted=1)
            await central.send([put(3, version=8, object_id="A")])
            assert await central.tickets() == {"A": 3, "B": 1}
            assert [(each["epoch"], each["last_seq"]) for each in await central.boxes()] == [
                ("e1", 3),
                ("e2", 1),
            ]

    run(test())


def test_the_same_seq_with_other_content_is_an_alarm_and_never_applied(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            central = Central(store)
            await central.send([put(1, object_id="A")])
            for other in (
                put(1, object_id="A", version=2),
                put(1, object_id="C"),
                put(1, object_id="A", record={"id": "A", "summary": "other"}),
                put(1, object_id="A", origin="b9", origin_epoch="e1"),
            ):
                assert codes(await central.send([other])) == [(1, "seq_reused")]
            assert await central.tickets() == {"A": 1}
            assert (await central.boxes())[0]["reused"] == 4

    run(test())
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 4


def test_each_line_that_cannot_be_applied_is_rejected_alone(tmp_path: Path) -> None:
    deep = msgspec.json.decode(b"[" * 70 + b"]" * 70)
    bad: dict[int, tuple[str, dict[str, Any]]] = {
        2: ("hash_mismatch", {"hash": "sha256:" + "0" * 64}),
        3: ("family_unknown", {"family": "unheard"}),
        4: ("kind_unknown", {"kind": "unheard"}),
        5: ("workspace_forbidden", {"workspace": "elsewhere"}),
        6: ("op_unsupported", {"op": "merge"}),
        7: ("op_unsupported", {"op": "skipped"}),
        8: ("line_invalid", {"version": "3"}),
        9: ("line_invalid", {"version": 2**63}),
        10: ("line_invalid", {"at": "yesterday"}),
        11: ("line_invalid", {"at": "2026-01-01T00:00:00"}),
        12: ("record_invalid", {"result": {"no": "sentiment"}}),
        13: ("record_invalid", {"record": {"id": "x", "deep": deep}}),
        14: ("record_invalid", {"result": {"sentiment": {}, "score": [], "trend": "x", "fields": []}}),
        15: ("record_invalid", {"result": {"sentiment": "x", "score": 2**63, "trend": "x", "fields": []}}),
        16: ("line_invalid", {"id": ""}),
        17: ("record_invalid", {"result": {"sentiment": "x", "score": 1, "trend": "x"}}),  # no fields
        18: ("record_invalid", {"result": {"sentiment": "x", "score": 1, "trend": "x", "fields": 0}}),
    }

    async def test() -> None:
        async with opened(tmp_path) as store:
            central = Central(store)
            lines = [put(1), *(put(seq, **fields) for seq, (_, fields) in bad.items()), put(19)]
            reply = await central.send(lines)
            assert codes(reply) == [(seq, code) for seq, (code, _) in bad.items()]
            assert reply["accepted"] == 2
            assert set(await central.tickets()) == {"T-1", "T-19"}
            # Once the reason is gone, the same seq is taken.
            assert await central.send([put(3)]) == ok(accepted=1)
            assert (await central.boxes())[0]["last_seq"] == 19

    run(test())


def test_a_projection_that_the_store_refuses_rejects_its_line_alone(tmp_path: Path) -> None:
    def project(kind: str, record: bytes, result: bytes) -> Columns:
        columns = dict(FAMILIES["feedback"].project(kind, record, result))
        return columns | ({"score": 2**63} if b"T-2" in record else {})

    known = {"feedback": msgspec.structs.replace(FAMILIES["feedback"], project=project)}

    async def test() -> None:
        async with opened(tmp_path) as store:
            central = Central(store, known)
            assert codes(await central.send([put(1), put(2), put(3)])) == [(2, "record_invalid")]
            assert set(await central.tickets()) == {"T-1", "T-3"}

    run(test())


def test_a_key_for_every_workspace_brings_lines_of_any(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            lines = [put(1), put(2, workspace="elsewhere")]
            assert (await Central(store).send(lines, workspace="*"))["accepted"] == 2

    run(test())


def test_a_digest_that_does_not_match_is_a_503_and_stores_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            central = Central(store)
            other = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
            with pytest.raises(IngestError) as caught:
                await central.send([put(1)], headers={"content-digest": f"sha-256=:{other}:"})
            assert (caught.value.status, caught.value.code) == (503, "digest_mismatch")
            assert caught.value.retry_after == 1
            assert await central.boxes() == []

    run(test())


def test_other_digests_beside_ours_do_not_matter(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            text = msgspec.json.encode(put(1)) + b"\n"
            digest = base64.b64encode(hashlib.sha256(text).digest()).decode()
            both = {"content-digest": f"sha-512=:AAAA:, sha-256=:{digest}:"}
            assert await Central(store).send([put(1)], headers=both) == ok(accepted=1)

    run(test())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content-digest", None),
        ("content-digest", "sha-512=:AAAA:"),
        ("content-digest", "sha-256=:A:"),
        ("ingestbox-box", None),
        ("ingestbox-box", "with space"),
        ("ingestbox-epoch", ""),
        ("ingestbox-after", None),
        ("ingestbox-after", "-1"),
        ("ingestbox-after", "1"),  # not before the first line
        ("ingestbox-after", "9" * 40),
        ("ingestbox-seq", "1"),
        ("ingestbox-seq", "2-1"),
        ("ingestbox-lane", "a/b"),
    ],
)
def test_header_fields_that_are_missing_or_wrong_refuse_the_batch(
    tmp_path: Path, name: str, value: str | None
) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            central = Central(store)
            with pytest.raises(IngestError) as caught:
                await central.send([put(1), put(2)], headers={name: value})
            assert (caught.value.status, caught.value.code) == (400, "bad_parameter")
            assert await central.boxes() == []

    run(test())


@pytest.mark.parametrize(
    ("lines", "headers", "faults"),
    [
        ([put(1), put(1)], {}, [(1, "seq_order")]),
        ([put(2), put(1), put(3)], {"ingestbox-seq": "2-3"}, [(1, "seq_order")]),
        ([put(1), ticket_line("other", EPOCH, 2)], {}, [(1, "box_mismatch")]),
        ([put(1), ticket_line(BOX, "e9", 2)], {}, [(1, "box_mismatch")]),
        ([put(1), put(2)], {"ingestbox-seq": "1-3"}, [(None, "seq_range")]),
        ([put(1), {"seq": 2}], {}, [(1, "line_invalid")]),
        ([put(1), put(0), put(2)], {"ingestbox-seq": "1-2"}, [(1, "line_invalid")]),
    ],
)
def test_lines_out_of_place_refuse_the_batch(
    tmp_path: Path, lines: list[dict[str, Any]], headers: dict[str, str], faults: list[tuple[int | None, str]]
) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            central = Central(store)
            with pytest.raises(IngestError) as caught:
                await central.send(lines, headers=headers)
            assert caught.value.status == 422
            assert [(fault.index, fault.code) for fault in caught.value.faults] == faults
            assert await central.boxes() == []

    run(test())


@pytest.mark.parametrize(
    "body", [b"\n", b"{}", b"nonsense", b"[" * 5000, b"\xff\xfe", b"null", b'{"seq":1}\n\n']
)
def test_a_body_that_is_no_batch_is_refused(tmp_path: Path, body: bytes) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            with pytest.raises(IngestError) as caught:
                await Central(store).send([], after=0, body=body)
            assert caught.value.status == 422

    run(test())


def test_a_body_without_lines_only_asks_whether_they_would_be_taken(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            central = Central(store)
            answer = await central.send([], after=0, body=b"")
            assert answer == {"box": BOX, "accepted": 0, "duplicate": 0, "rejected": [], "missing": []}
            assert await central.boxes() == []

    run(test())


def test_too_many_lines_are_refused_before_they_are_looked_at(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            central = Central(store)
            for count, status in ((sync.MOST_LINES, 422), (sync.MOST_LINES + 1, 413)):
                with pytest.raises(IngestError) as caught:
                    await central.send([], after=0, body=b"\n" * count)
                assert caught.value.status == status
            tracemalloc.start()
            with pytest.raises(IngestError) as caught:
                await central.send([], after=0, body=b"\n" * 16_000_000)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert caught.value.status == 413
            assert peak < 2.5 * 16_000_000  # the body and its copy without the last end of line

    run(test())


def test_a_batch_of_this_very_box_is_refused(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            with pytest.raises(IngestError, match="this very box"):
                await Central(store).send([put(1)], headers={"ingestbox-box": store.identity.box})

    run(test())


def test_gaps_are_told_shrunk_and_closed(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            central = Central(store)

            async def last() -> tuple[int, list[list[int]]]:
                (box,) = await central.boxes()
                return box["last_seq"], box["gaps"]

            await central.send([put(1), put(2)])
            assert await central.send([put(9), put(10)]) == ok(2, missing=[[2, 9]])
            assert await last() == (2, [[2, 9]])
            assert set(await central.tickets()) == {"T-1", "T-2", "T-9", "T-10"}
            assert (await central.send([put(15)]))["missing"] == [[2, 9], [10, 15]]
            assert (await central.send([put(3), put(4)]))["missing"] == [[4, 9], [10, 15]]
            assert (await central.send([put(6)]))["missing"] == [[4, 6], [6, 9], [10, 15]]
            assert (await central.send([skip(7), skip(8)]))["missing"] == [[4, 6], [10, 15]]
            assert await last() == (4, [[4, 6], [10, 15]])
            assert (await central.send([put(5)]))["missing"] == [[10, 15]]
            assert await last() == (10, [[10, 15]])
            assert await central.send([put(seq) for seq in range(11, 15)]) == ok(4)
            assert await last() == (15, [])

    run(test())


def test_lanes_and_epochs_have_chains_of_their_own(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            central = Central(store)
            assert (await central.send([put(1)]))["missing"] == []
            other = {"ingestbox-lane": "other"}
            assert (await central.send([put(5)], headers=other))["missing"] == [[0, 5]]
            assert (await central.send([put(2)]))["missing"] == []
            unnamed = {"ingestbox-lane": None}
            assert (await central.send([put(3)], headers=unnamed))["missing"] == [[0, 3]]
            assert (await central.send([ticket_line(BOX, "e2", 7)], after=0))["missing"] == []

    run(test())


def test_skips_advance_and_do_nothing_else(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            central = Central(store)
            assert await central.send([skip(1), skip(2)]) == ok()
            assert (await central.boxes())[0]["last_seq"] == 2
            assert await central.send([put(2)]) == ok(accepted=1)  # parked then, repaired now

    run(test())


def test_the_list_of_boxes_says_how_far_and_how_late(tmp_path: Path) -> None:
    async def test() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as store:
            central = Central(store)
            clock.advance(90)
            await central.send([put(2, at_ms=START_MS + 30_000), put(3, at_ms=START_MS)], after=0)
            clock.advance(100)
            await central.send([put(1, at_ms=START_MS)], after=0)  # late, and older: no news
            (box,) = await central.boxes()
            assert box == {
                "box": BOX,
                "epoch": EPOCH,
                "last_seq": 3,
                "last_seen": "2027-01-15T08:03:10.000Z",
                "lag": 60.0,
                "gaps": [],
                "reused": 0,
                "reused_at": None,
                "reusing": False,
                "lanes": [
                    {
                        "lane": "central",
                        "last_seq": 3,
                        "last_seen": "2027-01-15T08:03:10.000Z",
                        "left_behind": False,
                        "gaps": [],
                    }
                ],
            }

    run(test())


def test_a_clock_that_was_wrong_does_not_hide_the_lag_for_ever(tmp_path: Path) -> None:
    async def test() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as store:
            central = Central(store)
            await central.send([put(1, at_ms=START_MS + 400 * 86_400_000)], after=0)
            assert (await central.boxes())[0]["lag"] == 0.0
            clock.advance(90)
            await central.send([put(2, at_ms=START_MS)])
            assert (await central.boxes())[0]["lag"] == 90.0

    run(test())


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        ("0001-01-01T00:00:00+00:01", None),
        ("9999-12-31T23:59:59-00:01", None),
        ("2026-01-01T00:00:00", None),
        ("2026-13-01T00:00:00Z", None),
        ("", None),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z"),
        ("2026-01-01T00:00:00.123+07:00", "2025-12-31T17:00:00.123Z"),
    ],
)
def test_a_time_is_taken_only_if_it_can_be_shown(tmp_path: Path, at: str, shown: str | None) -> None:
    """One line with a time beyond the year 9999 once made every list of tickets a 500."""

    async def test() -> None:
        async with opened(tmp_path) as store:
            central = Central(store)
            found = await central.send([put(1, at=at)])
            assert codes(found) == ([] if shown else [(1, "line_invalid")])
            rows = await store.read("feedback.ticket", {"workspace": "default", "ticket_id": "T-1"})
            assert [ticket_body(row).updated_at for row in rows] == ([shown] if shown else [])

    run(test())


def test_deletes_keep_a_tombstone_that_no_late_put_overwrites(tmp_path: Path) -> None:
    queries = tmp_path / "queries.sql"
    queries.write_text(
        FAMILIES["feedback"].queries.read_text()
        + "\n-- name: heads\nSELECT object_id, version, deleted FROM objects WHERE origin <> '';\n"
    )

    async def test() -> None:
        async with opened(tmp_path, queries={"feedback": queries}) as store:
            central = Central(store)
            gone = put(3, op="delete", version=2, object_id="A", hash=delivery_digest(b"", b""))
            del gone["record"], gone["result"]
            await central.send([put(1, object_id="A"), put(2, object_id="B"), gone])
            assert await central.tickets() == {"B": 1}
            assert await store.read("feedback.heads") == [("A", 2, 1), ("B", 1, 0)]
            await central.send([put(4, version=1, object_id="A"), put(5, version=2, object_id="A")])
            assert await central.tickets() == {"B": 1}
            await central.send([put(6, version=3, object_id="A")])
            assert await central.tickets() == {"A": 3, "B": 1}
            assert await store.read("feedback.heads") == [("A", 3, 0), ("B", 1, 0)]

    run(test())


@pytest.mark.parametrize("seed", range(12))
def test_whatever_the_network_does_each_line_has_one_effect(tmp_path: Path, seed: int) -> None:
    """Batches are lost, repeated, cut differently and arrive in any order; then the sender fills the gaps."""
    chance = random.Random(seed)

    async def test() -> None:
        versions: dict[str, int] = {}
        lines = []
        for seq in range(1, 301):
            name = f"T-{chance.randrange(40)}"
            versions[name] = versions.get(name, 0) + 1
            lines.append(put(seq, version=versions[name], object_id=name))
        batches = []
        start = 0
        while start < len(lines):
            size = chance.randint(1, 25)
            batches.append((start, lines[start : start + size]))
            start += size
        sent = [each for each in batches for _ in range(chance.choice((0, 1, 1, 2)))]
        chance.shuffle(sent)
        async with opened(tmp_path) as store:
            central = Central(store)
            accepted = 0
            seen: dict[str, int] = {}
            for after, part in [*sent, batches[-1]]:
                reply = await central.send(part, after=after)
                assert reply["rejected"] == []
                accepted += reply["accepted"]
                now = await central.tickets()
                assert all(now[name] >= version for name, version in seen.items())
                seen = now
            for _ in range(1_000):
                if not reply["missing"]:
                    break
                after, first = chance.choice(reply["missing"])
                last = min(first - 1, after + chance.randint(1, 25))
                reply = await central.send(lines[after:last], after=after)
                accepted += reply["accepted"]
            assert reply["missing"] == []
            assert accepted == len(lines)
            assert await central.tickets() == versions
            assert (await central.boxes())[0]["last_seq"] == len(lines)

    run(test())


@pytest.mark.parametrize("seed", range(50))
def test_a_chain_knows_exactly_what_it_has(seed: int) -> None:
    """Against the plain model: the set of the seqs that batches have covered."""
    chance = random.Random(seed)
    tip, holes, covered = 0, list[Hole](), set[int]()
    for _ in range(60):
        after = chance.randrange(0, 80)
        last = after + chance.randint(1, 12)
        link = Link("central", after, chance.randint(after + 1, last), last)
        tip, holes = cover(tip, holes, link)
        covered |= set(range(after + 1, last + 1))
        assert tip == max(covered)
        assert [seq for hole in holes for seq in range(hole.after + 1, hole.until + 1)] == sorted(
            set(range(1, tip + 1)) - covered
        )
        assert all(hole.after < hole.until < hole.first for hole in holes)
