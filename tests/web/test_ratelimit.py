"""Rates: what is counted for whom, when it is refused, and what every answer says about it."""

from __future__ import annotations

import asyncio
import re

import httpx2
import pytest

from ingestbox.config import Rates
from ingestbox.model import Role
from ingestbox.web.policy.ratelimit import Buckets, place
from tests.web.support import HeldClock, Live, read_answer, serve

THREE = Rates(requests=3, intake=2, login=2)
FIELDS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit", "ratelimit-policy")


def told(reply: httpx2.Response) -> list[str]:
    return [reply.headers[name] for name in FIELDS]


@pytest.mark.parametrize("per_minute", [1, 7, 60, 600, 5_000])
@pytest.mark.parametrize("now", [0.0, 1234.567, 1.0e8 + 0.123])
def test_a_bucket_holds_a_minutes_allowance_to_the_last_call(per_minute: int, now: float) -> None:
    buckets = Buckets(HeldClock())
    assert all(buckets.take("k", per_minute, now).allowed for _ in range(per_minute))
    assert not buckets.take("k", per_minute, now).allowed
    assert buckets.take("other", per_minute, now).allowed


def test_a_bucket_fills_all_the_time_and_is_never_more_than_full() -> None:
    buckets, now = Buckets(HeldClock()), 1000.0
    for left in range(9, -1, -1):
        taken = buckets.take("k", 10, now)
        assert (taken.allowed, taken.limit, taken.remaining) == (True, 10, left)
        assert taken.full_after == 6 * (10 - left)
    refused = buckets.take("k", 10, now + 0.5)
    assert (refused.allowed, refused.remaining, refused.retry_after) == (False, 0, 6)
    assert not buckets.take("k", 10, now + 5.9).allowed
    assert buckets.take("k", 10, now + 6).allowed
    assert not buckets.take("k", 10, now + 11.9).allowed, "what was refused cost nothing, and gave nothing"
    assert buckets.take("k", 10, now + 12).allowed
    assert [buckets.take("k", 10, now + 100_000).allowed for _ in range(11)] == [True] * 10 + [False]


def test_whoever_waits_as_long_as_told_is_let_in() -> None:
    for per_minute in (1, 7, 60, 999):
        buckets, now = Buckets(HeldClock()), 50.0
        while buckets.take("k", per_minute, now).allowed:
            now += 0.01
        wait = buckets.take("k", per_minute, now).retry_after
        assert wait >= 1
        assert buckets.take("k", per_minute, now + wait).allowed


def test_the_reset_is_the_moment_at_which_the_bucket_is_full() -> None:
    clock = HeldClock()
    taken = Buckets(clock).take("k", 4, clock.monotonic())
    assert taken.reset == clock.ms // 1000 + 15
    clock.ms += 1  # a part of a second is not rounded away
    assert Buckets(clock).take("k", 4, clock.monotonic()).reset == clock.ms // 1000 + 16


def test_the_reset_does_not_waver_while_time_goes_by() -> None:
    clock = HeldClock()
    clock.ms += 333
    buckets = Buckets(clock)
    assert buckets.take("k", 1, clock.monotonic()).allowed
    resets = set()
    for _ in range(500):
        clock.ms += 99
        refused = buckets.take("k", 1, clock.monotonic())
        assert not refused.allowed
        resets.add(refused.reset)
    assert len(resets) == 1


def test_a_clock_that_went_back_locks_nobody_out() -> None:
    buckets = Buckets(HeldClock())
    while buckets.take("k", 5, 1_000_000.0).allowed:
        pass
    assert buckets.take("k", 5, 3.0).allowed
    assert not any([buckets.take("k", 5, 3.0).allowed for _ in range(5)][4:]), "but the limit still holds"


def test_no_limit_takes_nothing() -> None:
    buckets = Buckets(HeldClock())
    assert all(buckets.take("k", 0, 1.0).allowed for _ in range(1000))
    assert len(buckets) == 0


