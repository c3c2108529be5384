"""Signatures of batches, checked with the stock library of Standard Webhooks."""

from __future__ import annotations

import base64
import datetime
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError, hmac_data

from ingestbox import webhooks
from ingestbox.clock import SystemClock
from ingestbox.errors import StartupError
from ingestbox.forward.sink import Delivered, Retry
from ingestbox.webhooks import NotVerified
from tests.forward.sinking import batch, sent, sink
from tests.forward.support import (
    Answer,
    HeldClock,
    Received,
    drained,
    enqueue,
    forwarding,
    lane,
    opened,
    run,
    upstream,
)

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()
TEXT = "correct-horse-battery-staple"


def stock_accepts(secret: str, got: Received) -> bool:
    """Whether the stock library takes the request. It takes text alone, so that of a compressed body its own
    HMAC is asked for, put together as it does."""
    hook = Webhook(secret if secret.startswith("whsec_") else secret.encode())
    if "content-encoding" not in got.headers:
        try:
            hook.verify(got.body, got.headers, json_parse=False)
        except WebhookVerificationError:
            return False
        return True
    signed = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    made = base64.b64encode(hmac_data(hook._whsecret, signed)).decode()
    return f"v1,{made}" in got.headers["webhook-signature"].split(" ")


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
@pytest.mark.parametrize("form", ["ndjson", "json", "envelope"])
def test_the_stock_library_accepts_what_a_lane_posts(compression: str, form: str) -> None:
    async def test() -> None:
        async with (
            upstream() as central,
            sink(central.url, signing_secret=f"{SECRET} {TEXT}", format=form, compression=compression) as out,
        ):
            assert await sent(out) == Delivered()
            knock = await out.test()
            assert knock.ok
        assert len(central.requests) == 2
        for got in central.requests:
            assert stock_accepts(SECRET, got)
            assert stock_accepts(TEXT, got)
            assert not stock_accepts(OTHER, got)
            assert len(got.headers["webhook-signature"].split(" ")) == 2
            webhooks.verify(webhooks.keys([TEXT]), got.headers, got.body, time.time())
        first, second = central.requests
        assert first.headers["webhook-id"] == first.headers["idempotency-key"]
        assert second.headers["webhook-id"].startswith("b1-central-test-")

    run(test())


def test_a_body_or_id_that_was_altered_is_refused() -> None:
    async def test() -> Received:
        async with upstream() as central, sink(central.url, signing_secret=SECRET, compression="none") as out:
            await sent(out)
        return central.requests[0]

    got = run(test())
    assert not stock_accepts(SECRET, Received(got.headers, got.body.replace(b"put", b"del")))
    assert not stock_accepts(SECRET, Received({**got.headers, "webhook-id": "another"}, got.body))
    later = str(int(got.headers["webhook-timestamp"]) + 1)
    assert not stock_accepts(SECRET, Received({**got.headers, "webhook-timestamp": later}, got.body))


def test_a_retry_is_signed_anew_under_the_same_id() -> None:
    async def test() -> None:
        clock = HeldClock()
        async with upstream() as central, sink(central.url, clock, signing_secret=SECRET) as out:
            central.script = [Answer(503)]
            parcel = out.pack(batch(1, 2))
            assert await out.send(parcel) == Retry("http: 503")
            clock.advance(1000)
            assert await out.send(parcel) == Delivered()
        first, second = central.requests
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert int(second.headers["webhook-timestamp"]) == clock.now_ms() // 1000
        assert int(first.headers["webhook-timestamp"]) == clock.now_ms() // 1000 - 1000
        assert stock_accepts(SECRET, first)
        assert stock_accepts(SECRET, second)
        assert first.headers["webhook-signature"] != second.headers["webhook-signature"]

    run(test())


def test_without_a_secret_nothing_is_signed() -> None:
    async def test() -> None:
        async with upstream() as central, sink(central.url) as out:
            await sent(out)
            await out.test()
        for got in central.requests:
            assert not [name for name in got.headers if name.startswith("webhook-")]

    run(test())


def test_a_lane_signs_all_that_it_sends(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 7)
            one = lane(central.url, batch_lines=3, signing_secret=SECRET, compression="none")
            async with forwarding(store, one):
                await drained(store)
        assert len(central.requests) == 3
        assert all(stock_accepts(SECRET, got) for got in central.requests)

    run(test())


def test_a_large_body_is_signed_as_a_small_one() -> None:
    async def test() -> None:
        async with upstream() as central, sink(central.url, signing_secret=SECRET, compression="none") as out:
            large = batch(1, lines=[b'"' + b"x" * 400_000 + b'"'])
            assert await sent(out, large) == Delivered()
        assert stock_accepts(SECRET, central.requests[0])

    run(test())


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("short", "fewer than 24 characters"),
        (f"{SECRET} short", "fewer than 24 characters"),
        ("three words or so", "spaces separate secrets"),
        ("whsec_not/base64!", "something else than base64"),
        ("whsec_" + base64.b64encode(bytes(23)).decode(), "not 24 to 64 bytes"),
        ("whsec_" + base64.b64encode(bytes(65)).decode(), "not 24 to 64 bytes"),
        ("whsec_", "not 24 to 64 bytes"),
    ],
)
def test_a_secret_that_cannot_be_used_is_refused_without_showing_it(secret: str, why: str) -> None:
    async def test() -> str:
        with pytest.raises(StartupError) as caught:
            async with sink("http://127.0.0.1:1/", signing_secret=secret):
                pass
        return str(caught.value)

    said = run(test())
    assert said.startswith("Lane central: signing_secret: ")
    assert why in said
    for part in secret.split():
        assert part == "whsec_" or part not in said


