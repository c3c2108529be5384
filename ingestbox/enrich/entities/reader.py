"""A text as the rules for names read it: where a capital says something, and which known name begins at a word."""  # noqa: E501

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from ingestbox.enrich.entities import cues
from ingestbox.enrich.entities import gazetteer as lists
from ingestbox.enrich.entities.found import Found
from ingestbox.enrich.entities.gazetteer import LONGEST, NAMES, SECOND, Name
from ingestbox.enrich.entities.pattern import Pattern
from ingestbox.enrich.entities.scan import Scan
from ingestbox.enrich.facts import EntityLabel, LanguageCode

_RUN: Final = 8
_LOUD_LEAST: Final = 4
_LOUD_SHARE: Final = 0.6
_LOUD_MANY: Final = 8
_NO_TITLES: Final = frozenset({"phòng", "a", "c", "ban", "co"})
_UNMARKED: Final = frozenset({"chu", "ong", "bac", "thay"})
"""Titles without their marks; in a text with marks they are other words ("Chu Lai")."""
_SENTENCE: Final = frozenset(".!?\n")
SYLLABLE: Final = Pattern(
    r"(?:ngh|ng|nh|gh|gi|kh|ph|qu|th|tr|ch|[bcdđghklmnpqrstvx])?[aăâeêioôơuưyàáảãạằắẳẵặầấẩẫậèéẻẽẹềếểễệìíỉĩịòóỏõọồốổỗộờớởỡợùúủũụừứửữựỳýỷỹỵ]{1,3}(?:ng|nh|ch|[cmnpt])?\Z"
)
MODEL: Final = Pattern(
    r"(?:[A-Za-z]{0,4}[-]?[0-9]{1,5}[A-Za-z]{0,4}(?:[-./][A-Za-z0-9]{1,8}){0,2}\+?|[A-Z]{1,3}-[A-Z0-9]{1,10}|[IVX]{2,4})(?![\w])"
)
_COMPOUNDS: Final = frozenset(
    {
        "mỹ phẩm", "mỹ thuật", "mỹ nghệ", "mỹ mãn", "pháp luật", "pháp lý", "pháp nhân", "đức tính", "đức tin", "nhật ký", "hàn xì",  # noqa: E501
        "ý kiến", "ý thức", "ý tưởng", "ý định", "ý là", "ý mình", "ý tôi", "google it",
    }
)  # fmt: skip