def test_the_number_of_buckets_is_bounded_and_full_ones_go_first() -> None:
    buckets = Buckets(HeldClock(), most=100)
    for _ in range(2):
        buckets.take("drained", 2, 0.0)
    for number in range(150):
        buckets.take(f"full soon {number}", 6000, 0.0)
        assert len(buckets) <= 100
    assert not buckets.take("drained", 2, 1.0).allowed, "it was forgotten, although others were fuller"
    for number in range(500):
        buckets.take(f"later {number}", 2, 10.0)
        assert len(buckets) <= 100
    assert not buckets.take("drained", 2, 10.0).allowed
    buckets.take("new", 2, 500.0)
    assert len(buckets) < 80, "those that have filled up are forgotten when there is need of room"


def test_a_bucket_in_use_outlives_those_that_are_not() -> None:
    buckets = Buckets(HeldClock(), most=100)
    busy, idle = [f"busy {n}" for n in range(40)], [f"idle {n}" for n in range(60)]
    for key in (*busy, *idle):
        buckets.take(key, 1, 0.0)
    for key in busy:
        assert buckets.take(key, 1, 61.0).allowed
    for number in range(60):
        buckets.take(f"new {number}", 1, 62.0)
    assert not any(buckets.take(key, 1, 63.0).allowed for key in busy)


def test_a_long_key_is_not_kept_whole_and_is_still_its_own() -> None:
    buckets = Buckets(HeldClock())
    long = "k" * 10_000
    assert buckets.take(long, 1, 0.0).allowed
    assert not buckets.take(long, 1, 0.0).allowed
    assert buckets.take(long + "k", 1, 0.0).allowed
    assert buckets.take("\udc80" * 200, 1, 0.0).allowed
    assert max(len(key) for key in buckets._full_at) <= 128


def test_an_address_stands_for_one_client() -> None:
    assert place("192.0.2.7") == "192.0.2.7"
    assert place("2001:db8:1:2:3::1") == place("2001:db8:1:2:ffff::9") != place("2001:db8:1:3::1")
    assert place("::1") != place("1::")
    assert place("fe80::1%eth0") == place("fe80::2")
    assert (place(""), place("a:b")) == ("", "a:b")


def test_without_rates_nothing_is_counted_and_nothing_said() -> None:
    async def test(live: Live) -> None:
        async with live.client(headers=live.bearer) as client:
            for _ in range(20):
                reply = await client.get("/api/echo")
                assert reply.status_code == 200
                assert not set(FIELDS) & set(reply.headers)
        assert len(live.door._policies.buckets) == 0

    serve(test)


def test_calls_over_the_rate_get_429_and_every_answer_says_where_the_caller_is() -> None:
    async def test(live: Live) -> None:
        at = live.clock.ms // 1000
        async with live.client(headers={**live.bearer, "X-Request-ID": "r"}) as client:
            first = await client.get("/v1/lines")
            assert told(first) == ["3", "2", str(at + 20), '"requests";r=2;t=20', '"requests";q=3;w=60']
            failed = await client.get("/v1/fail")
            assert (failed.status_code, failed.headers["x-ratelimit-remaining"]) == (500, "1")
            forbidden = await client.get("/v1/invalid")
            assert (forbidden.status_code, forbidden.headers["x-ratelimit-remaining"]) == (422, "0")
            assert "retry-after" not in first.headers
            over = await client.get("/v1/lines")
            assert (over.status_code, over.headers["retry-after"]) == (429, "20")
            assert told(over) == ["3", "0", str(at + 60), '"requests";r=0;t=60', '"requests";q=3;w=60']
            body = over.json()
            assert (body["code"], body["title"], body["request_id"]) == (
                "rate_limited",
                "Too Many Requests",
                "r",
            )
            assert "3 calls a minute" in body["detail"]
            live.clock.ms += 19_000
            assert (await client.get("/v1/lines")).headers["retry-after"] == "1"
            live.clock.ms += 1_000
            assert (await client.get("/v1/lines")).status_code == 200
            assert (await client.get("/v1/lines")).status_code == 429

    serve(test, rates=THREE)


