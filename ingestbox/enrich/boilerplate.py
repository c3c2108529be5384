"""Lines around an article that are none of it: buttons, menus, lists of other articles, notices."""

from __future__ import annotations

import functools
import re
from typing import Final

from ingestbox.enrich.folding import fold
from ingestbox.enrich.wordlists import phraselist

RULES: Final = "boilerplate/1"
"""Version of the rules and lists, for lineage: it changes whenever an answer can."""

_SHORT: Final = 60
_LINK: Final = 160
"""Characters of the longest line that can be the title of another article, or that begins as a notice
does."""
_NOTICE: Final = 400
"""Characters of the longest notice about cookies."""
_MOST_LINKS: Final = 12
_MENU: Final = 4
"""Lines of the shortest menu."""
_REPEATED: Final = 3

_AROUND: Final = " \t.:;!…>»›<«‹→←↑▶►+-–—|•·*#[](){}\"'"
_ENDS: Final = frozenset(".!?…;:,")
_PARTS: Final = re.compile(r"\s*(?:[>»›|/→•·]|::)\s*")
_ASKS: Final = re.compile(
    r"\b(?:accept|agree|consent|prefer|policy|policies|settings|dong y|chap nhan|chinh sach|tiep tuc)"
)
_COUNT: Final = re.compile(r"\s*\(?\d{1,6}\)?$")


@functools.cache
def _lists() -> dict[str, frozenset[str]]:
    return phraselist("boilerplate")


@functools.cache
def _beginnings() -> tuple[str, ...]:
    return tuple(sorted(_lists()["begins"]))


def without(text: str) -> str:
    """A text, tidy and with a line for each line of the page, without those lines. Linear in its length.

    Long lines stay whatever they say: those are sentences of somebody.
    """
    lines = text.split("\n")
    keys = _keys(lines)
    alone = {key: _alone(key) for key in {*keys} if key}
    out = {place for place, key in enumerate(keys) if key and alone[key]}
    out |= _lists_of_others(lines, keys, out)
    out |= _menus(lines, keys)
    out |= _repeated(lines, keys)
    if not out:
        return text
    return "\n".join([line for place, line in enumerate(lines) if place not in out])


def _keys(lines: list[str]) -> list[str]:
    """The lines as the lists have them; nothing for long ones."""
    keys = fold("\n".join([line if len(line) <= _NOTICE else "" for line in lines])).split("\n")
    return keys if len(keys) == len(lines) else list(map(fold, lines))


def _alone(key: str) -> bool:
    """Whether a line is none of the article, whatever is around it."""
    if len(key) <= _SHORT and _COUNT.sub("", key.strip(_AROUND)).strip(_AROUND) in _lists()["whole"]:
        return True
    if len(key) <= _LINK and key.startswith(_beginnings()):
        return True
    return ("cookie" in key and _ASKS.search(key) is not None) or _is_path(key)


def _is_path(key: str) -> bool:
    """Whether a line shows where a page is on its site (`Home > News > Health`), or is a menu on one line, or
    nothing but buttons."""
    if key[0] == "|" or key[-1] in ".!?…":
        return False
    parts = [part for part in _PARTS.split(key) if part]
    if len(parts) < 2 or max(map(len, parts)) > _LINK // 2:
        return False
    lists = _lists()
    if parts[0] in ("trang chu", "home", "home page") and len(key) <= _LINK:
        return True
    known = sum(1 for part in parts if part in lists["menu"] or part in lists["whole"])
    return known * 2 >= len(parts) and known >= 2


def _lists_of_others(lines: list[str], keys: list[str], out: set[int]) -> set[int]:
    """Headings of lists of other articles, and the titles below them; `out` is what goes anyway.

    The last title stays if the article goes on behind it: then it is the heading of that.
    """
    headings = _lists()["list"]
    found: set[int] = set()
    place = 0
    while place < len(lines):
        if not _is_heading(keys[place], headings):
            place += 1
            continue
        found.add(place)
        titles: list[int] = []
        place += 1
        while place < len(lines) and len(titles) < _MOST_LINKS:
            if lines[place]:
                if not _is_title(lines[place]) or _is_heading(keys[place], headings):
                    break
                titles.append(place)
            place += 1
        if titles and place < len(lines) and place not in out and not _is_heading(keys[place], headings):
            place = titles.pop()
        found.update(titles)
    return found


def _is_heading(key: str, headings: frozenset[str]) -> bool:
    return 0 < len(key) <= _SHORT and key.strip(_AROUND) in headings


def _is_title(line: str) -> bool:
    return len(line) <= _LINK and line[-1] not in ".,;:"


def _menus(lines: list[str], keys: list[str]) -> set[int]:
    """Menus of one line for each entry, where the text begins and where it ends."""
    known = _lists()["menu"] | _lists()["whole"]
    out: set[int] = set()
    filled = [place for place, line in enumerate(lines) if line]
    for run in (filled, filled[::-1]):
        entries: list[int] = []
        told = last = 0
        for place in run:
            line = lines[place]
            if len(line) > _SHORT // 2 or line[-1] in _ENDS:
                break
            entries.append(place)
            if keys[place].strip(_AROUND) in known:
                told += 1
                last = len(entries)
        # What stands between the menu and the text may be its first heading.
        if last >= _MENU and told * 2 >= last:
            out.update(entries[:last])
    return out


def _repeated(lines: list[str], keys: list[str]) -> set[int]:
    """Short lines that return, but for the first time: what a page says at every turn."""
    places: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        if key and len(key) <= _SHORT and lines[place][-1] not in ".!?…" and any(map(str.isalpha, key)):
            places.setdefault(key, []).append(place)
    return {place for found in places.values() if len(found) >= _REPEATED for place in found[1:]}
