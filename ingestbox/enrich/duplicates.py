"""When two texts are the same one, written down differently."""

from __future__ import annotations

import hashlib

from ingestbox.enrich.folding import UNSEEN, nfc
from ingestbox.enrich.markup import plain


def text_hash(content: str) -> bytes:
    """SHA-256 of a text (32 bytes) without regard to case, white space, characters that take no room, how its
    letters are composed, and whether it came as HTML (contract: knowledge, Processing 2).

    Depends on the text, the rules of `markup` and Unicode's tables; not on the lists of what is boilerplate,
    for those change. Linear in the length of the text.
    """
    text = nfc(UNSEEN.sub("", plain(content).text))
    return hashlib.sha256("".join(nfc(text.casefold()).split()).encode("utf-8", "surrogatepass")).digest()
