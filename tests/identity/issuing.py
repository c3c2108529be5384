"""Issuers as they are: keys, tokens signed by hand, and a server that publishes keys as it is told."""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.web.support import SECRET

NOW = 1_800_000_000
"""Unix seconds of the clock that tests hold."""

HASHES: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    "256": hashes.SHA256,
    "384": hashes.SHA384,
    "512": hashes.SHA512,
}

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def b64(value: object) -> str:
    """base64url of bytes, or of a value as JSON."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@cache
def rsa_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key for each number, made once."""
    return rsa.generate_private_key(65537, bits)


@cache
def ec_key(number: int = 0, curve: str = "P-256") -> ec.EllipticCurvePrivateKey:
    """A key for each number, made once."""
    kinds: dict[str, ec.EllipticCurve] = {
        "P-256": ec.SECP256R1(),
        "P-384": ec.SECP384R1(),
        "P-521": ec.SECP521R1(),
    }
    return ec.generate_private_key(kinds[curve])


@cache
def ed_key(number: int = 0) -> ed25519.Ed25519PrivateKey:
    """A key for each number, made once."""
    return ed25519.Ed25519PrivateKey.generate()


def pem(key: PrivateKey) -> bytes:
    """Its public half."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def jwk(key: PrivateKey, **members: Any) -> dict[str, Any]:
    """Its public half as a JWK; `members` are added, or taken away by `...`."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        made: dict[str, Any] = {"kty": "RSA", "n": b64(whole(numbers.n)), "e": b64(whole(numbers.e))}
    elif isinstance(public, ec.EllipticCurvePublicKey):
        size, point = (public.key_size + 7) // 8, public.public_numbers()
        x, y = (b64(each.to_bytes(size)) for each in (point.x, point.y))
        made = {"kty": "EC", "crv": f"P-{public.key_size}", "x": x, "y": y}
    else:
        raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        made = {"kty": "OKP", "crv": "Ed25519", "x": b64(raw)}
    return {name: value for name, value in {**made, **members}.items() if value is not ...}


def whole(number: int) -> bytes:
    """A number as bytes, without leading zeros."""
    return number.to_bytes((number.bit_length() + 7) // 8)


def signature(key: PrivateKey | bytes, algorithm: str, text: bytes) -> bytes:
    """By hand, so that it can be made where a library would refuse."""
    digest = HASHES.get(algorithm[2:], hashes.SHA256)()
    if isinstance(key, bytes):
        return hmac.digest(key, text, f"sha{algorithm[2:] if algorithm[2:] in HASHES else '256'}")
    if isinstance(key, rsa.RSAPrivateKey):
        if algorithm.startswith("PS"):
            return key.sign(text, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
        return key.sign(text, padding.PKCS1v15(), digest)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        size = (key.curve.key_size + 7) // 8
        r, s = decode_dss_signature(key.sign(text, ec.ECDSA(digest)))
        return r.to_bytes(size) + s.to_bytes(size)
    return key.sign(text)


def signed(key: PrivateKey | bytes, header: object, payload: object, algorithm: str | None = None) -> str:
    """A compact token; header and payload may be bytes, taken as they are."""
    if algorithm is None:
        assert isinstance(header, Mapping)
        algorithm = str(header["alg"])
    text = f"{b64(header)}.{b64(payload)}"
    return f"{text}.{b64(signature(key, algorithm, text.encode()))}"


@dataclass
class Party:
    """Somebody who signs tokens that a box takes; `kid` goes into the header unless empty."""

    issuer: str
    algorithm: str
    key: PrivateKey | bytes
    kid: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def header(self, **changes: Any) -> dict[str, Any]:
        """A good header, changed; `...` takes a member away."""
        kid = {"kid": self.kid} if self.kid else {}
        made = {"alg": self.algorithm, "typ": "JWT", **kid, **changes}
        return {name: value for name, value in made.items() if value is not ...}

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Good claims, changed; `...` takes one away."""
        made = {
            "iss": self.issuer,
            "aud": "box",
            "sub": "ann",
            "iat": NOW,
            "exp": NOW + 3600,
            "roles": ["ingest"],
            **self.extra,
            **changes,
        }
        return {name: value for name, value in made.items() if value is not ...}

    def token(self, *, head: Mapping[str, Any] | None = None, **changes: Any) -> str:
        """Properly signed, whatever it says."""
        header = self.header(**(head or {}))
        return signed(self.key, header, self.claims(**changes), self.algorithm)

    def raw(self, header: bytes | None = None, payload: bytes | None = None) -> str:
        """Properly signed over JSON written by hand."""
        head = json.dumps(self.header()).encode() if header is None else header
        body = json.dumps(self.claims()).encode() if payload is None else payload
        return signed(self.key, head, body, self.algorithm)


LOCAL = Party("ingestbox", "HS256", SECRET, extra={"aud": "ingestbox"})


@dataclass
class Published:
    """What the server answers: a JWK set, unless `body` is something else."""

    keys: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    hold: threading.Event | None = None
    cut: bool = False

    def content(self) -> bytes:
        return json.dumps({"keys": self.keys}).encode() if self.body is None else self.body


class KeyServer:
    """A JWKS server on loopback; `answer` may be changed at any time, `paths` are what was asked for."""

    def __init__(self, *keys: dict[str, Any], tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.answer = Published(list(keys))
        self.paths: list[str] = []
        self.arrived = threading.Event()
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self.up()

    @property
    def url(self) -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self._port}/jwks.json"

    @property
    def asked(self) -> int:
        return len(self.paths)

    def up(self) -> None:
        """Listens, at the same address as before."""
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.paths.append(self.path)
                answer = owner.answer
                owner.arrived.set()
                if answer.hold is not None:
                    answer.hold.wait(30)
                if answer.cut:
                    self.close_connection = True
                    return
                content = answer.content()
                with contextlib.suppress(OSError):  # the box may have had enough of it
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = False
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), name="jwks").start()

    def down(self) -> None:
        """Connections are refused from now on."""
        if self._server is not None:
            if self.answer.hold is not None:
                self.answer.hold.set()
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@contextlib.contextmanager
def key_server(*keys: dict[str, Any], tls: ssl.SSLContext | None = None) -> Iterator[KeyServer]:
    """A server for the time of a block."""
    server = KeyServer(*keys, tls=tls)
    try:
        yield server
    finally:
        server.down()
