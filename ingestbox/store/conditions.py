"""Conditions on what stands in JSON objects, compiled to SQL with bound values alone.

A named query has the parameter `:condition` where one goes; bound to 1 it lets everything pass, and a
fragment made here takes its place. The query calls its row `seen`, with the columns `record` and `result`:
each the text of a JSON object, or NULL. The text of a fragment follows from the shape of the condition, and
holds nothing that a client wrote: names of members and values are parameters.

How values are compared (`Op`):
- Text without case and without the blanks around it, in composed letters (Unicode NFC); of a text the first
  MAX_TEXT characters count, and none from a NUL on.
- A number, or a text that is one as JSON writes numbers, of MAX_NUMERAL characters at most (`250`, ` 1e3 `;
  not `1,000`, `007`, `+5`), is compared as a number with others, and with nothing else. Any other text is
  compared with other texts alone. Whole numbers of 64 bits are exact, others as exact as a double is.
- What a text contains, begins or ends with is looked for in numbers too, as SQL writes them in decimal.
- true and false are the texts `true` and `false`. They are not more or less than anything.
- A list passes if one of its elements does (of the first MAX_ELEMENTS; lists and objects in it do not count).
- Of what is missing, null, blank text, or an empty list or object, nothing is true: it does not exist
  (`EXISTS`). Of an object nothing else is true.
- `UNLIKE` is what `LIKE` is not: it is true also of what is missing.

Of members with the same name in one object the last one counts.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from ingestbox.enrich.folding import nfc

MAX_TEXT: Final = 1_000
MAX_ELEMENTS: Final = 100
MAX_NUMERAL: Final = 18
"""Bounds on what is looked at: no text, and no list, makes a read long."""

_MAX_PADDED = 64
"""A text with more bytes is no number, whatever blanks are around it."""

BLANKS: Final = " \t\n\v\f\r\x1c\x1d\x1e\x1f"

Scalar = str | int | float | bool


class Op(StrEnum):
    """How a member is compared with a value."""

    LIKE = "="
    UNLIKE = "!="
    MORE = ">"
    LESS = "<"
    LEAST = ">="
    MOST = "<="
    CONTAINS = "contains"
    STARTS = "starts_with"
    ENDS = "ends_with"
    EXISTS = "exists"


ORDERS: Final = frozenset({Op.MORE, Op.LESS, Op.LEAST, Op.MOST})
PARTS: Final = frozenset({Op.CONTAINS, Op.STARTS, Op.ENDS})


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison of a member of `source`. The value of EXISTS is whether it is to be there."""

    source: Literal["record", "result"]
    member: str
    op: Op
    value: Scalar


