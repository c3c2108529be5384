"""The settings as text for people, made from their own descriptions."""

from __future__ import annotations

from typing import get_args, get_type_hints

import msgspec
from msgspec import Meta

from ingestbox.config.settings import LISTS, sections

PREFIX = "INGESTBOX_"


def variable_of(section: str, key: str) -> str:
    """The environment's name of a setting: `INGESTBOX_SERVER_PORT`, `INGESTBOX_ENRICH_LANGUAGE_URL`."""
    return f"{PREFIX}{section.replace('.', '_')}_{key}".upper()


def describe(hint: object) -> str:
    """The sentence that documents a setting: the description in its annotation, or empty."""
    return next((m.description for m in get_args(hint)[1:] if isinstance(m, Meta) and m.description), "")


def reference() -> str:
    """All settings as Markdown, kept true in docs/configuration.md by a test."""
    lines: list[str] = []
    every: dict[str, type[msgspec.Struct]] = {**sections(), **LISTS}
    for name, section in every.items():
        title = f"[[{name}]]" if name in LISTS else f"[{name}]"
        lines += [f"## {title}", "", "| key | default | variable | what it does |", "|---|---|---|---|"]
        hints = get_type_hints(section, include_extras=True)
        for field in msgspec.structs.fields(section):
            default = field.default if field.default is not msgspec.NODEFAULT else None
            if field.default_factory is not msgspec.NODEFAULT:
                default = field.default_factory()
            shown = "required" if field.required else f"`{msgspec.json.encode(default).decode()}`"
            variable = "–" if name in LISTS else f"`{variable_of(name, field.name)}`"
            lines.append(f"| `{field.name}` | {shown} | {variable} | {describe(hints[field.name])} |")
        lines.append("")
    return "\n".join(lines)
