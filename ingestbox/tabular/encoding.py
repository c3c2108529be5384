"""Which encoding a file is in: by its byte order mark, by being UTF-8 to the end, or by its letters."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from ingestbox.tabular import legacy, magic
from ingestbox.tabular.decoding import utf8_quality
from ingestbox.tabular.lines import block
from ingestbox.tabular.problem import NotTabular
from ingestbox.tabular.shapes import NOTICE_LINES, Choice, Evidence

SCAN_BYTES = 1 << 20
SAMPLE_BYTES = 48 << 10
SAMPLE_LINE_BYTES = 2 << 10
BOMS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
WIDE = frozenset({"utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"})
"""Not ASCII with something added: their rows are read from a UTF-8 copy."""
REFUSED = frozenset({"utf-7", "hz", "idna", "punycode", "unicode_escape", "raw_unicode_escape"})
UTF8_SHARE = 0.05
"""From this share of the lines outside ASCII, a file is UTF-8 with other lines in it, and not the reverse."""

# UTF-8 taken for CP1252 and encoded again: "Ã©", "áº¿", "Ä‘", "Æ°", "â€™".
_TWICE = re.compile(
    rb"\xc3(?:[\x82\x83]\xc2[\x80-\x9f\xa1-\xbf]|\xa1\xc2[\xba\xbb][\xc2\xc5\xc6\xcb\xe2]"
    rb"|\x84\xe2\x80\x98|\x86\xc2[\xa1\xb0]|\xa2\xe2\x82\xac)"
)
_TWICE_SIGNS = "ÃÂ»ºÄÆ€"


class Encoding(msgspec.Struct, frozen=True, kw_only=True):
    """An encoding, why, and how sure it is."""

    name: str
    confidence: float
    evidence: Evidence
    bom: int = 0
    """Bytes before the text."""
    second: str = ""
    """The encoding of lines that are not in the first one; empty: not known."""
    alternatives: list[Choice] = []
    odd_lines: int = 0
    """Lines that are not in the first encoding."""
    odd_at: list[int] = []
    """The first of them."""
    twice: int = 0
    """Places where UTF-8 seems to be encoded once more."""
    twice_at: list[int] = []


def find(path: Path, given: str | None = None) -> Encoding:
    """The encoding of a file, which is read once or twice, in bounded memory.

    Raises:
        NotTabular: it is empty or no text, or the encoding given is not known.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(64 << 10)
        if not head:
            raise NotTabular("file_empty", "The file is empty.")
        magic.refuse(head)
        mark, marked = next(((mark, name) for mark, name in BOMS if head.startswith(mark)), (b"", ""))
        if given:
            return _given(file, given, mark, marked)
        if marked and marked != "utf-8":
            return Encoding(name=marked, confidence=1.0, evidence="bom", bom=len(mark))
        if b"\0" in head and (wide := _by_zeros(head)):
            return Encoding(name=wide, confidence=0.95, evidence="pattern")
        magic.refuse_controls(head)
        quick = _strict(file, len(mark))
        if isinstance(quick, Encoding):
            return quick
        return _by_lines(file, len(mark))


def named(name: str) -> str:
    """The codec of an encoding's name, as a person writes it.

    Raises:
        NotTabular: there is none, or no table can be read in it.
    """
    try:
        codec = codecs.lookup(name.strip()[:64])
        sound = codec.name not in REFUSED
        'a,;\t"\n'.encode(codec.name)
    except (LookupError, ValueError, UnicodeError):
        sound = False
    if not sound:
        raise NotTabular("bad_given", f"There is no text encoding called {name[:64]!r}.")
    found = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(codec.name, codec.name)
    if found not in WIDE and ",;\t|\"'\r\n".encode(found) != b",;\t|\"'\r\n":
        raise NotTabular("bad_given", f"No table can be read in the encoding {found}.")
    return found


