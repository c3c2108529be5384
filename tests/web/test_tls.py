"""HTTPS: what the operator is told, who is let in, a certificate that is renewed, and the command line."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import json
import os
import signal
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ingestbox.config import Limits, Server
from ingestbox.errors import StartupError
from ingestbox.store.lock import read_holder
from ingestbox.web.http.server import HttpServer, run
from ingestbox.web.http.tls import COMMAND_FILE, tls_of
from tests.forward.support import until as until_async
from tests.harness import BoxProcess, post_tickets, ticket, until
from tests.program import command
from tests.web.support import Live, read_answer

DAY = datetime.timedelta(days=1)


class Paper:
    """A certificate and its key; signed by `issuer`, or by itself."""

    def __init__(self, name: str, issuer: Paper | None = None, days: int = 90) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        names = x509.SubjectAlternativeName(
            [x509.DNSName("box.test"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        signer = issuer or self
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(signer.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 100 * DAY)
            .not_valid_after(now + days * DAY)
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
            .add_extension(names, critical=False)
            .sign(signer.key, hashes.SHA256())
        )

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def key_pem(self, password: bytes | None = None) -> str:
        locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked
        ).decode()


class Files:
    """The files that the settings name."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.cert, self.key, self.ca = folder / "cert.pem", folder / "key.pem", folder / "ca.pem"
        self.authority = Paper("authority")

    def put(self, paper: Paper) -> None:
        self.cert.write_text(paper.pem + self.authority.pem)
        self.key.write_text(paper.key_pem())

    def settings(self, **more: Any) -> Server:
        return Server(port=0, tls_cert=str(self.cert), tls_key=str(self.key), **more)

    def config(self, client_ca: bool = False) -> str:
        text = f'[server]\ntls_cert = "{self.cert}"\ntls_key = "{self.key}"\n'
        if client_ca:
            self.ca.write_text(self.authority.pem)
            text += f'tls_client_ca = "{self.ca}"\n'
        return text

    def client_context(self, own: Paper | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.authority.pem)
        if own:
            both = self.cert.with_name("client.pem")
            both.write_text(own.key_pem() + own.pem)
            context.load_cert_chain(both)
        return context


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path / "tls")
    made.put(Paper("box", made.authority))
    return made


def refused(settings: Server, folder: Path) -> str:
    with pytest.raises(StartupError) as caught:
        HttpServer(None, settings, install_signals=False, folder=folder).bind()
    return str(caught.value)


def test_what_cannot_be_used_is_said_before_anything_starts(files: Files, tmp_path: Path) -> None:
    one = Server(port=0, tls_cert=str(files.cert))
    assert "tls_cert is set, but not server.tls_key" in refused(one, tmp_path)
    one = Server(port=0, tls_key=str(files.key))
    assert "tls_key is set, but not server.tls_cert" in refused(one, tmp_path)
    assert "tls_client_ca is set" in refused(Server(port=0, tls_client_ca=str(files.cert)), tmp_path)
    assert "holds no certificates" in refused(files.settings(tls_client_ca=str(files.key)), tmp_path)
    files.key.write_text(Paper("other").key_pem())
    assert "is not the key of the certificate" in refused(files.settings(), tmp_path)
    files.key.write_text(Paper("other").key_pem(b"secret"))
    assert "encrypted" in refused(files.settings(), tmp_path)
    files.key.write_text("nonsense")
    assert "cannot be used" in refused(files.settings(), tmp_path)
    files.key.unlink()
    assert f"{files.key} cannot be read: No such file" in refused(files.settings(), tmp_path)
    files.cert.write_text("nonsense")
    files.key.write_text("nonsense")
    assert "holds no certificate" in refused(files.settings(), tmp_path)


@pytest.mark.parametrize(("days", "says"), [(-1, "has expired"), (5, "expires on"), (90, None)])
def test_an_old_certificate_is_warned_about(
    files: Files, tmp_path: Path, caplog: pytest.LogCaptureFixture, days: int, says: str | None
) -> None:
    files.put(Paper("box", files.authority, days))
    assert tls_of(files.settings(), tmp_path) is not None
    assert [says for record in caplog.records if says and says in record.getMessage()] == (
        [says] if says else []
    )
    assert bool(caplog.records) == bool(says)


def test_requests_over_https_and_only_modern_ones(files: Files) -> None:
    async def main() -> None:
        live = Live(Limits(), files.settings(), False)
        await live.server.start()
        assert live.server.url.startswith("https://127.0.0.1:")
        context = files.client_context()
        async with httpx2.AsyncClient(base_url=live.server.url, verify=context, trust_env=False) as client:
            for _ in range(3):
                answer = await client.post("/api/echo", content=bytes(300_000), headers=live.bearer)
                assert (answer.status_code, answer.json()["size"]) == (200, 300_000)
        assert live.asked[0].origin.scheme == "https"
        old = files.client_context()
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, OSError)):
            await asyncio.open_connection("127.0.0.1", live.port, ssl=old)
        weak = files.client_context()
        weak.maximum_version = ssl.TLSVersion.TLSv1_2
        weak.set_ciphers("ECDHE-ECDSA-AES128-SHA")  # CBC
        with pytest.raises((ssl.SSLError, OSError)):
            await asyncio.open_connection("127.0.0.1", live.port, ssl=weak)
        await live.server.stop()

    with pytest.warns(DeprecationWarning):
        run(main())


