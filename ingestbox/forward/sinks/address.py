"""Where a lane posts to, and what it may carry there: its URL and its token."""

from __future__ import annotations

import httpx2

from ingestbox import config
from ingestbox.errors import StartupError

_OWN = frozenset(
    {"accept", "accept-encoding", "connection", "content-digest", "content-encoding", "content-length"}
    | {"content-type", "cookie", "expect", "host", "idempotency-key", "te", "trailer", "transfer-encoding"}
    | {"upgrade", "user-agent"}
)
_OWN_BEGIN = ("ingestbox-", "webhook-", "proxy-")


def shown_url(url: str) -> str:
    """The address without what may be secret in it: user, password, query."""
    parsed = httpx2.URL(url)
    return str(parsed.copy_with(username=None, password=None, query=None, fragment=None))


def checked_url(lane: config.Lane) -> httpx2.URL:
    """The lane's URL. Raises StartupError for one that cannot be posted to."""
    try:
        url = httpx2.URL(lane.url)
    except httpx2.InvalidURL:
        url = None
    if url is None or not url.host:
        raise StartupError(f"Lane {lane.name}: its url is not one that can be posted to.")
    return url


def credentials(lane: config.Lane, url: httpx2.URL) -> dict[str, str]:
    """The header with the lane's token, if it has one.

    A user and a password in the URL become `Authorization: Basic` by themselves. Raises StartupError, without
    showing the token, for one that no header can carry, and for a header that says something else already.
    """
    name = lane.token_header or "Authorization"
    if name.lower() in _OWN or name.lower().startswith(_OWN_BEGIN):
        raise StartupError(
            f"Lane {lane.name}: token_header: the box says something else in {name}. Choose another header, "
            "such as X-API-Key."
        )
    if not lane.token:
        return {}
    if name.lower() == "authorization" and (url.username or url.password):
        raise StartupError(
            f"Lane {lane.name}: token and the user in its url would both be sent as {name}. Leave one out, "
            "or set token_header."
        )
    carried = lane.token.isascii() and lane.token.isprintable() and lane.token == lane.token.strip()
    if not carried or (" " in lane.token and not lane.token_header):
        raise StartupError(f"Lane {lane.name}: its token has characters that a header cannot carry.")
    return {name: lane.token if lane.token_header else f"Bearer {lane.token}"}