def test_each_caller_and_each_group_and_each_rate_has_a_bucket_of_its_own() -> None:
    async def test(live: Live) -> None:
        bob = {"Authorization": f"Bearer {live.token(subject='bob')}"}
        async with live.client(headers=live.bearer) as client:
            for _ in range(3):
                assert (await client.get("/api/echo")).status_code == 200
            over = await client.get("/api/thing/7")  # the same family
            assert over.status_code == 429
            assert over.json() == {
                "detail": over.json()["detail"],
                "code": "rate_limited",
                "request_id": over.headers["x-request-id"],
            }
            assert (await client.get("/v1/lines")).status_code == 200  # another group
            intake = await client.post("/api/take", content=b"{}")  # another rate
            assert (intake.status_code, intake.headers["ratelimit-policy"]) == (200, '"intake";q=2;w=60')
            assert (await client.get("/api/echo", headers=bob)).status_code == 200
            for _ in range(9):
                free = await client.get("/v1/free")
                assert free.status_code == 200 and not set(FIELDS) & set(free.headers)
            other = {"Authorization": f"Bearer {live.token(workspace='elsewhere')}"}
            assert (await client.get("/api/echo", headers=other)).status_code == 429  # the same person

    serve(test, rates=THREE)


def test_who_is_not_let_in_has_no_bucket_and_probes_are_not_counted() -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:
            for number in range(20):
                reply = await client.get("/api/echo", headers={"Authorization": f"Bearer bad{number}"})
                assert reply.status_code == 401 and not set(FIELDS) & set(reply.headers)
                assert (await client.get("/api/nothing")).status_code == 404
                assert (await client.get("/healthz")).status_code == 200
                assert (await client.options("/api/echo")).status_code == 204
        assert len(live.door._policies.buckets) == 0

    serve(test, rates=THREE)


def test_calls_without_the_role_are_counted() -> None:
    async def test(live: Live) -> None:
        analyst = {"Authorization": f"Bearer {live.token(Role.ANALYST)}"}
        async with live.client(headers=analyst) as client:
            for left in ("2", "1", "0"):
                reply = await client.post("/api/echo", content=b"{}")
                assert (reply.status_code, reply.headers["x-ratelimit-remaining"]) == (403, left)
            assert (await client.post("/api/echo", content=b"{}")).status_code == 429

    serve(test, rates=THREE)


def test_public_calls_with_a_rate_are_counted_by_the_clients_address() -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:
            for _ in range(2):
                one = await client.post("/v1/open", headers={"X-Forwarded-For": "2001:db8::1"})
                assert one.status_code == 200
            same = await client.post("/v1/open", headers={"X-Forwarded-For": "2001:db8::2"})
            assert (same.status_code, same.headers["ratelimit-policy"]) == (429, '"login";q=2;w=60')
            other = await client.post("/v1/open", headers={"X-Forwarded-For": "192.0.2.7"})
            assert other.status_code == 200

    serve(test, rates=THREE, trusted_proxies=["127.0.0.1"])


def test_a_call_is_refused_before_its_body_is_read() -> None:
    async def test(live: Live) -> None:
        async with live.client(headers=live.bearer) as client:
            for _ in range(2):
                await client.post("/api/take", content=b"{}")
        reader, writer = await live.connect()
        writer.write(live.head("POST /api/take", "Content-Length: 9000000", "Expect: 100-continue"))
        answer = await read_answer(reader)  # and no 100 before it
        assert (answer.status, answer.body["code"]) == (429, "rate_limited")
        assert re.fullmatch("[1-9][0-9]*", answer.headers["retry-after"])
        writer.close()
        assert len(live.asked) == 2

    serve(test, rates=THREE)


def test_a_stream_says_where_the_caller_is_too() -> None:
    async def test(live: Live) -> None:
        async with live.client(headers=live.bearer) as client:
            reply = await client.get("/v1/stream")
            assert (reply.text, reply.headers["x-ratelimit-remaining"]) == ("streamed", "2")
            await asyncio.gather(*(client.get("/v1/stream") for _ in range(2)))
            assert (await client.get("/v1/stream")).status_code == 429

    serve(test, rates=THREE)