def _given(file: BinaryIO, given: str, mark: bytes, marked: str) -> Encoding:
    name = named(given)
    # "utf-16" says nothing of the order of bytes; the mark does.
    if marked and marked[:6] == name[:6]:
        name = marked
    if name not in WIDE:
        file.seek(0)
        for _ in _blocks_without_zeros(file):
            pass
    bom = len(mark) if name == marked else 0
    return Encoding(name=name, confidence=1.0, evidence="given", bom=bom)


def _by_zeros(head: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark, by where their zero bytes stand; None: zeros of some other kind."""
    size = len(head) // 4 * 4
    if size < 4:
        return _decodes(head, "utf-16-le") or _decodes(head, "utf-16-be")
    zeros = [head[place:size:4].count(0) for place in range(4)]
    quarter = size // 4
    if min(zeros[2], zeros[3]) > 0.9 * quarter and zeros[0] < 0.5 * quarter:
        return _decodes(head[:size], "utf-32-le")
    if min(zeros[0], zeros[1]) > 0.9 * quarter and zeros[3] < 0.5 * quarter:
        return _decodes(head[:size], "utf-32-be")
    even, odd = zeros[0] + zeros[2], zeros[1] + zeros[3]
    # The other bytes are zero now and then: U+AC00 is a Korean syllable.
    few = max(even, odd) * 0.3
    if even <= few and odd * 50 > size:
        return _decodes(head[:size], "utf-16-le")
    if odd <= few and even * 50 > size:
        return _decodes(head[:size], "utf-16-be")
    return None


def _decodes(head: bytes, name: str) -> str | None:
    """The name, if the bytes make a text in it: no stray controls, and an end of line or a delimiter."""
    text = codecs.getincrementaldecoder(name)(errors="replace").decode(head)
    odd = sum(not char.isprintable() and char not in "\t\r\n\ufeff\u200b" for char in text)
    odd += text.count("\ufffd")
    return name if text and odd * 50 <= len(text) and any(mark in text for mark in "\n\r,;\t|") else None


def _blocks_without_zeros(file: BinaryIO) -> Iterator[bytes]:
    lines = 1
    while data := file.read(SCAN_BYTES):
        zero = data.find(0)
        if zero >= 0:
            line = lines + data.count(b"\n", 0, zero)
            raise NotTabular("nul_bytes", f"Line {line} has a NUL byte: this is no text.", line)
        lines += data.count(b"\n")
        yield data


def _strict(file: BinaryIO, bom: int) -> Encoding | None:
    """UTF-8, if the whole file is."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(bom)
    plain = True
    valid = True
    twice = 0
    twice_at: list[int] = []
    escapes = b""
    for data in _blocks_without_zeros(file):
        if data.isascii() and plain:
            if not escapes and b"\x1b$" in data:
                at = data.find(b"\x1b$")
                escapes = data[at : at + SAMPLE_BYTES]
            continue
        plain = False
        if not valid:
            continue
        try:
            text = decoder.decode(data)
        except UnicodeDecodeError:
            # The zeros of all the rest are still looked for.
            valid = False
            continue
        # Most texts have none of these, which is seen faster.
        if any(sign in text for sign in _TWICE_SIGNS) and (found := len(_TWICE.findall(data))):
            twice += found
            if len(twice_at) < NOTICE_LINES:
                twice_at += _lines_of(file, data, bom)[: NOTICE_LINES - len(twice_at)]
    try:
        decoder.decode(b"", final=valid)
    except UnicodeDecodeError:
        valid = False
    if not valid:
        return None
    evidence: Evidence = "bom" if bom else "ascii" if plain else "utf-8"
    if plain and escapes and not bom:
        return Encoding(name="iso2022_jp", confidence=0.97, evidence="detected")
    return Encoding(name="utf-8", confidence=1.0, evidence=evidence, bom=bom, twice=twice, twice_at=twice_at)


def _lines_of(file: BinaryIO, data: bytes, bom: int) -> list[int]:
    """The lines of the first places in a block, just read, where UTF-8 is encoded twice."""
    here = file.tell()
    start = here - len(data)
    file.seek(bom)
    line, left = 1, start - bom
    while left > 0 and (before := file.read(min(SCAN_BYTES, left))):
        line += before.count(b"\n")
        left -= len(before)
    file.seek(here)
    found: list[int] = []
    for hit in _TWICE.finditer(data):
        at = line + data.count(b"\n", 0, hit.start())
        if at not in found:
            found.append(at)
        if len(found) == NOTICE_LINES:
            break
    return found


class _Lines(msgspec.Struct):
    """What a file's lines outside ASCII are."""

    utf8: int = 0
    likely: int = 0
    """Those with more than one such character, which is no chance."""
    utf8_at: list[int] = []
    other: int = 0
    other_at: list[int] = []
    broken: int = 0
    """UTF-8 with single bytes lost."""
    sample: bytearray = msgspec.field(default_factory=bytearray)


def _by_lines(file: BinaryIO, bom: int) -> Encoding:
    """The encoding of a file that is not UTF-8 from beginning to end."""
    seen = _look(file, bom)
    whole = seen.utf8 + seen.broken + seen.other
    guesses = legacy.guess(bytes(seen.sample)) if seen.sample else []
    best = guesses[0] if guesses else Choice("", 0.0)
    known = seen.likely + seen.broken > UTF8_SHARE * whole or seen.utf8 > whole / 2
    if known or not guesses or bom:
        # Mostly UTF-8. What else there is has to be sure, or its rows are refused.
        sure = best.confidence >= legacy.UNSURE
        return Encoding(
            name="utf-8",
            confidence=round(max(0.5, 1 - (seen.other + seen.broken) / whole), 3),
            evidence="bom" if bom else "detected",
            bom=bom,
            second=best.encoding if sure else "",
            alternatives=guesses,
            odd_lines=seen.other + seen.broken,
            odd_at=seen.other_at,
        )
    single = best.encoding in legacy.CODE_PAGES
    return Encoding(
        name=best.encoding,
        confidence=best.confidence,
        evidence="detected",
        # Lines that are UTF-8 by chance are usual in double bytes, and next to impossible elsewhere.
        second="utf-8" if single and seen.utf8 else "",
        alternatives=guesses[1:],
        odd_lines=seen.utf8 if single else 0,
        odd_at=seen.utf8_at if single else [],
    )


def _look(file: BinaryIO, bom: int) -> _Lines:
    seen = _Lines(utf8_at=[], other_at=[], sample=bytearray())
    offset, number = bom, 0
    step = kept = 1
    while True:
        part = block(file, offset, SCAN_BYTES)
        if not part.data:
            if part.last:
                return seen
            # One line longer than a block; any cut does for looking at it.
            file.seek(offset)
            part.data = file.read(SCAN_BYTES)
            part.last = False
        for line in part.lines:
            number += 1
            if line.isascii():
                continue
            good, bad = utf8_quality(line)
            if not bad:
                seen.utf8 += 1
                seen.likely += good > 1
                if len(seen.utf8_at) < NOTICE_LINES:
                    seen.utf8_at.append(number)
                continue
            if len(seen.other_at) < NOTICE_LINES:
                seen.other_at.append(number)
            if good > bad:
                seen.broken += 1
                continue
            seen.other += 1
            # The first ones, then ever fewer, so that the sample reaches far into the file.
            if seen.other % step == 0 and len(seen.sample) < SAMPLE_BYTES:
                seen.sample += _excerpt(line)
                kept += 1
                if kept % 100 == 0:
                    step *= 2
        offset += len(part.data)
        if part.last:
            return seen


def _excerpt(line: bytes) -> bytes:
    """A long line from its first byte outside ASCII on, cut at blanks, which are in no other character."""
    if len(line) <= SAMPLE_LINE_BYTES:
        return line
    at = next(index for index, byte in enumerate(line) if byte > 0x7F)
    start = line.rfind(b" ", 0, at) + 1
    stop = line.find(b" ", start + SAMPLE_LINE_BYTES - 200, start + SAMPLE_LINE_BYTES)
    return (line[start:stop] if stop > 0 else line[start : start + SAMPLE_LINE_BYTES]) + b"\n"
