"""Settings from every place they can come from; what is wrong is said in a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingestbox import config
from ingestbox.config import Settings, load
from ingestbox.errors import StartupError

EVERY = [
    (section, field.name, msgspec.structs.astuple(struct())[place])
    for section, struct in config.sections().items()
    for place, field in enumerate(msgspec.structs.fields(struct))
]

OTHER: dict[str, Any] = {
    "host": "::1",
    "level": "ERROR",
    "format": "simple",
    "prefix": "/ingest",
    "webhook_url": "https://alarms.example/box",
}


def other(name: str, default: Any) -> Any:
    """A value that is not the default and within its bounds."""
    if name in OTHER:
        return OTHER[name]
    if isinstance(default, list):
        return ["a" * 32, "b" * 32]
    return f"{default}other" if isinstance(default, str) else default + 1


@pytest.mark.parametrize(("section", "name", "default"), EVERY)
def test_every_setting_by_file_environment_and_flag(
    tmp_path: Path, section: str, name: str, default: Any
) -> None:
    def value(settings: Settings) -> Any:
        return getattr(getattr(settings, section), name)

    wanted = other(name, default)
    assert value(load(environ={}).settings) == default
    file = tmp_path / "ingestbox.toml"
    file.write_text(f"[{section}]\n{name} = {json.dumps(wanted)}\n")
    assert value(load(environ={}, file=file).settings) == wanted
    text = ",".join(wanted) if isinstance(wanted, list) else str(wanted)
    variable = f"INGESTBOX_{section}_{name}".upper()
    loaded = load(environ={variable: text})
    assert (value(loaded.settings), loaded.warnings) == (wanted, [])
    secret = tmp_path / "value"
    secret.write_text("\n".join(wanted) + "\n" if isinstance(wanted, list) else f"{text}\n")
    assert value(load(environ={f"{variable}_FILE": str(secret)}).settings) == wanted
    file.write_text(f"[{section}]\n{name} = {json.dumps(default)}\n")
    assert value(load(environ={variable: text}, file=file).settings) == wanted  # environment over file
    assert value(load(environ={variable: text}, flags={section: {name: default}}).settings) == default


@pytest.mark.parametrize(
    "text",
    [
        "server = 5",
        "[[server]]\nport = 1",
        "lanes = 5",
        "lanes = [5]",
        "[server]\nprt = 1",
        "[serverr]\nport = 1",
        "[work]\nworkers = 2020-01-01",
        "[work]\nchunk_seconds = nan",
        'data = ""',
        "not toml",
    ],
)
def test_a_wrong_file_is_refused_with_a_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "ingestbox.toml"
    file.write_text(text)
    with pytest.raises(StartupError) as caught:
        # As `serve` calls it, with something in each place.
        load(environ={"INGESTBOX_SERVER_PORT": "1"}, file=file, flags={"server": {"host": "::1"}})
    assert str(caught.value).endswith((".", "?")) or "Known keys" in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("INGESTBOX_SERVER_PORT", ""),
        ("INGESTBOX_SERVER_PORT", "x"),
        ("INGESTBOX_SERVER_HOST", ""),  # would listen on every address
        ("INGESTBOX_DATA", ""),  # would be the current folder
        ("INGESTBOX_LANES", "{"),
        ("INGESTBOX_LANES", "5"),
        ("INGESTBOX_LANES", "\udcff"),
        ("INGESTBOX_LANES", "[" * 100_000),
        ("INGESTBOX_LANES", '[{"name": "a", "url": "http://x", "bogus": 1}]'),
        ("INGESTBOX_AUTH_API_KEYS_FILE", "/nowhere"),
        ("INGESTBOX_CONFIG", "/nowhere"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_variable_is_refused_with_a_sentence(variable: str, value: str) -> None:
    with pytest.raises(StartupError) as caught:
        load(environ={variable: value})
    assert str(caught.value).endswith(".")


def test_the_full_name_overrules_the_alias_in_any_order() -> None:
    both = {"INGESTBOX_LOG_LEVEL": "DEBUG", "LOG_LEVEL": "ERROR"}
    for environ in (both, dict(reversed(both.items()))):
        assert load(environ=environ).settings.log.level == "DEBUG"
    assert load(environ={"LOG_LEVEL": "debug"}).settings.log.level == "DEBUG"


def test_what_means_nothing_is_a_warning() -> None:
    loaded = load(environ={"INGESTBOX_SERVER_PROT": "1", "DATABASE_URL": "x", "HOME": "/"})
    assert len(loaded.warnings) == 2
    assert "INGESTBOX_SERVER_PORT" in loaded.warnings[0] or "INGESTBOX_SERVER_PORT" in loaded.warnings[1]
    assert loaded.settings == Settings()


def test_lanes_from_the_environment_with_a_token_in_a_file(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    lanes = [{"name": "a", "url": "http://x/v1/sync/batches", "token_file": str(token)}]
    (lane,) = load(environ={"INGESTBOX_LANES": json.dumps(lanes)}).settings.lanes
    assert lane.token == "secret"
    with pytest.raises(StartupError, match="same name"):
        load(environ={"INGESTBOX_LANES": json.dumps(lanes * 2)})
