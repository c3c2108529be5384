"""What a change did, side by side: members as they were and as they are, with what differs in them marked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from markupsafe import Markup

from ingestbox.console.show import inert, text
from ingestbox.model import RecordState

STATES = tuple(state.value for state in RecordState)

SHOWN = 400
AROUND = 80
"""Characters of a value that are shown: of the part that differs (or of all, if nothing does), and on either
side of it."""


class Change(NamedTuple):
    """A member, as it was and is; None: it is not there."""

    name: str
    before: Markup | None
    after: Markup | None


TOLD = frozenset({"resolved_by", "resolved_ms"})
"""Members that a line of the trail says by itself: who, and when."""


def changes(before: Mapping[str, object] | None, after: Mapping[str, object] | None) -> list[Change]:
    """The members that differ, in their order; with one side only, all of it. What is null is not there."""
    old, new = _there(before), _there(after)
    return [_change(name, old, new) for name in {**old, **new} if old.get(name) != new.get(name)]


def _there(members: Mapping[str, object] | None) -> dict[str, object]:
    return {name: value for name, value in (members or {}).items() if value is not None and name not in TOLD}


def said(value: object) -> str:
    """A value as people read it: text as it is, anything else as JSON has it."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def marked(one: str, other: str) -> tuple[Markup, Markup]:
    """Two texts, each with the part marked that the other has not: what lies between their common start and
    their common end."""
    start = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        start += 1
    end = 0
    for left, right in zip(reversed(one[start:]), reversed(other[start:]), strict=False):
        if left != right:
            break
        end += 1
    return _with_mark(one, start, end), _with_mark(other, start, end)


def _change(name: str, old: Mapping[str, object], new: Mapping[str, object]) -> Change:
    if name in old and name in new:
        return Change(name, *marked(said(old[name]), said(new[name])))
    return Change(
        name,
        text(said(old[name]), SHOWN) if name in old else None,
        text(said(new[name]), SHOWN) if name in new else None,
    )


def _with_mark(whole: str, start: int, end: int) -> Markup:
    """The text with its part from `start` to `end` characters before its end marked, and some of what is
    around that."""
    stop = len(whole) - end
    if start >= stop:
        return text(whole, SHOWN)
    first, last = max(0, start - AROUND), min(len(whole), stop + AROUND)
    cut = stop - start > SHOWN
    middle = whole[start : start + SHOWN] if cut else whole[start:stop]
    return Markup('<bdi class="text">{}{}<mark>{}{}</mark>{}{}</bdi>').format(
        "…" if first else "",
        inert(whole[first:start]),
        inert(middle),
        "…" if cut else "",
        inert(whole[stop:last]),
        "…" if last < len(whole) else "",
    )


def without_own(members: Mapping[str, object]) -> dict[str, object]:
    """The members of a row's content: neither its state, nor what the box says of it. A column may be called
    `state`, too: what is none of a row's states is content."""
    return {
        name: value
        for name, value in members.items()
        if not name.startswith("_") and not (name == "state" and value in STATES)
    }


FILTERS = {"changes": changes, "said": said, "without_own": without_own, "plain": msgspec.to_builtins}
"""The filters of templates, by name: `line.before|changes(line.after)`."""
