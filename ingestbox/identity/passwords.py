"""Passwords: which are taken (NIST SP 800-63B), how they are kept (scrypt), and hashing off the loop."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import re
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from ingestbox.errors import IngestError

log = logging.getLogger(__name__)

T = TypeVar("T")

MIN_CHARACTERS = 12
MAX_BYTES = 1_024

MAX_TYPED_BYTES = 4 * MAX_BYTES
"""Before `normalised`, which makes text shorter at most so many times. What is longer is no password, and is
not normalised: a long run of accents takes time with the square of its length, and holds up every thread."""

AT_ONCE = 2
"""Hashes computed at once: 32 MB at most, and as many cores."""

WAITING = 32
"""Hashes that may wait for their turn: some four seconds of work. Past it 503."""

RETRY_AFTER_SECONDS = 2

# 16 and 32 bytes in base64 without padding, as in a PHC string.
_STORED = re.compile(
    r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,2}),p=([0-9]{1,2})\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})"
)
_MOST = (20, 32, 16)
"""Above COST by far. A flipped bit in a stored hash must not make the box compute for a year."""

SALT_BYTES = 16
_HASH_BYTES = 32


class Cost(NamedTuple):
    """scrypt's parameters; N is 2 to the power of `ln`."""

    ln: int
    r: int
    p: int


COST = Cost(14, 8, 5)
"""One of the equal choices of OWASP's Password Storage Cheat Sheet: 16 MiB, and 0.1 to 0.2 s of one core."""


def normalised(password: str) -> str:
    """NFKC: the same password typed on another keyboard gives the same characters (NIST SP 800-63B)."""
    return unicodedata.normalize("NFKC", password)


def weakness(password: str, email: str = "") -> str | None:
    """What is wrong with a new password, as the end of a sentence, or None. Any character may be in it."""
    if _is_too_long(password) or len((text := normalised(password)).encode()) > MAX_BYTES:
        return f"must have {MAX_BYTES} bytes or less"
    if len(text) < MIN_CHARACTERS:
        return f"must have {MIN_CHARACTERS} characters or more"
    if len(set(text)) == 1:
        return "must not be one character repeated"
    if email and text.strip().casefold() in (email.casefold(), email.rpartition("@")[0].casefold()):
        return "must not be the e-mail address"
    return None


def generated(material: bytes | None = None) -> str:
    """A password of 128 bits: random ones, or the first of `material`."""
    return secrets.token_urlsafe(16) if material is None else _urlsafe(material[:16])


def hashed(password: str, salt: bytes | None = None, cost: Cost = COST) -> str:
    """`$scrypt$ln=…,r=…,p=…$salt$hash`; `salt` is random unless given. Takes COST's time, in this thread."""
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    digest = _scrypt(password, salt, cost)
    return f"$scrypt$ln={cost.ln},r={cost.r},p={cost.p}${_b64(salt)}${_b64(digest)}"


def matches(password: str, stored: str) -> bool:
    """Whether this is the password; compared in constant time. Raises ValueError for a damaged hash."""
    cost, salt, digest = _parsed(stored)
    return hmac.compare_digest(_scrypt(password, salt, cost), digest)


def is_outdated(stored: str) -> bool:
    """Whether the hash was made with other parameters than COST."""
    return _parsed(stored)[0] != COST


class Hasher:
    """Hashes in threads of its own, AT_ONCE at once, so that a storm of logins blocks nobody else."""

    def __init__(self) -> None:
        """The threads start with the first use."""
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="passwords")
        self._under_way = 0
        # The cost of a real one, and no password that gives it.
        self._nobody = f"$scrypt$ln={COST.ln},r={COST.r},p={COST.p}${_b64(bytes(16))}${_b64(bytes(32))}"

    async def hashed(self, password: str, salt: bytes | None = None) -> str:
        """`hashed`. Raises IngestError `overloaded` when too many wait."""
        return await self._run(lambda: hashed(password, salt))

    async def matches(self, password: str, stored: str | None) -> bool:
        """`matches`; without a stored hash, with a damaged one, or for a text that is too long to be a
        password, it is False after the same work.

        Raises IngestError `overloaded` when too many wait.
        """
        if stored is not None and _parts(stored) is None:
            log.error("The hash of a password is damaged; nobody can log in with it.")
            stored = None
        if _is_too_long(password):
            password, stored = "", None
        found = await self._run(lambda: matches(password, stored or self._nobody))
        return found and stored is not None

    @property
    def under_way(self) -> int:
        """Hashes that run or wait."""
        return self._under_way

    def close(self) -> None:
        """Drops what waits; what runs ends within a second."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._under_way >= AT_ONCE + WAITING:
            raise IngestError(
                "overloaded", "Too many passwords wait to be checked.", retry_after=RETRY_AFTER_SECONDS
            )
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._under_way -= 1


def _is_too_long(password: str) -> bool:
    return len(password.encode()) > MAX_TYPED_BYTES


def _scrypt(password: str, salt: bytes, cost: Cost) -> bytes:
    data = normalised(password).encode()
    n = 1 << cost.ln
    return hashlib.scrypt(
        data, salt=salt, n=n, r=cost.r, p=cost.p, maxmem=256 * n * cost.r, dklen=_HASH_BYTES
    )


def _parsed(stored: str) -> tuple[Cost, bytes, bytes]:
    found = _parts(stored)
    if found is None:
        raise ValueError("this is not the hash of a password")
    return found


def _parts(stored: str) -> tuple[Cost, bytes, bytes] | None:
    match = _STORED.fullmatch(stored)
    if match is None:
        return None
    ln, r, p, salt, digest = match.groups()
    cost = Cost(int(ln), int(r), int(p))
    if any(not 1 <= value <= most for value, most in zip(cost, _MOST, strict=True)):
        return None
    return cost, _bytes(salt), _bytes(digest)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _urlsafe(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))
