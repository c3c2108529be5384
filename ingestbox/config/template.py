"""A configuration file to begin with: every setting, commented out at its default, with its sentence.

Made from the settings' own descriptions. `# ` begins a sentence; `#` with no space after it a setting, so
that taking away the one character sets it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, get_type_hints

import msgspec
from msgspec import inspect

from ingestbox.config.reference import PREFIX, describe
from ingestbox.config.settings import GROUPS, LISTS, Settings, sections
from ingestbox.config.words import expected

WIDTH = 98

HEAD = f"""\
Configuration of ingestbox. Every setting is here, commented out at its default: take away the `#` in \
front of what you want to set. A line that begins with `# ` is a sentence about the next setting.

Check what you wrote, without starting:  ingestbox check-config --config FILE
Start a box with it:                     ingestbox serve --config FILE

A variable overrules this file: {PREFIX}SERVER_PORT is `port` below [server], and so on. One that ends in \
_FILE names a file that holds the value. MB means 1,048,576 bytes, KB 1,024.
"""

EXAMPLES: dict[str, dict[str, object]] = {
    "lanes": {
        "name": "central",
        "url": "https://central.example/v1/sync/batches",
        "token": "ibk_the-key-that-the-central-box-gave",
    },
    "issuers": {
        "name": "company",
        "issuer": "https://login.example/",
        "audience": ["ingestbox"],
        "jwks_url": "https://login.example/.well-known/jwks.json",
        "roles": {"support": ["analyst"], "operations": ["admin"]},
    },
}
"""What an entry of each list may look like; a key that is not here is shown at its default."""


def template() -> str:
    """The whole file, as TOML."""
    lines = list(_prose(HEAD))
    hints = get_type_hints(Settings, include_extras=True)
    for field in msgspec.structs.fields(Settings):
        if field.name not in sections() and field.name not in LISTS and field.name not in GROUPS:
            lines += ["", *_setting(field, hints[field.name])]
    for name, section in sections().items():
        lines += ["", "", *_prose(_about(section)), f"[{name}]"]
        hints = get_type_hints(section, include_extras=True)
        for field in msgspec.structs.fields(section):
            lines += ["", *_setting(field, hints[field.name])]
    for name, entry in LISTS.items():
        lines += ["", "", *_entry(name, entry)]
    return "\n".join(lines) + "\n"


def _entry(name: str, entry: type[msgspec.Struct]) -> Iterator[str]:
    yield from _prose(f"{_about(entry)} Repeat [[{name}]] for each; take away the `#` in front of it, too.")
    yield f"#[[{name}]]"
    hints = get_type_hints(entry, include_extras=True)
    for field in msgspec.structs.fields(entry):
        yield ""
        yield from _setting(field, hints[field.name], EXAMPLES[name])


def _setting(
    field: msgspec.structs.FieldInfo, hint: Any, example: Mapping[str, object] | None = None
) -> Iterator[str]:
    bounds = expected(inspect.type_info(hint))
    told = any(word in bounds for word in (" from ", " over ", " at most ", " or more", "one of "))
    needed = " Needed." if field.required else ""
    yield from _prose(f"{describe(hint)}{needed}{f' ({bounds[0].upper()}{bounds[1:]}.)' if told else ''}")
    if example is not None and field.name in example:
        yield f"#{field.name} = {toml(example[field.name])}"
        return
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    # TOML has no word for nothing: a setting without a value is shown without one, as a sentence.
    yield f"# {field.name} =" if default is None else f"#{field.name} = {toml(default)}"


def _about(struct: type[msgspec.Struct]) -> str:
    """The first paragraph of a section's own sentence, without its name."""
    text = " ".join((struct.__doc__ or "").partition("\n\n")[0].split()).partition("]: ")[2]
    return text[:1].upper() + text[1:]


def _prose(text: str) -> Iterator[str]:
    for paragraph in text.splitlines():
        aligned = "  " in paragraph
        wrapped = [paragraph] if aligned else textwrap.wrap(paragraph, WIDTH - 2) or [""]
        yield from (f"# {line}".rstrip() for line in wrapped)


def toml(value: object) -> str:
    """A value as TOML writes it: texts, numbers, lists, and tables on one line."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{toml(str(key))} = {toml(each)}" for key, each in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml, value))}]"
    return msgspec.json.encode(value).decode()  # JSON's texts, numbers and truths are TOML's, too