def test_a_handshake_counts_as_part_of_the_head(files: Files) -> None:
    async def main() -> None:
        live = Live(Limits(header_seconds=0.4), files.settings(), False)
        await live.server.start()
        assert live.server.connections is not None
        silent, silent_writer = await live.connect()
        dripping, dripping_writer = await live.connect()
        async with asyncio.timeout(10):
            dripping_writer.write(b"\x16\x03\x01\x02\x00")  # a client hello that never ends
            ended = asyncio.create_task(dripping.read())
            while not ended.done():
                dripping_writer.write(b"\x01")
                await asyncio.sleep(0.05)
            assert await silent.read() == b""
        reader, writer = await asyncio.open_connection("127.0.0.1", live.port, ssl=files.client_context())
        writer.write(b"GET / HTTP/1.1\r\nHost: ")
        answer = await read_answer(reader)
        assert (answer.status, answer.body["code"]) == (408, "header_incomplete")
        with contextlib.suppress(OSError):  # cut while it wrote
            assert ended.result() == b""
        for each in (silent_writer, dripping_writer, writer):
            each.close()
        await until_async(lambda: not live.server.connections, "all are closed")
        await live.server.stop()

    run(main())


def status(box: BoxProcess) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command(), "status", "--data", str(box.data)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={key: value for key, value in os.environ.items() if not key.startswith("INGESTBOX_")},
    )


@pytest.mark.parametrize("client_ca", [False, True])
def test_a_box_with_tls_and_its_command_line(files: Files, tmp_path: Path, client_ca: bool) -> None:
    box = BoxProcess(tmp_path / "box", config=files.config(client_ca))
    try:
        box.start()
        assert box.url.startswith("https://")
        with box.client() as client:
            post_tickets(client, [ticket(1)])
        found = status(box)
        assert found.returncode == 0, found.stderr
        assert (box.data / COMMAND_FILE).exists() == client_ca
        if client_ca:
            assert (box.data / COMMAND_FILE).stat().st_mode & 0o777 == 0o600
            with pytest.raises(httpx2.TransportError):
                httpx2.get(f"{box.url}/healthz", verify=files.client_context(), trust_env=False)
            stranger = files.client_context(Paper("stranger"))
            with pytest.raises(httpx2.TransportError):
                httpx2.get(f"{box.url}/healthz", verify=stranger, trust_env=False)
        known = files.client_context(Paper("crawler", files.authority))
        assert httpx2.get(f"{box.url}/healthz", verify=known, trust_env=False).status_code == 200
        # Whoever takes the port of a box cannot pass for it: another certificate is not trusted.
        holder = read_holder(box.data)
        assert holder is not None and holder.certificate
        lie = {"pid": holder.pid, "url": holder.url, "certificate": Paper("other").pem}
        (box.data / "lock").write_text(json.dumps(lie))
        found = status(box)
        assert found.returncode != 0 and "certificate" in found.stderr.lower(), found.stderr
    finally:
        box.close()


def shown(box: BoxProcess) -> str:
    """The certificate that a new connection is shown."""
    port = int(box.url.rpartition(":")[2])
    return ssl.get_server_certificate(("127.0.0.1", port), timeout=10)


def test_a_renewed_certificate_is_used_and_a_bad_one_is_not(files: Files, tmp_path: Path) -> None:
    box = BoxProcess(tmp_path / "box", config=files.config())
    try:
        box.start()
        assert box.process is not None
        with box.client() as client:
            old = shown(box)
            files.cert.write_text("half of a fi")
            box.process.send_signal(signal.SIGHUP)
            until(lambda: "the old ones stay" in box.log.read_text(), "the bad file is logged")
            assert shown(box) == old
            assert client.get("/healthz").status_code == 200
            new = Paper("box", files.authority)
            files.put(new)
            box.process.send_signal(signal.SIGHUP)
            until(lambda: shown(box) != old, "the new certificate is shown")
            assert shown(box).strip() == new.pem.strip()
            assert client.get("/healthz").status_code == 200  # on the connection made before
        until(lambda: status(box).returncode == 0, "the command line trusts the new certificate")
    finally:
        box.close()


def test_a_stop_does_not_wait_for_handshakes(files: Files) -> None:
    async def main() -> None:
        live = Live(Limits(header_seconds=60.0), files.settings(stop_seconds=60.0), False)
        await live.server.start()
        reader, writer = await live.connect()
        plain = socket.create_connection(("127.0.0.1", live.port))
        await until_async(lambda: len(live.server.connections or ()) == 2, "both are known")
        async with asyncio.timeout(20):
            await live.server.stop()
            with contextlib.suppress(OSError):
                assert await reader.read() == b""
        plain.close()
        writer.close()

    run(main())
