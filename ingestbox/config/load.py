"""Reading settings: flags, then environment, then file, then default (contract: common, configuration).

Unknown keys in the file are errors with a suggestion; unknown `INGESTBOX_*` variables are warnings.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import msgspec

from ingestbox.config.reference import PREFIX
from ingestbox.config.settings import LISTS, Settings, sections
from ingestbox.errors import StartupError

# Names of the documented originals that no longer mean anything here (contract: common).
RETIRED = ("DATABASE_URL", "CSV_BUCKET_NAME", "AWS_REGION", "SQS_QUEUE_URL")
_ALIASES = {"LOG_LEVEL": ("log", "level"), "LOG_FORMAT": ("log", "format")}


class Loaded(msgspec.Struct, frozen=True):
    """Settings, and what the operator should be told about how they were given."""

    settings: Settings
    warnings: list[str]


def load(
    *,
    environ: Mapping[str, str],
    file: Path | None = None,
    flags: Mapping[str, Mapping[str, object]] | None = None,
    data: str | None = None,
) -> Loaded:
    """Reads file, environment and flags into `Settings`.

    `flags` is by section (`{"server": {"port": 9000}}`); `data` is the `--data` flag. The file defaults to
    `INGESTBOX_CONFIG`. Raises StartupError with a sentence that names the key and what was expected.
    """
    warnings: list[str] = []
    if file is None and environ.get("INGESTBOX_CONFIG"):
        file = Path(environ["INGESTBOX_CONFIG"])
    merged = _read_file(file) if file else {}
    _merge_environment(merged, environ, warnings)
    for section, values in (flags or {}).items():
        merged.setdefault(section, {}).update({k: v for k, v in values.items() if v is not None})
    if data is not None:
        merged["data"] = data
    level = merged.get("log", {}).get("level")
    if isinstance(level, str):
        merged["log"]["level"] = level.upper()  # LOG_LEVEL=debug is how many programs take it
    try:
        settings = msgspec.convert(merged, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise StartupError(f"The configuration is not valid: {error}.") from None
    return Loaded(_with_secrets(settings), warnings)


def _read_file(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text("utf-8-sig")  # some editors begin a file with a byte order mark
    except OSError as error:
        raise StartupError(f"The configuration file {file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise StartupError(f"The configuration file {file} is not UTF-8 text.") from None
    try:
        tree: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StartupError(f"The configuration file {file} is not valid TOML: {error}.") from None
    known = sections()
    _refuse_unknown(file, "", tree, Settings)
    for name, section in known.items():
        given = tree.get(name, {})
        if not isinstance(given, dict):
            raise StartupError(f"{file}: `{name}` is a section: write [{name}], and its keys below it.")
        _refuse_unknown(file, name, given, section)
    for name, kind in LISTS.items():
        entries = tree.get(name)
        for number, entry in enumerate(entries if isinstance(entries, list) else [], start=1):
            if isinstance(entry, dict):
                _refuse_unknown(file, f"{name}, number {number}", entry, kind)
    return tree


def _refuse_unknown(
    file: Path, place: str, given: Mapping[str, object], expected: type[msgspec.Struct]
) -> None:
    names = expected.__struct_fields__
    for key in given:
        if key not in names:
            where = f" in [{place}]" if place else ""
            raise StartupError(f"{file}: unknown key `{key}`{where}.{_suggestion(key, names)}")


def _suggestion(word: str, names: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word, names, n=1)
    return f" Did you mean `{near[0]}`?" if near else f" Known keys: {', '.join(sorted(names))}."


def _merge_environment(merged: dict[str, Any], environ: Mapping[str, str], warnings: list[str]) -> None:
    places: dict[str, tuple[str, str]] = dict(_ALIASES)
    for name, section in sections().items():
        for key in section.__struct_fields__:
            places[f"{PREFIX}{name}_{key}".upper()] = (name, key)
    lists = {f"{PREFIX}{name}".upper(): name for name in LISTS}
    # An alias says less than the full name, so it comes first and is overruled.
    for variable, value in sorted(environ.items(), key=lambda item: item[0] not in _ALIASES):
        base = variable.removesuffix("_FILE")
        if variable in RETIRED:
            warnings.append(f"{variable} is set but means nothing here; it is ignored.")
        elif variable in ("INGESTBOX_CONFIG", "INGESTBOX_URL", "INGESTBOX_TOKEN"):
            continue  # the first is read by load(), the others by the commands that talk to a box
        elif variable == "INGESTBOX_DATA":
            merged["data"] = value
        elif variable in lists:
            merged[lists[variable]] = _json(variable, value)
        elif variable in places:
            _put(merged, places[variable], value)
        elif base != variable and base in places:
            _put(merged, places[base], _secret_file(variable, value))
        elif variable.startswith(PREFIX):
            warnings.append(
                f"{variable} is not a setting; it is ignored.{_suggestion(variable, tuple(places))}"
            )


def _put(merged: dict[str, Any], place: tuple[str, str], value: str) -> None:
    section, key = place
    listed = get_origin(_hint(section, key)) is list
    parsed = [part for part in re.split(r"[,\n]", value) if part.strip()] if listed else value
    merged.setdefault(section, {})[key] = parsed


def _hint(section: str, key: str) -> object:
    return get_type_hints(sections()[section])[key]


def _json(variable: str, value: str) -> object:
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise StartupError(f"{variable} is not valid JSON: {error}.") from None


def _secret_file(name: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, ValueError) as error:  # not there, not UTF-8, not even a path
        raise StartupError(f"{name}: the file {path} cannot be read: {error}.") from None


def _with_secrets(settings: Settings) -> Settings:
    """Each entry of a list with the secrets that its `…_file` keys name."""
    lists: dict[str, list[msgspec.Struct]] = {}
    for name, kind in LISTS.items():
        entries: list[Any] = getattr(settings, name)
        called = [entry.name for entry in entries]
        if len(set(called)) != len(called):
            raise StartupError(f"Two [[{name}]] have the same name; each needs its own.")
        lists[name] = [_with_files(f"[[{name}]] {entry.name}", entry, kind) for entry in entries]
    return msgspec.structs.replace(settings, **lists)


def _with_files(where: str, entry: msgspec.Struct, kind: type[msgspec.Struct]) -> msgspec.Struct:
    found = {
        key.removesuffix("_file"): _secret_file(f"{where} {key}", getattr(entry, key))
        for key in kind.__struct_fields__
        if key.endswith("_file") and getattr(entry, key)
    }
    return msgspec.structs.replace(entry, **found)
