"""An upstream's own words about what it refuses: a code and a sentence, fit to be stored and shown; pure.

Whatever an upstream sends, what is kept is short and printable: it is shown in terminals, pages and logs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

MOST_CODE, MOST_MESSAGE = 64, 500
"""Characters kept of what an upstream says about a line."""

REFUSAL_BYTES = 16_384
"""The part of an answer that is read for what it says of a refused batch."""

_CODES = ("code", "error_code", "reason")
_SENTENCES = ("detail", "message", "error_description", "description", "title")
_TAG = re.compile(r"<[^<>]{0,500}>")


def clean(text: str, most: int) -> str:
    """The text in one line of at most so many characters, all of which can be shown. What is too long ends
    with a whole word, if it has words: half an address would be found by no erasure of that person."""
    shown = "".join(each if each.isprintable() else " " for each in text[: 4 * most])
    line = " ".join(shown.split())
    if len(line) <= most and len(text) <= 4 * most:
        return line
    kept = line[: most + 1].rpartition(" ")[0]
    return kept or line[:most]


def coded(text: str) -> str:
    """The text as a code. It stands in logs and in reasons, too: nothing for what may name a person."""
    found = clean(text, MOST_CODE)
    return "" if "@" in found else found


def said(body: bytes) -> tuple[str, str]:
    """The code and the sentence in the body of a refusal; each may be empty.

    Understood are problem+json (RFC 9457) and the JSON that is common: members at the top, in `error`, or in
    the first of `errors`. Of anything else, some of its text is the sentence.
    """
    text = body[:REFUSAL_BYTES]
    try:
        answer = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        plain = text.decode("utf-8", "replace").replace("\ufffd", " ")
        return "", clean(_TAG.sub(" ", plain), MOST_MESSAGE)
    code = sentence = ""
    for part in _parts(answer):
        if isinstance(part, str):
            sentence = sentence or clean(part, MOST_MESSAGE)
            continue
        given = _first(part, _CODES)
        code = code or coded(given)
        told = _first(part, _SENTENCES) or (given if "@" in given else "")
        sentence = sentence or clean(told, MOST_MESSAGE)
    return code, sentence


def _parts(answer: Any) -> Iterator[dict[str, Any] | str]:
    """Where words may stand, the outermost first."""
    if isinstance(answer, str):
        yield answer
    if not isinstance(answer, dict):
        return
    yield answer
    for inner in (answer.get("error"), answer.get("errors")):
        one = inner[0] if isinstance(inner, list) and inner else inner
        if isinstance(one, dict | str):
            yield one


def _first(part: dict[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        value = part.get(name)
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return ""
