"""An e-mail address in texts, however it is spelt there: finding it, and putting a mark in its place.

Compared are texts without case, in NFC and without what cannot be seen; the `@` and other signs may be
written as in an address of the web, the `@` also as in HTML, in JSON or in mail, and a domain in either of
its forms. An address is whole: `anna@x.com` is neither in `joanna@x.com` and `o'anna@x.com` nor in
`anna@x.com.vn`. So one that runs into the next sentence without a blank (`anna@x.com.Thanks`) is taken for a
longer address and not found, but for scripts that have no blanks; neither is one that is only meant ("anna
at x dot com"), nor one in Base64 or in a file within a text, nor another address of the same person.
"""

from __future__ import annotations

import bisect
import itertools
import re
import unicodedata
from collections.abc import Iterator
from typing import Final

import msgspec

from ingestbox.enrich.folding import UNSEEN, nfc

MARK: Final = "[erased]"
"""What stands in the place of an address."""

_MARKS = "\u0300-\u036f"
SOLID: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7ff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
"""Scripts in which a word follows an address without a blank: Thai, Lao, Burmese, Khmer, Japanese, Chinese;
and Korean, whose particles do."""

_AT: Final = r"(?:[@＠]|%40|=40|&#0*64;|&#x0*40;|&commat;|\\u0040)"
_FILES: Final = r"(?:csv|tsv|txt|xlsx|json|xml|pdf|eml|log)(?![^\W_]|[.-]+[^\W_])"
"""Endings of files that are called by an address; none of them is a domain."""

_SIGN: Final = re.compile(r"[^\w.\-~]", re.ASCII)
_RUN: Final = re.compile(r"[\x00-\x7f]+(?![^\x00-\x7f])|.[^\x00-\x7f]*", re.DOTALL)
PIECE = 256
"""Characters of a text that are folded together; those of one that has the address then one by one."""

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_ODD: Final = (
    rb"\\u(?:00[2-7ad]|017f|1e9e|200[b-f]|206|212a|fb0|feff)|\xc2\xad|\xc5\xbf|\xe2\x80[\x8b-\x8f]"
    rb"|\xe2\x81[\xa0-\xa4]|\xe2\x84\xaa|\xef\xac[\x80-\x86]|\xef\xbb\xbf"
)
"""What an ASCII address may be hidden behind: an escape, a letter that is some of ASCII without its case,
what cannot be seen."""

_SHARP: Final = rb"|\xc3\x9f|\xe1\xba\x9e"
"""The same for `ss`: whole languages have it."""

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
        self._before = re.compile(_before(self._local[0]))
        local = _SIGN.sub(_or_encoded, self._local)
        names = "|".join(re.escape(each) + _after(each[-1]) for each in self._domains)
        self._pattern = re.compile(f"{local}{_AT}(?:{names})")
        self._hint = max(_SIGN.split(self._local), key=len).encode()
        self._odd = re.compile(_ODD + _SHARP if "ss" in self.key else _ODD, re.IGNORECASE)
        self._ascii = [each.encode() for each in self._domains if (self._local + each).isascii()]

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where it stands in a text: places of its first character, and of the one after it."""
        if text.isascii():
            return list(self._found(text.lower()))
        if not any(self._found(_plain(text))):
            return []
        pieces = _pieces(text)
        folded = [_plain(text[start:end]) for start, end in pieces]
        ends = list(itertools.accumulate(map(len, folded)))
        places = _Places(text, pieces, ends)
        return [(places.of(start), places.of(end)) for start, end in self._found("".join(folded))]

    def _found(self, folded: str) -> Iterator[tuple[int, int]]:
        # What is before is looked at afterwards: a pattern that begins with letters is found much faster.
        at = 0
        while match := self._pattern.search(folded, at):
            whole = self._before.match(folded, match.start()) is not None
            at = match.end() if whole else match.start() + 1
            if whole:
                yield match.span()

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
            if self._hint in low and any(domain in low for domain in self._ascii):
                return True
            if self._odd.search(data) is not None:
                return True
        if len(self._ascii) == len(self._domains):
            return False
        if data.isascii() and b"\\u" not in data and b"%" not in data:
            return False
        return b"\\u" in data or any(self._found(_plain(data.decode("utf-8", "replace"))))

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
            if (erased := self.replace(text)) != text:
                parts += (data[done : string.start()], msgspec.json.encode(erased))
                done = string.end()
        return b"".join((*parts, data[done:])) if parts else None


def _plain(text: str) -> str:
    if text.isascii():
        return text.lower()
    return UNSEEN.sub("", nfc(nfc(text).casefold()))


class _Places:
    """Where characters of a folded text, and its end, are in the original; for few of them at a time."""

    def __init__(self, text: str, pieces: list[tuple[int, int]], ends: list[int]) -> None:
        self._text = text
        self._pieces = pieces
        self._ends = ends
        self._number = -1
        self._known: list[int] = []

    def of(self, place: int) -> int:
        """The place of one."""
        number = bisect.bisect_right(self._ends, place)
        if number == len(self._pieces):
            return len(self._text)
        start, end = self._pieces[number]
        if number != self._number:
            self._number, self._known = number, _origins(self._text[start:end])
        return start + self._known[place - (self._ends[number - 1] if number else 0)]


def _pieces(text: str) -> list[tuple[int, int]]:
    """Where a text may be cut so that its pieces are folded like the whole of it."""
    cuts = [0]
    while cuts[-1] < len(text):
        at = min(cuts[-1] + PIECE, len(text))
        while at < len(text) and _belongs_to_the_last(text[at]):
            at += 1
        cuts.append(at)
    return list(itertools.pairwise(cuts))


def _origins(text: str) -> list[int]:
    """For each character of a text as it is compared its place in the original."""
    places: list[int] = []
    for run in _RUN.finditer(text):
        first, end = run.span()
        if run[0].isascii():
            places += range(first, end)
            continue
        starts = [at for at in range(first, end) if at == first or not _belongs_to_the_last(text[at])]
        for start, after in zip(starts, [*starts[1:], end], strict=True):
            places += [start] * len(_plain(text[start:after]))
    return places


def _before(first: str) -> str:
    """What has to be before a whole address that begins so."""
    letter = rf"[^\W{SOLID}]" if first.isascii() else r"\w"
    return (
        rf"(?<!{letter})(?<![{_MARKS}])(?<!\w[.+\-'&])"  # no part of a longer name
        r"|(?<=%[0-9a-f][0-9a-f])|(?<=\\[nrt])"  # but after a character that is written out
    )


def _after(last: str) -> str:
    """What has to follow a whole address that ends so."""
    letter = rf"[^\W_{SOLID}]" if last.isascii() else r"[^\W_]"
    return rf"(?!{letter}|[{_MARKS}])(?!\.(?!{_FILES}){letter})(?!-+{letter})"


def _or_encoded(sign: re.Match[str]) -> str:
    """A sign as it is, or as in an address of the web (RFC 3986, 2.1)."""
    encoded = "".join(f"%{byte:02x}" for byte in sign[0].encode())
    return f"(?:{re.escape(sign[0])}|{encoded})"


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
