"""Bodies of `/v1` that a person fills in: an object whose members are looked at one by one.

Every fault is told, each with one sentence that says what would be right; a decoder stops at the first.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, get_type_hints

import msgspec

from ingestbox import strictjson
from ingestbox.errors import Fault, IngestError
from ingestbox.model import Role

S = TypeVar("S", bound=msgspec.Struct)


class Rule(NamedTuple):
    """What a member has to be: the end of a sentence that begins with its name, and whether a value of the
    right type is that."""

    sentence: str
    holds: Callable[[Any], bool]


def text(most: int) -> Rule:
    """A name for people."""
    return Rule(
        f"must have 1 to {most} printable characters",
        lambda value: bool(value.strip()) and len(value) <= most and value.isprintable(),
    )


ROLES = Rule(f"must be one or more of {', '.join(Role)}", lambda given: set() < set(given) <= set(Role))
WORKSPACE = text(255)


def read(body: bytes, shape: type[S], rules: Mapping[str, Rule]) -> S:
    """The body as a `shape`. `rules` has each member of it; null stands for its default.

    Raises IngestError: malformed_json, or validation_failed with a fault for every member.
    """
    given = strictjson.decode(body)
    if not isinstance(given, dict):
        raise refused([Fault("invalid", "The body must be a JSON object")])
    kinds = get_type_hints(shape)
    faults: list[Fault] = []
    values: dict[str, object] = {}
    for field in msgspec.structs.fields(shape):
        value = given.pop(field.name, None)
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # 60.0 is the same number as 60 in JSON, and an integer in JSON Schema
        if value is not None:
            try:
                values[field.name] = msgspec.convert(value, kinds[field.name])
            except msgspec.ValidationError:
                right = False
            else:
                right = rules[field.name].holds(values[field.name])
            if not right:
                faults.append(fault(field.name, rules[field.name].sentence))
        elif field.required:
            faults.append(Fault("missing", f"{field.name} is required", field=field.name))
    faults += [_unknown(name, shape.__struct_fields__) for name in given]
    if faults:
        raise refused(faults)
    return shape(**values)


def fault(field: str, sentence: str) -> Fault:
    """What is wrong with a member; `sentence` follows its name."""
    return Fault("invalid", f"{field} {sentence}", field=field)


def refused(faults: Sequence[Fault]) -> IngestError:
    """The 422 for these."""
    told = "; ".join(each.message for each in faults[:3])
    more = f"; and {len(faults) - 3} more" if len(faults) > 3 else ""
    return IngestError("validation_failed", f"{told}{more}.", faults=faults)


def each_once(given: Iterable[str]) -> list[str]:
    """The same in the same order, without repeats."""
    return list(dict.fromkeys(given))


def _unknown(name: str, known: Sequence[str]) -> Fault:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(known)}"
    shown = name[:40]
    return Fault("unknown", f"{shown!r} is no member of this ({hint})", field=shown)
