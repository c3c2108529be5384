"""The HTTP sink: one POST a batch, over one connection kept alive, to the operator's URL and nowhere else.

Redirects are not followed, proxies of the environment and cookies are not used.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import socket
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2

import ingestbox
from ingestbox import config
from ingestbox.clock import Clock
from ingestbox.errors import StartupError
from ingestbox.forward import answers
from ingestbox.forward.batch import LaneBatch
from ingestbox.forward.sink import Decision, Delivered, Parcel, Pause, Retry
from ingestbox.model import LaneTest

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZSTD_LEVEL = 1
GZIP_LEVEL = 1
CONNECT_SECONDS = 10.0
KEEPALIVE_SECONDS = 3.0
"""Shorter than the 5 s after which common servers close, so that no batch meets a closing connection."""

SLOWEST_BYTES_A_SECOND = 8_192
"""A body is given this much time to leave, besides the lane's time-out: edge lines are slow."""


@dataclass(frozen=True, slots=True)
class HttpParcel(Parcel):
    """`body` is what goes on the wire, `encoding` its content coding, `digest` its Content-Digest."""

    body: bytes
    encoding: str
    digest: str


_LET_IN = (400, 422)
"""What answers to an empty batch one that let us in, and has no use for it."""


class HttpSink:
    """One upstream behind a URL. Its body is zstd, or gzip once the upstream has answered 415."""

    def __init__(
        self, lane: config.Lane, clock: Clock, box: str = "", *, tls: ssl.SSLContext | None = None
    ) -> None:
        """`box` is this box's id. Raises StartupError for a URL or token that no request can carry (without
        showing the token)."""
        self._url = _checked_url(lane)
        self._clock = clock
        self._box = box
        self._timeout = lane.timeout_seconds
        self._batch_bytes = lane.batch_kb * 1024
        self._encoding = "zstd"
        self._headers = {
            "Content-Type": "application/x-ndjson",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"ingestbox/{ingestbox.__version__}",
            "Ingestbox-Lane": lane.name,
        }
        if lane.token:
            if not (lane.token.isascii() and lane.token.isprintable() and " " not in lane.token):
                raise StartupError(f"Lane {lane.name}: its token has characters that a header cannot carry.")
            self._headers["Authorization"] = f"Bearer {lane.token}"
        self._tls = tls
        self._client = self._opened()

    def _opened(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            verify=self._tls or True,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            trust_env=False,
            follow_redirects=False,
            http2=False,
            timeout=httpx2.Timeout(self._timeout, connect=min(CONNECT_SECONDS, self._timeout)),
            limits=httpx2.Limits(
                max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEPALIVE_SECONDS
            ),
        )

    def pack(self, batch: LaneBatch) -> HttpParcel:
        """The lines, compressed, and the SHA-256 of exactly these bytes.

        RFC 9530, section 2: Content-Digest is over the content as sent, that is after Content-Encoding.
        """
        encoding = self._encoding
        text = b"\n".join((*batch.lines, b""))
        if encoding == "zstd":
            body = zstd.compress(text, level=ZSTD_LEVEL)
        else:
            body = gzip.compress(text, compresslevel=GZIP_LEVEL, mtime=0)
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        return HttpParcel(batch, len(body), body, encoding, f"sha-256=:{digest}:")

    async def send(self, parcel: Parcel) -> Decision:
        """Posts the batch and reads the answer, both within the lane's time-out."""
        assert isinstance(parcel, HttpParcel)  # it was packed here
        upload = len(parcel.body) / SLOWEST_BYTES_A_SECOND
        try:
            async with asyncio.timeout(self._timeout + upload):
                return await self._post(parcel, upload)
        except (TimeoutError, httpx2.TimeoutException):
            return Retry("timeout")
        except httpx2.ConnectError as error:
            return _unconnected(error)
        except (httpx2.TransportError, OSError):
            return Retry("cut")

    async def test(self) -> LaneTest:
        """Posts a batch without lines, over a connection of its own: the other may have one on its way."""
        began = self._clock.monotonic()
        digest = base64.b64encode(hashlib.sha256(b"").digest()).decode()
        status: int | None = None
        decision: Delivered | Retry | Pause
        try:
            headers = {
                **self._headers,
                "Content-Digest": f"sha-256=:{digest}:",
                "Ingestbox-Box": self._box,
            }
            async with (
                asyncio.timeout(self._timeout),
                self._opened() as client,
                client.stream("POST", self._url, content=b"", headers=headers) as answer,
            ):
                ended = answer.status_code in _LET_IN or not answer.is_success or await _ends(answer)
            status = answer.status_code
            if answer.is_success or status in _LET_IN:
                decision = Delivered() if ended else Retry("answer_too_large")
            else:
                decision = answers.refusal(status, answer.headers, self._clock.now_ms())
        except (TimeoutError, httpx2.TimeoutException):
            decision = Retry("timeout")
        except httpx2.ConnectError as error:
            decision = _unconnected(error)
        except (httpx2.TransportError, OSError):
            decision = Retry("cut")
        reason = None if isinstance(decision, Delivered) else decision.reason
        return LaneTest(reason is None, reason, status, round(self._clock.monotonic() - began, 3))

    async def close(self) -> None:
        """Closes the connection."""
        await self._client.aclose()

    async def _post(self, parcel: HttpParcel, upload: float) -> Decision:
        batch = parcel.batch
        request = self._client.build_request(
            "POST",
            self._url,
            content=parcel.body,
            headers={
                **self._headers,
                "Content-Encoding": parcel.encoding,
                "Content-Digest": parcel.digest,
                "Idempotency-Key": batch.key,
                "Ingestbox-Box": batch.box,
                "Ingestbox-Epoch": batch.epoch,
                "Ingestbox-After": str(batch.after),
                "Ingestbox-Seq": f"{batch.first}-{batch.last}",
            },
            timeout=httpx2.Timeout(
                self._timeout, connect=min(CONNECT_SECONDS, self._timeout), write=self._timeout + upload
            ),
        )
        response = await self._client.send(request, stream=True)
        try:
            if response.status_code == 415:
                return self._other_encoding(parcel)
            if response.status_code == 413 and (parked := answers.oversized(batch, self._batch_bytes)):
                return parked
            if not response.is_success:
                return answers.refusal(response.status_code, response.headers, self._clock.now_ms())
            return await _read_answer(batch, response)
        finally:
            await response.aclose()

    def _other_encoding(self, parcel: HttpParcel) -> Decision:
        """After a 415: once with gzip at once; if that is refused too, it is not about the encoding."""
        if parcel.encoding == "zstd":
            self._encoding = "gzip"
            return Retry("http: 415", at_once=True)
        self._encoding = "zstd"
        return Pause("refused: 415")


