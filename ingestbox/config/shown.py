"""Settings as they are shown to people: each with where it comes from; secrets are masked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_type_hints

import msgspec

from ingestbox.config.load import Loaded
from ingestbox.config.reference import describe, variable_of
from ingestbox.config.settings import GROUPS, LISTS, Settings, sections
from ingestbox.config.words import masked


class Shown(msgspec.Struct, frozen=True):
    """A setting: `source` is default, file, environment or flag, `place` where in it. `variable` is its name
    in the environment; an entry of a list has none."""

    section: str
    key: str
    value: Any
    source: str
    place: str
    variable: str | None
    description: str


def shown(loaded: Loaded) -> Iterator[Shown]:
    """All settings in their order; of a list's entries those that were given."""
    for name in Settings.__struct_fields__:
        value: Any = getattr(loaded.settings, name)
        if name in sections():
            yield from _section(loaded, name, value, (name,))
        elif name in GROUPS:
            for inner in value.__struct_fields__:
                yield from _section(loaded, f"{name}.{inner}", getattr(value, inner), (name, inner))
        elif name in LISTS:
            for number, entry in enumerate(value):
                yield from _entry(loaded, name, number, entry)
        else:
            about = describe(get_type_hints(Settings, include_extras=True)[name])
            yield _one(loaded, ("", name, value), (name,), f"INGESTBOX_{name.upper()}", about)


def _section(loaded: Loaded, name: str, section: Any, path: tuple[str, ...]) -> Iterator[Shown]:
    hints = get_type_hints(type(section), include_extras=True)
    for key in section.__struct_fields__:
        setting = (f"[{name}]", key, getattr(section, key))
        yield _one(loaded, setting, (*path, key), variable_of(name, key), describe(hints[key]))


def _entry(loaded: Loaded, name: str, number: int, entry: Any) -> Iterator[Shown]:
    hints = get_type_hints(type(entry), include_extras=True)
    for field in msgspec.structs.fields(entry):
        given = getattr(entry, field.name)
        if given != _default(field):
            setting = (f"[[{name}]] {entry.name}", field.name, given)
            yield _one(loaded, setting, (name, number, field.name), None, describe(hints[field.name]))


def _one(
    loaded: Loaded,
    setting: tuple[str, str, object],
    path: tuple[str | int, ...],
    variable: str | None,
    about: str,
) -> Shown:
    section, key, value = setting
    origins = (loaded.origins.get(path[:end]) for end in range(len(path), 1 if path[1:] else 0, -1))
    origin = next((origin for origin in origins if origin), None)
    if origin is None and path[0] in LISTS:
        origin = loaded.origins.get(path[:1])
    source, place = ("default", "default") if origin is None else (origin.kind, str(origin))
    return Shown(section, key, masked(key, value), source, place, variable, about)


def _default(field: msgspec.structs.FieldInfo) -> object:
    made = field.default_factory
    return made() if made is not msgspec.NODEFAULT else field.default
