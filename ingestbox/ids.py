"""Identifiers that sort by time, so that their indexes grow at one end."""

from __future__ import annotations

import secrets
import uuid


def time_uuid(now_ms: int) -> str:
    """A UUID of version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then 74 random bits."""
    value = (now_ms & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76 | secrets.randbits(12) << 64
    value |= 0b10 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))


def box_name() -> str:
    """A new box's name: `b` and 16 hexadecimal digits."""
    return "b" + secrets.token_hex(8)


def epoch(now_ms: int) -> str:
    """A new epoch: `e`, the time, and random digits; two epochs of a box are never equal."""
    return f"e{now_ms:012x}{secrets.token_hex(4)}"


def epoch_ms(name: str) -> int | None:
    """When an epoch began, in Unix milliseconds; None for one of another making."""
    try:
        return int(name[1:13], 16) if len(name) == 21 else None
    except ValueError:
        return None


_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


def prefixed(prefix: str, now_ms: int) -> str:
    """`<prefix>_<ms since epoch>_<9 base36>` with 46 random bits, such as `upl_1732245600000_4f0k2m9qz`
    (contract: audience, Ids)."""
    return f"{prefix}_{now_ms}_{''.join(secrets.choice(_BASE36) for _ in range(9))}"
