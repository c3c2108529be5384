"""Why a request got no answer, in words that say what to change."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator

_WORDS = {
    errno.ECONNREFUSED: "nothing listens there",
    errno.ECONNRESET: "it closed the connection",
    errno.EHOSTUNREACH: "there is no way to that machine",
    errno.ENETUNREACH: "there is no network to it",
}


def phrase(error: BaseException) -> str:
    """The innermost reason that means something to people, without a full stop."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message})"
        if isinstance(cause, ssl.SSLError) and cause.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
            return "it does not speak TLS there; write http:// if that is meant"
        if isinstance(cause, socket.gaierror):
            return "its name is not known here"
        if isinstance(cause, TimeoutError):
            return "it has said nothing for too long"
        if isinstance(cause, OSError) and cause.errno in _WORDS:
            return _WORDS[cause.errno]
    return (str(error) or type(error).__name__).rstrip(".")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that led to it, also where several tries failed together."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop(0)
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
        waiting += (each.__cause__, each.__context__)
