"""The HTTP sink against upstreams that behave as the world does: headers, answers, faults at the socket."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import struct
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from ingestbox.errors import StartupError
from ingestbox.forward.sink import Decision, Delivered, Pause, Refused, Retry, TooLarge
from ingestbox.forward.sinks import replies
from tests.forward.sinking import HEAD, Handler, batch, raw, request, sent, sink
from tests.forward.support import Answer, Received, run, until, upstream


def got(url_of: Callable[[str], str] = lambda url: url, **settings: Any) -> Received:
    """The request as it arrives, of a lane with these settings."""

    async def test() -> Received:
        async with upstream() as central, sink(url_of(central.url), **settings) as out:
            assert await sent(out) == Delivered()
            assert (await out.test()).ok
        first, knock = central.requests
        assert first.headers.get("authorization") == knock.headers.get("authorization")
        return first

    return run(test())


# Who the box says it is.


def test_a_token_goes_as_a_bearer_or_in_a_header_of_its_own() -> None:
    assert got().headers["authorization"] == "Bearer secret-token"
    own = got(token_header="X-API-Key", token="k e y")
    assert own.headers["x-api-key"] == "k e y"
    assert "authorization" not in own.headers
    assert got(token_header="Authorization", token="Splunk abc").headers["authorization"] == "Splunk abc"
    assert "authorization" not in got(token="").headers


def test_a_user_in_the_url_is_sent_as_basic_beside_a_token_of_another_header() -> None:
    def with_user(url: str) -> str:
        return url.replace("http://", "http://user:p%40ss@")

    basic = "Basic " + base64.b64encode(b"user:p@ss").decode()
    assert got(with_user, token="").headers["authorization"] == basic
    both = got(with_user, token="key", token_header="X-Key")
    assert (both.headers["authorization"], both.headers["x-key"]) == (basic, "key")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"token_header": "Content-Length"}, "token_header: the box says something else in Content-Length"),
        ({"token_header": "Ingestbox-Seq", "token": ""}, "token_header: the box says something else"),
        ({"token_header": "webhook-id"}, "token_header: the box says something else in webhook-id"),
        ({"url": "http://user:hidden@127.0.0.1:1/"}, "would both be sent as Authorization"),
        ({"token": "hidden one"}, "its token has characters that a header cannot carry"),
        ({"token": " hidden", "token_header": "X-Key"}, "its token has characters"),
        ({"token": "hidden\r\nX: y", "token_header": "X-Key"}, "its token has characters"),
        ({"url": "http://[::1"}, "its url is not one that can be posted to"),
    ],
)
def test_what_no_request_can_carry_is_refused_at_start(settings: dict[str, str], why: str) -> None:
    async def test() -> str:
        given: dict[str, Any] = {"url": "http://127.0.0.1:1/", **settings}
        with pytest.raises(StartupError) as caught:
            async with sink(given.pop("url"), **given):
                pass
        return str(caught.value)

    said = run(test())
    assert said.startswith("Lane central: ")
    assert why in said
    assert "hidden" not in said
    assert "secret-token" not in said


def test_an_ipv6_address_is_an_address() -> None:
    async def test() -> None:
        async def ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await request(reader)
            writer.write(HEAD + b"{}")

        async with raw(ok, host="::1") as url, sink(url) as out:
            assert "//[::1]:" in url
            assert await sent(out) == Delivered()

    run(test())


def test_the_environments_proxies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert got().headers["host"].startswith("127.0.0.1:")


def test_a_redirect_is_followed_by_neither_a_batch_nor_a_test() -> None:
    async def test() -> None:
        async with upstream() as central, upstream() as elsewhere, sink(central.url) as out:
            central.default = Answer(308, headers={"location": elsewhere.url, "set-cookie": "a=b; Path=/"})
            for _ in range(2):
                assert await sent(out) == Pause("redirect: 308")
            assert (await out.test()).reason == "redirect: 308"
            assert elsewhere.connections == 0
            assert not [each for each in central.requests if "cookie" in each.headers]

    run(test())


# What a test says.


@pytest.mark.parametrize(
    ("answer", "ok", "meaning", "remedy"),
    [
        (Answer(200), True, "lets this box in.", ""),
        (Answer(204, body=b""), True, "lets this box in.", ""),
        (Answer(400), True, "lets this box in. It has no use for a batch without lines", ""),
        (Answer(422), True, "lets this box in. It has no use for a batch without lines", ""),
        (Answer(401), False, "does not know this box", "Check the lane's token"),
        (Answer(403), False, "does not let it in", "role forwarder"),
        (Answer(404), False, "nothing at this address", "/v1/sync/batches"),
        (Answer(308), False, "sends elsewhere", "the address that it moved to"),
        (Answer(413), False, "refuses the batch", "Its log says why"),
        (Answer(415), False, "refuses the batch", "Its log says why"),
        (Answer(503), False, "has trouble (http: 503)", "by itself"),
        (Answer(200, cut=0), False, "broke off", "by itself"),
        (Answer(200, endless=True), False, "longer than any that makes sense", "right address"),
    ],
)
def test_a_test_says_in_words_what_came_of_it(answer: Answer, ok: bool, meaning: str, remedy: str) -> None:
    async def test() -> None:
        async with upstream() as central, sink(central.url) as out:
            central.default = answer
            found = await out.test()
            assert found.ok is ok
            assert found.ok is (found.reason is None)
            assert meaning in found.meaning
            assert remedy in found.remedy
            assert bool(found.remedy) is not ok
            assert found.seconds >= 0
            assert found.status == (None if answer.cut is not None else answer.status)

    run(test())


def test_a_test_of_a_place_that_is_not_there_says_so() -> None:
    async def test() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            async with sink(f"http://127.0.0.1:{taken.getsockname()[1]}/") as out:
                found = await out.test()
        assert (found.ok, found.reason, found.status) == (False, "connect", None)
        assert found.meaning == "Nothing answers at the upstream's address."

    run(test())


# What an answer that refuses says.


def test_the_words_of_a_refusal_are_read_within_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "WORDS_SECONDS", 10**6)  # it is not the time that ends an endless one

    async def test() -> None:
        async with upstream() as central, sink(central.url) as out:
            said = b'{"code":"record_invalid","detail":"The id is missing."}'
            central.default = Answer(422, body=said)
            assert await sent(out) == Refused("record_invalid", "The id is missing.")
            central.default = Answer(422, body=said, endless=True)  # more than 64 KiB: no JSON any more
            assert isinstance(await sent(out), Refused)
            central.default = Answer(422, headers={"content-encoding": "br"})
            assert await sent(out) == Refused("http_422", "The upstream answered 422.")
        found = await replies.words(httpx2.Response(422, stream=httpx2.ByteStream(b"x" * 100_000)))
        assert len(found) == 65_536

    run(test())


def test_a_refusal_whose_words_never_come_is_decided_by_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "WORDS_SECONDS", 0.05)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 401 No\r\ncontent-length: 100\r\n\r\nwho")
        await reader.read()

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 413 Large\r\ncontent-length: 100\r\n\r\ntoo")
        writer.close()

    assert decided(silent) == Pause("unauthorized: 401")
    assert decided(cut) == TooLarge("http: 413 too")


@pytest.mark.parametrize(
    ("words", "reason", "meaning"),
    [
        (b"No required SSL certificate was sent", "client_certificate_refused", "that this box shows"),
        (b"The SSL certificate error", "client_certificate_refused", "that this box shows"),
        (b"The plain HTTP request was sent to HTTPS port", "tls_wanted", "speaks TLS at this address"),
        (b"Client sent an HTTP request to an HTTPS server.", "tls_wanted", "speaks TLS at this address"),
    ],
)
def test_a_400_that_is_about_tls_is_understood(words: bytes, reason: str, meaning: str) -> None:
    """As nginx and Go say it; were it about the records, the batch would be taken apart."""

    async def test() -> None:
        async with upstream() as central, sink(central.url) as out:
            central.default = Answer(400, body=b"<html><center>" + words + b"</center></html>")
            assert await sent(out) == Pause(f"{reason}: 400")
            found = await out.test()
            assert (found.ok, found.reason) == (False, f"{reason}: 400")
            assert meaning in found.meaning
            central.default = Answer(400)
            assert isinstance(await sent(out), Refused)

    run(test())


# Faults at the socket.

LARGE = batch(1, lines=[b'"' + os.urandom(6_000_000).hex().encode() + b'"'])
"""More than the buffers of both systems hold, also on the loopback."""


def decided(handler: Handler, *, large: bool = False, seconds: float = 10.0) -> Decision:
    """What becomes of a batch; a test of the lane is no exception either."""

    async def test() -> Decision:
        async with (
            raw(handler) as url,
            sink(url, compression="none" if large else "zstd", timeout_seconds=seconds) as out,
        ):
            decision = await sent(out, LARGE if large else None)
            if not large:
                assert (await out.test()).ok is (decision == Delivered())
            return decision

    return run(test())


def reset(writer: asyncio.StreamWriter) -> None:
    """Ends a connection as a crash does."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def after_reading(size: int, answer: bytes = b"", *, ends: str = "close") -> Handler:
    """An upstream that reads the head and so much of the body, answers, and ends the connection."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if size:
            await reader.read(size)
        writer.write(answer)
        await writer.drain()
        if ends == "reset":
            reset(writer)
        elif ends == "close":
            writer.close()
        else:
            await asyncio.Event().wait()

    return handler


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(after_reading(0, ends="reset"), id="reset"),
        pytest.param(after_reading(1), id="no answer"),
        pytest.param(after_reading(1, b"HTTP/1.1 20"), id="half a status line"),
        pytest.param(after_reading(1, OK + b"content-"), id="half the headers"),
        pytest.param(after_reading(1, OK + b"content-length: 9\r\n\r\n{}"), id="half the body"),
        pytest.param(after_reading(1, OK + b"content-length: 9\r\n\r\n{}", ends="reset"), id="reset body"),
        pytest.param(after_reading(1, CHUNKED + b"9\r\n{}"), id="half a chunk"),
        pytest.param(after_reading(1, CHUNKED + b"2\r\n{}\r\n"), id="no last chunk"),
        pytest.param(after_reading(1, b"220 mail.example ESMTP\r\n"), id="no HTTP"),
        pytest.param(after_reading(1, b"HTTP/1.1 000 No\r\n\r\n"), id="no status"),
        pytest.param(
            after_reading(1, OK + b"content-length: 2\r\n" * 2 + b"content-length: 3\r\n\r\n{} "),
            id="lengths",
        ),
        pytest.param(after_reading(1, OK + b"x: y\r\n" * 40_000), id="headers without end"),
        pytest.param(after_reading(1, b"HTTP/1.1 101 Switch\r\nupgrade: x\r\n\r\n"), id="another protocol"),
    ],
)
def test_an_answer_that_is_none_is_a_cut_one(handler: Handler) -> None:
    assert decided(handler) == Retry("cut")


@pytest.mark.parametrize("read", [0, 1000])
@pytest.mark.parametrize("ends", ["close", "reset"])
def test_a_body_that_the_upstream_hangs_up_on_is_cut(read: int, ends: str) -> None:
    assert decided(after_reading(read, ends=ends), large=True) == Retry("cut")


def early(status: int) -> bytes:
    return f"HTTP/1.1 {status} Early\r\nconnection: close\r\ncontent-length: 3\r\n\r\nbig".encode()


@pytest.mark.parametrize("read", [0, 1000])
@pytest.mark.parametrize("ends", ["close", "wait"])
@pytest.mark.parametrize(
    ("answer", "decision"),
    [
        (early(413), TooLarge("http: 413 big")),
        (early(401), Pause("unauthorized: 401")),
        (early(503), Retry("http: 503")),
        (early(307), Pause("redirect: 307")),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + early(413), TooLarge("http: 413 big")),
    ],
)
def test_an_answer_before_the_body_is_out_is_heard(
    read: int, ends: str, answer: bytes, decision: Decision
) -> None:
    """Else it would be lost under the body, and a batch too large for the upstream sent for ever."""
    assert decided(after_reading(read, answer, ends=ends), large=True) == decision


@pytest.mark.parametrize("read", [0, 1000])
@pytest.mark.parametrize("ends", ["close", "reset"])
@pytest.mark.parametrize("interim", [b"", b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"])
def test_a_success_that_hangs_up_on_the_body_is_none(read: int, ends: str, interim: bytes) -> None:
    assert decided(after_reading(read, interim + early(200), ends=ends), large=True) == Retry("cut")


def test_a_status_of_its_own_is_an_answer() -> None:
    odd = b"HTTP/1.1 799 Odd\r\ncontent-length: 0\r\n\r\n"
    assert decided(after_reading(1, odd)) == Retry("http: 799")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("silence", []),
        ("slow headers", [b"HTTP/1.1 200 OK\r\n", *[b"x: y\r\n"] * 1000]),
        ("a slow body", [b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n", *[b" "] * 1000]),
        ("interim answers for ever", [b"HTTP/1.1 102 Processing\r\n\r\n"] * 1000),
    ],
)
def test_an_answer_that_takes_for_ever_is_a_time_out(name: str, parts: list[bytes]) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        for part in parts:
            writer.write(part)
            await asyncio.sleep(0.01)
        await reader.read()

    assert decided(handler, seconds=0.15) == Retry("timeout"), name


def test_an_upstream_that_does_not_read_is_a_time_out() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async def test() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ingestbox.forward.sinks.http.SLOWEST_BYTES_A_SECOND", 10**9)
            async with raw(handler) as url, sink(url, compression="none", timeout_seconds=0.3) as out:
                assert await sent(out, LARGE) == Retry("timeout")

    run(test())


@pytest.mark.parametrize("large", [False, True])
def test_interim_answers_are_passed_over(large: bool) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):  # a batch and a test may come over the same connection, or not
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")
            await request(reader)
            writer.write(HEAD + b"{}")

    assert decided(handler, large=large) == Delivered()


def test_an_early_success_does_not_end_the_body() -> None:
    """More of it may be needed: nothing says that what was not sent is stored."""
    whole: list[int] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"{}")
        await writer.drain()
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        whole.append(len(await reader.readexactly(length)))

    async def test() -> None:
        async with raw(handler) as url, sink(url, compression="none") as out:
            assert await sent(out, LARGE) == Delivered()
            await until(lambda: whole, "all of it has arrived")
        assert whole[0] > 6_000_000

    run(test())


def test_a_connection_is_used_again_after_large_and_refused_batches() -> None:
    async def test() -> None:
        async with upstream() as central, sink(central.url, compression="none") as out:
            central.script = [Answer(), Answer(422, body=b'{"code":"c"}')]
            large = batch(1, lines=[b'"' + b"x" * 300_000 + b'"'])
            assert await sent(out, large) == Delivered()
            assert isinstance(await sent(out, large), Refused)
            assert await sent(out, large) == Delivered()
            assert await sent(out) == Delivered()
            assert central.connections == 1
            assert len(central.requests[0].body) == 300_003

    run(test())


def test_a_connection_that_was_closed_while_idle_costs_nothing() -> None:
    async def test() -> None:
        async with upstream() as central, sink(central.url) as out:
            assert await sent(out) == Delivered()
            central.drop()
            await until(lambda: not central._writers, "the upstream has closed the connection")
            assert await sent(out) == Delivered()
            assert central.connections == 2

    run(test())
