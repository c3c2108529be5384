"""Boxes that send here: what raises an alarm about one, what ends it, and how metrics tell of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ingestbox.ops import boxes
from ingestbox.store import senders
from ingestbox.store.senders import LEFT_BEHIND_MS, REUSED_MS
from tests.forward.support import HeldClock, opened, run, ticket_line
from tests.forward.test_receiver import Central

MINUTES = 15


def line(seq: int, box: str = "b1", **members: Any) -> dict[str, Any]:
    return ticket_line(box, "e1", seq, **members)


def test_a_gap_is_an_alarm_once_it_is_old_and_until_it_is_filled(tmp_path: Path) -> None:
    async def test() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as store:
            central = Central(store)

            async def wrong() -> dict[str, str]:
                found = await boxes.troubles(store, MINUTES)
                assert {each.name for each in found} == {"sync_gap:b1", "seq_reused:b1"}
                return {each.name: each.detail for each in found if not each.ok}

            box = {"ingestbox-box": "b1"}
            await central.send([line(1)], headers=box)
            await central.send([line(9)], headers=box)
            clock.advance(MINUTES * 60 - 1)
            assert await wrong() == {}
            clock.advance(1)
            told = await wrong()
            assert list(told) == ["sync_gap:b1"]
            assert "after 1 and before 9 of its lane central" in told["sync_gap:b1"]
            # A part of it comes: it is on its way, until nothing comes for as long again.
            await central.send([line(2), line(3)], headers=box)
            assert await wrong() == {}
            clock.advance(MINUTES * 60)
            assert "after 3 and before 9" in (await wrong())["sync_gap:b1"]
            await central.send([line(seq) for seq in range(4, 9)], headers=box)
            assert await wrong() == {}
            # What is missing of a lane that the box has no more is no alarm.
            await central.send([line(20)], headers={**box, "ingestbox-lane": "old"})
            clock.advance(LEFT_BEHIND_MS / 1000)
            assert list(await wrong()) == ["sync_gap:b1"]
            await central.send([line(10)], headers=box)
            assert await wrong() == {}

    run(test())


def test_a_number_used_twice_is_an_alarm_for_a_day(tmp_path: Path) -> None:
    async def test() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as store:
            central = Central(store)

            async def wrong() -> list[str]:
                return [each.detail for each in await boxes.troubles(store, MINUTES) if not each.ok]

            box = {"ingestbox-box": "b1"}
            await central.send([line(1), line(2)], headers=box)
            assert await wrong() == []
            reply = await central.send([line(1, object_id="other"), line(2)], headers=box)
            assert [(each["seq"], each["code"]) for each in reply["rejected"]] == [(1, "seq_reused")]
            assert "new epoch" in reply["rejected"][0]["message"]
            assert (reply["duplicate"], len(await wrong())) == (1, 1)
            clock.advance(REUSED_MS / 1000 - 60)
            await central.send([line(2, object_id="other")], headers=box)
            clock.advance(REUSED_MS / 1000 - 1)
            (told,) = await wrong()
            assert "2 of its lines" in told
            clock.advance(1)
            assert await wrong() == []
            (found,) = await central.boxes()
            assert (found["reused"], found["reusing"], found["reused_at"]) == (
                2,
                False,
                "2027-01-16T07:59:00.000Z",
            )

    run(test())


def test_metrics_tell_of_the_boxes_that_sent_last_and_of_no_more(tmp_path: Path) -> None:
    async def test() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as store:
            central = Central(store)
            for number in range(boxes.MOST_BOXES + 5):
                clock.advance(1)
                await central.send([line(1, f"b{number}")], headers={"ingestbox-box": f"b{number}"})
            clock.advance(1)
            await central.send([line(7, "b9")], headers={"ingestbox-box": "b9"})
            sent = await senders.senders(store, boxes.MOST_BOXES)
            found = {each.name: each.samples for each in boxes.metrics(sent)}
            assert {len(each) for each in found.values()} == {boxes.MOST_BOXES}
            gaps = {each.labels["box"]: each.value for each in found["ingestbox_sync_gaps"]}
            assert gaps["b9"] == 1
            assert "b3" not in gaps
            seen = {
                each.labels["box"]: each.value
                for each in found["ingestbox_sync_box_last_seen_timestamp_seconds"]
            }
            assert seen["b9"] == clock.now_ms() / 1000
            lag = {each.labels["box"]: each.value for each in found["ingestbox_sync_box_lag_seconds"]}
            assert (lag["b9"], lag["b10"]) == (106.0, 11.0)
            # Each has two conditions, and no more boxes have any.
            assert len(await boxes.troubles(store, MINUTES)) == 2 * boxes.MOST_BOXES
            (finding,) = await boxes.finding(store)
            assert f"{boxes.MOST_BOXES + 5} send here, b9 last" in finding.message
            assert "gaps: 1" in finding.message

    run(test())
