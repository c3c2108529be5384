"""What an upstream has against a connection on which nothing was asked yet.

With TLS 1.3 a server judges our certificate after the handshake, for us, is over. What it says of it is lost
when it hangs up on a body that is still being written, and only "the connection broke" remains. On a
connection without a request it can be heard.
"""

from __future__ import annotations

import ssl

import httpcore2
import httpx2

from ingestbox.forward.sink import Pause
from ingestbox.forward.sinks import tls

CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 1.0
"""An upstream that says nothing for so long waits for a request, as it should."""


async def objection(url: httpx2.URL, context: ssl.SSLContext) -> Pause | None:
    """Why connections break before anything is asked; None when they do not, or none comes about.

    Many servers, and ingestbox is one, hang up on a certificate without a word. One that is stopping does so,
    too, but only once: after that nobody accepts. So it is a pause when two connections in a row end so.
    """
    found = await _listen(url, context)
    return await _listen(url, context) if found == _HUNG_UP else found


_HUNG_UP = Pause("hung_up")


async def _listen(url: httpx2.URL, context: ssl.SSLContext) -> Pause | None:
    backend = httpcore2.AnyIOBackend()
    try:
        stream = await backend.connect_tcp(url.host, url.port or 443, timeout=CONNECT_SECONDS)
        try:
            stream = await stream.start_tls(context, url.host, timeout=CONNECT_SECONDS)
            ended = not await stream.read(1, timeout=SILENCE_SECONDS)
        finally:
            await stream.aclose()
    except (httpcore2.ReadError, ssl.SSLError) as error:
        reason = tls.refused(error)
        return _HUNG_UP if reason is None else Pause(reason)
    except (httpcore2.NetworkError, httpcore2.TimeoutException):
        return None
    return _HUNG_UP if ended else None
