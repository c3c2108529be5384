"""Reading settings: flags, then environment, then file, then default (contract: common, configuration).

Unknown keys in the file are errors with a suggestion; unknown `INGESTBOX_*` variables are warnings. What is
wrong is said all at once, each fault with the line, variable or flag that it comes from.
"""

from __future__ import annotations

import logging
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import msgspec

from ingestbox.config import issuer, lines
from ingestbox.config.faults import Faults, Origin
from ingestbox.config.reference import PREFIX, variable_of
from ingestbox.config.settings import GROUPS, LISTS, Settings, sections
from ingestbox.config.words import suggestion
from ingestbox.errors import StartupError

# Names of the documented originals that no longer mean anything here (contract: common).
RETIRED = ("DATABASE_URL", "CSV_BUCKET_NAME", "AWS_REGION", "SQS_QUEUE_URL")
_ALIASES = {
    "LOG_LEVEL": ("log", "level"),
    "LOG_FORMAT": ("log", "format"),
    "MAX_BATCH_SIZE": ("limits", "audience_records"),
}
_OF_COMMANDS = frozenset({"INGESTBOX_CONFIG", "INGESTBOX_URL", "INGESTBOX_TOKEN"})
"""The first is read by `load`, the others by the commands that talk to a box."""

_KEY = re.compile(r"\s*([\w.\"'-]+\s*=|\[+[^\]]*\]*)")


