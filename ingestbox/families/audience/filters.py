"""Filters of an upload's records: what clients write, and the condition that it is (`store.conditions`).

A filter is `{"all": [...]}` or `{"any": [...]}` of conditions `{"field", "op", "value"}`; in place of one of
these may stand an `all` or `any` of conditions, no deeper. A condition by itself is a filter too. A field is
called as the column of a table is (`members`): a member of the record, or one of what was found out
(`_domain` …); a record's own member of such a name is `record._domain`. As long as nothing is found out about
a record, all of that is missing.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ingestbox import strictjson
from ingestbox.errors import Fault, IngestError
from ingestbox.families.audience import members
from ingestbox.families.audience.fields import RESULTS
from ingestbox.route import Parameter
from ingestbox.store.conditions import ORDERS, PARTS, Comparison, Condition, Op, Scalar, folded

MAX_CONDITIONS: Final = 50
MAX_FIELD: Final = 200
MAX_VALUE: Final = 500
MAX_FILTER: Final = 65_536
"""Bounds of a filter: conditions in all, characters of a name and of a value, and bytes of it as JSON."""

FILTER = Parameter(
    "filter",
    'Only records that pass: `{"all": [{"field": "country", "op": "=", "value": "DE"}]}` as JSON. `any` in '
    "the place of `all` wants one of its conditions; in the place of a condition may stand an `all` or `any` "
    f"of conditions, no deeper; {MAX_CONDITIONS} conditions at most. A field is a column: a member of the "
    f"record, or of what was found out. Ops: {', '.join(f'`{op}`' for op in Op)}. Text is compared without "
    "case and without the blanks around it; a number, or text that is one as JSON writes numbers, as a "
    "number, with other numbers alone; `true` and `false` as these words. A list passes if an element of it "
    "does. Of what is missing, null, blank or empty nothing is true but `!=`; `exists` asks for it, with "
    "true or false.",
)

_GROUPS: Final = ("all", "any")
_MEMBERS: Final = ("field", "op", "value")


class Filter(msgspec.Struct, frozen=True):
    """A filter: as it was written (JSON values), and what it asks for."""

    written: dict[str, Any]
    condition: Condition


def asked(query: Mapping[str, str]) -> Filter | None:
    """The filter in a query string. Raises IngestError `bad_parameter` (400)."""
    text = query.get("filter")
    return None if text is None else parse(text)


def parse(text: str) -> Filter:
    """A filter as JSON text. Raises IngestError `bad_parameter` (400) with every fault of it."""
    if len(text.encode("utf-8", "replace")) > MAX_FILTER:
        raise IngestError("bad_parameter", f"filter must have at most {MAX_FILTER:,} bytes.")
    try:
        value = strictjson.decode(text.encode("utf-8", "surrogatepass"), "filter")
    except IngestError as error:
        raise IngestError("bad_parameter", error.detail) from None
    found, faults = read(value)
    if found is None:
        told = "; ".join(each.message for each in faults[:3])
        more = f"; and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise IngestError("bad_parameter", f"{told}{more}.", faults=faults)
    return found


def read(value: object, place: str = "") -> tuple[Filter | None, list[Fault]]:
    """The filter that a JSON value is, or everything that is wrong with it, each with its place, which begins
    with that of the filter in its body."""
    reading = _Reading(place)
    condition = reading.filter(value)
    if reading.faults or condition is None:
        return None, reading.faults
    assert isinstance(value, dict)
    return Filter(value, condition), []


class _Reading:
    """A filter on its way through; `faults` is what is wrong so far."""

    def __init__(self, place: str) -> None:
        self.faults: list[Fault] = []
        self._start = place
        self._conditions = 0

    def filter(self, value: object) -> Condition | None:
        if not isinstance(value, dict):
            self._wrong(self._start, "must be an object with all or any", "wrong_type")
            return None
        if "field" in value:
            test = self._condition(value, self._start)
            return None if test is None else Condition(True, (test,))
        return self._group(value, self._start, nested=False)

    def _group(self, value: dict[str, Any], place: str, *, nested: bool) -> Condition | None:
        words = [word for word in _GROUPS if word in value]
        if len(words) != 1 or len(value) != 1:
            self._wrong(place, "must have all or any, one of them, and nothing else")
            return None
        word = words[0]
        place, each = f"{place}.{word}" if place else word, value[word]
        if not isinstance(each, list):
            self._wrong(place, "must be a list", "wrong_type")
            return None
        if not each:
            self._wrong(place, "must have a condition in it")
            return None
        parts: list[Comparison | Condition] = []
        for index, one in enumerate(each):
            if max(index, self._conditions) >= MAX_CONDITIONS:
                self._wrong(place, f"has too many conditions: {MAX_CONDITIONS} are the most", "too_many")
                break
            part = self._part(one, f"{place}[{index}]", nested)
            if part is not None:
                parts.append(part)
        return Condition(word == "all", tuple(parts)) if parts else None

    def _part(self, value: object, place: str, nested: bool) -> Comparison | Condition | None:
        if not isinstance(value, dict):
            self._wrong(place, "must be an object", "wrong_type")
            return None
        if any(word in value for word in _GROUPS) and "field" not in value:
            if nested:
                self._wrong(place, "is nested too deep: an all or any in another has conditions alone")
                return None
            return self._group(value, place, nested=True)
        return self._condition(value, place)

    def _condition(self, value: dict[str, Any], place: str) -> Comparison | None:
        self._conditions += 1
        for name in value:
            if name not in _MEMBERS:
                self._wrong(_at(place, name[:40]), "is no member of a condition: field, op, value", "unknown")
        source = self._field(value, place)
        op = self._op(value, place)
        if op is None:
            return None
        wanted = self._value(value, op, place)
        return None if source is None or wanted is None else Comparison(*source, op, wanted)

    def _field(self, value: dict[str, Any], place: str) -> tuple[Any, str] | None:
        field, at = value.get("field"), _at(place, "field")
        if "field" not in value:
            self._wrong(at, "is required", "missing")
        elif not isinstance(field, str):
            self._wrong(at, "must be the name of a column", "wrong_type")
        elif not 1 <= len(field) <= MAX_FIELD:
            self._wrong(at, f"must have 1 to {MAX_FIELD} characters")
        elif field in RESULTS:
            return "result", field
        elif (member := members.member_of(field)) is None:
            self._wrong(at, f"must be a member of records, or one of {', '.join(RESULTS)}")
        else:
            return "record", member
        return None

    def _op(self, value: dict[str, Any], place: str) -> Op | None:
        op, at = value.get("op"), _at(place, "op")
        if "op" not in value:
            self._wrong(at, "is required", "missing")
            return None
        if isinstance(op, str) and op in set(Op):
            return Op(op)
        near = difflib.get_close_matches(op[:40], list(Op), n=1) if isinstance(op, str) else []
        hint = f" (did you mean {near[0]}?)" if near else ""
        self._wrong(at, f"must be one of {' '.join(Op)}{hint}")
        return None

    def _value(self, value: dict[str, Any], op: Op, place: str) -> Scalar | None:
        wanted, at = value.get("value"), _at(place, "value")
        if op is Op.EXISTS:
            wanted = value.get("value", True)
            if isinstance(wanted, bool):
                return wanted
            if wanted in ("true", "false"):  # as a form sends it
                return bool(wanted == "true")
            self._wrong(at, "must be true or false for exists")
        elif "value" not in value:
            self._wrong(at, "is required", "missing")
        elif wanted is None:
            self._wrong(at, "must not be null: what is missing is asked for with exists")
        elif not isinstance(wanted, str | int | float | bool):
            self._wrong(at, "must be a text, a number, true or false", "wrong_type")
        elif isinstance(wanted, bool) and op in ORDERS | PARTS:
            self._wrong(at, f"must be a text or a number for {op}", "wrong_type")
        elif isinstance(wanted, str) and not folded(wanted):
            self._wrong(at, "must not be blank: what is missing is asked for with exists")
        elif isinstance(wanted, str) and len(wanted) > MAX_VALUE:
            self._wrong(at, f"must have at most {MAX_VALUE} characters")
        else:
            return wanted
        return None

    def _wrong(self, place: str, sentence: str, code: str = "invalid") -> None:
        at = place or "filter"
        self.faults.append(Fault(code, f"{at} {sentence}", field=at))


def _at(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