class Reader:
    """What the rules ask of one text."""

    def __init__(self, scan: Scan, language: LanguageCode) -> None:
        self.scan = scan
        self.language = language
        self.loud = _loud(scan)
        self._known: dict[int, tuple[int, Name] | None] = {}

    def capital(self, i: int) -> bool:
        """Whether word `i` is written as a name where not everything is."""
        scan = self.scan
        return 0 <= i < scan.n and scan.flags[i] & lists.CAPITALISED != 0 and not scan.taken[i]

    def bits(self, i: int) -> int:
        """What the lists say of word `i`."""
        return self.scan.flags[i] if 0 <= i < self.scan.n else 0

    def span(self, i: int, j: int, label: EntityLabel, rank: int) -> Found:
        """Words `i` to `j` (not included)."""
        return Found(rank, self.scan.starts[i], self.scan.ends[j - 1], label)

    def known(self, i: int) -> tuple[int, Name] | None:
        """The longest name of the lists at word `i`: the word after it, and what it is."""
        if not self.bits(i) & lists.NAME:
            return None
        if i not in self._known:
            self._known[i] = self._longest(i)
        return self._known[i]

    def _longest(self, i: int) -> tuple[int, Name] | None:
        scan = self.scan
        lows = scan.lows
        low = lows[i]
        if scan.taken[i]:
            return None
        if i + 1 < scan.n and lows[i + 1] in SECOND[low]:
            last = min(i + LONGEST[low], scan.n)
            j = i + 1
            while j < last and scan.gap(j) < 3 and not scan.taken[j]:
                j += 1
            for end in range(j, i + 1, -1):
                name = NAMES.get(" ".join(lows[i:end]))
                if name is not None and self.written(i, end, name):
                    return end, name
        name = NAMES.get(low)
        return (i + 1, name) if name is not None and self.written(i, i + 1, name) else None

    def written(self, i: int, end: int, name: Name) -> bool:
        """Whether the words are written as this name has to be, and are not part of a longer word."""
        scan = self.scan
        if (
            i
            and not scan.gap(i)
            and (
                scan.words[i - 1].isalnum()
                or (
                    scan.words[i - 1] in "'_@-"
                    and i > 1
                    and not scan.gap(i - 1)
                    and scan.words[i - 2].isalnum()
                )
            )
        ):
            return False
        if (
            end < scan.n
            and not scan.gap(end)
            and scan.words[end].isalnum()
            and name.section not in ("lines", "makers", "systems")
        ):
            return False
        word = scan.words[i]
        if end - i == 1 and i and scan.words[i - 1].isdigit() and scan.gap(i) < 2 and len(word) < 4:
            return False  # "200 MB"
        if end < scan.n and f"{scan.lows[end - 1]} {scan.lows[end]}" in _COMPOUNDS:
            return False
        if (
            name.section not in ("lines", "makers", "systems")
            and len(word) < 4
            and word.isupper()
            and end - i == 1
            and scan.lower(end).isdigit()
        ):
            return False  # "VN 257"
        if name.case == lists.ANY:
            return len(word) > 1 or end - i > 1
        if not word[0].isupper():
            return False
        if name.case == lists.CAPITAL or (
            self.language == "vi" and word.isascii() and len(word) > 2 and not self.loud[i]
        ):
            return not (
                self.loud[i]
                and end - i == 1
                and len(word) < 4
                and name.section not in ("vietnamese countries",)
            )
        if self.loud[i]:
            return False
        if scan.lower(end) == "'" and scan.lower(end + 1) == "s":
            return True
        before = scan.lower(i - 1)
        if scan.opens(i):
            return self.capital(end) or scan.lower(end) in cues.SUPPORT | cues.ACTS | {"has", "have", "will"}
        if (
            end - i == 1
            and self.bits(i) & lists.PERSONAL
            and (self.bits(end) & lists.SURNAME and self.capital(end))
        ):
            return False
        return not (name.section == "cities" and before in cues.TITLES_VI | cues.TITLES_EN)

    def titled(self, i: int) -> bool:
        """Whether a title stands before word `i`."""
        scan = self.scan
        j = i - 1
        if j > 0 and scan.words[j] == ".":
            j -= 1
        if not self.bits(j) & lists.TITLE:
            return False
        low = scan.lows[j]
        return low not in _NO_TITLES and (low not in _UNMARKED or scan.low.isascii())

    def model_tail(self, j: int) -> int:
        """The word after the model numbers and words that begin at word `j`."""
        scan = self.scan
        start = j
        while j < scan.n and j < start + _RUN and not scan.taken[j] and scan.gap(j) < 2:
            low = scan.lows[j]
            if (
                low in cues.MODELS
                and (scan.gap(j) or j > start)
                and (
                    not scan.lows[start - 1].isascii()
                    or low not in ("go", "one", "active", "sport", "note", "air", "studio", "dock", "classic")
                    or scan.capital(j)
                )
            ):
                j += 1
                continue
            match = MODEL.match(scan.text, scan.starts[j])
            if match is None or (
                scan.words[j].isdigit()
                and len(match.group()) == len(scan.words[j])
                and len(scan.words[j]) > 4
            ):
                break
            if (
                scan.words[j].isalpha()
                and not scan.words[j].isupper()
                and not any(map(str.isdigit, match.group()))
            ):
                break
            end = match.end()
            k = j
            while k < scan.n and scan.starts[k] < end:
                k += 1
            if any(scan.taken[j:k]):
                break
            j = k
        return j

    def run(self, i: int, most: int) -> int:
        """The word after the capitalised words that begin at word `i`, no more than `most`."""
        scan = self.scan
        j = i
        while j < scan.n and j < i + most:
            if (
                (self.capital(j) and (j == i or scan.gap(j) in (1, 2)))
                or (j > i and self.capital(j) and scan.lows[j - 1] in (".", "-"))
                or (
                    j > i
                    and scan.lows[j] in ("&", "-", "và", ".")
                    and self.capital(j + 1)
                    and j + 1 < i + most
                    and (scan.lows[j] != "." or len(scan.words[j - 1]) <= 2)
                    and (scan.lows[j] != "và" or not self.bits(j + 1) & lists.HEAD)
                    and (scan.lows[j] != "-" or not scan.gap(j))
                )
            ):
                j += 1
            else:
                break
        return j


def _loud(scan: Scan) -> bytearray:
    """Marks the words of sentences in capitals or in title case, where a capital says nothing."""
    loud = bytearray(scan.n)
    capitals = [i for i in scan.marked if scan.flags[i] & lists.CAPITALISED]
    if len(capitals) <= _LOUD_LEAST * _LOUD_SHARE:
        return loud
    words = scan.words
    stops = [
        i
        for i, word in enumerate(words)
        if word in _SENTENCE and (i + 1 == scan.n or word != "." or scan.gap(i + 1))
    ]
    start = first = 0
    for end in (*stops, scan.n):
        last = bisect_left(capitals, end, first)
        if last - first > _LOUD_LEAST * _LOUD_SHARE and _shouted(scan, start, end, last - first):
            loud[start:end] = b"\x01" * (end - start)
        start, first = end + 1, last
    return loud


def _shouted(scan: Scan, start: int, end: int, high: int) -> bool:
    """Whether the sentence of words `start` to `end`, `high` of them with a capital, is in capitals or title case."""  # noqa: E501
    most = sum(map(str.isalpha, scan.words[start:end])) * _LOUD_SHARE
    if high <= most:
        return False
    count = shouted = stops = 0
    for i in range(start, end):
        word = scan.words[i]
        if word.isalpha():
            bits = scan.flags[i]
            if bits & lists.CAPITALISED:
                shouted += len(word) > 1 and word.isupper()
                stops += count > 0 and bits & (lists.STOP | lists.PERSONAL) == lists.STOP
            count += 1
    # A name has no function words with a capital, but a heading has.
    return count >= _LOUD_LEAST and (stops > 0 or shouted > most or high > _LOUD_MANY)
