"""An e-mail address in texts, however it is spelt there: finding it, and putting a mark in its place.

Compared are texts without case, in NFC and without what cannot be seen; the `@` may be written as in an
address of the web or in HTML, and a domain in either of its forms. An address is whole: `anna@x.com` is
neither in `joanna@x.com` and `o'anna@x.com` nor in `anna@x.com.vn`. So one that runs into the next sentence
without a blank (`anna@x.com.Thanks`) is taken for a longer address and not found; neither is one that is
only meant ("anna at x dot com"), nor another address of the same person.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

import msgspec

MARK: Final = "[erased]"
"""What stands in the place of an address."""

_MARKS = "\u0300-\u036f"
_BEFORE: Final = re.compile(
    rf"(?<![\w{_MARKS}])(?<!\w[.+\-'&])"  # no part of a longer name
    r"|(?<=%[0-9a-f][0-9a-f])|(?<=\\[nrt])"  # but after a character that is written out
)
_AT: Final = r"(?:@|%40|&#64;|&#x40;)"
_FILES: Final = r"(?:csv|tsv|txt|xlsx|json|xml|pdf|eml|log)(?![^\W_]|[.-]+[^\W_])"
"""Endings of files that are called by an address; none of them is a domain."""

_AFTER: Final = rf"(?![^\W_]|[{_MARKS}])(?!\.(?!{_FILES})[^\W_])(?!-+[^\W_])"

_UNSEEN: Final = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")
_WORD: Final = re.compile(r"\S+")
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_ODD: Final = re.compile(
    rb"\\u(?:00[2-7ad]|017f|200[b-f]|206|212a|feff)|\xc2\xad|\xc5\xbf|\xe2\x80[\x8b-\x8f]|\xe2\x81[\xa0-\xa4]"
    rb"|\xe2\x84\xaa|\xef\xbb\xbf",
    re.IGNORECASE,
)
"""What an ASCII address may be hidden behind: an escape, a letter that is one of ASCII without its case, what
cannot be seen."""

_text = msgspec.json.Decoder(str)


def key_of(email: str) -> str:
    """What an address is compared by: without blanks around it, in NFC, case-folded.

    >>> key_of(" Anna@EXAMPLE.com ")
    'anna@example.com'
    """
    return _plain(email.strip())


class Spellings:
    """One address. `email` has a local part and a domain, with an `@` between."""

    def __init__(self, email: str) -> None:
        self.key = key_of(email)
        self._local, _, domain = self.key.rpartition("@")
        self._domains = sorted({domain, *_other_forms(domain)})
        # No character becomes more than three by being folded.
        self._least = (len(self._local) + 1 + min(map(len, self._domains))) // 3
        names = "|".join(map(re.escape, self._domains))
        self._pattern = re.compile(f"{re.escape(self._local)}{_AT}(?:{names}){_AFTER}")
        self._ascii = [each.encode() for each in self._domains if (self._local + each).isascii()]

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where it stands in a text: places of its first character, and of the one after it."""
        if text.isascii():
            return self._found(text.lower())
        if not self._found(_plain(text)):
            return []
        spans: list[tuple[int, int]] = []
        for word in _WORD.finditer(text):  # finding the places takes long, and an address has no blanks
            if word.end() - word.start() >= self._least and self._found(_plain(word[0])):
                folded, places = _folded(word[0])
                first = word.start()
                spans += [(first + places[start], first + places[end]) for start, end in self._found(folded)]
        return spans

    def _found(self, folded: str) -> list[tuple[int, int]]:
        # What is before is looked at afterwards: a pattern that begins with letters is found much faster.
        found: list[tuple[int, int]] = []
        at = 0
        while match := self._pattern.search(folded, at):
            whole = _BEFORE.match(folded, match.start()) is not None
            at = match.end() if whole else match.start() + 1
            if whole:
                found.append(match.span())
        return found

    def is_in(self, text: str | None) -> bool:
        """Whether a text has it."""
        return text is not None and bool(self.spans(text))

    def is_all_of(self, text: str | None) -> bool:
        """Whether a text is nothing else, but for blanks around it."""
        return text is not None and self.spans(text.strip()) == [(0, len(text.strip()))]

    def replace(self, text: str) -> str:
        """The text with the mark in its place."""
        spans = self.spans(text)
        if not spans:
            return text
        ends = [0, *(end for _, end in spans)]
        kept = [text[end:start] for end, (start, _) in zip(ends, spans, strict=False)]
        return MARK.join([*kept, text[spans[-1][1] :]])

    def may_be_in(self, data: bytes) -> bool:
        """False if the UTF-8 or JSON has it in no spelling; a true answer is no more than a guess. Fast."""
        if self._ascii:
            low = data.lower()
            if self._local.encode() in low and any(domain in low for domain in self._ascii):
                return True
            if _ODD.search(data) is not None:
                return True
        if len(self._ascii) == len(self._domains) or (data.isascii() and b"\\u" not in data):
            return False
        return b"\\u" in data or bool(self._found(_plain(data.decode("utf-8", "replace"))))

    def in_json(self, data: bytes) -> bytes | None:
        """The JSON with the mark in its place in every string and name, and else byte for byte as it is; None
        if it is in none."""
        if not self.may_be_in(data):
            return None
        parts: list[bytes] = []
        done = 0
        for string in _STRING.finditer(data):
            try:
                text = _text.decode(string[0])
            except (msgspec.DecodeError, UnicodeDecodeError):  # half a character: no address is in it
                continue
            if self.spans(text):
                parts += (data[done : string.start()], msgspec.json.encode(self.replace(text)))
                done = string.end()
        return b"".join((*parts, data[done:])) if parts else None


def _plain(text: str) -> str:
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return _UNSEEN.sub("", folded)


def _folded(text: str) -> tuple[str, list[int]]:
    """The text as it is compared, and for each of its characters, and its end, the place in the original."""
    starts = [at for at, character in enumerate(text) if not _belongs_to_the_last(character)]
    if not starts or starts[0] != 0:
        starts.insert(0, 0)
    folded: list[str] = []
    places: list[int] = []
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        piece = _plain(text[start:end])
        folded.append(piece)
        places += [start] * len(piece)
    return "".join(folded), [*places, len(text)]


def _belongs_to_the_last(character: str) -> bool:
    """Whether it composes with what is before it: a diacritic, or the rest of a Korean syllable."""
    return unicodedata.combining(character) > 0 or "\u1160" <= character <= "\u11ff"


def _other_forms(domain: str) -> list[str]:
    """A domain in ASCII (RFC 5891) and in its own letters, as far as it has both forms."""
    forms: list[str] = []
    try:
        forms.append(domain.encode("idna").decode("ascii").lower())
        forms.append(_plain(domain.encode("ascii").decode("idna")))
    except (UnicodeError, ValueError):
        pass
    return [form for form in forms if form]
