"""Where alarms are posted: one URL, signed as Standard Webhooks has it.

The address is the operator's word: loopback and private addresses are allowed. Redirects are not followed,
proxies of the environment are not used, and of an answer only the status counts.
"""

from __future__ import annotations

import asyncio
import ssl

import httpx2
import msgspec

import ingestbox
from ingestbox import config, webhooks
from ingestbox.clock import Clock
from ingestbox.errors import StartupError
from ingestbox.forward.backoff import retry_after

SECONDS = 10.0
"""A receiver has this long, from the connection to the status of its answer."""

CONNECT_SECONDS = 5.0


class Failure(msgspec.Struct, frozen=True):
    """Why a post was not taken, as a phrase; `after` is the Retry-After in seconds, if there was one."""

    reason: str
    after: float | None = None


def webhook_of(settings: config.Alarms, clock: Clock) -> Webhook | None:
    """The receiver that is configured, if any. Raises StartupError, also for a secret without an address."""
    if settings.webhook_url:
        return Webhook(settings, clock)
    _keys(settings.webhook_secret)
    return None


class Webhook:
    """The receiver of alarms. `close` it."""

    def __init__(self, settings: config.Alarms, clock: Clock, *, tls: ssl.SSLContext | None = None) -> None:
        """Raises StartupError for a URL or secret that cannot be used, without showing either."""
        self._url = _checked_url(settings.webhook_url)
        self._keys = _keys(settings.webhook_secret)
        self._clock = clock
        self.shown = f"{self._url.scheme}://{self._url.netloc.decode('ascii')}"
        """Where it is. The rest of its address is a secret at many services, the path above all."""
        self._client = httpx2.AsyncClient(
            verify=tls or True,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx2.Timeout(SECONDS, connect=CONNECT_SECONDS),
            limits=httpx2.Limits(max_connections=1, max_keepalive_connections=0),
        )

    async def post(self, message_id: str, body: bytes) -> Failure | None:
        """Posts a JSON body; None when it was taken (2xx). `message_id` is the same at every try."""
        try:
            async with asyncio.timeout(SECONDS):
                return await self._post(message_id, body)
        except (TimeoutError, httpx2.TimeoutException):
            return Failure("no answer in time")
        except (httpx2.HTTPError, OSError) as error:
            return Failure(_phrase(error))

    async def close(self) -> None:
        """Closes the connection."""
        await self._client.aclose()

    async def _post(self, message_id: str, body: bytes) -> Failure | None:
        now_ms = self._clock.now_ms()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"ingestbox/{ingestbox.__version__}",
            webhooks.ID: message_id,
            webhooks.TIMESTAMP: str(now_ms // 1000),
            **webhooks.headers(self._keys, message_id, now_ms // 1000, body),
        }
        request = self._client.build_request("POST", self._url, content=body, headers=headers)
        response = await self._client.send(request, stream=True)
        try:
            if response.is_success:
                return None
            asked = retry_after(
                response.headers.get("retry-after"), date=response.headers.get("date"), now_ms=now_ms
            )
            return Failure(f"it answered {response.status_code}", asked)
        finally:
            await response.aclose()  # its body is not read, however long it is


def _checked_url(text: str) -> httpx2.URL:
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        url = None
    if url is None or not url.host or url.scheme not in ("http", "https"):
        raise StartupError("[alarms] webhook_url is not an address that can be posted to.")
    return url


def _keys(text: str) -> tuple[bytes, ...]:
    """The bytes of the secret; none when none is set."""
    if not text:
        return ()
    try:
        if text.startswith(webhooks.PREFIX):
            return (webhooks.key(text),)
    except webhooks.SecretFault:
        pass
    raise StartupError(
        "[alarms] webhook_secret is `whsec_` and the base64 of 24 to 64 bytes. One way to make one: "
        'echo "whsec_$(openssl rand -base64 32)".'
    )


def _phrase(error: BaseException) -> str:
    """What kind of failure it is; the error's own text may hold the address."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return "its certificate is not to be trusted"
        if isinstance(seen, ssl.SSLError):
            return "TLS failed"
        seen = seen.__cause__ or seen.__context__
    return "it cannot be reached" if isinstance(error, httpx2.ConnectError) else "the connection broke"
