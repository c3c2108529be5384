"""Boxes in a tree: what one applied it passes on, once, under its own numbers, and every circle ends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingestbox.model import delivery_digest
from ingestbox.store.unit import Tx
from tests.forward.rig import Node, gone, node, put, token
from tests.forward.support import lane, run, until_async


@asynccontextmanager
async def nodes(folder: Path, *names: str) -> AsyncIterator[list[Node]]:
    """Boxes that have no lanes yet."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(node(folder / name)) for name in names]


async def settled(*boxes: Node) -> None:
    """Waits until nobody has anything to send: twice round, for what comes of the last batch."""
    for _ in range(2):
        for each in boxes:
            if each.forwarders:
                await each.until_sent()


def test_what_edges_tell_reaches_the_top_through_a_region(tmp_path: Path) -> None:
    async def test() -> None:
        async with nodes(tmp_path, "one", "two", "region", "top") as (one, two, region, top):
            await region.forward(top)
            await one.forward(region)
            await two.forward(region)
            await one.tell(put("A"), put("B"), put("A", 2))
            await two.tell(put("A"), gone("never", 3))
            await settled(one, two, region)
            stands = {(one.name, "A"): 2, (one.name, "B"): 1, (two.name, "A"): 1}
            assert await region.tickets() == await top.tickets() == stands
            assert (await top.heads())[two.name, "never"] == (3, True)
            await one.tell(gone("A", 3), put("B", 4))
            await two.tell(put("A", 2))
            await settled(one, two, region)
            stands = {(one.name, "B"): 4, (two.name, "A"): 2}
            assert await region.tickets() == await top.tickets() == stands
            assert await region.heads() == await top.heads()
            # The top knows one box that sends, and two that it tells of.
            (sender,) = await top.senders()
            assert (sender.box, sender.last_seq, sender.gaps) == (region.name, 8, ())
            heard = await top.store.read("sync.heard", {"limit": 10})
            assert {(row[0], row[2]) for row in heard} == {(one.name, region.name), (two.name, region.name)}

    run(test())


def test_a_line_that_is_passed_on_keeps_its_bytes_and_names_who_made_it(tmp_path: Path) -> None:
    record = b'{ "id" : "A",  "summary":"caf\\u00e9 \xc3\xa9",\t"n": 1.0e3 }'
    result = b'{"sentiment":"neutral", "score":0.001,"trend":"stable","fields":[ ] }'
    lineage = {"file": "a.csv", "row": 17, "rules": "3"}

    async def test() -> None:
        async with nodes(tmp_path, "edge", "region") as (edge, region):
            await region.forward(lane("http://127.0.0.1:9/", "up"))
            await edge.forward(region)
            told = put("A", hash=delivery_digest(record, result), lineage=lineage)
            told |= {"record": msgspec.Raw(record), "result": msgspec.Raw(result)}
            await edge.tell(put("other"), told)
            await edge.until_sent()
            _, (text,) = await region.store.read("test.test_lines")
            assert record in text
            assert result in text
            line = msgspec.json.decode(text)
            own, made_by = region.store.identity, edge.store.identity
            assert (line["box"], line["epoch"], line["seq"]) == (own.box, own.epoch, 2)
            assert (line["origin"], line["origin_epoch"]) == (made_by.box, made_by.epoch)
            same = ("op", "version", "workspace", "family", "kind", "id", "owner", "job_id", "at", "hash")
            assert {name: line[name] for name in same} == {name: told[name] for name in same}
            assert line["lineage"] == lineage
            assert line["hash"] == delivery_digest(record, result)
            rows = await region.store.read("test.test_origins")
            assert rows == [(1, edge.name, 0), (2, edge.name, 0)]

    run(test())


def test_repeats_and_older_versions_are_not_passed_on(tmp_path: Path) -> None:
    async def test() -> None:
        async with nodes(tmp_path, "edge", "region") as (edge, region):
            await region.forward(lane("http://127.0.0.1:9/", "up"))
            # Two lanes bring everything twice; the second as duplicates.
            await edge.forward(region, region)
            await edge.tell(put("A", 2), put("A", 1), gone("A", 1), put("A", 3), put("B"), gone("B", 2))
            await edge.until_sent()
            passed = [(line["id"], line["op"], line["version"]) for line in await region.deliveries()]
            assert passed == [("A", "put", 2), ("A", "put", 3), ("B", "put", 1), ("B", "delete", 2)]

    run(test())


