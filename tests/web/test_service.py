"""The public endpoints."""

from __future__ import annotations

from ingestbox import __version__
from ingestbox.web.service import Check
from tests.web.support import Live, serve


def test_the_root_says_what_this_is() -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:
            body = (await client.get("/")).json()
            assert (body["name"], body["version"]) == ("ingestbox", __version__)
            assert set(body["links"].values()) >= {"/health", "/readyz", "/healthz", "/openapi.json", "/docs"}

    serve(test)


def test_health_is_degraded_by_any_check_and_down_by_the_store_alone() -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:
            reply = await client.get("/health")
            assert reply.status_code == 200
            assert reply.json() == {"status": "healthy", "checks": {"store": {"ok": True, "detail": ""}}}

            lane = Check("lane central", False, frozenset(), "paused: 401")
            live.condition.found = [Check("store", True), lane]
            reply = await client.get("/health")
            assert (reply.status_code, reply.json()["status"]) == (200, "degraded")
            assert reply.json()["checks"]["lane central"] == {"ok": False, "detail": "paused: 401"}
            assert (await client.get("/readyz")).json() == {"status": "ready", "reasons": []}

            live.condition.found = [Check("worker", False, frozenset({"ready"}), "no worker is alive")]
            assert (await client.get("/health")).status_code == 200
            reply = await client.get("/readyz")
            assert reply.status_code == 503
            reasons = [{"name": "worker", "detail": "no worker is alive"}]
            assert reply.json() == {"status": "not_ready", "reasons": reasons}

            live.condition.found = [Check("store", False, frozenset({"health", "ready"}), "read-only")]
            assert (await client.get("/health")).status_code == 503
            assert (await client.get("/readyz")).status_code == 503
            assert (await client.get("/healthz")).json() == {"status": "alive"}

    serve(test)
