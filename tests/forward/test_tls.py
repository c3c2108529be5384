"""TLS of lanes: whom they trust, what they show, and certificates that change under a running box."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ingestbox.errors import StartupError
from ingestbox.forward.sink import Delivered, Pause, Retry, TooLarge
from tests.forward.sinking import HEAD, batch, raw, request, sent, sink
from tests.forward.support import (
    drained,
    enqueue,
    forwarding,
    lane,
    opened,
    run,
    until_state,
)
from tests.web.test_tls import Paper

REFUSED, OURS_REFUSED = Pause("certificate_refused"), Pause("client_certificate_refused")


class Place:
    """A folder with the files of a lane, and the certificate of its upstream."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca, self.cert, self.key = folder / "ca.pem", folder / "cert.pem", folder / "key.pem"
        self.authority, self.stranger = Paper("authority"), Paper("stranger")
        self.ca.write_text(self.authority.pem)
        self.shown: list[str] = []

    def show(self, paper: Paper) -> None:
        """The client certificate, renewed as programs do it: two files, each replaced as a whole."""
        for path, text in ((self.cert, paper.pem), (self.key, paper.key_pem())):
            new = path.with_suffix(".new")
            new.write_text(text)
            new.replace(path)

    @property
    def settings(self) -> dict[str, Any]:
        given = {"tls_ca": str(self.ca)}
        if self.cert.exists():
            given |= {"tls_cert": str(self.cert), "tls_key": str(self.key)}
        return given

    def server(self, paper: Paper | None = None, *, asks: bool = False) -> ssl.SSLContext:
        """The upstream's side, with a certificate of the authority unless another is given."""
        paper = paper or Paper("upstream", self.authority)
        pem = self.folder / "upstream.pem"
        pem.write_text(paper.key_pem() + paper.pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        if asks:
            context.load_verify_locations(cadata=self.authority.pem)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Takes batches, and notes who sent them."""
        while True:
            await request(reader)
            subject = dict(
                pair for name in (writer.get_extra_info("peercert") or {}).get("subject", ()) for pair in name
            )
            self.shown.append(subject.get("commonName", ""))
            writer.write(HEAD + b"{}")
            await writer.drain()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_only_the_cas_of_the_file_are_trusted(place: Place) -> None:
    async def test() -> None:
        async with raw(place.answer, place.server()) as url:
            async with sink(url, tls_ca=str(place.ca)) as out:
                assert await sent(out) == Delivered()
                assert (await out.test()).ok
            place.ca.write_text(place.stranger.pem)
            async with sink(url, tls_ca=str(place.ca)) as out:
                assert await sent(out) == REFUSED
                found = await out.test()
                assert (found.ok, found.reason) == (False, "certificate_refused")
                assert "not to be trusted" in found.meaning
                assert "tls_ca" in found.remedy
            async with sink(url) as out:  # the system's do not know it either
                assert await sent(out) == REFUSED
        assert len(place.shown) == 2

    run(test())


@pytest.mark.parametrize("which", ["expired", "of another name", "signed by itself"])
def test_a_certificate_that_is_not_good_pauses(place: Place, which: str) -> None:
    async def test() -> None:
        paper = (
            Paper("upstream") if which == "signed by itself" else Paper("upstream", place.authority, days=-1)
        )
        if which == "of another name":
            paper = Paper("upstream", place.authority)
        async with (
            raw(place.answer, place.server(paper)) as url,
            sink(_named(url, which), **place.settings) as out,
        ):
            assert await sent(out) == REFUSED
        assert place.shown == []

    run(test())


def _named(url: str, which: str) -> str:
    return url.replace("127.0.0.1", "localhost") if which == "of another name" else url


def test_a_certificate_that_the_file_itself_holds_is_trusted(place: Place) -> None:
    async def test() -> None:
        paper = Paper("upstream", place.authority)
        place.ca.write_text(paper.pem)  # not the CA that signed it
        async with raw(place.answer, place.server(paper)) as url, sink(url, **place.settings) as out:
            assert await sent(out) == Delivered()

    run(test())


def test_the_clients_certificate_is_shown(place: Place) -> None:
    async def test() -> None:
        place.show(Paper("box 7", place.authority))
        async with raw(place.answer, place.server(asks=True)) as url, sink(url, **place.settings) as out:
            assert await sent(out) == Delivered()
            assert (await out.test()).ok
        assert place.shown == ["box 7", "box 7"]

    run(test())


@contextmanager
def judging(context: ssl.SSLContext) -> Iterator[str]:
    """An upstream that says in an alert why it hangs up, as servers do (asyncio's does not)."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = listener.accept()
                with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as secure:
                    secure.recv(1)
                plain.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"https://127.0.0.1:{listener.getsockname()[1]}/in"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(20)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("which", ["expired", "of a stranger", "none"])
def test_an_upstream_that_refuses_our_certificate_pauses_the_lane(
    place: Place, which: str, version: ssl.TLSVersion, large: bool
) -> None:
    """With TLS 1.3 it says so when the request is on its way already, and may hang up on it."""
    if which == "none" and version == ssl.TLSVersion.TLSv1_2:
        expected: Pause | Retry = Retry("tls")  # "handshake failure" is all that it says there
    else:
        expected = OURS_REFUSED
    if which != "none":
        signer = place.stranger if which == "of a stranger" else place.authority
        place.show(Paper("box 7", signer, days=-1 if which == "expired" else 90))
    context = place.server(asks=True)
    context.maximum_version = version
    body = batch(1, lines=[b'"' + os.urandom(1_000_000 if large else 10).hex().encode() + b'"'])

    async def test() -> None:
        with judging(context) as url:
            async with sink(url, compression="none", **place.settings) as out:
                for _ in range(3):
                    assert await sent(out, body) == expected
                found = await out.test()
                assert (found.ok, found.reason) == (False, expected.reason)

    run(test())


@pytest.mark.parametrize("shown", [False, True])
def test_an_upstream_that_hangs_up_on_our_certificate_without_a_word_pauses_the_lane(
    place: Place, shown: bool
) -> None:
    """asyncio's servers do: a box that is the upstream is one."""

    async def test() -> None:
        if shown:
            place.show(Paper("box 7", place.stranger))
        async with raw(place.answer, place.server(asks=True)) as url, sink(url, **place.settings) as out:
            assert await sent(out) == Pause("hung_up")
            found = await out.test()
            assert (found.ok, found.reason) == (False, "hung_up")
            assert "tls_cert" in found.remedy

    run(test())


def test_an_upstream_that_hangs_up_once_is_tried_again(place: Place) -> None:
    """One that is stopping: after that nobody accepts."""

    async def test() -> None:
        taken: list[None] = []

        async def stops(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            taken.append(None)
            if len(taken) == 2:  # the first is the batch's, the second listens
                server.close()
            writer.close()

        server = await asyncio.start_server(stops, "127.0.0.1", 0, ssl=place.server())
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/in"
        async with sink(url, **place.settings) as out:
            assert await sent(out) == Retry("cut")
        assert len(taken) == 2

    run(test())


def test_a_connection_that_breaks_later_is_a_cut_one(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestbox.forward.sinks.handshake.SILENCE_SECONDS", 0.05)

    async def cuts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.transport.abort()

    async def test() -> None:
        async with raw(cuts, place.server()) as url, sink(url, **place.settings) as out:
            assert await sent(out) == Retry("cut")

    run(test())


def test_the_wrong_scheme_is_tried_again(place: Place) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
        writer.close()

    async def test() -> None:
        async with raw(plain) as url, sink(url.replace("http:", "https:")) as out:
            assert await sent(out) == Retry("tls")
        async with raw(place.answer, place.server()) as url, sink(url.replace("https:", "http:")) as out:
            assert await sent(out) == Retry("cut")

    run(test())


@pytest.mark.parametrize("status", [413, 200])
def test_an_early_answer_is_heard_under_tls_too(
    place: Place, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestbox.forward.sinks.handshake.SILENCE_SECONDS", 0.05)

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} Early\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async def test() -> None:
        large = batch(1, lines=[b'"' + bytes(12_000_000) + b'"'])
        async with (
            raw(early, place.server()) as url,
            sink(url, compression="none", **place.settings) as out,
        ):
            decision = await sent(out, large)
            assert isinstance(decision, TooLarge) if status == 413 else decision == Retry("cut")

    run(test())


# Certificates that change under a running box.


def test_new_files_are_used_for_the_next_batch(place: Place) -> None:
    async def test() -> None:
        place.show(Paper("box 7", place.authority))
        async with raw(place.answer, place.server(asks=True)) as url, sink(url, **place.settings) as out:
            assert await sent(out) == Delivered()
            assert await sent(out) == Delivered()
            place.show(Paper("box 7 renewed", place.authority))
            assert await sent(out) == Delivered()
        assert place.shown == ["box 7", "box 7", "box 7 renewed"]

    run(test())


def test_a_new_ca_is_used_for_the_next_batch(place: Place) -> None:
    async def test() -> None:
        async with raw(place.answer, place.server()) as url, sink(url, **place.settings) as out:
            assert await sent(out) == Delivered()
            place.ca.write_text(place.stranger.pem)
            assert await sent(out) == REFUSED
            place.ca.write_text(place.stranger.pem + place.authority.pem)
            assert await sent(out) == Delivered()

    run(test())


def test_files_that_are_half_renewed_leave_the_old_ones_in_use(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        place.show(Paper("box 7", place.authority))
        new = Paper("box 7 renewed", place.authority)
        async with raw(place.answer, place.server(asks=True)) as url, sink(url, **place.settings) as out:
            place.cert.write_text(new.pem)
            for _ in range(3):
                assert await sent(out) == Delivered()
            found = await out.test()
            assert (found.ok, found.reason) == (False, "tls_files")
            assert "is not the key of the certificate" in found.meaning
            place.key.write_text(new.key_pem())
            assert await sent(out) == Delivered()
            place.key.unlink()
            assert await sent(out) == Delivered()
        assert place.shown == ["box 7"] * 3 + ["box 7 renewed"] * 2

    with caplog.at_level(logging.ERROR, "ingestbox"):
        run(test())
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2  # once for each state of the files, not for each batch
    assert all("the old ones stay" in each for each in said)
    assert "is not the key" in said[0]
    assert "cannot be read" in said[1]


def test_a_ca_that_the_system_learns_is_trusted_at_the_next_probe(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "system.pem"
    system.write_text(place.stranger.pem)
    known = ssl.get_default_verify_paths()._replace(openssl_cafile=str(system), openssl_capath="")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: known)

    async def test() -> None:
        async with raw(place.answer, place.server()) as url, sink(url) as out:
            assert await sent(out) == REFUSED
            system.write_text(place.authority.pem)
            assert (await out.test()).ok
            assert await sent(out) == Delivered()

    run(test())


def test_a_paused_lane_goes_on_by_itself_with_a_renewed_certificate(place: Place, tmp_path: Path) -> None:
    async def test() -> None:
        place.ca.write_text(place.stranger.pem)
        async with opened(tmp_path) as store, raw(place.answer, place.server()) as url:
            await enqueue(store, 3)
            one = lane(url, probe_seconds=0.05, **place.settings)
            async with forwarding(store, one) as forwarder:
                await until_state(forwarder, "paused", "certificate_refused")
                place.ca.write_text(place.authority.pem)
                await drained(store)

    run(test())


@pytest.mark.parametrize(("days", "said"), [(-1, "has expired on"), (13, "expires on"), (90, None)])
def test_a_certificate_that_is_shown_is_warned_about_before_it_expires(
    place: Place, caplog: pytest.LogCaptureFixture, days: int, said: str | None
) -> None:
    async def test() -> None:
        place.show(Paper("box 7", place.authority, days=days))
        async with sink("https://127.0.0.1:1/", **place.settings):
            pass

    with caplog.at_level(logging.WARNING, "ingestbox"):
        run(test())
    assert bool(caplog.records) is bool(said)
    if said:
        assert f"Lane central: tls_cert: the certificate in {place.cert} {said} " in caplog.text


# What a start refuses.


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"tls_cert": "cert.pem"}, "tls_cert: it is set, but not tls_key"),
        ({"tls_key": "key.pem"}, "tls_key: it is set, but not tls_cert"),
        ({"tls_ca": "nowhere.pem"}, "tls_ca: * cannot be read: No such file or directory"),
        ({"tls_ca": "key.pem"}, "tls_ca: * holds no certificates (PEM)"),
        ({"tls_ca": "."}, "tls_ca: * cannot be read: Is a directory"),
        ({"tls_cert": "nowhere.pem", "tls_key": "key.pem"}, "tls_cert: * cannot be read"),
        ({"tls_cert": "cert.pem", "tls_key": "nowhere.pem"}, "tls_key: * cannot be read"),
        ({"tls_cert": "cert.pem", "tls_key": "other.pem"}, "tls_key: * is not the key of the certificate"),
        ({"tls_cert": "cert.pem", "tls_key": "locked.pem"}, "tls_key: the key is encrypted"),
        ({"tls_cert": "junk.pem", "tls_key": "key.pem"}, "tls_cert and tls_key: * cannot be used"),
        ({"url": "http://127.0.0.1:1/", "tls_ca": "ca.pem"}, "tls_ca: its url is not https://"),
        ({"url": "http://127.0.0.1:1/", "tls_cert": "cert.pem"}, "tls_cert: its url is not https://"),
    ],
)
def test_files_that_cannot_be_used_are_named_at_start(place: Place, given: dict[str, str], why: str) -> None:
    place.show(Paper("box 7", place.authority))
    (place.folder / "other.pem").write_text(place.stranger.key_pem())
    (place.folder / "locked.pem").write_text(place.stranger.key_pem(b"password"))
    (place.folder / "junk.pem").write_bytes(b"\xff\x00junk")
    settings: dict[str, Any] = {
        key: str(place.folder / value) if key.startswith("tls_") else value for key, value in given.items()
    }
    url = settings.pop("url", "https://127.0.0.1:1/")

    async def test() -> str:
        with pytest.raises(StartupError) as caught:
            async with sink(url, **settings):
                pass
        return str(caught.value)

    said = run(test())
    assert said.startswith("Lane central: ")
    for part in why.split("*"):
        assert part.strip() in said
    assert "PRIVATE KEY" not in said
