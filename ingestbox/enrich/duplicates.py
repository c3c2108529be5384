"""When two texts are the same one, written down differently."""

from __future__ import annotations

import hashlib

from ingestbox.enrich.folding import nfc


def text_hash(text: str) -> bytes:
    """SHA-256 of a text without regard to case, white space, and how its letters are composed (contract:
    knowledge, Processing 2)."""
    return hashlib.sha256("".join(nfc(text).casefold().split()).encode()).digest()
