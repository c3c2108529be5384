"""Taking an e-mail address out of an article and what was found out about it.

An article is about its subject, and not about those whom it names: a mark takes the address's place, and the
rest stays, its quality as well. What has places in the text is made anew, or moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ingestbox.enrich.duplicates import text_hash
from ingestbox.enrich.fingerprint import fingerprint
from ingestbox.enrich.passages import passages
from ingestbox.enrich.searched import written
from ingestbox.families.knowledge.contents import content_id
from ingestbox.families.knowledge.result import Found, Named
from ingestbox.family import Address, Subjects

_found = msgspec.json.Decoder(Found).decode
_members = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


def redact(kind: str, record: bytes, result: bytes, address: Address) -> tuple[bytes, bytes]:
    """Record and result without it. Members of the result that nobody knows here stay, without it.

    Raises whatever it meets in what is no article.
    """
    clean = address.in_json(record) or record
    found, members = _found(result), _members(result)
    spans = address.spans(found.text)
    if spans:
        text = _replaced(found.text, address)
        gone = set(written(found.text)) - set(written(text))
        members |= {
            "text": text,
            "passages": [{"start": each.start, "end": each.end} for each in passages(text)],
            "keywords": [each for each in found.keywords if gone.isdisjoint(written(each))],
            "entities": _entities(found, spans, len(text), address),
            "fingerprint": fingerprint(text).hex,
        }
    content = _members(clean).get("content")
    if clean != record and isinstance(content, str):
        members["text_hash"] = text_hash(content).hex()
    made = _encode(members)
    return clean, address.in_json(made) or made


def _replaced(text: str, address: Address) -> str:
    made: str = msgspec.json.decode(address.in_json(_encode(text)) or _encode(text))
    return made


def _entities(found: Found, spans: Sequence[tuple[int, int]], length: int, address: Address) -> list[Named]:
    """The entities where they are now, without those that are part of the address."""
    gone = sum(end - start for start, end in spans)
    mark = (length - len(found.text) + gone) // len(spans)
    kept: list[Named] = []
    for each in found.entities:
        start, end = each.start, each.end
        if address.spans(each.text):
            continue
        if start is None or end is None:
            kept.append(each)
        elif not any(first < end and start < last for first, last in spans):
            by = sum(mark - (last - first) for first, last in spans if last <= start)
            kept.append(msgspec.structs.replace(each, start=start + by, end=end + by))
    return kept


def _nobody(_: bytes) -> list[str]:
    return []


SUBJECTS = Subjects(_nobody, lambda _, record: content_id(record))
"""No article is all about one person; each is called by its record."""
