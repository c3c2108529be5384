"""Everything that is wrong with what was set, each as a sentence: where, what, what was expected."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import inspect

from ingestbox.config.lines import Path
from ingestbox.config.reference import describe
from ingestbox.config.settings import GROUPS, LISTS, Settings, sections
from ingestbox.config.words import expected, listed, pattern, shown, suggestion


class Origin(msgspec.Struct, frozen=True):
    """Where a value comes from: `kind` is file, environment or flag; `name` the file, variable or flag."""

    kind: str
    name: str
    line: int | None = None

    def __str__(self) -> str:
        return self.name if self.line is None else f"{self.name}, line {self.line}"


class Faults:
    """Looks at a tree of values as it was put together; `origins` says where each part of it came from."""

    def __init__(self, origins: Mapping[Path, Origin]) -> None:
        self._origins = origins

    def of(self, tree: Mapping[str, object]) -> list[str]:
        """Every fault, in the order in which the values were given."""
        return list(self._struct(tree, Settings, ()))

    def sentence(self, path: Path, what: str) -> str:
        """A sentence that begins with the place where the value was given."""
        origin = self.origin(path)
        if origin is None:
            return f"{_where(path)}: {what}"
        if origin.kind == "file":
            return f"{origin}: {_where(path)}: {what}"
        within = _where(path) if len(path) > 1 and path[0] in LISTS else ""
        return f"{origin}: {within}{': ' if within else ''}{what}"

    def origin(self, path: Path) -> Origin | None:
        """Where the value at this path, or the nearest around it, was given."""
        for end in range(len(path), 0, -1):
            if path[:end] in self._origins:
                return self._origins[path[:end]]
        return None

    def _struct(self, given: Mapping[str, object], kind: type[msgspec.Struct], path: Path) -> Iterator[str]:
        clean = True
        for fault in self._members(given, kind, path):
            clean = False
            yield fault
        if clean and path:
            try:  # what holds between the members
                msgspec.convert(given, kind, strict=False)
            except msgspec.ValidationError as error:
                yield self.sentence(path, f"{str(error).partition(' - at `$')[0].rstrip('.')}.")

    def _members(self, given: Mapping[str, object], kind: type[msgspec.Struct], path: Path) -> Iterator[str]:
        hints = get_type_hints(kind, include_extras=True)
        for key, value in given.items():
            if key in hints:
                yield from self._value(value, hints[key], (*path, key))
            else:
                yield self._unknown(key, value, tuple(hints), path)
        for field in msgspec.structs.fields(kind):
            if field.required and field.name not in given:
                what = f"`{field.name}` is missing. {describe(hints[field.name])}"
                yield self.sentence(path, what.rstrip())

    def _value(self, value: object, hint: Any, path: Path) -> Iterator[str]:
        plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        item = get_args(plain)[0] if get_origin(plain) is list else None
        name = path[-1]
        written = self.origin(path)
        as_json = written is not None and written.kind == "environment"
        if _is_struct(plain):
            if isinstance(value, Mapping):
                yield from self._struct(value, plain, path)
            elif isinstance(name, int):
                what = "an object in JSON" if as_json else "a section"
                yield self.sentence(path, f"expected {what}, not {shown('', value)}.")
            else:
                yield self.sentence(path, _as_section(path))
        elif item is not None and isinstance(value, list):
            for number, each in enumerate(value):
                yield from self._value(each, item, (*path, number))
        elif item is not None and _is_struct(item):
            what = f"is a list of sections: write [[{name}]], and its keys below it."
            yield self.sentence(path, "expected a list of objects in JSON." if as_json else what)
        else:
            yield from self._leaf(value, hint, path)

    def _leaf(self, value: object, hint: Any, path: Path) -> Iterator[str]:
        kind = inspect.type_info(hint)
        try:
            if _slips_through(msgspec.convert(value, hint, strict=False), kind):
                raise msgspec.ValidationError
        except msgspec.ValidationError:
            key = next(str(part) for part in reversed(path) if isinstance(part, str))
            if value == "" and isinstance(_bare(kind), inspect.StrType):
                what = "must not be empty."
            elif (form := pattern(kind)) and isinstance(value, str):
                what = f"{shown(key, value)} does not have the form `{form}`. {describe(hint)}".rstrip()
            else:
                what = f"expected {expected(kind)}, not {shown(key, value)}."
                if isinstance(value, str) and isinstance(_bare(kind), inspect.LiteralType):
                    what += suggestion(value, [str(word) for word in _bare(kind).values])
            yield self.sentence(path, what)

    def _unknown(self, key: str, value: object, names: tuple[str, ...], path: Path) -> str:
        origin = self.origin((*path, key))
        begin = f"{origin}: " if origin else ""
        if (not path or path[-1] in GROUPS) and isinstance(value, (dict, list)):
            near = suggestion(key, names) or f" Known sections: {listed([*sections(), *LISTS])}."
            return f"{begin}unknown section `{'.'.join(map(str, (*path, key)))}`.{near}"
        within = f" in {_where(path)}" if path else ""
        homes = [name for name, section in sections().items() if key in section.__struct_fields__]
        hint = f" It belongs below [{'] or ['.join(homes)}]." if homes else suggestion(key, names)
        return f"{begin}unknown key `{key}`{within}.{hint or f' Known keys: {listed(names)}.'}"


def _slips_through(value: object, kind: inspect.Type) -> bool:
    """Whether it is let in though it should not be: a `$` also matches before a last line end, and `inf` is
    over every least."""
    if isinstance(value, str):
        return value.endswith("\n") and pattern(kind) is not None
    return isinstance(value, float) and not math.isfinite(value)


def _is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _bare(kind: inspect.Type) -> Any:
    return kind.type if isinstance(kind, inspect.Metadata) else kind


def _where(path: Path) -> str:
    """`[server] port`, `[[lanes]] number 2, url`, or `data`."""
    head, *rest = path
    if head in GROUPS and rest:
        inner, *rest = rest
        head = f"{head}.{inner}"
    if not rest:
        known = head in GROUPS or head in sections()
        return f"[[{head}]]" if head in LISTS else f"[{head}]" if known else str(head)
    if head in LISTS:
        number, *keys = rest
        words = [f"[[{head}]] number {int(number) + 1}", *_keys(keys)]
        return ", ".join(words)
    return " ".join([f"[{head}]", ", ".join(_keys(rest))])


def _as_section(path: Path) -> str:
    """What is to be written instead of a value where there is a section, or a group of them."""
    name = ".".join(map(str, path))
    within = [each for each in sections() if each.startswith(f"{name}.")]
    if within:
        return f"has sections: write [{within[0]}] or another, and its keys below it."
    return f"is a section: write [{name}], and its keys below it."


def _keys(parts: list[str | int]) -> list[str]:
    return [f"entry {part + 1}" if isinstance(part, int) else part for part in parts]
