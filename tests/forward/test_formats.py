"""Formats and content codings of what a lane posts."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import msgspec
import pytest

from ingestbox.errors import StartupError
from ingestbox.forward.sink import Delivered, Pause, Retry
from tests.forward.sinking import batch, sent, sink
from tests.forward.support import Answer, Received, run, upstream

LINES = (
    b'{"seq":41,"op":"put", "record":{"n":1.10,"text":"Gr\xc3\xbc\xc3\x9fe, ]}","big":12345678901234567890}}',
    b'{"box":"b1","epoch":"e1","seq":42,"op":"skip"}',
    b'{"seq":43,"op":"put","record":{"a":1,"a":2}}',
)
JOINED = b",".join(LINES)


def posted(form: str = "ndjson", compression: str = "none", **settings: Any) -> Received:
    """What arrives of three lines."""

    async def test() -> Received:
        async with (
            upstream() as central,
            sink(central.url, format=form, compression=compression, **settings) as out,
        ):
            assert await sent(out, batch(41, 42, 43, lines=LINES)) == Delivered()
        return central.requests[0]

    return run(test())


@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
@pytest.mark.parametrize(
    ("form", "content_type", "text"),
    [
        ("ndjson", "application/x-ndjson", b"".join(line + b"\n" for line in LINES)),
        ("json", "application/json", b"[" + JOINED + b"]"),
        (
            "envelope",
            "application/json",
            b'{"box":"b1","epoch":"e1","lane":"central","after":40,"first_seq":41,"last_seq":43,'
            b'"deliveries":[' + JOINED + b"]}",
        ),
    ],
)
def test_lines_arrive_to_the_byte_in_each_format(
    form: str, content_type: str, text: bytes, compression: str
) -> None:
    got = posted(form, compression)
    assert got.headers["content-type"] == content_type
    assert got.headers.get("content-encoding") == (None if compression == "none" else compression)
    assert got.text == text
    digest = base64.b64encode(hashlib.sha256(got.body).digest()).decode()
    assert got.headers["content-digest"] == f"sha-256=:{digest}:"
    assert (got.headers["ingestbox-after"], got.headers["ingestbox-seq"]) == ("40", "41-43")


def test_the_member_of_an_envelope_can_be_chosen() -> None:
    text = posted("envelope", envelope_member='the "rows"').text
    assert text.endswith(b'"last_seq":43,"the \\"rows\\"":[' + JOINED + b"]}")


@pytest.mark.parametrize("member", ["box", "epoch", "lane", "after", "first_seq", "last_seq"])
def test_a_member_that_an_envelope_has_already_is_refused(member: str) -> None:
    async def test() -> None:
        with pytest.raises(StartupError, match=f"Lane central: envelope_member: .*`{member}`"):
            async with sink("http://127.0.0.1:1/", format="envelope", envelope_member=member):
                pass

    run(test())


@pytest.mark.parametrize(
    ("settings", "why"),
    [({"format": "json", "envelope_member": "rows"}, "envelope_member: "), ({"table": "rows"}, "table: ")],
)
def test_settings_that_would_change_nothing_are_refused(settings: dict[str, Any], why: str) -> None:
    async def test() -> None:
        with pytest.raises(StartupError, match=f"Lane central: {why}"):
            async with sink("http://127.0.0.1:1/", **settings):
                pass

    run(test())


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("ndjson", b""),
        ("json", b"[]"),
        ("envelope", b'{"box":"b1","lane":"central","deliveries":[]}'),
    ],
)
@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
def test_a_test_posts_no_lines_in_the_lanes_own_form(form: str, text: bytes, compression: str) -> None:
    async def test() -> Received:
        async with upstream() as central, sink(central.url, format=form, compression=compression) as out:
            assert (await out.test()).ok
        return central.requests[0]

    got = run(test())
    assert got.text == text
    assert got.headers["content-type"] == ("application/x-ndjson" if form == "ndjson" else "application/json")
    digest = base64.b64encode(hashlib.sha256(got.body).digest()).decode()
    assert got.headers["content-digest"] == f"sha-256=:{digest}:"


def takes(*codings: str | None) -> object:
    def answer(got: Received) -> Answer:
        return Answer(200 if got.headers.get("content-encoding") in codings else 415)

    return answer


@pytest.mark.parametrize(
    ("compression", "takes_only", "tried"),
    [
        ("zstd", "zstd", ["zstd", "zstd"]),
        ("zstd", "gzip", ["zstd", "gzip", "gzip"]),
        ("zstd", None, ["zstd", "gzip", None, None]),
        ("gzip", None, ["gzip", None, None]),
        ("gzip", "gzip", ["gzip", "gzip"]),
        ("none", None, [None, None]),
    ],
)
def test_a_415_has_the_next_coding_tried_at_once_and_remembered(
    compression: str, takes_only: str | None, tried: list[str | None]
) -> None:
    async def test() -> None:
        async with upstream() as central, sink(central.url, compression=compression) as out:
            central.default = takes(takes_only)  # type: ignore[assignment]
            for turn in (1, 2):
                while (decision := await sent(out)) != Delivered():
                    assert decision == Retry("http: 415", at_once=True)
                    assert turn == 1
            assert [got.headers.get("content-encoding") for got in central.requests] == tried
            central.requests.clear()
            assert (await out.test()).ok
            assert [got.headers.get("content-encoding") for got in central.requests] == [takes_only]

    run(test())


def test_a_test_tries_the_codings_that_the_lane_would_and_leaves_the_lane_as_it_is() -> None:
    async def test() -> None:
        async with upstream() as central, sink(central.url) as out:
            central.default = takes(None)  # type: ignore[assignment]
            assert (await out.test()).ok
            assert [got.headers.get("content-encoding") for got in central.requests] == ["zstd", "gzip", None]
            assert out.pack(batch(1)).coding == "zstd"
            central.default = Answer(415)
            found = await out.test()
            assert (found.ok, found.reason, found.status) == (False, "refused: 415", 415)

    run(test())


def test_an_upstream_that_takes_no_coding_pauses_and_is_asked_from_the_first_again() -> None:
    async def test() -> None:
        async with upstream() as central, sink(central.url) as out:
            central.default = Answer(415)
            for _ in range(2):
                assert await sent(out) == Retry("http: 415", at_once=True)
                assert await sent(out) == Retry("http: 415", at_once=True)
                assert await sent(out) == Pause("refused: 415")
            tried = [got.headers.get("content-encoding") for got in central.requests]
            assert tried == ["zstd", "gzip", None] * 2

    run(test())


def test_what_a_lane_means_by_a_415_counts() -> None:
    async def test() -> None:
        async with upstream() as central, sink(central.url, answers=["415 retry"]) as out:
            central.default = Answer(415)
            assert await sent(out) == Retry("http: 415")
            assert (await out.test()).reason == "http: 415"
            assert len(central.requests) == 2

    run(test())


def test_an_array_can_be_read_by_any_parser() -> None:
    rows = msgspec.json.decode(posted("json", "zstd").text)
    assert [row["seq"] for row in rows] == [41, 42, 43]
    assert rows[0]["record"]["text"] == "Grüße, ]}"