TAKES: list[tuple[dict[str, object], list[str]]] = [
    ({}, ["A", "B", "C", "A"]),
    ({"relay": 0}, []),
    ({"families": ["contacts"]}, []),
    ({"families": ["contacts", "feedback"], "kinds": ["ticket"]}, ["A", "B", "C", "A"]),
    ({"kinds": ["contact"]}, []),
    ({"workspaces": ["acme"]}, ["C"]),
    ({"ops": ["put"]}, ["A", "B", "C"]),
    ({"ops": ["delete"]}, ["A"]),
    ({"state": "off"}, []),
]


@dataclass(frozen=True, slots=True)
class Take:
    """Makes a lane take something else, as a start with other settings does."""

    fields: dict[str, object]
    weight: int = 1

    def apply(self, tx: Tx) -> None:
        lists = ("families", "kinds", "workspaces", "ops")
        row = {"relay": 1, "state": "running", **dict.fromkeys(lists), **self.fields}
        row.update({name: json.dumps(row[name]) for name in lists if row[name] is not None})
        tx.run("test.test_take", row)


def test_only_what_a_lane_takes_is_passed_on(tmp_path: Path) -> None:
    async def test() -> None:
        async with nodes(tmp_path, "edge", "region") as (edge, region):
            await region.forward(lane("http://127.0.0.1:9/", "up"))
            await region.forwarders.pop().stop(5)  # it would write its state over what is set here
            await edge.forward(lane(f"{region.url}/v1/sync/batches", token=token("*")))
            known = counted = 0
            for version, (fields, passed) in enumerate(TAKES):
                await region.store.write(Take(fields))
                told = [put("A", 2 * version + 1), put("B", version + 1)]
                told += [put("C", version + 1, workspace="acme"), gone("A", 2 * version + 2)]
                await edge.tell(*told)
                await edge.until_sent()
                made = await region.deliveries()
                assert [line["id"] for line in made[known:]] == passed, fields
                known, counted = len(made), counted + len(passed)
                ((_, enqueued, *_),) = await region.store.read("test.test_sums")
                assert enqueued == counted, fields

    run(test())


def test_without_a_lane_nothing_is_passed_on(tmp_path: Path) -> None:
    async def test() -> None:
        async with nodes(tmp_path, "edge", "region") as (edge, region):
            await edge.forward(region)
            await edge.tell(put("A"))
            await edge.until_sent()
            assert await region.deliveries() == []
            assert await region.tickets() == {(edge.name, "A"): 1}

    run(test())


@pytest.mark.parametrize("many", [2, 3])
def test_a_circle_of_boxes_ends(tmp_path: Path, many: int) -> None:
    async def test() -> None:
        async with nodes(tmp_path, *(f"box{number}" for number in range(many))) as ring:
            for number, each in enumerate(ring):
                await each.forward(ring[(number + 1) % many])
            for number, each in enumerate(ring):
                await each.tell(put("A", number + 1), put(f"own{number}"), gone("A", number + 5))
            for _ in range(many):
                await settled(*ring)
            for each in ring:
                others = [other for other in ring if other is not each]
                expected = {(o.name, f"own{ring.index(o)}"): 1 for o in others}
                assert await each.tickets() == expected
                lines = await each.deliveries()
                # Its own three, and three of each other, once.
                told = [(line.get("origin", each.name), line["op"], line["id"]) for line in lines]
                assert len(told) == len(set(told)) == 3 * many

    run(test())


def test_a_box_that_reaches_the_top_on_two_ways_is_there_once(tmp_path: Path) -> None:
    """A diamond: the edge sends to two regions, both pass it on."""

    async def test() -> None:
        async with nodes(tmp_path, "edge", "left", "right", "top") as (edge, left, right, top):
            await left.forward(top)
            await right.forward(top)
            await edge.forward(left, right)
            for version in range(1, 20):
                await edge.tell(put("A", 2 * version - 1), gone("A", 2 * version), put(f"T{version}"))
            await edge.tell(put("A", 50))
            await settled(edge, left, right)
            expected = {(edge.name, f"T{version}"): 1 for version in range(1, 20)}
            assert await top.tickets() == {**expected, (edge.name, "A"): 50}

    run(test())


def test_a_later_epoch_of_an_edge_has_the_newer_word_at_the_top_too(tmp_path: Path) -> None:
    async def test() -> None:
        async with nodes(tmp_path, "region", "top") as (region, top):
            await region.forward(top)
            await region.tell(put("A", 7, origin="b1", origin_epoch="e1"))
            await region.tell(put("A", 3, origin="b1", origin_epoch="e2"))
            await region.tell(put("A", 8, origin="b1", origin_epoch="e1"))
            await region.until_sent()
            assert await top.tickets() == {("b1", "A"): 3}

    run(test())


