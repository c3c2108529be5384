"""JSON Schemas of the wire types, as components of the document."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import msgspec

REFERENCE = "#/components/schemas/{name}"

_VALUES = frozenset({"const", "default", "enum", "examples"})
"""Keywords that hold values, and no schemas."""


class Schemas:
    """The schema of each type among `types`, and the components that they refer to, by name."""

    def __init__(self, types: Sequence[Any]) -> None:
        """Raises TypeError for a type that msgspec has no schema for."""
        found, components = msgspec.json.schema_components(types, ref_template=REFERENCE)
        # By identity: not every type has a hash, and `Annotated[int, …]` is not `int`.
        self._types = list(types)  # held, so that no other object gets their ids
        self._schemas = {id(kind): schema for kind, schema in zip(types, found, strict=True)}
        self.components = {name: tidied(components[name]) for name in sorted(components)}

    def of(self, kind: Any) -> dict[str, Any]:
        """The schema of one of the types; a reference, where it is a component."""
        return dict(tidied(self._schemas[id(kind)]))


def tidied(schema: Any) -> Any:
    """The schema without its docstrings' indentation and empty lists of what is required; a choice of words
    says that it is a string, which pages of documentation show. `items: false`, which only says again that a
    tuple has no more than it has, goes: makers of clients do not know `false` as a schema."""
    if isinstance(schema, list):
        return [tidied(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    clean = {}
    for key, value in schema.items():
        if key == "description" and isinstance(value, str):
            clean[key] = inspect.cleandoc(value)
        elif key in _VALUES:
            clean[key] = value
        elif (key, value) not in (("required", []), ("items", False)):
            clean[key] = tidied(value)
    if "type" not in clean and all(isinstance(each, str) for each in clean.get("enum", [0])):
        clean["type"] = "string"
    return clean
