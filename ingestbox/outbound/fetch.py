"""Fetching one page: a GET of a URL that somebody else names, bounded in every way.

At most three redirects, each checked as the URL is; ten seconds from the first look-up to the last byte; a
body up to a size, counted after decompression while it streams. Cookies, credentials and proxies of the
environment are not used.
"""

from __future__ import annotations

import asyncio
import ssl
import time
import zlib
from collections.abc import AsyncIterator
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2

from ingestbox.config.settings import Outbound
from ingestbox.errors import StartupError
from ingestbox.outbound.addresses import Reach
from ingestbox.outbound.fetched import Fetched, FetchError
from ingestbox.outbound.names import Place, led_to, place_of
from ingestbox.outbound.resolver import Resolver, SystemResolver
from ingestbox.outbound.transport import Pinned

TOTAL_SECONDS = 10.0
"""For the whole of it, redirects and look-ups included, however slowly it drips."""

CONNECT_SECONDS = 5.0
MOST_BYTES = 2 * 1_048_576
MOST_REDIRECTS = 3
AT_ONCE = 4
"""So many are fetched at once; others wait their turn."""

_TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_LED_ON = frozenset({301, 302, 303, 307, 308})
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_CODINGS = {"gzip": _GZIP_OR_ZLIB, "x-gzip": _GZIP_OR_ZLIB, "deflate": _GZIP_OR_ZLIB}


class Fetcher:
    """Fetches pages, as `[outbound]` lets it."""

    def __init__(
        self, settings: Outbound, *, resolver: Resolver | None = None, seconds: float = TOTAL_SECONDS
    ) -> None:
        """Raises StartupError for a setting that cannot be used."""
        self._reach = Reach(settings.allow_hosts)
        self._resolver = resolver or SystemResolver()
        self._ca = settings.tls_ca
        if self._ca:
            _context(self._ca)
        self._seconds = seconds
        self._tls: ssl.SSLContext | None = None
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def get(self, url: str, user_agent: str, most_bytes: int = MOST_BYTES) -> Fetched:
        """The answer of the last one that the URL leads to, whatever its status. Raises FetchError."""
        async with self._turns:
            began = time.monotonic()
            try:
                async with asyncio.timeout(self._seconds):
                    return await self._follow(place_of(url), user_agent, most_bytes, began)
            except (TimeoutError, httpx2.TimeoutException):
                error = FetchError("timeout", f"It did not answer within {self._seconds:g} seconds.")
            except FetchError as refused:
                error = refused
            except (httpx2.HTTPError, httpx2.InvalidURL, OSError, zlib.error) as broken:
                error = _told(broken)
            error.seconds = time.monotonic() - began
            raise error from None

    async def _follow(self, place: Place, user_agent: str, most_bytes: int, began: float) -> Fetched:
        passed: list[str] = []
        while True:
            async with (
                self._client(await self._trusting(place), user_agent) as client,
                client.stream("GET", place.url) as answer,
            ):
                location = answer.headers.get("location")
                if answer.status_code not in _LED_ON or location is None:
                    body, cut = await _body(answer, most_bytes)
                    return Fetched(
                        url=place.url,
                        status=answer.status_code,
                        headers={name.lower(): value for name, value in answer.headers.items()},
                        body=body,
                        cut=cut,
                        redirects=tuple(passed),
                        seconds=time.monotonic() - began,
                    )
            if len(passed) == MOST_REDIRECTS:
                raise FetchError("redirects", f"It leads on more than {MOST_REDIRECTS} times.")
            place = led_to(place, location)
            passed.append(place.url)

    async def _trusting(self, place: Place) -> ssl.SSLContext:
        if place.scheme == "http":
            return _TRUSTS_NOBODY
        if self._tls is None:  # reading the public CAs takes a while
            self._tls = await asyncio.to_thread(_context, self._ca)
        return self._tls

    def _client(self, tls: ssl.SSLContext, user_agent: str) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            transport=Pinned(self._reach, self._resolver, tls),
            headers={
                "Accept": "text/html,application/xhtml+xml,text/plain;q=0.9,*/*;q=0.5",
                "Accept-Encoding": "gzip, identity",
                "User-Agent": user_agent,
            },
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            trust_env=False,
            follow_redirects=False,
            timeout=httpx2.Timeout(self._seconds, connect=min(CONNECT_SECONDS, self._seconds)),
        )


def _context(ca: str) -> ssl.SSLContext:
    """Trusts the public CAs, and those of a file besides. Raises StartupError."""
    context = httpx2.create_ssl_context(trust_env=False)
    if ca:
        try:
            context.load_verify_locations(cafile=ca)
        except (OSError, ssl.SSLError) as error:
            raise StartupError(f"outbound.tls_ca: {ca} cannot be read: {error.strerror or error}.") from None
    return context


async def _body(answer: httpx2.Response, most: int) -> tuple[bytes, bool]:
    """The body, and whether it was cut at `most` bytes. Raises FetchError, `zlib.error`."""
    inflated: AsyncIterator[bytes]
    coding = answer.headers.get("content-encoding", "identity").strip().lower() or "identity"
    if coding == "identity":
        inflated = answer.aiter_raw()
    elif coding in _CODINGS:
        inflated = _inflated(answer.aiter_raw(), _CODINGS[coding], most)
    else:
        raise FetchError("encoding", f"The answer is encoded as {coding[:40]!r}, which was not asked for.")
    body = bytearray()
    async for part in inflated:
        body += part
        if len(body) > most:
            return bytes(body[:most]), True
    return bytes(body), False


async def _inflated(parts: AsyncIterator[bytes], bits: int, most: int) -> AsyncIterator[bytes]:
    """Never more at once than is taken: a few KB can stand for gigabytes."""
    inflater = zlib.decompressobj(bits)
    async for part in parts:
        yield inflater.decompress(part, most + 1)
        if inflater.eof:
            return
    raise FetchError("broken", "The answer broke off.")


def _told(error: Exception) -> FetchError:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return FetchError("certificate", f"Its certificate is not to be trusted: {seen.verify_message}.")
        if isinstance(seen, ssl.SSLError):
            return FetchError("certificate", "A secure connection could not be made (TLS).")
        seen = seen.__cause__ or seen.__context__
    if isinstance(error, httpx2.ConnectError):
        return FetchError("unreachable", "Nobody answers there.")
    if isinstance(error, zlib.error):
        return FetchError("broken", "The answer's compression is damaged.")
    return FetchError("broken", "The exchange broke off.")