def test_what_is_heard_of_and_then_sends_itself_is_one_box(tmp_path: Path) -> None:
    async def test() -> None:
        async with nodes(tmp_path, "edge", "region", "top") as (edge, region, top):
            own = edge.store.identity
            await region.forward(top)
            await region.tell(put("A", 1, origin=own.box, origin_epoch=own.epoch))
            await region.until_sent()
            assert [each.box for each in await top.senders()] == [region.name]
            await edge.forward(top)
            await edge.tell(put("A", 2), put("B"))
            await edge.until_sent()
            await region.tell(put("A", 1, origin=own.box, origin_epoch=own.epoch))
            await region.until_sent()
            assert {each.box for each in await top.senders()} == {edge.name, region.name}
            assert await top.store.read("sync.heard", {"limit": 10}) == []
            assert await top.tickets() == {(own.box, "A"): 2, (own.box, "B"): 1}

    run(test())


def test_a_line_that_the_top_refuses_is_parked_at_the_region_and_the_others_go_on(tmp_path: Path) -> None:
    async def test() -> None:
        async with nodes(tmp_path, "edge", "region", "top") as (edge, region, top):
            await region.forward(top)
            await edge.forward(region)
            await edge.tell(put("A"), put("B", workspace="acme"), put("C"))
            await settled(edge, region)
            # The key is one of the default workspace: the middle line is rejected at the region already.
            assert set(await top.tickets()) == {(edge.name, "A"), (edge.name, "C")}
            ((_, enqueued, delivered, parked),) = await edge.store.read("test.test_sums")
            assert (enqueued, delivered, parked) == (3, 2, 1)
            own = region.store.identity
            taken = await region.tell(put("D", family="unheard", origin=edge.name, origin_epoch="e1"))
            await region.until_sent()

            async def refused() -> bool:
                ((_, *sums),) = await region.store.read("test.test_sums")
                return sums == [3, 2, 1]

            await until_async(refused, "it is parked")
            assert taken == [3]
            assert (await top.senders())[0].box == own.box

    run(test())


def test_an_origin_or_lineage_that_cannot_be_is_rejected(tmp_path: Path) -> None:
    wrong: list[dict[str, Any]] = [
        {"origin": "b1"},
        {"origin_epoch": "e1"},
        {"origin": "", "origin_epoch": "e1"},
        {"origin": "a b", "origin_epoch": "e1"},
        {"origin": "b" * 65, "origin_epoch": "e1"},
        {"origin": "b1\n", "origin_epoch": "e1"},
        {"origin": "b1", "origin_epoch": "e1\n"},
        {"origin": 7, "origin_epoch": "e1"},
        {"lineage": msgspec.Raw(b"[" * 70 + b"]" * 70)},
    ]

    async def test() -> None:
        async with nodes(tmp_path, "edge", "top") as (edge, top):
            await edge.forward(top)
            await edge.tell(*(put("A", **members) for members in wrong), put("B"))
            await edge.until_sent()
            assert await top.tickets() == {(edge.name, "B"): 1}
            parked = await edge.store.read("test.test_parked")
            assert parked == [(seq, "line_invalid") for seq in range(1, len(wrong) + 1)]

    run(test())


def test_what_goes_ahead_of_its_turn_leaves_no_gap_in_the_end(tmp_path: Path) -> None:
    """After an outage a lane may send what is new first: the top sees a gap that closes, and asks in vain."""

    async def test() -> None:
        async with nodes(tmp_path, "edge", "top") as (edge, top):
            lines = [put(f"T{number % 40}", number // 40 + 1) for number in range(200)]
            await edge.tell(*lines[:150])
            url = f"{top.url}/v1/sync/batches"
            await edge.forward(lane(url, token=token(), batch_lines=5, fresh_share=0.5))
            seen = []
            for line in lines[150:]:
                await edge.tell(line)
                seen += [each.gaps for each in await top.senders()]
            await edge.until_sent()
            (sender,) = await top.senders()
            assert (sender.last_seq, sender.gaps, sender.reused) == (200, (), 0)
            assert any(seen), "nothing went ahead"
            assert await top.tickets() == {(edge.name, f"T{number}"): 5 for number in range(40)}

    run(test())
