"""Lanes over a real store, against an upstream that answers as badly as the world does."""

from __future__ import annotations

import asyncio
import base64
import datetime
import hashlib
import logging
import socket
import ssl
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ingestbox.errors import IngestError, StartupError
from ingestbox.forward import Forwarder
from ingestbox.store import Store, lanes
from ingestbox.store.lanes import LaneStatus
from ingestbox.store.unit import Unit
from tests.forward.support import (
    Answer,
    HeldClock,
    Received,
    Sql,
    drained,
    enqueue,
    forwarding,
    lane,
    missing,
    more_than,
    opened,
    rejecting,
    run,
    status,
    until,
    until_async,
    until_state,
    upstream,
)


def test_deliveries_arrive_in_order_in_full_batches_with_every_header(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 25)
            async with forwarding(store, lane(central.url, batch_lines=10)):
                done = await drained(store)
            assert [request.seqs for request in central.requests] == [
                list(range(1, 11)),
                list(range(11, 21)),
                list(range(21, 26)),
            ]
            assert central.connections == 1
            identity, second = store.identity, central.requests[1]
            digest = base64.b64encode(hashlib.sha256(second.body).digest()).decode()
            assert {name: second.headers[name] for name in second.headers if name != "host"} | {
                "user-agent": "…"
            } == {
                "accept": "application/json",
                "accept-encoding": "identity",
                "authorization": "Bearer secret-token",
                "connection": "keep-alive",
                "content-digest": f"sha-256=:{digest}:",
                "content-encoding": "zstd",
                "content-length": str(len(second.body)),
                "content-type": "application/x-ndjson",
                "idempotency-key": f"{identity.box}-{identity.epoch}-central-11-20",
                "ingestbox-after": "10",
                "ingestbox-box": identity.box,
                "ingestbox-epoch": identity.epoch,
                "ingestbox-lane": "central",
                "ingestbox-seq": "11-20",
                "user-agent": "…",
            }
            assert second.text.endswith(b"\n")
            assert [request.headers["ingestbox-after"] for request in central.requests] == ["0", "10", "20"]
            assert (done.enqueued, done.delivered, done.parked) == (25, 25, 0)

    run(test())


