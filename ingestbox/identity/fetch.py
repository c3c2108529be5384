"""Fetching an issuer's published keys: one GET of the operator's URL, bounded in every way.

Redirects are not followed, proxies of the environment and cookies are not used, and no URL ever comes from
a token. Plain HTTP is for this machine alone, unless the operator allows it in as many words: whoever can
change the answer can make tokens for everybody.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import ssl
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2
import msgspec

import ingestbox
from ingestbox.config.words import masked
from ingestbox.errors import StartupError

MAX_BYTES = 512 * 1024
CONNECT_SECONDS = 3.0
TOTAL_SECONDS = 5.0
"""For the whole exchange, however slowly it drips."""

LAST_PORT = 65_535

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=\"?([0-9]{1,10})\"?(?=$|[\s,])", re.ASCII | re.IGNORECASE)
_HEADERS = {
    "Accept": "application/jwk-set+json, application/json",
    "Accept-Encoding": "identity",  # so that the bytes counted are those that are kept
    "User-Agent": f"ingestbox/{ingestbox.__version__}",
}


class FetchError(Exception):
    """The keys could not be fetched; the message says why, as a phrase, without the URL."""


class Fetched(msgspec.Struct, frozen=True):
    """A body, and for how many seconds its server says it holds (None: it does not say)."""

    body: bytes
    max_age: int | None


class Fetcher:
    """Fetches one URL."""

    def __init__(self, where: str, url: str, *, ca: str, allow_http: bool) -> None:
        """`where` begins the messages; `ca` is a file of CAs, or empty. Raises StartupError."""
        self._url = _checked(where, url, allow_http)
        self._client = httpx2.AsyncClient(
            headers=_HEADERS,
            verify=_context(where, ca, self._url.scheme),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            trust_env=False,
            follow_redirects=False,
            timeout=httpx2.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx2.Limits(max_connections=2, max_keepalive_connections=0),
        )

    async def get(self) -> Fetched:
        """The body of a 200. Raises FetchError."""
        try:
            async with asyncio.timeout(TOTAL_SECONDS), self._client.stream("GET", self._url) as response:
                return await _read(response)
        except (TimeoutError, httpx2.TimeoutException):
            raise FetchError("no answer in time") from None
        except httpx2.ConnectError:
            raise FetchError("no connection") from None
        except (httpx2.HTTPError, OSError) as error:
            raise FetchError(f"the exchange failed ({type(error).__name__})") from None

    async def close(self) -> None:
        """Closes what is open."""
        await self._client.aclose()


async def _read(response: httpx2.Response) -> Fetched:
    if response.status_code != 200:
        raise FetchError(f"the answer was {response.status_code}")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise FetchError("the answer is compressed, which was not asked for")
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > MAX_BYTES:
            raise FetchError(f"the answer is over {MAX_BYTES // 1024} KB")
    found = _MAX_AGE.search(response.headers.get("cache-control", ""))
    return Fetched(bytes(body), int(found[1]) if found else None)


def _checked(where: str, text: str, allow_http: bool) -> httpx2.URL:
    shown = masked("jwks_url", text)
    try:
        url = httpx2.URL(text)
        host = url.host
        if (url.port or 0) > LAST_PORT:
            raise ValueError
    except (httpx2.InvalidURL, UnicodeError, ValueError):
        raise StartupError(f"{where}: `{shown}` is not a URL.") from None
    if url.scheme not in ("http", "https") or not host or url.userinfo or url.fragment:
        raise StartupError(f"{where}: `{shown}` has to be https://host/path, without a name, password or #.")
    if url.scheme == "http" and not (allow_http or _is_loopback(host)):
        raise StartupError(
            f"{where}: `{shown}` would be fetched in the clear: whoever changes the answer can make tokens. "
            "Use https, or set allow_http = true if the way there is safe."
        )
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _context(where: str, ca: str, scheme: str) -> ssl.SSLContext | bool:
    if scheme == "http":
        # No TLS to verify: an empty context saves loading the public CAs.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not ca:
        return True
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise StartupError(f"{where}: jwks_ca {ca} cannot be read: {error.strerror or error}.") from None
