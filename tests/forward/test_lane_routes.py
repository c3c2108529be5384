"""`/v1/lanes` over a real lane: sent again, forgotten, and what it says of itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest

from ingestbox import config, families
from ingestbox.family import Box
from ingestbox.forward import Forwarder
from ingestbox.identity.guard import Guard
from ingestbox.identity.tokens import mint
from ingestbox.model import Role
from ingestbox.store import Store
from ingestbox.store.retention import RemoveLines
from ingestbox.web.app import build_app
from ingestbox.web.binding import BoundRoute
from ingestbox.web.v1.audit import Audit
from ingestbox.web.v1.lanemoves import LaneMoves
from ingestbox.web.v1.lanes import Lanes
from ingestbox.web.v1.parked import ParkedLines
from tests.forward.support import (
    START_MS,
    Answer,
    HeldClock,
    Upstream,
    enqueue,
    forwarding,
    lane,
    opened,
    run,
    until_async,
    upstream,
)
from tests.web.support import SECRET, Keys

Json = dict[str, Any]


class Asker:
    """Calls of the API, as a person with a role in a workspace."""

    def __init__(self, app: Any, clock: HeldClock, role: Role, workspace: str) -> None:
        token = mint(
            SECRET, subject="someone", roles=(role,), workspace=workspace, ttl_seconds=10**6, clock=clock
        )
        self.client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app),
            base_url="http://box",
            headers={"Authorization": f"Bearer {token}"},
        )

    async def get(self, path: str) -> Json:
        answer = await self.client.get(path)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def post(self, path: str, body: object = None) -> httpx2.Response:
        return await self.client.post(path, json={} if body is None else body)

    async def replay(self, **wanted: object) -> Json:
        answer = await self.post("/v1/lanes/central/replay", wanted)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found


class Rig:
    """A store, a lane to an upstream, and the routes about it."""

    def __init__(self, store: Store, clock: HeldClock, forwarder: Forwarder, central: Upstream) -> None:
        self.store = store
        self.clock = clock
        self.forwarder = forwarder
        self.central = central
        known = families.load()
        routes = [
            *Lanes(store, forwarder, [lane(central.url)]).routes(),
            *LaneMoves(store, forwarder).routes(),
            *ParkedLines(store, known, forwarder).routes(),
            *Audit(cast("Any", self)).routes(),
        ]
        guard = Guard(secret=SECRET, static=(), keys=Keys(), clock=clock, leeway_seconds=5)
        self.app = build_app(
            routes=[BoundRoute(route) for route in routes],
            guard=guard,
            box=cast("Box", None),
            limits=config.Limits(),
            clock=clock,
        )

    def asker(self, role: Role = Role.ADMIN, workspace: str = "default") -> Asker:
        return Asker(self.app, self.clock, role, workspace)

    async def one(self) -> Json:
        return await self.asker().get("/v1/lanes/central")

    async def drained(self, lines: int) -> None:
        async def done() -> bool:
            found = await self.one()
            return bool(found["delivered"] == lines and found["pending"] == 0)

        await until_async(done, f"{lines} lines are delivered")

    async def trail(self, action: str) -> Json:
        found: Json = (await self.asker().get(f"/v1/audit?action={action}"))["audit"][0]
        return found


@asynccontextmanager
async def rig(folder: Path, count: int = 5, **fields: Any) -> AsyncIterator[Rig]:
    clock = HeldClock()
    async with opened(folder, clock) as store, upstream() as central:
        made = lane(central.url, batch_lines=2, **fields)
        async with forwarding(store, made, clock=clock) as forwarder:
            found = Rig(store, clock, forwarder, central)
            await enqueue(store, count)
            forwarder.wake()
            yield found


def test_a_lane_tells_its_lag_its_filter_and_what_its_state_means(tmp_path: Path) -> None:
    async def test() -> None:
        async with rig(tmp_path, 3, families=["feedback"], ops=["put"], relay=False) as it:
            await it.drained(3)
            it.central.default = Answer(401)
            await enqueue(it.store, 2)
            it.forwarder.wake()
            await until_async(lambda: _is(it, "paused"), "it is paused")
            it.clock.advance(90)
            found = await it.one()
            assert (found["pending"], found["oldest_seconds"]) == (2, 90)
            assert 800 < found["pending_bytes"] < 2_000
            assert (found["families"], found["kinds"], found["ops"]) == (["feedback"], [], ["put"])
            assert (found["relay"], found["schedule"], found["imbalance"]) == (False, "immediately", 0)
            assert found["meaning"] == "The upstream does not know this box (unauthorized: 401)."
            assert found["remedy"].startswith("Check the lane's token")
            sums = await it.asker().get("/v1/lanes/central/balance")
            assert sums == {
                "enqueued": 5,
                "delivered": 3,
                "pending": 2,
                "parked": 0,
                "discarded": 0,
                "holds": True,
            }

    run(test())


async def _is(it: Rig, state: str) -> bool:
    return bool((await it.one())["state"] == state)


def test_a_replay_says_what_it_would_do_and_does_it(tmp_path: Path) -> None:
    async def test() -> None:
        async with rig(tmp_path) as it:
            await it.drained(5)
            asked = it.asker()
            plan = await asked.replay(from_seq=3, dry_run=True)
            assert plan == {
                "dry_run": True,
                "lines": 3,
                "starts_at": "3",
                "made_at": "2027-01-15T08:00:00.000Z",
                "until": "5",
                "purged_before": None,
            }
            assert (await it.one())["delivered"] == 5
            assert len(it.central.seqs) == 5
            assert (await asked.get("/v1/audit?action=lane.replay"))["audit"] == []
            assert await asked.replay(from_seq=3) == {**plan, "dry_run": False}
            await it.drained(5)
            assert it.central.seqs == [1, 2, 3, 4, 5, 3, 4, 5]
            keys = [request.headers["idempotency-key"] for request in it.central.requests]
            assert len(set(keys)) == len(keys)
            line = await it.trail("lane.replay")
            assert (line["object_id"], line["after"]["from_seq"], line["after"]["lines"]) == (
                "central",
                "3",
                3,
            )
            ahead = await asked.replay(from_seq=6, dry_run=True)
            assert (ahead["lines"], ahead["starts_at"], ahead["made_at"]) == (0, None, None)

    run(test())


@pytest.mark.parametrize(("before_ms", "lines"), [(-1_000, 5), (0, 5), (1, 0)])
def test_a_replay_from_a_time_begins_with_what_was_made_then(
    tmp_path: Path, before_ms: int, lines: int
) -> None:
    async def test() -> None:
        async with rig(tmp_path) as it:
            await it.drained(5)
            at = _iso(START_MS + before_ms)
            plan = await it.asker().replay(from_date=at, dry_run=True)
            assert (plan["lines"], plan["purged_before"]) == (lines, None)

    run(test())


def _iso(ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


def test_a_replay_says_from_where_it_really_starts(tmp_path: Path) -> None:
    async def test() -> None:
        async with rig(tmp_path) as it:
            await it.drained(5)
            gone = await it.store.write(RemoveLines([1, 2], 0, START_MS))
            assert gone.lines == 2
            asked = it.asker()
            for wanted in ({"from_seq": 1}, {"from_date": _iso(START_MS)}):
                plan = await asked.replay(**wanted, dry_run=True)
                assert (plan["lines"], plan["starts_at"], plan["purged_before"]) == (3, "3", "3"), wanted
            assert (await asked.replay(from_seq=3, dry_run=True))["purged_before"] is None
            await asked.replay(from_seq=1)
            await it.drained(5)
            assert it.central.seqs == [1, 2, 3, 4, 5, 3, 4, 5]

    run(test())


@pytest.mark.parametrize(
    ("wanted", "word"),
    [
        ({}, "Either from_seq or from_date"),
        ({"from_seq": 1, "from_date": "2026-01-01T00:00:00Z"}, "Either from_seq or from_date"),
        ({"from_seq": 0}, "from 1 on"),
        ({"from_seq": "x"}, "from 1 on"),
        ({"from_seq": 10**19}, "from 1 on"),
        ({"from_seq": 7}, "ends with 5"),
        ({"from_date": "2026-01-01"}, "with its offset"),
        ({"from_date": "2026-01-01T00:00:00"}, "with its offset"),
        ({"from_date": 5}, "with its offset"),
        ({"from_seq": 1, "dry_run": "yes"}, "true or false"),
        ({"from": 1}, "'from' is no member"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, wanted: Json, word: str) -> None:
    async def test() -> None:
        async with rig(tmp_path) as it:
            await it.drained(5)
            answer = await it.asker().post("/v1/lanes/central/replay", wanted)
            assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
            assert word in answer.json()["detail"]
            assert it.central.seqs == [1, 2, 3, 4, 5]

    run(test())


def test_only_who_operates_the_box_moves_lanes(tmp_path: Path) -> None:
    async def test() -> None:
        async with rig(tmp_path) as it:
            await it.drained(5)
            for asker in (it.asker(workspace="acme"), it.asker(Role.EDITOR)):
                for action in ("replay", "remove"):
                    assert (await asker.post(f"/v1/lanes/central/{action}")).status_code == 403
                assert (await asker.client.get("/v1/lanes/central/balance")).status_code == 403
            unknown = await it.asker().post("/v1/lanes/centrl/replay", {"from_seq": 1})
            assert (unknown.status_code, unknown.json()["detail"]) == (
                404,
                "There is no lane centrl. Did you mean central?",
            )
            configured = await it.asker().post("/v1/lanes/central/remove", {"reason": "x"})
            assert (configured.status_code, configured.json()["code"]) == (409, "lane_configured")

    run(test())


def test_a_lane_that_is_off_is_forgotten_for_a_reason_and_the_trail_has_the_numbers(tmp_path: Path) -> None:
    async def test() -> None:
        async with rig(tmp_path) as it:
            await it.drained(5)
            it.central.default = Answer(
                200, b'{"rejected": [{"seq": 6, "code": "unknown", "message": "No."}]}'
            )
            await enqueue(it.store, 1)
            it.forwarder.wake()
            await until_async(lambda: _refused(it), "a line is refused")
            it.central.default = Answer(503)
            await enqueue(it.store, 2)
            it.forwarder.wake()
            await until_async(lambda: _is(it, "retrying"), "the upstream is away")
            await it.forwarder.stop(1)
            other = lane(it.central.url, "other")
            async with forwarding(it.store, other, clock=it.clock) as later:
                asked = Rig(it.store, it.clock, later, it.central).asker()
                found = await asked.get("/v1/lanes/central")
                assert (found["state"], found["schedule"], found["pending"]) == ("off", None, 2)
                for action in ("pause", "resume", "test"):
                    gone = await asked.client.post(f"/v1/lanes/central/{action}")
                    assert (gone.status_code, "is off" in gone.json()["detail"]) == (404, True)
                unsaid = await asked.post("/v1/lanes/central/remove")
                assert (unsaid.status_code, "reason is required" in unsaid.json()["detail"]) == (422, True)
                assert (await asked.post("/v1/lanes/central/remove", {"reason": " "})).status_code == 422
                done = await asked.post("/v1/lanes/central/remove", {"reason": "That service is gone"})
                numbers = {"delivered": 5, "pending": 2, "parked": 1, "discarded": 0}
                assert (done.status_code, done.json()) == (200, {"name": "central", **numbers})
                assert (await asked.client.get("/v1/lanes/central")).status_code == 404
                line = (await asked.get("/v1/audit?action=lane.remove"))["audit"][0]
                assert line["object_id"] == "central"
                assert line["after"] == {
                    "pending": 2,
                    "parked": 1,
                    "discarded": 0,
                    "reason": "That service is gone",
                }
                assert (await asked.post("/v1/lanes/central/remove")).status_code == 404

    run(test())


async def _refused(it: Rig) -> bool:
    return bool((await it.one())["parked"] == 1)