class ConfigError(StartupError):
    """The configuration is not valid; `faults` has a sentence for each thing wrong with it."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = list(faults)
        if len(self.faults) == 1:
            super().__init__(self.faults[0])
        else:
            each = "".join(f"\n  {fault}" for fault in self.faults)
            super().__init__(f"The configuration has {len(self.faults)} faults:{each}")


class Loaded(msgspec.Struct, frozen=True):
    """Settings, what the operator should be told about how they were given, and where each was.

    `origins` leaves out what has its default; `file` is the one that was read.
    """

    settings: Settings
    warnings: list[str]
    origins: dict[lines.Path, Origin] = {}
    file: Path | None = None


def load(
    *,
    environ: Mapping[str, str],
    file: Path | None = None,
    flags: Mapping[str, Mapping[str, object]] | None = None,
    data: str | None = None,
) -> Loaded:
    """Reads file, environment and flags into `Settings`.

    `flags` is by section (`{"server": {"port": 9000}}`); `data` is the `--data` flag. The file defaults to
    `INGESTBOX_CONFIG`. Raises ConfigError with a sentence for each fault.
    """
    sources = _Sources()
    if file is None and environ.get("INGESTBOX_CONFIG"):
        file = Path(environ["INGESTBOX_CONFIG"])
    if file is not None:
        sources.read_file(file)
    sources.read_environment(environ)
    for section, values in (flags or {}).items():
        for key, value in values.items():
            if value is not None:
                sources.put((section, key), value, Origin("flag", f"--{key.replace('_', '-')}"))
    if data is not None:
        sources.put(("data",), data, Origin("flag", "--data"))
    return Loaded(sources.settings(), sources.warnings, sources.origins, file)


class _Sources:
    """What was given so far: the values as one tree, and where each came from."""

    def __init__(self) -> None:
        self.origins: dict[lines.Path, Origin] = {}
        self.warnings: list[str] = []
        self._tree: dict[str, Any] = {}
        self._wrong: list[str] = []

    def put(self, path: tuple[str, ...], value: object, origin: Origin) -> None:
        """Sets one value over what was there."""
        node = self._tree
        for part in path[:-1]:
            inner = node.get(part)
            if not isinstance(inner, dict):  # the file has something else there, which is a fault of its own
                inner = node[part] = {}
            node = inner
        node[path[-1]] = value
        for known in [each for each in self.origins if each[: len(path)] == path]:
            del self.origins[known]
        self.origins[path] = origin

    def read_file(self, file: Path) -> None:
        """Takes everything that the file says. Raises ConfigError when it cannot be read as TOML."""
        text = _text(file)
        try:
            self._tree = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            sentence = f"The configuration file {file} is not valid TOML: {_toml(error, text)}"
            raise ConfigError([sentence]) from None
        self.origins = {path: Origin("file", str(file), line) for path, line in lines.lines(text).items()}
        for name in (*GROUPS, *sections()):
            group, _, within = name.rpartition(".")
            around = self._tree.get(group, {}) if group else self._tree
            if not isinstance(around.get(within, {}), dict):
                # Said now, for a variable of the section would take its place.
                given = {within: around.pop(within)}
                self._wrong += Faults(self.origins).of({group: given} if group else given)

    def read_environment(self, environ: Mapping[str, str]) -> None:
        """Takes every variable that is a setting; warns about those that look like one."""
        places: dict[str, tuple[str, str]] = dict(_ALIASES)
        for name, section in sections().items():
            for key in section.__struct_fields__:
                places[variable_of(name, key)] = (name, key)
        lists = {f"{PREFIX}{name}".upper(): name for name in LISTS}
        # An alias says less than the full name, so it comes first and is overruled.
        for variable, value in sorted(environ.items(), key=lambda item: item[0] not in _ALIASES):
            base = variable.removesuffix("_FILE")
            origin = Origin("environment", variable)
            try:
                if variable in RETIRED:
                    self.warnings.append(f"{variable} is set but means nothing here; it is ignored.")
                elif variable in _OF_COMMANDS:
                    continue
                elif variable == "INGESTBOX_DATA":
                    self.put(("data",), value, origin)
                elif variable in lists:
                    self.put((lists[variable],), _json(variable, value), origin)
                elif variable in places:
                    self.put(_path(places[variable]), _parsed(places[variable], value), origin)
                elif base != variable and base in places:
                    secret = _secret_file(variable, value)
                    self.put(_path(places[base]), _parsed(places[base], secret), origin)
                elif variable.startswith(PREFIX):
                    known = (*places, *lists, *_OF_COMMANDS, "INGESTBOX_DATA")
                    near = suggestion(variable, known) or " The names are in docs/configuration.md."
                    self.warnings.append(f"{variable} is not a setting; it is ignored.{near}")
            except ConfigError as error:
                self._wrong += error.faults
        self._read_issuers(environ)

    def _read_issuers(self, environ: Mapping[str, str]) -> None:
        """The names of the documented original, which stand for parts of an issuer."""
        given = self._tree.get("issuers", [])
        if not isinstance(given, list):
            return
        entries = issuer.from_environment(environ, given)
        if entries != given:
            for number, entry in enumerate(entries):
                if number >= len(given):
                    self.origins["issuers", number] = Origin("environment", "COGNITO_USER_POOL_ID")
                elif entry != given[number]:
                    self.origins["issuers", number, "allowed_group"] = Origin("environment", "ALLOWED_GROUP")
            self._tree["issuers"] = entries

    def settings(self) -> Settings:
        """The tree as settings, with the secrets that its `…_file` keys name."""
        level = self._tree.get("log", {}).get("level")
        if isinstance(level, str) and level.upper() in logging.getLevelNamesMapping():
            self._tree["log"]["level"] = level.upper()  # LOG_LEVEL=debug is how many programs take it
        faults = Faults(self.origins)
        wrong = [*self._wrong, *faults.of(self._tree)]
        if wrong:
            raise ConfigError(wrong)
        try:
            settings = msgspec.convert(self._tree, Settings, strict=False)
        except msgspec.ValidationError as error:
            raise ConfigError([f"The configuration is not valid: {error}."]) from None
        return _with_secrets(settings, faults)


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")  # some editors begin a file with a byte order mark
    except FileNotFoundError:
        why = f"There is no configuration file {file}. Make one with: ingestbox init --output {file}."
    except PermissionError:
        why = f"The configuration file {file} may not be read by this user. See: ls -l {file}."
    except UnicodeDecodeError:
        why = f"The configuration file {file} is not UTF-8 text. Save it as UTF-8."
    except (OSError, ValueError) as error:
        why = f"The configuration file {file} cannot be read: {getattr(error, 'strerror', error)}."
    raise ConfigError([why])


def _toml(error: Exception, text: str) -> str:
    """What the parser says, and the key of the line it is about; not the value, which may be a secret."""
    found = re.search(r"at line (\d+)", str(error))
    sentence = f"{error}."
    if found is None:
        return sentence
    line = text.splitlines()[int(found[1]) - 1 : int(found[1])]
    key = _KEY.match(line[0]) if line else None
    where = f" The line begins with `{key[1].strip()}`." if key else ""
    advice = ""
    if "value" in sentence and "overwrite" not in sentence:
        advice = " Text stands in double quotes, lists in [ ]."
    elif "overwrite" in sentence or "twice" in sentence:
        advice = " A key, and a [section], may stand once."
    return f"{sentence}{where}{advice}"


def _path(place: tuple[str, str]) -> tuple[str, ...]:
    """The way to a key: `("enrich.language", "url")` lies three deep."""
    section, key = place
    return (*section.split("."), key)


def _parsed(place: tuple[str, str], value: str) -> object:
    section, key = place
    listed = get_origin(get_type_hints(sections()[section])[key]) is list
    return [part for part in re.split(r"[,\n]", value) if part.strip()] if listed else value


def _json(variable: str, value: str) -> object:
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ConfigError([f"{variable}: expected a list in JSON; it cannot be read: {error}."]) from None


def _secret_file(name: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, ValueError) as error:  # not there, not UTF-8, not even a path
        why = getattr(error, "strerror", None) or error
        raise ConfigError([f"{name}: the file {path} cannot be read: {why}."]) from None


def _with_secrets(settings: Settings, faults: Faults) -> Settings:
    """Each entry of a list, and each section of a group, with the secrets that its `…_file` keys name."""
    replaced: dict[str, object] = {}
    wrong: list[str] = []
    for name in LISTS:
        wrong += _names_taken(name, getattr(settings, name), faults)
        entries = [
            _with_files(entry, (name, number), faults, wrong)
            for number, entry in enumerate(getattr(settings, name))
        ]
        replaced[name] = entries
    for name in GROUPS:
        group: msgspec.Struct = getattr(settings, name)
        within = {
            key: _with_files(getattr(group, key), (name, key), faults, wrong)
            for key in group.__struct_fields__
        }
        replaced[name] = msgspec.structs.replace(group, **within)
    if wrong:
        raise ConfigError(wrong)
    return msgspec.structs.replace(settings, **replaced)


def _names_taken(name: str, entries: Sequence[Any], faults: Faults) -> Iterator[str]:
    seen: set[str] = set()
    for number, entry in enumerate(entries):
        if entry.name in seen:
            what = f"another of the [[{name}]] has the same name, `{entry.name}`; each needs its own."
            yield faults.sentence((name, number, "name"), what)
        seen.add(entry.name)


def _with_files(entry: msgspec.Struct, path: lines.Path, faults: Faults, wrong: list[str]) -> msgspec.Struct:
    """The entry with what its files hold; one that cannot be read is added to what is `wrong`."""
    found: dict[str, str] = {}
    for key in entry.__struct_fields__:
        base = key.removesuffix("_file")
        if base != key and base in entry.__struct_fields__ and getattr(entry, key):
            place = faults.sentence((*path, key), "").rstrip(": ")
            if getattr(entry, base):
                wrong.append(f"{place}: {base} is set, too. Leave one of them out.")
                continue
            try:
                found[base] = _secret_file(place, getattr(entry, key))
            except ConfigError as error:
                wrong += error.faults
    return msgspec.structs.replace(entry, **found)