@dataclass(frozen=True, slots=True)
class Condition:
    """Comparisons, or conditions, all of which have to be true (`every`), or any."""

    every: bool
    parts: tuple[Comparison | Condition, ...]


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of SQL and the values of its parameters, which are numbered from a given number on."""

    sql: str
    values: tuple[str | int | float, ...]


@functools.lru_cache(maxsize=64)
def compiled(condition: Condition, first: int) -> Fragment:
    """The condition as SQL; its first parameter has the number `first`."""
    values: list[str | int | float] = []

    def bound(value: str | float) -> str:
        values.append(value)
        return f"?{first + len(values) - 1}"

    def of(part: Comparison | Condition) -> str:
        if isinstance(part, Comparison):
            return _test(part, bound(part.member), "" if part.op is Op.EXISTS else bound(_bound(part)))
        joined = (" AND " if part.every else " OR ").join(of(each) for each in part.parts)
        return f"({joined})"

    sql = of(condition)
    return Fragment(sql, tuple(values))


def numeral(text: str) -> int | float | None:
    """The number that a text is, or None; see above.

    >>> numeral(" 250 "), numeral("1e3"), numeral("1,000"), numeral("007"), numeral("2025-01-15")
    (250, 1000.0, None, None, None)
    """
    if len(text.encode("utf-8", "surrogatepass")) > _MAX_PADDED:
        return None
    text = text.strip(BLANKS)
    if len(text) > MAX_NUMERAL or _NUMERAL.fullmatch(text) is None:
        return None
    return int(text) if text.lstrip("-").isdigit() else float(text)


_NUMERAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", re.ASCII)


def folded(text: str) -> str:
    """A text as it is compared. The one that SQL folds by itself (ASCII) comes to the same there.

    >>> folded("  Straße "), folded("E\\u0301COLE") == folded("école")
    ('strasse', True)
    """
    return _folded(text[:MAX_TEXT])


@functools.lru_cache(maxsize=1_024)
def _folded(text: str) -> str:
    return nfc(nfc(text.partition("\0")[0]).casefold()).strip()


def _bound(test: Comparison) -> str | int | float:
    """The value as it is bound: a number, if it is one to this op, or a text as it is compared."""
    number = number_of(test)
    if number is not None:
        return number
    value = test.value
    if isinstance(value, bool):
        return "true" if value else "false"
    return folded(value if isinstance(value, str) else str(value))


def number_of(test: Comparison) -> int | float | None:
    """The number that the test compares with; None: it compares texts."""
    value = test.value
    if test.op in PARTS or isinstance(value, bool):
        return None
    number = numeral(value) if isinstance(value, str) else value
    if isinstance(number, int) and not -(1 << 63) <= number < 1 << 63:
        return float(number)
    return number


def _test(test: Comparison, member: str, value: str) -> str:
    if test.op is Op.EXISTS:
        there = _THERE
    else:
        op = Op.LIKE if test.op is Op.UNLIKE else test.op
        leaf = _number_leaf if number_of(test) is not None else _text_leaf
        within = leaf("e.type", "e.value", op, value)
        elements = f"SELECT 1 FROM json_each(m.value) AS e WHERE e.key < {MAX_ELEMENTS} AND {within}"  # noqa: S608
        alone = leaf("m.type", "m.value", op, value)
        there = f"CASE m.type WHEN 'array' THEN EXISTS ({elements}) ELSE {alone} END"
    # Of a query with one maximum the other columns are those of its row: the last member of the name.
    named = f"json_each(seen.{test.source}) AS j WHERE j.key = {member}"
    last = f"SELECT MAX(j.id), j.type AS type, j.value AS value FROM {named}"  # noqa: S608
    found = f"COALESCE((SELECT {there} FROM ({last}) AS m), 0)"  # noqa: S608
    wanted = test.value is True if test.op is Op.EXISTS else test.op is not Op.UNLIKE
    return found if wanted else f"NOT {found}"


_TRIMMED = f"char({','.join(str(ord(each)) for each in BLANKS)})"


def _folding(value: str) -> str:
    """A text as it is compared: without a call into Python, if it is ASCII."""
    # Of a text with a NUL in it SQL counts the characters before that alone: it is none that is ASCII here.
    return (
        f"CASE WHEN length({value}) = octet_length({value}) "
        f"THEN lower(trim(substr({value}, 1, {MAX_TEXT}), {_TRIMMED})) ELSE folded({value}) END"
    )


def _numeral(value: str) -> str:
    """The number that a text is, or NULL. What is JSON and begins so, is a number."""
    bare = f"trim({value}, {_TRIMMED})"
    return (
        f"CASE WHEN octet_length({value}) <= {_MAX_PADDED} AND octet_length({bare}) <= {MAX_NUMERAL} "
        f"AND {bare} GLOB '[-0-9]*' AND json_valid({bare}) THEN CAST({bare} AS NUMERIC) END"
    )


_THERE = (
    "CASE m.type WHEN 'text' THEN " + _folding("m.value") + " <> '' WHEN 'array' THEN m.value <> '[]' "
    "WHEN 'object' THEN m.value <> '{}' ELSE m.type <> 'null' END"
)


def _number_leaf(type_: str, value: str, op: Op, number: str) -> str:
    return (
        f"CASE {type_} WHEN 'integer' THEN {value} {op} {number} WHEN 'real' THEN {value} {op} {number} "
        f"WHEN 'text' THEN {_numeral(value)} {op} {number} ELSE 0 END"
    )


def _text_leaf(type_: str, value: str, op: Op, text: str) -> str:
    folding = _folding(value)
    if op in ORDERS:
        order = f"{folding} <> '' AND {folding} {op} {text} AND {_numeral(value)} IS NULL"
        return f"CASE {type_} WHEN 'text' THEN {order} ELSE 0 END"
    if op is Op.LIKE:
        return (
            f"CASE {type_} WHEN 'text' THEN {folding} = {text} WHEN 'true' THEN 'true' = {text} "
            f"WHEN 'false' THEN 'false' = {text} ELSE 0 END"
        )
    held = {
        Op.CONTAINS: "instr({0}, {1}) > 0",
        Op.STARTS: "substr({0}, 1, length({1})) = {1}",
        Op.ENDS: "substr({0}, -length({1})) = {1}",
    }[op]
    return (
        f"CASE {type_} WHEN 'text' THEN {held.format(folding, text)} "
        f"WHEN 'integer' THEN {held.format(f'CAST({value} AS TEXT)', text)} "
        f"WHEN 'real' THEN {held.format(f'CAST({value} AS TEXT)', text)} "
        f"WHEN 'true' THEN {held.format(repr('true'), text)} "
        f"WHEN 'false' THEN {held.format(repr('false'), text)} ELSE 0 END"
    )
