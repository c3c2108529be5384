"""Filters of rows as people put them together: from an address, from a form, in words.

An address has a filter as the API takes it: `{"all": [{"field": …, "op": …, "value": …}, …]}` or `any`, and
among the conditions groups of the same kind, one deep. The API judges it; here it is read as far as a form
can show it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import msgspec

Match = Literal["all", "any"]
Scalar = str | int | float | bool

OPERATIONS = ("=", "!=", "contains", "starts_with", "ends_with", ">", ">=", "<", "<=")
"""Those that compare with a value."""

FILLED, EMPTY = "filled", "empty"
"""Those of a form that do not; the API has one for both, `exists`."""

MOST_CONDITIONS = 30
"""That a form has room for."""

MOST_NAME = MOST_VALUE = 200
"""Characters of a field's name, and of a value that a click finds the others of: longer ones would make
addresses of that length."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What is said of one field: `op` is one of OPERATIONS, FILLED or EMPTY."""

    field: str
    op: str
    value: Scalar = ""

    @property
    def compares(self) -> bool:
        """Whether its value counts."""
        return self.op not in (FILLED, EMPTY)


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions of which all or any hold, with groups among them unless it is one itself."""

    match: Match
    parts: tuple[Condition | Group, ...]

    @property
    def flat(self) -> bool:
        """Whether it has no groups in it."""
        return not any(isinstance(part, Group) for part in self.parts)

    @property
    def size(self) -> int:
        """Its conditions."""
        return sum(part.size if isinstance(part, Group) else 1 for part in self.parts)


NOTHING = Group("all", ())


def read(value: Any) -> Group | None:
    """The filter as it is in JSON, or None where a form cannot show it."""
    if isinstance(value, dict) and "field" in value:
        value = {"all": [value]}  # a condition by itself
    return _group(value, 0)


def parse(text: str) -> Group | None:
    """The filter of an address; None for what is none, or more than a form can show."""
    if not text:
        return NOTHING
    try:
        return read(msgspec.json.decode(text))
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


def _group(value: Any, depth: int) -> Group | None:
    if not isinstance(value, dict) or len(value) != 1:
        return None
    ((match, given),) = value.items()
    if match not in ("all", "any") or not isinstance(given, list) or len(given) > MOST_CONDITIONS:
        return None
    parts = [_condition(each) or (_group(each, depth + 1) if depth == 0 else None) for each in given]
    if None in parts:
        return None
    group = Group(match, tuple(cast("list[Condition | Group]", parts)))
    return group if group.size <= MOST_CONDITIONS else None


def _condition(value: Any) -> Condition | None:
    if not isinstance(value, dict) or not value.keys() <= {"field", "op", "value"}:
        return None
    name, op, given = value.get("field"), value.get("op"), value.get("value", True)
    if not isinstance(name, str) or not isinstance(given, str | int | float | bool):
        return None
    if op == "exists":
        return Condition(name, FILLED if given in (True, "true") else EMPTY)
    return Condition(name, op, given) if op in OPERATIONS and "value" in value else None


def plain(group: Group) -> dict[str, Any]:
    """The filter as the API takes it."""
    return {group.match: [plain(part) if isinstance(part, Group) else _plain(part) for part in group.parts]}


def _plain(condition: Condition) -> dict[str, Any]:
    if not condition.compares:
        return {"field": condition.field, "op": "exists", "value": condition.op == FILLED}
    return {"field": condition.field, "op": condition.op, "value": condition.value}


def written(group: Group | None) -> str:
    """The filter as an address has it; empty for one without conditions."""
    kept = _filled(group) if group else NOTHING
    return msgspec.json.encode(plain(kept)).decode() if kept.parts else ""


def _filled(group: Group) -> Group:
    """Without what says nothing: a condition whose field is not given, a group without conditions."""
    parts = [_filled(part) if isinstance(part, Group) else part for part in group.parts]
    return Group(
        group.match, tuple(part for part in parts if (part.parts if isinstance(part, Group) else part.field))
    )


def narrowed(group: Group | None, condition: Condition) -> Group | None:
    """The same with one more condition; None where it would be nested too deep."""
    if group is None:
        return None
    if condition in group.parts and group.match == "all":
        return group
    if group.match == "all" or (len(group.parts) < 2 and group.flat):
        return Group("all", (*group.parts, condition))
    return Group("all", (group, condition)) if group.flat else None


def of_value(name: str, value: object) -> Condition:
    """What finds all rows with the same value, if it `can_be_asked`."""
    assert isinstance(value, str | int | float | bool)
    return Condition(name, "=", value)


def can_be_asked(name: str, value: object) -> bool:
    """Whether a condition has room for the two, and the value says something."""
    if isinstance(value, str):
        return len(name) <= MOST_NAME and bool(value.strip("\0 \t\r\n")) and len(value) <= MOST_VALUE
    return len(name) <= MOST_NAME and isinstance(value, bool | int | float)


def from_form(pairs: Iterable[tuple[str, str]]) -> Group:
    """The filter of a form, whose fields say it in their order: `match`, then `field`, `op` and `value` of
    each condition; those of a group stand between `open` (its match) and `close`."""
    match: Match = "all"
    top: list[Condition | Group] = []
    inner: list[Condition | Group] | None = None
    inside: Match = "all"
    name, op = "", "="
    for key, value in pairs:
        here = top if inner is None else inner
        if key == "match":
            match = _match(value)
        elif key == "open" and inner is None:
            inner, inside = [], _match(value)
        elif key == "close" and inner is not None:
            top.append(Group(inside, tuple(inner)))
            inner = None
        elif key == "field":
            name = value.strip()
        elif key == "op":
            op = value if value in (*OPERATIONS, FILLED, EMPTY) else "="
        elif key == "value" and sum(map(_size, top)) + len(inner or ()) < MOST_CONDITIONS:
            here.append(Condition(name, op, value if op not in (FILLED, EMPTY) else ""))
    return Group(match, tuple(top))


def _match(value: str) -> Match:
    return "any" if value == "any" else "all"


def _size(part: Condition | Group) -> int:
    return part.size if isinstance(part, Group) else 1


def edited(group: Group, deed: str) -> Group:
    """The filter of a form with one thing changed, as its button says: `add`, `group`, `add.<n>` (to the
    group that is the n-th part), `remove.<n>`, `remove.<n>.<m>`. What means nothing changes nothing."""
    verb, *places = deed.split(".")
    if not all(place.isascii() and place.isdigit() and len(place) < 4 for place in places):
        return group
    at = [int(place) for place in places]
    blank = Condition("", "=")
    full = group.size >= MOST_CONDITIONS
    match verb, at:
        case "add", [] if not full:
            return Group(group.match, (*group.parts, blank))
        case "group", [] if not full:
            return Group(group.match, (*group.parts, Group(_other(group.match), (blank, blank))))
        case "add", [n] if not full and n < len(group.parts):
            return _replaced(group, n, lambda part: Group(part.match, (*part.parts, blank)))
        case "remove", [n] if n < len(group.parts):
            return Group(group.match, _without(group.parts, n))
        case "remove", [n, m] if n < len(group.parts):
            return _replaced(group, n, lambda part: Group(part.match, _without(part.parts, m)))
    return group


def _other(match: Match) -> Match:
    return "all" if match == "any" else "any"


def _without(parts: Sequence[Condition | Group], n: int) -> tuple[Condition | Group, ...]:
    return (*parts[:n], *parts[n + 1 :])


def _replaced(group: Group, n: int, change: Any) -> Group:
    part = group.parts[n]
    if not isinstance(part, Group):
        return group
    changed: Group = change(part)
    kept = (changed,) if changed.parts else ()
    return Group(group.match, (*group.parts[:n], *kept, *group.parts[n + 1 :]))
