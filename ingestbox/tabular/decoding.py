"""Bytes of a table to text: whole blocks where all is well, else line by line."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import msgspec

from ingestbox.tabular.shapes import Format

_HIGH = bytes(range(128, 256))


def utf8_quality(line: bytes) -> tuple[int, int]:
    """How many characters outside ASCII a line has as UTF-8, and how many bytes that are none."""
    text = line.decode("utf-8", "ignore")
    return len(text) - len(line.translate(None, _HIGH)), len(line) - len(text.encode())


class Lines(msgspec.Struct):
    """Lines as text; the indexes of those in the second encoding, and of those in neither."""

    texts: list[str]
    guessed: set[int]
    bad: set[int]


class Decoder:
    """Decodes a table's bytes as its format says. Never replaces what it cannot read: it says so instead."""

    def __init__(self, form: Format) -> None:
        self._codec = form.codec
        self._second = form.second
        # CP1258 writes most Vietnamese tone marks as characters of their own.
        self._composes = self._codec == "cp1258"
        self._utf8_inside = self._second == "utf-8"

    def text(self, data: bytes) -> str | None:
        """The whole as text; None when it has to be looked at line by line."""
        if self._utf8_inside and not data.isascii():
            return None
        try:
            return self._compose(data.decode(self._codec))
        except UnicodeDecodeError:
            return None

    def lines(self, lines: Sequence[bytes]) -> Lines:
        """Each line in the encoding that fits it; one that fits none has its odd bytes as \\xNN."""
        found = Lines([], set(), set())
        for index, data in enumerate(lines):
            if self._utf8_inside and not data.isascii():
                text = _decoded(data, "utf-8")
                if text is not None:
                    found.guessed.add(index)
                    found.texts.append(text)
                    continue
            text = _decoded(data, self._codec)
            if text is None and (text := self._guessed(data)) is not None:
                found.guessed.add(index)
            if text is None:
                found.bad.add(index)
                text = self.shown(data)
            found.texts.append(self._compose(text))
        return found

    def shown(self, data: bytes) -> str:
        """The text for a person, whatever is wrong with it."""
        text = _decoded(data, self._codec)
        if text is None:
            guess = self._guessed(data)
            if guess is not None:
                return guess
        return self._compose(data.decode(self._codec, "backslashreplace") if text is None else text)

    def _guessed(self, data: bytes) -> str | None:
        """The text in the second encoding, unless it is UTF-8 with bytes lost: that would be nonsense."""
        if not self._second:
            return None
        if self._codec == "utf-8":
            good, bad = utf8_quality(data)
            if good > bad:
                return None
        text = _decoded(data, self._second)
        return unicodedata.normalize("NFC", text) if text and self._second == "cp1258" else text

    def _compose(self, text: str) -> str:
        return unicodedata.normalize("NFC", text) if self._composes else text


def _decoded(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        return None
