"""The HTTP sink: one POST a batch, over one connection kept alive, to the operator's URL and nowhere else.

Redirects are not followed, proxies of the environment and cookies are not used.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import socket
import ssl
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
from ingestbox.forward.sinks import compression, handshake, replies, tls
from ingestbox.forward.sinks.address import checked_url, credentials
from ingestbox.forward.sinks.early import Transport
from ingestbox.forward.sinks.formats import Format
from ingestbox.forward.sinks.knock import knocked
from ingestbox.forward.sinks.signing import Signer
from ingestbox.forward.sinks.tls import LaneTls
from ingestbox.ids import time_uuid
from ingestbox.model import LaneTest

CONNECT_SECONDS = 10.0
KEEPALIVE_SECONDS = 3.0
"""Shorter than the 5 s after which common servers close, so that no batch meets a closing connection."""

SLOWEST_BYTES_A_SECOND = 8_192
"""A body is given this much time to leave, besides the lane's time-out: edge lines are slow."""

_PLAIN = config.Lane(name="", url="")


@dataclass(frozen=True, slots=True)
class HttpParcel(Parcel):
    """`body` is what goes on the wire, `coding` its content coding, `digest` its Content-Digest."""

    body: bytes
    coding: str
    digest: str


class HttpSink:
    """One upstream behind a URL. A 415 has it fall back to the next simpler content coding, for good."""

    def __init__(self, lane: config.Lane, clock: Clock, box: str = "") -> None:
        """`box` is this box's id. Raises StartupError for a URL, token, secret or file that cannot be used,
        naming the lane and never the secret."""
        if lane.table != _PLAIN.table:
            raise StartupError(f"Lane {lane.name}: table: only PostgreSQL has tables. Take it out.")
        self._lane = lane
        self._clock = clock
        self._box = box
        self._url = checked_url(lane)
        self._timeout = lane.timeout_seconds
        self._format = Format(lane)
        self._signer = Signer(lane, clock)
        self._own = answers.overrides(lane.answers)
        self._coding: str = lane.compression
        self._headers = {
            "Content-Type": self._format.content_type,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"ingestbox/{ingestbox.__version__}",
            "Ingestbox-Lane": lane.name,
            **credentials(lane, self._url),
        }
        self._tls = LaneTls(lane)
        self._distrusted = False
        self._client = self._opened(self._tls.context)

    def _opened(self, context: ssl.SSLContext | None) -> httpx2.AsyncClient:
        limits = httpx2.Limits(
            max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEPALIVE_SECONDS
        )
        return httpx2.AsyncClient(
            transport=Transport(context, limits),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            trust_env=False,
            follow_redirects=False,
            timeout=httpx2.Timeout(self._timeout, connect=min(CONNECT_SECONDS, self._timeout)),
        )

    def pack(self, batch: LaneBatch) -> HttpParcel:
        """The lines in the lane's format, compressed, and the SHA-256 of exactly these bytes."""
        coding = self._coding
        body = compression.compressed(self._format.body(batch), coding)
        return HttpParcel(batch, len(body), body, coding, _digest(body))

    async def send(self, parcel: Parcel) -> Decision:
        """Posts the batch and reads the answer, both within the lane's time-out."""
        assert isinstance(parcel, HttpParcel)  # it was packed here
        upload = len(parcel.body) / SLOWEST_BYTES_A_SECOND
        try:
            await self._renew()
            async with asyncio.timeout(self._timeout + upload):
                decision = await self._post(parcel, upload)
        except (TimeoutError, httpx2.TransportError, OSError) as error:
            decision = await self._failed(error)
        if isinstance(decision, Pause) and "certificate_refused" in decision.reason:
            self._distrusted = True
        return decision

    async def test(self) -> LaneTest:
        """Posts a batch without lines, over a connection of its own: the other may have one on its way.

        It is signed, and in the lane's format and coding; after a 415 in the next one. Files are read anew.
        """
        began = self._clock.monotonic()
        status: int | None = None
        decision: Decision
        try:
            context = await asyncio.to_thread(tls.read, self._lane)
            async with asyncio.timeout(self._timeout), self._opened(context) as client:
                status, decision = await self._knock(client)
        except StartupError as error:
            return knocked(Pause("tls_files"), None, 0.0, said=str(error))
        except (TimeoutError, httpx2.TransportError, OSError) as error:
            decision = await self._failed(error)
        return knocked(decision, status, self._clock.monotonic() - began)

    async def close(self) -> None:
        """Closes the connection."""
        await self._client.aclose()

    async def _renew(self) -> None:
        """Connects anew when files are new; with all that is trusted now, once a certificate was refused."""
        if not self._distrusted and not self._tls.changed():
            return
        self._distrusted = False
        if await asyncio.to_thread(self._tls.renew):
            old, self._client = self._client, self._opened(self._tls.context)
            await old.aclose()

    async def _post(self, parcel: HttpParcel, upload: float) -> Decision:
        batch = parcel.batch
        request = self._client.build_request(
            "POST",
            self._url,
            content=parcel.body,
            headers={
                **self._headers,
                **compression.header(parcel.coding),
                "Content-Digest": parcel.digest,
                "Idempotency-Key": batch.key,
                "Ingestbox-Box": batch.box,
                "Ingestbox-Epoch": batch.epoch,
                "Ingestbox-After": str(batch.after),
                "Ingestbox-Seq": f"{batch.first}-{batch.last}",
                **await self._signer.headers(batch.key, parcel.body),
            },
            timeout=httpx2.Timeout(
                self._timeout, connect=min(CONNECT_SECONDS, self._timeout), write=self._timeout + upload
            ),
        )
        response = await self._client.send(request, stream=True)
        try:
            status = response.status_code
            if status == 415 and status not in self._own:
                return self._other_coding(parcel)
            if response.is_success and self._own.get(status, "delivered") == "delivered":
                return await replies.decision(batch, response)
            return await self._refused(response)
        finally:
            await response.aclose()

    async def _failed(self, error: BaseException) -> Retry | Pause:
        """Why there is no answer."""
        decision = _failure(error)
        context = self._tls.context
        if decision != Retry("cut") or context is None:
            return decision
        return await handshake.objection(self._url, context) or decision

    def _other_coding(self, parcel: HttpParcel) -> Decision:
        """After a 415: at once with the next coding; if all are refused, it is not about them."""
        simpler = compression.simpler(parcel.coding)
        self._coding = simpler or self._lane.compression
        return Retry("http: 415", at_once=True) if simpler else Pause("refused: 415")

    async def _refused(self, response: httpx2.Response) -> Decision:
        """What an answer means that is not 2xx, or that the lane takes for something else."""
        status, words = response.status_code, await replies.words(response)
        if (reason := tls.said(status, words)) is not None:
            return Pause(f"{reason}: {status}")
        now = self._clock.now_ms()
        return answers.refusal(status, response.headers, now, body=words, own=self._own)

    async def _knock(self, client: httpx2.AsyncClient) -> tuple[int, Decision]:
        """The status and meaning of the answer to a batch without lines."""
        text = self._format.empty(self._box, self._lane.name)
        coding: str | None = self._coding
        while coding is not None:
            message_id = f"{self._box}-{self._lane.name}-test-{time_uuid(self._clock.now_ms())}"
            body = compression.compressed(text, coding)
            headers = {
                **self._headers,
                **compression.header(coding),
                "Content-Digest": _digest(body),
                "Ingestbox-Box": self._box,
                **await self._signer.headers(message_id, body),
            }
            async with client.stream("POST", self._url, content=body, headers=headers) as answer:
                status = answer.status_code
                if status == 415 and status not in self._own:
                    coding = compression.simpler(coding)
                    continue
                if answer.is_success and self._own.get(status, "delivered") == "delivered":
                    whole = await replies.ends(answer)
                    return status, Delivered() if whole else Retry("answer_too_large")
                return status, await self._refused(answer)
        return 415, Pause("refused: 415")


def _digest(body: bytes) -> str:
    """RFC 9530, section 2: Content-Digest is over the content as sent, that is after Content-Encoding."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def _failure(error: BaseException) -> Retry | Pause:
    """What a broken exchange means: only a certificate that was refused, theirs or ours, needs a person."""
    if isinstance(error, (TimeoutError, httpx2.TimeoutException)):
        return Retry("timeout")
    if (reason := tls.refused(error)) is not None:
        return Pause(reason)
    if not isinstance(error, httpx2.ConnectError):
        return Retry("cut")
    causes = list(tls.causes(error))
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return Retry("dns")
    return Retry("tls" if any(isinstance(cause, ssl.SSLError) for cause in causes) else "connect")
