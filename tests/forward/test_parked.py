"""Refused lines that a person decides about: sent again between the others, or given up; the sums hold."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import msgspec

from ingestbox.model import Role
from ingestbox.store import Store, parked
from ingestbox.store.audit import Act
from ingestbox.store.parked import Decided, DecideParked, Refused
from ingestbox.store.sight import Sight
from tests.forward.support import (
    Answer,
    Enqueue,
    HeldClock,
    Received,
    Sql,
    balanced,
    drained,
    enqueue,
    forwarding,
    lane,
    missing,
    opened,
    rejecting,
    run,
    status,
    until,
    until_async,
    until_state,
    upstream,
)
from tests.forward.test_hold import hold
from tests.harness import post_tickets, running, ticket, wait_job
from tests.harness import until as until_now


async def decide(store: Store, *seqs: int, decision: Decided = "again", reason: str | None = None) -> int:
    act = Act("local:ann", "default", None, store.clock.now_ms())
    changed: int = await store.write(DecideParked("central", seqs, decision, act, reason))
    await balanced(store)
    return changed


async def lines(store: Store) -> list[Refused]:
    """Every refused line there is, whatever its state, in order."""
    found = []
    for seq in range(1, 40):
        line = await store.read_with(partial(parked.one, lane="central", seq=seq, sight=Sight(None)))
        if line is not None:
            found.append(line)
    return found


async def states(store: Store) -> dict[int, str]:
    return {line.seq: line.state for line in await lines(store)}


async def trail(store: Store) -> list[tuple[str, str, object]]:
    rows = await store.read_with(
        lambda tx: tx._connection.execute(
            "SELECT action, object_id, after FROM audit WHERE object = 'delivery' ORDER BY id"
        ).fetchall()
    )
    return [(action, seq, msgspec.json.decode(after)) for action, seq, after in rows]


async def until_states(store: Store, wanted: dict[int, str]) -> None:
    async def reached() -> bool:
        await balanced(store)
        return await states(store) == wanted

    await until_async(reached, f"the refused lines are {wanted}")


def test_lines_sent_again_are_the_same_and_leave_the_refused_ones(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.script = [rejecting(2, 3, 5)]
            await enqueue(store, 6)
            async with forwarding(store, lane(central.url)) as forwarder:
                await drained(store)
                assert (await status(store)).parked == 3
                assert await decide(store, 2, 3, 5, 6, 99) == 3
                assert await decide(store, 2) == 0
                assert (await status(store)).parked == 3
                forwarder.again("central")
                await until_states(store, {})
                done = await status(store)
                assert (done.enqueued, done.delivered, done.parked, done.discarded) == (6, 6, 0, 0)
                await enqueue(store, 1)
                forwarder.wake()
                await drained(store)
            first, second, third, fourth = central.requests
            assert (second.seqs, third.seqs, fourth.seqs) == ([2, 3], [5], [7])
            assert [each.headers["ingestbox-after"] for each in central.requests] == ["0", "1", "4", "6"]
            original = first.text.splitlines(keepends=True)
            assert second.text + third.text == original[1] + original[2] + original[4]
            keys = [each.headers["idempotency-key"] for each in central.requests]
            assert len(set(keys)) == 4  # the stored answer to the first is none to the second
            assert keys[2].startswith(f"{store.identity.box}-{store.identity.epoch}-central-5-5-")
            assert await trail(store) == [
                ("delivery.retry", seq, {"lane": "central"}) for seq in ("2", "3", "5")
            ]

    run(test())


def test_a_line_refused_again_says_what_the_upstream_said_last(tmp_path: Path) -> None:
    async def test() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as store, upstream() as central:
            central.script = [rejecting(1, 2), rejecting(2, code="still_no_good")]
            await enqueue(store, 2)
            async with forwarding(store, lane(central.url), clock=clock) as forwarder:
                await drained(store)
                clock.advance(60)
                await decide(store, 1, 2)
                forwarder.again("central")
                await until_states(store, {2: "parked"})
                (line,) = await lines(store)
                assert (line.code, line.refused_ms, line.decided_by) == (
                    "still_no_good",
                    clock.now_ms(),
                    None,
                )
                assert (await status(store)).delivered == 1
                assert len(central.requests) == 2  # nobody asked for a third time

    run(test())


def test_they_wait_for_an_upstream_that_is_away_and_for_a_lane_on_hold(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.script = [rejecting(1)]
            await enqueue(store, 1)
            async with forwarding(store, lane(central.url, backoff_seconds=0.01)) as forwarder:
                await drained(store)
                central.default = Answer(503)
                await decide(store, 1)
                forwarder.again("central")
                await until_state(forwarder, "retrying", "http: 503")
                assert await states(store) == {1: "again"}
                await hold(store)
                forwarder.hold("central")
                await until_state(forwarder, "paused", "on_hold")
                central.default = Answer()
                asked = len(central.requests)
                forwarder.again("central")
                await enqueue(store, 1)
                forwarder.wake()
            assert len(central.requests) == asked
            assert await states(store) == {1: "again"}
            async with forwarding(store, lane(central.url)) as forwarder:
                await until_state(forwarder, "paused", "on_hold")
                assert len(central.requests) == asked
                await hold(store, release=True)
                forwarder.release("central")
                await until_states(store, {})
                assert (await drained(store)).delivered == 2
            keys = {each.headers["idempotency-key"] for each in central.requests if each.seqs == [1]}
            assert len(keys) == 2  # one decision is one request, however often it is tried

    run(test())


def test_they_take_turns_with_what_is_new(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.script = [rejecting(1, 3, 5)]
            await enqueue(store, 5)
            async with forwarding(store, lane(central.url)):
                await drained(store)
            await decide(store, 1, 3, 5)
            await enqueue(store, 6)
            async with forwarding(store, lane(central.url, batch_lines=2)):
                await drained(store)
                await until_states(store, {})
            sent = [each.seqs for each in central.requests[1:]]
            assert sent == [[1], [6, 7], [3], [8, 9], [5], [10, 11]]
            fresh = [each.headers["ingestbox-after"] for each in central.requests if each.seqs[0] > 5]
            assert fresh == ["5", "7", "9"]

    run(test())


def test_a_kill_before_the_answer_is_written_sends_them_twice_at_most(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.script = [rejecting(1)]
            await enqueue(store, 1)
            async with forwarding(store, lane(central.url)) as forwarder:
                await drained(store)
                await decide(store, 1)

                def break_off(_: Received) -> Answer:
                    for task in forwarder._tasks:
                        task.cancel()  # as a kill: nothing comes after
                    return Answer()

                central.script = [break_off]
                forwarder.again("central")
                await until(lambda: len(central.requests) == 2, "it was sent")
        async with opened(tmp_path) as store, upstream() as central:
            assert await states(store) == {1: "again"}
            async with forwarding(store, lane(central.url)):
                await until_states(store, {})
            assert central.seqs == [1]
            assert (await status(store)).delivered == 1
        async with opened(tmp_path) as store, upstream() as central:
            async with forwarding(store, lane(central.url)) as forwarder:
                await enqueue(store, 1)
                forwarder.wake()
                await drained(store)
            assert central.seqs == [2]

    run(test())


def test_what_is_given_up_is_a_skip_in_a_gap_and_so_is_what_waits(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.script = [rejecting(1, 2, 3)]
            await enqueue(store, 4)
            async with forwarding(store, lane(central.url)) as forwarder:
                await drained(store)
                assert await decide(store, 2, decision="discarded", reason="not wanted") == 1
                assert await decide(store, 2, decision="discarded", reason="another") == 0
                (_, line, _) = await lines(store)
                assert (line.state, line.decided_by, line.reason) == ("discarded", "local:ann", "not wanted")
                done = await status(store)
                assert (done.delivered, done.parked, done.discarded) == (1, 2, 1)
                await decide(store, 3)
                central.script = [missing((0, 5))]
                await enqueue(store, 1)
                forwarder.wake()
                await drained(store)
                forwarder.again("central")
                await until_states(store, {1: "parked", 2: "discarded"})
            gap = next(each for each in central.requests[1:] if each.seqs[0] == 1)
            assert [(each["seq"], each["op"]) for each in gap.lines] == [
                *((seq, "skip") for seq in (1, 2, 3)),
                (4, "put"),
            ]
            assert [each.seqs for each in central.requests].count([3]) == 1
            assert await trail(store) == [
                ("delivery.discard", "2", {"lane": "central", "reason": "not wanted"}),
                ("delivery.retry", "3", {"lane": "central"}),
            ]

    run(test())


def test_given_up_on_its_way_the_upstreams_word_counts(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.script = [rejecting(1, 2)]
            await enqueue(store, 2)
            async with forwarding(store, lane(central.url)) as forwarder:
                await drained(store)
                await decide(store, 1, 2)

                async def late(_: Received) -> Answer:
                    await decide(store, 1, 2, decision="discarded", reason="too late")
                    return rejecting(2, code="no")

                central.script = [late]
                forwarder.again("central")
                await until_states(store, {2: "discarded"})
                (line,) = await lines(store)
                assert (line.code, line.reason) == ("record_invalid", "too late")
                done = await status(store)
                assert (done.delivered, done.parked, done.discarded) == (1, 0, 1)
                assert await decide(store, 2) == 1  # a mark can be taken back
                forwarder.again("central")
                await until_states(store, {})

    run(test())


def test_a_damaged_line_is_never_sent(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.script = [rejecting(1, 2)]
            await enqueue(store, 2)
            async with forwarding(store, lane(central.url)) as forwarder:
                await drained(store)
                await store.write(Sql("UPDATE deliveries SET line = 'broken' WHERE seq = 1"))
                await decide(store, 1, 2)
                forwarder.again("central")
                await until_states(store, {1: "parked"})
                assert [line.code for line in await lines(store)] == ["damaged"]
            assert [each["op"] for each in central.requests[-1].lines] == ["skip", "put"]

    run(test())


def test_lines_of_two_epochs_never_share_a_batch_nor_do_more_than_fit(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.default = lambda request: rejecting(*request.seqs)
            await store.write(Enqueue(store.identity, 2, epoch="e1"))
            await enqueue(store, 4)
            async with forwarding(store, lane(central.url)):
                await drained(store)
            central.default = Answer()
            await decide(store, 1, 2, 3, 4, 5, 6)
            asked = len(central.requests)
            async with forwarding(store, lane(central.url, batch_lines=3)):
                await until_states(store, {})
            assert [each.seqs for each in central.requests[asked:]] == [[1, 2], [3, 4, 5], [6]]
            assert [each.headers["ingestbox-epoch"] for each in central.requests[asked:]] == [
                "e1",
                *[store.identity.epoch] * 2,
            ]

    run(test())


def test_what_arrives_late_is_counted_in_the_minute_it_arrives(tmp_path: Path) -> None:
    async def test() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as store, upstream() as central:
            central.script = [rejecting(1)]
            await enqueue(store, 3)
            async with forwarding(store, lane(central.url), clock=clock) as forwarder:
                await drained(store)
                clock.advance(600)
                await decide(store, 1)
                forwarder.again("central")
                await until_states(store, {})
            rows = await store.read_with(
                lambda tx: tx._connection.execute(
                    "SELECT at, delivered FROM series_minutes WHERE delivered <> 0 ORDER BY at"
                ).fetchall()
            )
            assert [delivered for _, delivered in rows] == [2, 1]
            assert rows[1][0] - rows[0][0] == 600

    run(test())


def test_a_central_box_takes_what_it_refused_once_the_cause_is_gone(tmp_path: Path) -> None:
    def lane_to(url: str, token: str) -> str:
        return f'[[lanes]]\nname = "central"\nurl = "{url}/v1/sync/batches"\ntoken = "{token}"\n'

    with running(tmp_path / "central") as central:
        elsewhere = central.token(Role.FORWARDER, workspace="elsewhere")
        with running(tmp_path / "edge", config=lane_to(central.url, elsewhere)) as edge:
            with edge.client() as client:
                wait_job(client, post_tickets(client, [ticket(1), ticket(2)])["job_id"])
                until_now(lambda: client.get("/v1/lanes/central").json()["parked"] == 2, "they are refused")
                found = client.get("/v1/lanes/central/parked").json()["parked"]
                assert [line["code"] for line in found] == ["workspace_forbidden"] * 2
            edge.stop()
            edge.configure(lane_to(central.url, central.token(Role.FORWARDER)))
            edge.start()
            with edge.client() as client:
                until_now(lambda: client.get("/readyz").status_code == 200, "ready")
                assert client.post("/v1/lanes/central/parked/retry").json() == {"lines": 2}
                until_now(lambda: client.get("/v1/lanes/central").json()["delivered"] == 2, "they are taken")
                assert client.get("/v1/lanes/central/parked").json()["parked"] == []
            with central.client() as client:
                (box,) = client.get("/v1/sync/boxes").json()["boxes"]
                assert (box["last_seq"], box["gaps"], box["reused"]) == (2, [], 0)
                assert client.get("/api/tickets").json()["total"] == 2