def test_new_deliveries_wake_the_lane(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            async with forwarding(store, lane(central.url)) as forwarder:
                for count in (3, 1, 7):
                    await enqueue(store, count)
                    forwarder.wake()
                    await drained(store)
            assert central.seqs == list(range(1, 12))
            afters = [int(request.headers["ingestbox-after"]) for request in central.requests]
            assert afters == [0, *(request.seqs[-1] for request in central.requests[:-1])]

    run(test())


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(500), "http: 500"),
        (Answer(429, headers={"retry-after": "30"}), "http: 429"),
        (Answer(409, headers={"retry-after": "1"}), "http: 409"),
        (Answer(200, body=b'{"rejected":[]}', cut=-5), "cut"),
        (Answer(200, body=b'{"rejected":[', framed=False), "cut"),
        (Answer(200, cut=0), "cut"),
        (Answer(200, endless=True), "answer_too_large"),
        (Answer(200, headers={"content-encoding": "gzip"}), "answer_encoded"),
    ],
)
def test_a_failed_try_is_repeated_after_a_pause_and_nothing_is_lost(
    tmp_path: Path, answer: Answer, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def test() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as store, upstream() as central:
            await enqueue(store, 5)
            central.script = [answer, answer]
            async with forwarding(store, lane(central.url), clock=clock) as forwarder:
                for tries in (1, 2):
                    state = await until_state(forwarder, "retrying", reason)
                    assert len(central.requests) == tries
                    shown = await until_async(
                        lambda: seen(store, "retrying"), "the store shows that the lane retries"
                    )
                    assert (shown.reason, shown.pending) == (reason, 5)
                    assert state.next_try_ms is not None
                    clock.advance(400)
                    forwarder.wake()
                    await until(partial(more_than, central, tries), "the next try")
                await drained(store)
                await until_state(forwarder, "running")
            assert [request.seqs for request in central.requests] == [[1, 2, 3, 4, 5]] * 3
            assert len({request.headers["idempotency-key"] for request in central.requests}) == 1
            assert (await status(store)).delivered == 5

    run(test())
    said = [record.message for record in caplog.records]
    assert said.count("A lane cannot deliver; it tries again.") >= 1
    assert said.count("A lane delivers again.") == 1


async def seen(store: Store, state: str) -> LaneStatus | None:
    now = await status(store)
    return now if now.state == state else None


def test_retry_after_is_honoured(tmp_path: Path) -> None:
    async def test() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as store, upstream() as central:
            await enqueue(store, 1)
            central.script = [Answer(503, headers={"retry-after": "3600"})]
            async with forwarding(store, lane(central.url), clock=clock) as forwarder:
                state = await until_state(forwarder, "retrying")
                assert state.next_try_ms is not None
                assert 3_600_000 <= state.next_try_ms - clock.now_ms() <= 3_601_000
                clock.advance(3599)
                forwarder.wake()
                await enqueue(store, 1)  # the loop has had many turns by then
                forwarder.wake()
                await asyncio.sleep(0.05)
                assert len(central.requests) == 1
                clock.advance(2)
                forwarder.wake()
                await drained(store)

    run(test())


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(401), "unauthorized: 401"),
        (Answer(403), "forbidden: 403"),
        (Answer(404), "not_found: 404"),
        (Answer(405), "method_not_allowed: 405"),
        (Answer(301, headers={"location": "/elsewhere"}), "redirect: 301"),
        (Answer(402), "refused: 402"),
        (Answer(410), "refused: 410"),
        (Answer(451), "refused: 451"),
    ],
)
def test_a_refusal_pauses_the_lane_which_is_probed_and_drops_nothing(
    tmp_path: Path, answer: Answer, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as store, upstream() as central:
            await enqueue(store, 3)
            central.default = answer
            async with forwarding(store, lane(central.url), clock=clock) as forwarder:
                state = await until_state(forwarder, "paused", reason)
                since = state.since_ms
                assert state.next_try_ms == clock.now_ms() + 300_000
                for probe in (2, 3):
                    clock.advance(299)
                    forwarder.wake()
                    await asyncio.sleep(0.02)
                    assert len(central.requests) == probe - 1
                    clock.advance(1)
                    forwarder.wake()
                    await until(partial(more_than, central, probe - 1), "a probe")
                    await until(
                        lambda: forwarder.states()[0].next_try_ms == clock.now_ms() + 300_000, "paused"
                    )
                assert forwarder.states()[0].since_ms == since
                shown = await status(store)
                assert (shown.state, shown.reason, shown.pending) == ("paused", reason, 3)
                central.default = Answer()
                clock.advance(300)
                forwarder.wake()
                await drained(store)
            assert (await status(store)).delivered == 3

    run(test())
    alarms = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [alarm.message for alarm in alarms][:1] == ["A lane is paused; nothing is dropped. It is probed."]
    assert len(alarms) <= 3  # at most one in five minutes


def test_gzip_is_used_once_zstd_was_refused(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.default = lambda got: Answer(415 if got.headers["content-encoding"] == "zstd" else 200)
            await enqueue(store, 6)
            async with forwarding(store, lane(central.url, batch_lines=2)) as forwarder:
                await drained(store)
                assert forwarder.states()[0].state == "running"
            encodings = [request.headers["content-encoding"] for request in central.requests]
            assert encodings == ["zstd", "gzip", "gzip", "gzip"]
            assert central.requests[1].seqs == [1, 2]

    run(test())


def test_an_upstream_that_takes_no_encoding_pauses_the_lane(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.default = Answer(415)
            await enqueue(store, 1)
            async with forwarding(store, lane(central.url)) as forwarder:
                await until_state(forwarder, "paused", "refused: 415")
            tried = [request.headers.get("content-encoding") for request in central.requests]
            assert tried == ["zstd", "gzip", None]

    run(test())


def test_a_redirect_is_not_followed_and_cookies_are_not_kept(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central, upstream() as elsewhere:
            await enqueue(store, 4)
            central.script = [
                Answer(headers={"set-cookie": "a=b"}),
                Answer(307, headers={"location": elsewhere.url}),
            ]
            async with forwarding(store, lane(central.url, batch_lines=2)) as forwarder:
                await until_state(forwarder, "paused", "redirect: 307")
            assert elsewhere.connections == 0
            assert "cookie" not in central.requests[1].headers

    run(test())


def test_an_upstream_that_never_answers_times_out(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 1)
            never = asyncio.Event()

            async def hang(_: Received) -> Answer:
                await never.wait()
                return Answer()

            central.script = [hang]
            async with forwarding(
                store, lane(central.url, timeout_seconds=0.1, backoff_seconds=0.01)
            ) as forwarder:
                await until_state(forwarder, "retrying", "timeout")
                await drained(store)
            never.set()

    run(test())


def test_a_place_that_cannot_be_reached_is_tried_for_ever(tmp_path: Path) -> None:
    async def test() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound, not listening: refused
            nobody = f"http://127.0.0.1:{taken.getsockname()[1]}/"
            async with opened(tmp_path) as store:
                await enqueue(store, 1)
                async with forwarding(
                    store, lane(nobody), lane("http://nowhere.invalid/", "other")
                ) as forwarder:
                    await until(lambda: forwarder.states()[0].reason == "connect", "refused")
                    await until(lambda: forwarder.states()[1].reason == "dns", "no such name")
                    assert {state.state for state in forwarder.states()} == {"retrying"}

    run(test())


def test_a_certificate_that_is_refused_pauses_and_a_broken_handshake_retries(tmp_path: Path) -> None:
    async def not_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"this is no handshake\r\n")
        writer.close()

    async def test() -> None:
        server = await asyncio.start_server(not_tls, "127.0.0.1", 0)
        broken = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with server, opened(tmp_path) as store, upstream(self_signed(tmp_path)) as stranger:
            await enqueue(store, 1)
            async with forwarding(store, lane(stranger.url), lane(broken, "other")) as forwarder:
                await until_state(forwarder, "paused", "certificate_refused")
                await until(lambda: forwarder.states()[1].reason == "tls", "the handshake fails")
                assert forwarder.states()[1].state == "retrying"
            assert stranger.requests == []

    run(test())


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def test_what_the_upstream_rejects_is_parked_and_the_lane_goes_on(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 6)
            central.script = [rejecting(2, 3, 99)]
            async with forwarding(store, lane(central.url, batch_lines=4)):
                done = await drained(store)
            assert (done.enqueued, done.delivered, done.parked) == (6, 4, 2)
            assert central.seqs == [1, 2, 3, 4, 5, 6]

    run(test())


def test_a_line_too_large_for_the_upstream_is_parked_and_the_lane_goes_on(tmp_path: Path) -> None:
    """A client's one record once stopped the lane for good: a megabyte of short comments is 16 in result."""

    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:

            def up_to_64_kb(request: Received) -> Answer:
                return Answer(413 if len(request.text) > 65_536 else 200)

            central.default = up_to_64_kb
            await enqueue(store, 2)
            await enqueue(store, 1, padding=100_000)
            await enqueue(store, 2)
            async with forwarding(store, lane(central.url, batch_kb=32)):
                done = await drained(store)
            assert (done.delivered, done.parked) == (4, 1)
            page = await lanes.pending(store, "central", 0, lines=9, size=10**6)
            assert page is not None and page.parked == {3}
            # What was refused is not in the chain: no gap is seen where it was.
            assert [request.headers["ingestbox-after"] for request in central.requests] == ["0", "2", "2"]

    run(test())


@pytest.mark.parametrize(
    "damage", ["CAST(replace(line, 'T-2', 'T-9') AS BLOB)", "replace(line, 'T-2', 'T-9')", "x''"]
)
def test_a_damaged_line_is_parked_and_skipped(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 3)
            await store.write(Sql(f"UPDATE deliveries SET line = {damage} WHERE seq = 2"))
            async with forwarding(store, lane(central.url)):
                done = await drained(store)
            assert (done.delivered, done.parked) == (2, 1)
            (request,) = central.requests
            identity = store.identity
            assert request.lines[1] == {"box": identity.box, "epoch": identity.epoch, "seq": 2, "op": "skip"}
            assert [line["op"] for line in request.lines] == ["put", "skip", "put"]

            central.default = Answer()
            central.script = [missing([0, 4])]  # sent again, it is no news
            await enqueue(store, 1)
            async with forwarding(store, lane(central.url)):
                await until(partial(more_than, central, 2), "the gap is filled")
            now = await drained(store)
            assert (now.delivered, now.parked) == (3, 1)
            assert [line["op"] for line in central.requests[2].lines] == ["put", "skip", "put"]

    run(test())
    alarms = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert alarms == ["A stored delivery is damaged; it is parked."]


def test_what_the_upstream_misses_is_sent_again_once(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 20)
            # The upstream was restored from a backup that ends at 5; it notices at 16, and heals by pieces.
            central.script = [Answer(), Answer(), Answer(), missing([5, 16]), missing([10, 16])]
            async with forwarding(store, lane(central.url, batch_lines=5)) as forwarder:
                done = await drained(store)
                await until(lambda: len(central.requests) == 6, "the gap is filled")
                assert forwarder.states()[0].state == "running"
            spans = [(request.headers["ingestbox-after"], request.seqs) for request in central.requests]
            assert spans[4:] == [("5", [6, 7, 8, 9, 10]), ("10", [11, 12, 13, 14, 15])]
            assert (done.delivered, done.enqueued) == (20, 20)

    run(test())


def test_an_upstream_that_is_restored_twice_is_filled_twice(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 10)
            central.script = [Answer(), missing([0, 3]), Answer(), Answer(), missing([0, 3])]
            async with forwarding(store, lane(central.url, batch_lines=2)) as forwarder:
                await drained(store)
                await until(partial(more_than, central, 6), "all is sent")
                assert forwarder.states()[0].state == "running"
            assert [request.seqs[0] for request in central.requests] == [1, 3, 1, 5, 7, 1, 9]

    run(test())


def test_a_line_refused_when_it_is_sent_again_is_not_counted_twice(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 4)
            central.script = [Answer(), missing([0, 3]), rejecting(1)]
            async with forwarding(store, lane(central.url, batch_lines=2)):
                await until(lambda: len(central.requests) == 3, "the gap is filled")
            now = await drained(store)
            assert (now.delivered, now.parked) == (3, 1)

    run(test())


def test_a_gap_that_stays_pauses_the_lane_instead_of_sending_in_circles(tmp_path: Path) -> None:
    async def test() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as store, upstream() as central:
            await enqueue(store, 4)
            central.default = lambda got: (
                missing([0, 3]) if got.seqs[0] == 3 or len(central.requests) > 2 else Answer()
            )
            async with forwarding(store, lane(central.url, batch_lines=2), clock=clock) as forwarder:
                await until_state(forwarder, "paused", "gap_persists")
                assert [request.seqs for request in central.requests] == [[1, 2], [3, 4], [1, 2]]
                await asyncio.sleep(0.05)
                assert len(central.requests) == 3
                clock.advance(300)
                forwarder.wake()
                await until(lambda: len(central.requests) == 4, "a probe")
                central.default = Answer()
                await until(lambda: forwarder.states()[0].next_try_ms == clock.now_ms() + 300_000, "paused")
                clock.advance(300)
                forwarder.wake()
                await until_state(forwarder, "running")
            assert (await drained(store)).delivered == 4

    run(test())


def test_a_gap_over_what_is_not_stored_any_more_is_passed_with_a_skip(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 6)
            async with forwarding(store, lane(central.url)) as forwarder:
                await drained(store)
                await store.write(Sql("DELETE FROM deliveries WHERE seq <= 6"))
                await enqueue(store, 1)
                central.script = [missing([2, 7])]
                forwarder.wake()
                await until(lambda: len(central.requests) == 3, "an answer to the gap")
            last = central.requests[-1]
            assert (last.headers["ingestbox-after"], last.headers["ingestbox-seq"]) == ("2", "6-6")
            assert [line["op"] for line in last.lines] == ["skip"]

    run(test())


def test_a_new_epoch_starts_a_batch_and_a_chain_of_its_own(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 3, epoch="e0old")
            await enqueue(store, 3)
            async with forwarding(store, lane(central.url)):
                await drained(store)
            sent = [
                (request.headers["ingestbox-epoch"], request.headers["ingestbox-after"], request.seqs)
                for request in central.requests
            ]
            assert sent == [("e0old", "0", [1, 2, 3]), (store.identity.epoch, "0", [4, 5, 6])]

    run(test())


def test_a_paused_lane_does_not_hold_up_another(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central, upstream() as other:
            central.default = Answer(401)
            await enqueue(store, 5)
            async with forwarding(store, lane(central.url), lane(other.url, "other")) as forwarder:
                await until_state(forwarder, "paused")
                await drained(store, "other")
                await enqueue(store, 5)
                forwarder.wake()
                await drained(store, "other")
            assert other.seqs == list(range(1, 11))
            assert (await status(store)).pending == 10

    run(test())


def test_a_lane_on_a_schedule_sends_by_the_clock(tmp_path: Path) -> None:
    async def test() -> None:
        clock = HeldClock()
        async with (
            opened(tmp_path, clock) as store,
            upstream() as central,
            forwarding(store, lane(central.url, schedule="every 60 s"), clock=clock) as forwarder,
        ):
            for turn in (1, 2):
                await asyncio.sleep(0.05)
                await enqueue(store, 5)
                forwarder.wake()
                await asyncio.sleep(0.05)
                assert len(central.requests) == turn - 1
                clock.advance(60)
                forwarder.wake()
                await drained(store)
                assert len(central.requests) == turn

    run(test())


def test_a_stop_breaks_off_a_slow_batch_which_is_sent_again(tmp_path: Path) -> None:
    async def test() -> None:
        never = asyncio.Event()

        async def hang(_: Received) -> Answer:
            await never.wait()
            return Answer()

        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 4)
            central.script = [Answer(), hang]
            first = Forwarder(store, [lane(central.url, batch_lines=2)], clock=store.clock)
            await first.start()
            await until(lambda: len(central.requests) == 2, "the second batch is on its way")
            await first.stop(0.01)
            assert (await status(store)).delivered == 2
            async with forwarding(store, lane(central.url, batch_lines=2)):
                await drained(store)
            assert [request.seqs for request in central.requests] == [[1, 2], [3, 4], [3, 4]]
            never.set()

    run(test())


def test_a_stop_lets_the_batch_on_its_way_finish(tmp_path: Path) -> None:
    async def test() -> None:
        going = asyncio.Event()

        async def slow(_: Received) -> Answer:
            await going.wait()
            return Answer()

        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 4)
            central.script = [slow]
            forwarder = Forwarder(store, [lane(central.url, batch_lines=2)], clock=store.clock)
            await forwarder.start()
            await until(lambda: len(central.requests) == 1, "a batch is on its way")
            stopping = asyncio.create_task(forwarder.stop(20))
            await asyncio.sleep(0.02)
            going.set()
            await stopping
            assert (await status(store)).delivered == 2
            assert len(central.requests) == 1

    run(test())


def test_batches_keep_to_their_bytes_with_one_line_at_least(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 4)
            await enqueue(store, 2, padding=3000)
            await enqueue(store, 2)
            async with forwarding(store, lane(central.url, batch_kb=1)):
                await drained(store)
            assert central.seqs == list(range(1, 9))
            assert [request.seqs for request in central.requests if 5 in request.seqs] == [[5]]
            assert [request.seqs for request in central.requests if 6 in request.seqs] == [[6]]
            small = [request for request in central.requests if not {5, 6} & set(request.seqs)]
            assert all(len(request.text) <= 1024 for request in small)
            assert any(len(request.seqs) > 1 for request in small)

    run(test())


def test_a_lane_that_is_taken_out_keeps_its_place_and_its_sums(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central, upstream() as other:
            await enqueue(store, 3)
            async with forwarding(store, lane(central.url)):
                await drained(store)
            async with forwarding(store, lane(other.url, "other")) as forwarder:
                assert (await status(store)).state == "off"
                await enqueue(store, 2)
                forwarder.wake()
                late = await drained(store, "other")
            assert (late.enqueued, late.delivered) == (5, 5)
            async with forwarding(store, lane(central.url)):
                await drained(store)
            assert central.seqs == other.seqs == [1, 2, 3, 4, 5]

    run(test())


def test_a_commit_that_fails_sends_the_batch_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 6)
            write, failures = store.write, [IngestError("storage_full"), IngestError("store_unavailable")]

            async def failing(unit: Unit[object], *, intake: bool = False) -> object:
                if isinstance(unit, lanes.Advance) and failures:
                    raise failures.pop()
                return await write(unit, intake=intake)

            monkeypatch.setattr(store, "write", failing)
            async with forwarding(store, lane(central.url, batch_lines=2, backoff_seconds=0.01)):
                done = await drained(store)
            assert (done.delivered, done.enqueued) == (6, 6)
            assert sorted(set(central.seqs)) == [1, 2, 3, 4, 5, 6]
            assert central.seqs.count(1) == 3

    run(test())


def test_a_lane_that_somebody_moved_goes_on_from_there(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 6)
            async with forwarding(store, lane(central.url, batch_lines=3)) as forwarder:
                await drained(store)
                await store.write(Sql("UPDATE lanes SET cursor = 3, delivered = 3"))
                await enqueue(store, 1)
                forwarder.wake()
                done = await drained(store)
            assert (done.delivered, done.enqueued) == (7, 7)
            assert central.seqs == [1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7]

    run(test())


def test_a_lane_that_somebody_moves_during_a_drain_goes_on_from_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 9)

            async def moved(_: Received) -> Answer:
                await store.write(Sql("UPDATE lanes SET cursor = 0, delivered = 0"))
                return Answer()

            central.script = [Answer(), moved]
            async with forwarding(store, lane(central.url, batch_lines=3)):
                done = await drained(store)
            assert (done.delivered, done.enqueued) == (9, 9)
            assert [request.seqs[0] for request in central.requests] == [1, 4, 7, 1, 4, 7]

    run(test())
    assert caplog.records == []


def test_a_batch_that_was_not_full_fills_up_until_its_turn(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 25)

            async def slow(_: Received) -> Answer:
                await asyncio.sleep(0.05)  # what is read ahead is read by now
                await enqueue(store, 5)
                return Answer()

            central.script = [slow]
            async with forwarding(store, lane(central.url, batch_lines=10)):
                await drained(store)
            assert [len(request.seqs) for request in central.requests] == [10, 10, 10]

    run(test())


def test_sums_that_are_wrong_are_found(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 5)
            async with forwarding(store, lane(central.url)):
                await drained(store)
            await enqueue(store, 5)
            await store.write(Sql("DELETE FROM deliveries WHERE seq = 8"))
            (balance,) = await lanes.balances(store)
            assert not balance.holds
            assert (balance.enqueued, balance.delivered, balance.pending) == (10, 5, 4)

    run(test())


def test_a_large_backlog_is_counted_page_by_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestbox.store.lanes.counting.PAGE", 7)

    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            central.default = Answer(401)
            await enqueue(store, 50)
            async with forwarding(store, lane(central.url)):
                (balance,) = await lanes.balances(store)
            assert (balance.pending, balance.holds) == (50, True)

    run(test())


def test_no_secret_is_shown_or_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def test() -> None:
        async with opened(tmp_path) as store, upstream() as central:
            await enqueue(store, 2)
            central.script = [Answer(500), Answer(401)]
            url = central.url.replace("http://", "http://user:hidden-word@") + "?key=hidden-key"
            one = lane(url, token_header="X-Key", backoff_seconds=0.01, probe_seconds=0.01)
            async with forwarding(store, one) as forwarder:
                await drained(store)
                shown = forwarder.states()[0].url
            assert shown == central.url
            assert (await status(store)).url == central.url

    run(test())
    ours = [record for record in caplog.records if record.name.startswith("ingestbox")]
    assert ours
    for record in ours:
        for secret in ("secret-token", "hidden-word", "hidden-key"):
            assert secret not in str(record.__dict__)


@pytest.mark.parametrize("token", ["line\nbreak", "with space", "Schlüssel"])
def test_a_token_that_no_header_can_carry_is_refused_without_showing_it(tmp_path: Path, token: str) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            with pytest.raises(StartupError) as caught:
                Forwarder(store, [lane("http://127.0.0.1:1/", token=token)], clock=store.clock)
            assert "central" in str(caught.value)
            assert token not in str(caught.value)

    run(test())


@pytest.mark.parametrize("url", ["http://", "http:///path", "http://[::1", "https://:80/x"])
def test_a_url_that_cannot_be_posted_to_is_refused_at_start(tmp_path: Path, url: str) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            with pytest.raises(StartupError):
                Forwarder(store, [lane(url)], clock=store.clock)

    run(test())