@pytest.mark.parametrize("bytes_", [24, 64])
def test_secrets_of_the_least_and_most_length_are_taken(bytes_: int) -> None:
    secret = "whsec_" + base64.b64encode(bytes(bytes_)).decode()
    assert webhooks.keys(f"{secret} {'x' * 24}") == (bytes(bytes_), b"x" * 24)


# What a receiver checks.

NOW = 1_800_000_000


def signed(keys: Sequence[bytes], at: int = NOW, body: bytes = b"body") -> dict[str, str]:
    return webhooks.headers(keys, "m1", at, body)


@pytest.mark.parametrize("ahead", [0, 300, -300])
def test_what_the_stock_library_signs_is_verified(ahead: int) -> None:
    moment = datetime.datetime.fromtimestamp(NOW + ahead, datetime.UTC)
    headers = {
        "webhook-id": "m1",
        "webhook-timestamp": str(NOW + ahead),
        "webhook-signature": "v1a,AAAA " + Webhook(SECRET).sign("m1", moment, "body"),
    }
    webhooks.verify(webhooks.keys([OTHER, SECRET]), headers, b"body", NOW + 0.4)


KEYS = webhooks.keys([SECRET])


@pytest.mark.parametrize(
    ("headers", "reason", "seconds"),
    [
        ({}, "missing", None),
        ({"webhook-signature": ""}, "missing", None),
        ({"webhook-id": ""}, "missing", None),
        ({"webhook-timestamp": "soon"}, "malformed", None),
        ({"webhook-timestamp": "-5"}, "malformed", None),
        ({"webhook-timestamp": "1" * 13}, "malformed", None),
        ({"webhook-timestamp": "١"}, "malformed", None),
        ({"webhook-signature": "v1a,AAAA"}, "malformed", None),
        ({"webhook-signature": "v1,"}, "mismatch", None),
        ({"webhook-signature": signed(KEYS)["webhook-signature"][:-2] + "A="}, "mismatch", None),
        ({"webhook-signature": "v1,ÄÖ"}, "mismatch", None),
        ({"webhook-signature": webhooks.sign(webhooks.keys([OTHER]), "m1", NOW, b"body")}, "mismatch", None),
        ({"webhook-id": "m2"}, "mismatch", None),
        ({"webhook-timestamp": str(NOW + 1)}, "mismatch", None),
        (signed(KEYS, NOW + 301), "too_new", 301),
        (signed(KEYS, NOW - 301), "too_old", -301),
        (signed(KEYS, NOW + 400 * 86_400), "too_new", 400 * 86_400),
    ],
)
def test_what_is_not_verified_says_why(headers: dict[str, str], reason: str, seconds: int | None) -> None:
    given = {**signed(KEYS), **headers} if headers else {}
    with pytest.raises(NotVerified) as caught:
        webhooks.verify(KEYS, given, b"body", NOW)
    assert (caught.value.reason, caught.value.seconds) == (reason, seconds)
    assert str(caught.value).endswith(".")
    assert SECRET not in str(caught.value)


def test_only_who_holds_a_secret_is_told_of_the_clocks() -> None:
    stranger = signed(webhooks.keys([OTHER]), NOW + 1000)
    with pytest.raises(NotVerified) as caught:
        webhooks.verify(KEYS, stranger, b"body", NOW)
    assert caught.value.reason == "mismatch"
    with pytest.raises(NotVerified, match="400 s behind the clock here; 300 s is the most"):
        webhooks.verify(KEYS, signed(KEYS, NOW - 400), b"body", NOW)


def test_nothing_verifies_without_keys() -> None:
    with pytest.raises(NotVerified):
        webhooks.verify((), signed(KEYS), b"body", NOW)


def test_of_many_signatures_few_are_looked_at() -> None:
    good = signed(KEYS)
    crowd = " ".join(["v1,AAAA"] * 1000 + [good["webhook-signature"]])
    with pytest.raises(NotVerified):
        webhooks.verify(KEYS, {**good, "webhook-signature": crowd}, b"body", NOW)


def test_the_clock_of_the_box_is_the_moment_that_is_signed() -> None:
    async def test() -> Received:
        async with upstream() as central, sink(central.url, SystemClock(), signing_secret=SECRET) as out:
            await sent(out)
        return central.requests[0]

    assert abs(int(run(test()).headers["webhook-timestamp"]) - time.time()) < 60
