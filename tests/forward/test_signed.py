"""Batches that have to be signed: who signed them, over what, and when."""

from __future__ import annotations

import base64
import gzip
import hashlib
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import msgspec
import pytest

from ingestbox import config, webhooks
from ingestbox.cli.preflight import look
from ingestbox.errors import StartupError
from ingestbox.web.v1.sync import keys_of
from tests.forward.rig import Node, node, put, token
from tests.forward.support import START_MS, HeldClock, lane, run, ticket_line, until, until_async

OLD, NEW = "an-old-secret-of-enough-length", "whsec_" + base64.b64encode(b"n" * 32).decode()
BOTH = config.Sync(signing_secrets=[OLD, NEW])
BODY = gzip.compress(msgspec.json.encode(ticket_line("b1", "e1", 1)), mtime=0)


EMPTY = f"sha-256=:{base64.b64encode(hashlib.sha256(b'').digest()).decode()}:"


def signed(
    secret: str, at_ms: int = START_MS, body: bytes = BODY, signed_body: bytes | None = None
) -> dict[str, str]:
    """The headers of a batch with one line, signed."""
    whole = body if signed_body is None else signed_body
    return {
        "content-type": "application/x-ndjson",
        "content-encoding": "gzip" if body else "identity",
        "content-digest": f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:",
        "ingestbox-box": "b1",
        "ingestbox-epoch": "e1",
        "ingestbox-after": "0",
        "ingestbox-seq": "1-1",
        **webhooks.headers(webhooks.keys(secret), "msg_1", at_ms // 1000, whole),
    }


@asynccontextmanager
async def posting(at: Node) -> AsyncIterator[httpx2.AsyncClient]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bearer = {"authorization": f"Bearer {token()}"}
    async with httpx2.AsyncClient(base_url=at.url, verify=context, trust_env=False, headers=bearer) as client:
        yield client


def test_only_what_was_signed_just_now_with_one_of_the_secrets_is_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    day = 86_400_000
    plain = {name: value for name, value in signed(OLD).items() if not name.startswith("webhook-")}
    altered = signed(OLD) | {"webhook-id": "msg_2"}
    refused: list[tuple[dict[str, str], bytes, str]] = [
        (plain, BODY, "not signed"),
        (signed("another-secret-of-enough-length"), BODY, "another secret"),
        (altered, BODY, "another secret"),
        # The body before compression is another one.
        (signed(OLD, signed_body=gzip.decompress(BODY)), BODY, "another secret"),
        (signed(OLD) | {"webhook-timestamp": "soon"}, BODY, "number of seconds"),
        (signed(OLD) | {"webhook-signature": "v0,AAAA"}, BODY, "of the form"),
        (
            signed(OLD, START_MS - 301_000),
            BODY,
            "2027-01-15T07:54:59.000Z; here it is 2027-01-15T08:00:00.000Z",
        ),
        (signed(OLD, START_MS + 301_000), BODY, "ahead of the clock here"),
        (signed(OLD, START_MS - 400 * day), BODY, "2025-12-11T08:00:00.000Z; here it is 2027-01-15T08"),
        (signed(OLD, START_MS + 400 * day), BODY, "2028-02-19T08:00:00.000Z; here it is 2027-01-15T08"),
        (signed(OLD, 10**15 - 1000), BODY, "a time that no calendar has; here it is"),
        ({**plain, "content-encoding": "identity", "content-digest": EMPTY}, b"", "not signed"),
    ]

    async def test() -> None:
        async with node(tmp_path, HeldClock(), BOTH) as box, posting(box) as client:
            for headers, body, words in refused:
                answer = await client.post("/v1/sync/batches", content=body, headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (401, "signature_invalid"), words
                assert words in answer.json()["detail"]
            assert await box.senders() == []
            for headers, body in (
                (signed(OLD, START_MS - 299_000), BODY),
                (signed(NEW, START_MS + 299_000), BODY),
                (signed(f"another-secret-of-enough-length {NEW}"), BODY),
                (signed(OLD, body=b""), b""),
            ):
                answer = await client.post("/v1/sync/batches", content=body, headers=headers)
                assert answer.status_code == 200, answer.text
            assert await box.tickets() == {("b1", "T-1"): 1}

    with caplog.at_level(logging.DEBUG):
        run(test())
    for secret in (OLD, NEW, NEW.removeprefix("whsec_")):
        assert secret not in caplog.text


def test_without_secrets_a_signature_is_not_looked_at(tmp_path: Path) -> None:
    async def test() -> None:
        async with node(tmp_path, HeldClock()) as box, posting(box) as client:
            headers = signed(OLD, START_MS // 2)
            answer = await client.post("/v1/sync/batches", content=BODY, headers=headers)
            assert answer.json()["accepted"] == 1

    run(test())


def test_a_lane_signs_and_is_let_in_once_its_secret_is_right(tmp_path: Path) -> None:
    async def test() -> None:
        async with node(tmp_path / "edge") as edge, node(tmp_path / "top", settings=BOTH) as top:
            url = f"{top.url}/v1/sync/batches"
            wrong = lane(url, "wrong", token=token(), signing_secret="some-other-secret-of-some-length")
            right = lane(url, "right", token=token(), signing_secret=NEW)
            await edge.forward(wrong, right)
            seqs = await edge.tell(put("A"), put("B"))
            (forwarder,) = edge.forwarders

            def told() -> bool:
                refused, taken = forwarder.states()
                return (refused.state, taken.state) == ("paused", "running")

            await until(told, "one is paused")
            assert (forwarder.states()[0].reason or "").startswith("unauthorized: 401")
            assert (await forwarder.test("right")).ok
            found = await forwarder.test("wrong")
            assert not found.ok
            assert "signature" in found.meaning, "the upstream's words"

            async def all_there() -> bool:
                return len(await top.tickets()) == len(seqs)

            await until_async(all_there, "the other one has delivered")
            rows = {row[0]: row[1:] for row in await edge.store.read("test.test_sums")}
            assert rows["wrong"] == (2, 0, 0)  # nothing is dropped

    run(test())


@pytest.mark.parametrize("secret", ["short", "whsec_", "whsec_not base64!", "whsec_" + "QUJD" * 4])
def test_a_secret_that_cannot_be_used_stops_the_start_without_being_shown(secret: str) -> None:
    with pytest.raises(StartupError) as caught:
        keys_of(config.Sync(signing_secrets=[OLD, secret]))
    assert "[sync] signing_secrets" in str(caught.value)
    assert secret.removeprefix("whsec_") not in str(caught.value) or secret == "whsec_"


def test_a_look_at_the_settings_finds_a_secret_that_cannot_be_used(tmp_path: Path) -> None:
    def said(*secrets: str) -> list[tuple[str, str]]:
        sync = config.Sync(signing_secrets=list(secrets))
        found = look(config.Loaded(config.Settings(data=str(tmp_path / "data"), sync=sync), []))
        return [(each.level, each.message) for each in found if each.about == "sync"]

    assert said() == []
    assert [level for level, _ in said(OLD, NEW)] == ["ok"]
    ((level, message),) = said(OLD, "short")
    assert level == "error"
    assert "signing_secrets" in message