async def _ends(answer: httpx2.Response) -> bool:
    """Whether an answer to an empty batch ends within what is read of one."""
    size = 0
    async for part in answer.aiter_raw():
        size += len(part)
        if size > answers.cap(0):
            return False
    return True


async def _read_answer(batch: LaneBatch, response: httpx2.Response) -> Decision:
    if response.status_code == 204:
        return Delivered()
    if response.headers.get("content-encoding", "identity") != "identity":
        return Retry("answer_encoded")  # it was asked not to be; what it rejects cannot be read
    limit = answers.cap(len(batch.lines))
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > limit:
            # Cut here, and taken for a cut answer: what it rejects may stand in the rest.
            return Retry("answer_too_large")
    framed = "content-length" in response.headers or "transfer-encoding" in response.headers
    return answers.delivered(batch, bytes(body), framed=framed)


def shown_url(url: str) -> str:
    """The address without what may be secret in it: user, password, query."""
    parsed = httpx2.URL(url)
    return str(parsed.copy_with(username=None, password=None, query=None, fragment=None))


def _checked_url(lane: config.Lane) -> httpx2.URL:
    try:
        url = httpx2.URL(lane.url)
    except httpx2.InvalidURL:
        url = None
    if url is None or not url.host:
        raise StartupError(f"Lane {lane.name}: its url is not one that can be posted to.")
    return url


def _unconnected(error: BaseException) -> Retry | Pause:
    """Why there is no connection: only a certificate that was refused needs a person."""
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return Pause("certificate_refused")
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return Retry("dns")
    return Retry("tls" if any(isinstance(cause, ssl.SSLError) for cause in causes) else "connect")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
