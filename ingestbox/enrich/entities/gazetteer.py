"""The word lists: what a word can begin or mean, and names of several words, looked up by words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

from ingestbox.enrich import tones
from ingestbox.enrich.facts import EntityLabel
from ingestbox.enrich.folding import fold

# What the lists say of a word; bits, so that one look-up answers all.
NAME: Final = 1 << 0  # begins a name in `NAMES`
PATTERN: Final = 1 << 1  # begins a date, time or amount
GIVEN: Final = 1 << 2
GIVEN_WEAK: Final = 1 << 3  # also an ordinary word
SURNAME: Final = 1 << 4
SURNAME_VI: Final = 1 << 5
SURNAME_VI_WEAK: Final = 1 << 6
GIVEN_VI: Final = 1 << 7
GIVEN_VI_WEAK: Final = 1 << 8
TITLE: Final = 1 << 9  # a person's name may follow
ORG_TAIL: Final = 1 << 10
PLACE_TAIL: Final = 1 << 11
HEAD: Final = 1 << 12  # begins a Vietnamese head noun ("công ty", "quận")
STOP: Final = 1 << 13  # never part of a name
CUE: Final = 1 << 14
COUNT: Final = 1 << 15  # may stand between the first word of a span or sum and its unit ("two and a half …")
UNIT: Final = 1 << 16  # what is counted: spans of time, currencies, shares
ALONE: Final = 1 << 17  # a name by itself, even where it has no capital
SINGLE: Final = 1 << 18  # a name by itself

# How a word is written.
CAPITALISED: Final = 1 << 20
MIXED: Final = 1 << 21  # not all in lower case
FIGURE: Final = 1 << 22  # 0 to 9
OPENING: Final = 1 << 23  # "+" or "(", which a telephone number may begin with

ANY_GIVEN: Final = GIVEN | GIVEN_WEAK
ANY_GIVEN_VI: Final = GIVEN_VI | GIVEN_VI_WEAK
ANY_SURNAME_VI: Final = SURNAME_VI | SURNAME_VI_WEAK
PERSONAL: Final = ANY_GIVEN | ANY_GIVEN_VI | ANY_SURNAME_VI

ANY, CAPITAL, INSIDE = range(3)
"""How a name has to be written: in any way; with a capital; with one and not just because a sentence begins."""  # noqa: E501


class Name(NamedTuple):
    """A known name: its label, how it must be written, and its section (what may follow it)."""

    label: EntityLabel
    case: int
    section: str


WORDS: Final[dict[str, int]] = {}
"""Lower-case word → bits."""

NAMES: Final[dict[str, Name]] = {}
"""Lower-case words joined by blanks → the name they are."""

LONGEST: Final[dict[str, int]] = {}
"""First word of a name → words in the longest name that begins so."""

SECOND: Final[dict[str, set[str]]] = {}
"""First word of a name → second words of the names that begin so."""

_HERE: Final = Path(__file__).parent
_SPLIT: Final = re.compile(r"[^\W\d_]+|[0-9]+|[^\s]")
_PLACES: Final = (
    "countries",
    "vietnamese countries",
    "regions",
    "cities",
    "landmarks",
    "vietnam",
    "districts",
    "streets",
)
_PRODUCTS: Final = ("lines", "systems", "apps", "goods")
_MARKED: Final = frozenset({"vietnam", "districts", "streets", "vietnamese countries"})
_TONES: Final = re.compile("(?<!q)([òóỏõọ][ae]|[ùúủũụ]y)(?!\\w)")


def split(text: str) -> list[str]:
    """The words of a name in lower case, as a text is cut into words."""
    return text.split() if text.replace(" ", "").isalpha() else _SPLIT.findall(text)


def spellings(name: str) -> set[str]:
    """Both places of the tone mark in "hòa" and "hoà"."""
    return {name, _TONES.sub(lambda match: tones.SECOND[match[1]], name)}


def word_set(words: str) -> frozenset[str]:
    """The blank-separated `words`."""
    return frozenset(words.split())


def mark(words: str, bits: int) -> None:
    """Set `bits` for each of the blank-separated lower-case words."""
    for word in words.split():
        WORDS[word] = WORDS.get(word, 0) | bits


def _add(words: list[str], name: Name) -> None:
    key = " ".join(words)
    if key in NAMES:
        return
    NAMES[key] = name
    first, count = words[0], len(words)
    WORDS[first] = WORDS.get(first, 0) | NAME
    if count == 1:
        WORDS[first] |= SINGLE | ALONE if name.case == ANY or name.section == "lines" else SINGLE
    if count > LONGEST.get(first, 0):
        LONGEST[first] = count
    if count > 1:
        SECOND.setdefault(first, set()).add(words[1])
    elif first not in SECOND:
        SECOND[first] = set()


def _sections(file: str) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    for line in (_HERE / file).read_text("utf-8").splitlines():
        if line.startswith("["):
            found.append((line.strip("[]"), []))
        elif line and not line.startswith("#"):
            found[-1][1].append(line)
    return found


def _label(section: str) -> EntityLabel:
    if section in _PLACES:
        return "LOCATION"
    return "PRODUCT" if section in _PRODUCTS else "ORGANIZATION"


def _load_names(file: str) -> None:
    for section, lines in _sections(file):
        kinds = [Name(_label(section), case, section) for case in (ANY, CAPITAL, INSIDE)]
        for entry in ", ".join(lines).split(", "):
            case = CAPITAL if entry[-1] == "!" else INSIDE if entry[-1] == "?" else ANY
            text = (entry.rstrip("!?") if case else entry).lower()
            if section in ("districts", "streets"):
                case = max(case, CAPITAL)
            name = kinds[case]
            if text.isascii():
                _add(split(text), name)
                continue
            for each in spellings(text) if section in _MARKED else (text,):
                _add(split(each), name)
            # Without marks one syllable says too little, two are a name ("ha noi").
            plain = split(fold(text))
            if len(plain) > 1:
                _add(plain, kinds[CAPITAL] if len(plain) == 2 and section != "vietnam" else name)


def _load_people() -> None:
    bits = {
        "given": (GIVEN, GIVEN_WEAK),
        "surnames": (SURNAME, SURNAME),
        "surnames vi": (SURNAME_VI, SURNAME_VI_WEAK),
        "given vi": (GIVEN_VI, GIVEN_VI_WEAK),
    }
    for section, lines in _sections("names.txt"):
        sure, weak = bits[section]
        for entry in " ".join(lines).lower().split():
            bit = weak if entry[-1] == "!" else sure
            for each in spellings(entry.rstrip("!")):
                WORDS[each] = WORDS.get(each, 0) | bit
    mark(
        "nguyen tran pham huynh phan vu vo dang bui ngo duong dao doan trinh truong dinh trieu luong hoang",
        SURNAME_VI,
    )
    mark("le do ho ly lam cao luu ta", SURNAME_VI_WEAK)
    mark("thi van duc tuan hung dung huong phuong thao trang ngoc lan linh hien hieu thuy thuong quynh nhung nga hanh hai "  # noqa: E501
         "minh khanh khoa kien quan quang son tam tien trung tung vinh yen binh anh hoa hong huy huyen long mai nam phuc", GIVEN_VI_WEAK)  # fmt: skip  # noqa: E501


for _file in ("products.txt", "places.txt", "companies.txt"):
    _load_names(_file)
_load_people()

ACRONYMS: Final = frozenset(
    word for _, lines in _sections("words.txt") for line in lines for word in line.lower().split()
)
