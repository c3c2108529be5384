"""Settings: each has a default, a key in the file, a variable `INGESTBOX_<SECTION>_<KEY>`, a sentence.

Precedence: flags, then environment, then file, then default. Unknown keys in the file are errors with a
suggestion; unknown `INGESTBOX_*` variables are warnings (contract: common, `/v1` and configuration).
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta

from ingestbox.errors import StartupError

MIB = 1_048_576
"""MB means 1,048,576 bytes throughout (contract: common, Requests)."""


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[server]: where the box listens."""

    # Not empty: that would mean every address.
    host: Annotated[str, Meta(min_length=1, description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[
        int, Meta(ge=0, le=65535, description="TCP port to listen on; 0 picks a free one and logs it.")
    ] = 8000
    stop_seconds: Annotated[
        float, Meta(gt=0, le=300, description="How long a stop waits for requests and chunks in hand.")
    ] = 10.0


class Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[log]: what is logged and how; `LOG_LEVEL` and `LOG_FORMAT` are read too."""

    level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], Meta(description="Lowest level logged.")
    ] = "INFO"
    format: Annotated[
        Literal["json", "simple"], Meta(description="One JSON object a line, or a line for people.")
    ] = "json"


class Auth(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[auth]: who is let in."""

    api_keys: Annotated[
        list[str],
        Meta(
            description="Static API keys, each `key`, `key:role+role` or `key:role+role:workspace`; a key has"
            " 32 characters or more. In the environment separated by commas, or a file named by "
            "INGESTBOX_AUTH_API_KEYS_FILE with one a line."
        ),
    ] = []
    leeway_seconds: Annotated[
        int, Meta(ge=0, le=300, description="Clock difference forgiven in a token's exp and nbf.")
    ] = 5


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[limits]: caps on what one request may carry; they hold on the wire and after decompression."""

    feedback_json_mb: Annotated[int, Meta(ge=1, le=1024, description="JSON body of feedback, in MB.")] = 16
    sync_mb: Annotated[int, Meta(ge=1, le=1024, description="Body of /v1/sync/batches, in MB.")] = 16
    control_kb: Annotated[
        int, Meta(ge=1, le=65536, description="Body of any other call (keys, administration), in KB.")
    ] = 64
    feedback_records: Annotated[int, Meta(ge=1, le=100_000, description="Records in one feedback batch.")] = (
        1_000
    )
    waiting_writes: Annotated[
        int,
        Meta(ge=1, description="Intake writes that may wait for the store; past it 503 with Retry-After."),
    ] = 512
    body_stall_seconds: Annotated[
        float, Meta(gt=0, description="A body that sends nothing for this long is given up with 408.")
    ] = 30.0


class Store(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[store]: the ledger."""

    max_mb: Annotated[
        int,
        Meta(ge=0, description="Largest size of the database in MB; past it intake answers 507. 0: none."),
    ] = 0
    min_free_mb: Annotated[
        int, Meta(ge=0, description="Free disk space in MB below which the box says it is not ready.")
    ] = 256
    readers: Annotated[int, Meta(ge=1, le=16, description="Read-only connections.")] = 2
    idempotency_hours: Annotated[
        int, Meta(ge=1, le=8760, description="How long an Idempotency-Key is remembered.")
    ] = 48


class Work(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[work]: processing."""

    workers: Annotated[int, Meta(ge=1, le=64, description="Jobs worked on at once.")] = 4
    children: Annotated[
        int, Meta(ge=0, le=64, description="Processes for CPU work; 0: one per core, at most four.")
    ] = 0
    chunk_records: Annotated[
        # Settling 500 holds the writer for about 15 ms.
        int, Meta(ge=1, le=500, description="Records processed and settled together.")
    ] = 100
    chunk_seconds: Annotated[
        float, Meta(gt=0, description="A chunk that takes longer is stopped and retried in smaller parts.")
    ] = 60.0
    lease_seconds: Annotated[
        float, Meta(gt=0, description="How long a worker holds a job without progress before it is freed.")
    ] = 300.0
    sweep_seconds: Annotated[
        float, Meta(gt=0, description="How often leases, due retries and the workers' health are looked at.")
    ] = 5.0


class Lane(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[[lanes]]: one upstream that finished results are delivered to."""

    name: Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,31}$", description="Name of the lane.")]
    url: Annotated[
        str,
        Meta(pattern="^https?://", description="Where batches are posted, for example …/v1/sync/batches."),
    ]
    token: Annotated[str, Meta(description="Bearer token or API key for the upstream.")] = ""
    token_file: Annotated[str, Meta(description="A file that holds the token instead.")] = ""
    schedule: Annotated[
        str,
        Meta(pattern="^(immediately|every [1-9][0-9]* s)$", description='"immediately" or "every 60 s".'),
    ] = "immediately"
    batch_lines: Annotated[int, Meta(ge=1, le=10_000, description="Most lines in a batch.")] = 500
    batch_kb: Annotated[
        int,
        Meta(ge=1, le=65536, description="Most kilobytes of a batch before compression (one line at least)."),
    ] = 4096
    timeout_seconds: Annotated[float, Meta(gt=0, description="Longest wait for the upstream's answer.")] = (
        30.0
    )
    probe_seconds: Annotated[
        float, Meta(gt=0, description="How often a paused lane tries again (contract: every 5 min).")
    ] = 300.0
    backoff_seconds: Annotated[
        float,
        Meta(gt=0, description="First pause after a failed try; it doubles, with full jitter, to 5 min."),
    ] = 1.0


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that can be set."""

    data: Annotated[
        str, Meta(min_length=1, description="The data folder; made with mode 0700 when it is not there.")
    ] = "./ingestbox-data"
    server: Server = Server()
    log: Log = Log()
    auth: Auth = Auth()
    limits: Limits = Limits()
    store: Store = Store()
    work: Work = Work()
    lanes: Annotated[list[Lane], Meta(description="Upstreams; also as JSON in INGESTBOX_LANES.")] = []


# Names of the documented originals that no longer mean anything here (contract: common).
RETIRED = ("DATABASE_URL", "CSV_BUCKET_NAME", "AWS_REGION", "SQS_QUEUE_URL")
_ALIASES = {"LOG_LEVEL": ("log", "level"), "LOG_FORMAT": ("log", "format")}
_PREFIX = "INGESTBOX_"


class Loaded(msgspec.Struct, frozen=True):
    """Settings, and what the operator should be told about how they were given."""

    settings: Settings
    warnings: list[str]


def sections() -> dict[str, type[msgspec.Struct]]:
    """The sections of the file, by name, without the `lanes` list."""
    hints = get_type_hints(Settings)
    return {n: t for n, t in hints.items() if isinstance(t, type) and issubclass(t, msgspec.Struct)}


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
    return Loaded(_with_lane_tokens(settings), warnings)


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
    lanes = tree.get("lanes")
    for number, lane in enumerate(lanes if isinstance(lanes, list) else [], start=1):
        if isinstance(lane, dict):
            _refuse_unknown(file, f"lanes, number {number}", lane, Lane)
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
            places[f"{_PREFIX}{name}_{key}".upper()] = (name, key)
    # An alias says less than the full name, so it comes first and is overruled.
    for variable, value in sorted(environ.items(), key=lambda item: item[0] not in _ALIASES):
        base = variable.removesuffix("_FILE")
        if variable in RETIRED:
            warnings.append(f"{variable} is set but means nothing here; it is ignored.")
        elif variable in ("INGESTBOX_CONFIG", "INGESTBOX_URL", "INGESTBOX_TOKEN"):
            continue  # the first is read by load(), the others by the commands that talk to a box
        elif variable == "INGESTBOX_DATA":
            merged["data"] = value
        elif variable == "INGESTBOX_LANES":
            merged["lanes"] = _json(variable, value)
        elif variable in places:
            _put(merged, places[variable], value)
        elif base != variable and base in places:
            _put(merged, places[base], _secret_file(variable, value))
        elif variable.startswith(_PREFIX):
            warnings.append(
                f"{variable} is not a setting; it is ignored.{_suggestion(variable, tuple(places))}"
            )


def _put(merged: dict[str, Any], place: tuple[str, str], value: str) -> None:
    section, key = place
    listed = key in ("api_keys",)
    parsed = [part for part in re.split(r"[,\n]", value) if part.strip()] if listed else value
    merged.setdefault(section, {})[key] = parsed


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


def _with_lane_tokens(settings: Settings) -> Settings:
    names = [lane.name for lane in settings.lanes]
    if len(set(names)) != len(names):
        raise StartupError("Two [[lanes]] have the same name; each needs its own.")
    lanes = [
        msgspec.structs.replace(lane, token=_secret_file(f"lane {lane.name}", lane.token_file))
        if lane.token_file
        else lane
        for lane in settings.lanes
    ]
    return msgspec.structs.replace(settings, lanes=lanes)


def describe(hint: object) -> str:
    """The sentence that documents a setting: the description in its annotation, or empty."""
    return next((m.description for m in get_args(hint)[1:] if isinstance(m, Meta) and m.description), "")


def reference() -> str:
    """All settings as Markdown, kept true in docs/configuration.md by a test."""
    lines: list[str] = []
    every: dict[str, type[msgspec.Struct]] = {**sections(), "lanes": Lane}
    for name, section in every.items():
        title = f"[[{name}]]" if section is Lane else f"[{name}]"
        lines += [f"## {title}", "", "| key | default | variable | what it does |", "|---|---|---|---|"]
        hints = get_type_hints(section, include_extras=True)
        for field in msgspec.structs.fields(section):
            default = field.default if field.default is not msgspec.NODEFAULT else None
            if field.default_factory is not msgspec.NODEFAULT:
                default = field.default_factory()
            shown = "required" if field.required else f"`{msgspec.json.encode(default).decode()}`"
            variable = "–" if section is Lane else f"`{_PREFIX}{name}_{field.name}`".upper()
            lines.append(f"| `{field.name}` | {shown} | {variable} | {describe(hints[field.name])} |")
        lines.append("")
    return "\n".join(lines)
