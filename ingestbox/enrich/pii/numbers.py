"""Numbers in a text that are a person's: of phones, of payment cards, of people in a register.

A run of groups of digits (`+84 912-345-678 / 0987…`) is read from its start. At each group each kind is tried
with the longest number that the groups give; at most MOST_GROUPS of them are looked at.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, NamedTuple

from ingestbox.enrich.pii import cards, ids, phones
from ingestbox.enrich.pii.found import Find, Kind

MOST_GROUPS: Final = 6
MOST_DIGITS: Final = 19
"""Groups and digits of the longest number that is looked for."""

KEYWORD_REACH: Final = 40
"""So many characters before a number are looked at for what it is called."""

_RUN: Final = re.compile(
    r"(?:\+ ?)?\(?\+?[0-9]+(?:[ \u00a0\u2009\u202f\-\u2010\u2011\u2013./()]{1,3}\+?[0-9]+)*"
)
_GROUP: Final = re.compile("[0-9]+")
_WIDE: Final = re.compile("[\uff10-\uff19\uff0b]")
_PLAIN: Final = {0xFF0B: "+", **{0xFF10 + digit: str(digit) for digit in range(10)}}
_LONG_ENOUGH: Final = 8
_CHATS: Final = ("zalo.me/", "wa.me/", "tel:", "tel:+", "wa.me/+")
"""After these, a number that ends an address of the web is a phone's."""

_SEPARATORS: Final = str.maketrans("\u00a0\u2009\u202f\u2010\u2011\u2013", "   ---")


class Group(NamedTuple):
    """Some digits; `sep` is what is between them and the ones before, one of its kind for all that look
    alike; `plus` and `paren` say whether such a sign is right before them."""

    start: int
    end: int
    digits: str
    sep: str
    plus: bool
    paren: bool


def numbers(text: str, hint: str, taken: Sequence[tuple[int, int]] = ()) -> list[Find]:
    """The numbers of a text, in order, but for those within the places `taken`, which are in order too."""
    if _WIDE.search(text):
        text = text.translate(_PLAIN)
    starts = [start for start, _ in taken]
    found: list[Find] = []
    for run in _RUN.finditer(text):
        if run.end() - run.start() < _LONG_ENOUGH:
            continue
        place = bisect_right(starts, run.start())
        if place and taken[place - 1][1] > run.start():
            continue
        _read(text, hint, run, found)
    return found


def _read(text: str, hint: str, run: re.Match[str], found: list[Find]) -> None:
    groups = _groups(text, run)
    at = 0
    after_one = False
    while at < len(groups):
        one = None
        if _opens(text, groups, at, after_one=after_one):
            one = _longest(text, hint, groups, at)
        if one is None:
            at, after_one = at + 1, False
            continue
        find, count = one
        found.append(find)
        at, after_one = at + count, True


def _groups(text: str, run: re.Match[str]) -> list[Group]:
    groups: list[Group] = []
    done = run.start()
    for each in _GROUP.finditer(text, run.start(), run.end()):
        start, end = each.span()
        before = text[done:start]
        sep = before.translate(_SEPARATORS).strip("+()") if groups else ""
        groups.append(Group(start, end, each[0], sep, "+" in before, "(" in before))
        done = end
    return groups


def _opens(text: str, groups: Sequence[Group], at: int, *, after_one: bool) -> bool:
    """Whether a number may begin at a group: nothing before it makes it part of something longer."""
    group = groups[at]
    if at:
        return " " in group.sep or group.plus or (after_one and group.sep in ("/", "-"))
    start = _begin(text, group)
    if start == 0:
        return True
    before, further = text[start - 1], text[start - 2 : start - 1]
    if before.isalnum() or before == "_":
        return False
    if text[max(0, start - 12) : start].lower().endswith(_CHATS):
        return True
    if before in "-/=#&%@,~\\":
        return not (further.isalnum() or further in "/=_")
    return not (before == "." and further.isdigit())


def _begin(text: str, group: Group) -> int:
    """Where a number that begins with a group does: at the sign before it."""
    start = group.start
    while start and text[start - 1] in "+(":
        start -= 1
    if group.plus and start and text[start - 1] == " " and text[start - 2 : start - 1] == "+":
        start -= 2
    return start


def _closes(text: str, groups: Sequence[Group], last: int) -> bool:
    """Whether a number may end with a group."""
    if last + 1 < len(groups):
        following = groups[last + 1]
        return " " in following.sep or following.plus or following.sep == "/" or following.paren
    end = groups[last].end
    after, further = text[end : end + 1], text[end + 1 : end + 2]
    if after.isalnum() or after in ("_", "%", "@"):
        return False
    return not (after in (",", ".", "-", "/", ":") and further.isalnum() and after != "/")


def _longest(text: str, hint: str, groups: list[Group], at: int) -> tuple[Find, int] | None:
    """The number that begins at a group, the longest there is, and of how many groups it is."""
    if len(groups[at].digits) > MOST_DIGITS:
        return None
    chosen = groups[at : at + 1]
    for each in groups[at + 1 : at + MOST_GROUPS]:
        if each.plus:
            break
        chosen.append(each)
    total = sum([len(each.digits) for each in chosen])
    while total >= _LONG_ENOUGH:
        count = len(chosen)
        if total > MOST_DIGITS or not _closes(text, groups, at + count - 1):
            total -= len(chosen.pop().digits)
            continue
        kind = _kind(text, hint, chosen)
        if kind is not None:
            start = chosen[0].start if kind[0] in ("card", "id") else _begin(text, chosen[0])
            return Find(start, chosen[-1].end, *kind), count
        total -= len(chosen.pop().digits)
    return None


def _kind(text: str, hint: str, groups: Sequence[Group]) -> tuple[Kind, str] | None:
    """What the groups are together, and its one form."""
    digits = "".join(each.digits for each in groups)
    seps = [each.sep for each in groups[1:]]
    widths = [len(each.digits) for each in groups]
    if not groups[0].plus:
        if (card := cards.card(digits, widths, seps)) is not None:
            return "card", card
        start = groups[0].start
        whole = start == 0 and groups[-1].end == len(text)

        def before() -> str:
            return f"{hint} {text[max(0, start - KEYWORD_REACH) : start]}".casefold()

        if (number := ids.number(digits, widths, seps, before, whole=whole)) is not None:
            return "id", number
    parens = [each.paren for each in groups]
    if (phone := phones.phone(digits, widths, seps, parens, plus=groups[0].plus)) is not None:
        return "phone", phone
    return None
