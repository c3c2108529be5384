"""Settings from every place they can come from; what is wrong is said in a sentence."""

from __future__ import annotations

import json
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingestbox import config
from ingestbox.config import Settings, lines, load
from ingestbox.config.load import ConfigError
from ingestbox.config.words import masked
from ingestbox.errors import StartupError

EVERY = [
    (section, field.name, msgspec.structs.astuple(struct())[place])
    for section, struct in config.sections().items()
    for place, field in enumerate(msgspec.structs.fields(struct))
    if not (field.name.endswith("_file") and field.name.removesuffix("_file") in struct.__struct_fields__)
]

OTHER: dict[str, Any] = {
    "host": "::1",
    "level": "ERROR",
    "format": "simple",
    "prefix": "/ingest",
    "webhook_url": "https://alarms.example/box",
    "url": "https://language.example/",
    "low_quality": 0.25,
    "schedule": "cron 30 2 * * *",
}


def other(name: str, default: Any) -> Any:
    """A value that is not the default and within its bounds."""
    if name in OTHER:
        return OTHER[name]
    if isinstance(default, bool):
        return not default
    if default == "off":  # of [pii]
        return "flag"
    if isinstance(default, list):
        return ["a" * 32, "b" * 32]
    return f"{default}other" if isinstance(default, str) else default + 1


@pytest.mark.parametrize(("section", "name", "default"), EVERY)
def test_every_setting_by_file_environment_and_flag(
    tmp_path: Path, section: str, name: str, default: Any
) -> None:
    def value(settings: Settings) -> Any:
        return attrgetter(f"{section}.{name}")(settings)

    wanted = other(name, default)
    assert value(load(environ={}).settings) == default
    file = tmp_path / "ingestbox.toml"
    file.write_text(f"[{section}]\n{name} = {json.dumps(wanted)}\n")
    assert value(load(environ={}, file=file).settings) == wanted
    text = ",".join(wanted) if isinstance(wanted, list) else str(wanted)
    variable = f"INGESTBOX_{section.replace('.', '_')}_{name}".upper()
    loaded = load(environ={variable: text})
    assert (value(loaded.settings), loaded.warnings) == (wanted, [])
    secret = tmp_path / "value"
    secret.write_text("\n".join(wanted) + "\n" if isinstance(wanted, list) else f"{text}\n")
    assert value(load(environ={f"{variable}_FILE": str(secret)}).settings) == wanted
    file.write_text(f"[{section}]\n{name} = {json.dumps(default)}\n")
    assert value(load(environ={variable: text}, file=file).settings) == wanted  # environment over file
    if "." not in section:
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
        "enrich = 5",
        "[[enrich]]",
        "[enrich]\nlanguage = 5",
        "[enrich]\nurl = 'http://x'",
        "[enrich.languages]\nurl = 'http://x'",
        "[[enrich.language]]",
        "[enrich.language]\nurl = 'ftp://x'",
        "[enrich.language]\ntoken_file = '/nowhere'",
    ],
)
def test_a_wrong_file_is_refused_with_a_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "ingestbox.toml"
    file.write_text(text)
    with pytest.raises(StartupError) as caught:
        # As `serve` calls it, with something in each place.
        environ = {"INGESTBOX_SERVER_PORT": "1", "INGESTBOX_ENRICH_LANGUAGE_BATCH": "7"}
        load(environ=environ, file=file, flags={"server": {"host": "::1"}})
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


@pytest.mark.parametrize("name", list(config.Enrich.__struct_fields__))
def test_a_step_has_its_token_from_a_file(tmp_path: Path, name: str) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    file = tmp_path / "box.toml"
    file.write_text(f"[enrich.{name}]\nurl = 'http://x'\ntoken_file = '{token}'\n")
    variable = f"INGESTBOX_ENRICH_{name}_TOKEN_FILE".upper()
    for loaded in (load(environ={}, file=file), load(environ={variable: str(token)})):
        for each in config.Enrich.__struct_fields__:
            assert getattr(loaded.settings.enrich, each).token == ("secret" if each == name else "")
    with pytest.raises(ConfigError, match=rf"^{variable}: the file /nowhere cannot be read"):
        load(environ={variable: "/nowhere"})
    file.write_text(f"[enrich.{name}]\ntoken_file = '/nowhere'\n")
    with pytest.raises(ConfigError, match=rf"line 2: \[enrich.{name}\] token_file: the file /nowhere"):
        load(environ={}, file=file)


def faults_of(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    file = tmp_path / "box.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(environ=environ or {}, file=file)
    prefix = f"{file}, "
    return [fault.removeprefix(prefix) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "[server]\nport = 70000",
            "line 2: [server] port: expected a whole number from 0 to 65535, not `70000`.",
        ),
        (
            "[server]\nport = true",
            "line 2: [server] port: expected a whole number from 0 to 65535, not `true`.",
        ),
        (
            "[server]\nport = 1.5",
            "line 2: [server] port: expected a whole number from 0 to 65535, not `1.5`.",
        ),
        ('server.port = "x"', "line 1: [server] port: expected a whole number from 0 to 65535, not `x`."),
        (
            'server = { port = "x" }',
            "line 1: [server] port: expected a whole number from 0 to 65535, not `x`.",
        ),
        (
            "[server]\nstop_seconds = 0",
            "line 2: [server] stop_seconds: expected a number over 0 and at most 300, not `0`.",
        ),
        (
            "[limits]\nwaiting_writes = 0",
            "line 2: [limits] waiting_writes: expected a whole number of 1 or more, not `0`.",
        ),
        ('[server]\nhost = ""', "line 2: [server] host: must not be empty."),
        ("[server]\nhost = 5", "line 2: [server] host: expected text that is not empty, not `5`."),
        (
            "[server]\nport = []",
            "line 2: [server] port: expected a whole number from 0 to 65535, not a list.",
        ),
        (
            '[log]\nformat = "jsn"',
            "line 2: [log] format: expected one of json, simple, not `jsn`. Did you mean `json`?",
        ),
        (
            '[server]\ncors_origins = [\n  "https://a.example",\n  5,\n]',
            "line 2: [server] cors_origins, entry 2: expected text, not `5`.",
        ),
        ("server = 5", "line 1: [server]: is a section: write [server], and its keys below it."),
        ("lanes = 5", "line 1: [[lanes]]: is a list of sections: write [[lanes]], and its keys below it."),
        (
            "[lanes]\nname = 1",
            "line 1: [[lanes]]: is a list of sections: write [[lanes]], and its keys below it.",
        ),
        ("lanes = [5]", "line 1: [[lanes]] number 1: expected a section, not `5`."),
        (
            '[[lanes]]\nname = "a"\nurl = "http://x"\nprobe_seconds = inf',
            "line 4: [[lanes]] number 1, probe_seconds: expected a number over 0, not `inf`.",
        ),
        (
            '[[lanes]]\nname = "a"\nurl = "http://x"\ntable = "abc\\n"',
            "line 4: [[lanes]] number 1, table: `abc\\n` does not have the form ",
        ),
        (
            '[[lanes]]\nname = "central"\nurl = "pg://ann:s3/cret@db/x"',
            "line 3: [[lanes]] number 1, url: `pg://********@db/x` does not have the form ",
        ),
        ("[log]\nport = 1", "line 2: unknown key `port` in [log]. It belongs below [server]."),
        ("[data]", "line 1: data: expected text that is not empty, not a section."),
        (
            "enrich = 5",
            "line 1: [enrich]: has sections: write [enrich.language] or another, and its keys below it.",
        ),
        (
            "[enrich]\nsentiment = 'http://x'",
            "line 2: [enrich.sentiment]: is a section: write [enrich.sentiment], and its keys below it.",
        ),
        (
            "[enrich.sentiment]\nbatch = 0",
            "line 2: [enrich.sentiment] batch: expected a whole number from 1 to 1000, not `0`.",
        ),
        (
            "[enrich.sentiments]\nbatch = 1",
            "line 1: unknown section `enrich.sentiments`. Did you mean `sentiment`?",
        ),
        (
            "[enrich.sentiment]\nurls = 'http://x'",
            "line 2: unknown key `urls` in [enrich.sentiment]. Did you mean `url`?",
        ),
        ("zebra = 1", "line 1: unknown key `zebra`. Known keys: "),
        ("[zebra]", "line 1: unknown section `zebra`. Known sections: "),
    ],
)
def test_a_fault_says_line_key_value_and_what_was_expected(tmp_path: Path, text: str, fault: str) -> None:
    (found,) = faults_of(tmp_path, text)
    assert found == fault or (fault.endswith((": ", " form ")) and found.startswith(fault))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://central.example/v1/sync/batches", None),
        ("https://central.example:8443/@edge", None),
        ("http://[::1]:8000/a@b", None),
        ("https://ann:s3cret@central.example/x?key=s3cret", "https://********@central.example/x?********"),
        ("postgresql://ann:s3/cret@db/x", "postgresql://********@db/x"),
        ("postgresql://ann:s3#cret@db/x", "postgresql://********@db/x"),
        ("postgresql://ann:123?s3cret@db/x", "postgresql://ann:123?********"),
    ],
)
def test_an_address_is_shown_without_its_password_also_one_that_is_not_written_well(
    url: str, shown: str | None
) -> None:
    assert masked("url", url) == (shown or url)


def test_every_fault_is_found_wherever_it_comes_from(tmp_path: Path) -> None:
    text = '[server]\nport = "x"\n\n[[lanes]]\nname = "a"\n\n[[lanes]]\nname = "A"\nurl = "http://x"\n'
    found = faults_of(tmp_path, text, {"LOG_FORMAT": "xml", "INGESTBOX_ISSUERS": "[{}, 5]"})
    assert len(found) == 6
    assert found[0].startswith("line 2: [server] port")
    assert found[1].startswith("line 4: [[lanes]] number 1: `url` is missing.")
    assert found[2].startswith("line 8: [[lanes]] number 2, name: `A` does not have the form")
    assert found[3] == "LOG_FORMAT: expected one of json, simple, not `xml`."
    assert found[4].startswith("INGESTBOX_ISSUERS: [[issuers]] number 1: `name` is missing.")
    assert found[5] == "INGESTBOX_ISSUERS: [[issuers]] number 2: expected an object in JSON, not `5`."


def test_a_variable_that_overrules_the_file_is_the_one_that_is_named(tmp_path: Path) -> None:
    (found,) = faults_of(tmp_path, "[server]\nport = 1\n", {"INGESTBOX_SERVER_PORT": "x"})
    assert found.startswith("INGESTBOX_SERVER_PORT: expected a whole number")
    file = tmp_path / "secret"
    file.write_text("x")
    (found,) = faults_of(tmp_path, "", {"INGESTBOX_SERVER_PORT_FILE": str(file)})
    assert found.startswith("INGESTBOX_SERVER_PORT_FILE: expected a whole number")


def test_a_flag_is_named_as_it_is_typed() -> None:
    with pytest.raises(ConfigError, match=r"^--port: expected a whole number"):
        load(environ={}, flags={"server": {"port": -1}})
    with pytest.raises(ConfigError, match=r"^--data: must not be empty"):
        load(environ={}, data="")


def test_toml_that_cannot_be_read_names_line_and_key_but_not_the_value(tmp_path: Path) -> None:
    (found,) = faults_of(tmp_path, "[[lanes]]\ntoken = s3cret\n")
    assert "at line 2" in found
    assert "begins with `token =`" in found
    assert "s3cret" not in found
    (found,) = faults_of(tmp_path, "[log]\n[log]\n")
    assert "may stand once" in found


def test_a_lane_with_a_name_or_a_file_that_is_no_good_is_named_with_its_line(tmp_path: Path) -> None:
    lane = '[[lanes]]\nname = "a"\nurl = "http://x"\n'
    (found,) = faults_of(tmp_path, lane + lane)
    assert found.startswith("line 5: [[lanes]] number 2, name: another of the [[lanes]] has the same name")
    (found,) = faults_of(tmp_path, f'{lane}token_file = "/nowhere"\n')
    assert found.startswith(
        "line 4: [[lanes]] number 1, token_file: the file /nowhere cannot be read: No such"
    )


def test_where_each_setting_was_given(tmp_path: Path) -> None:
    file = tmp_path / "box.toml"
    file.write_text('data = "x"\n[server]\nport = 1\nhost = "::1"\n[[lanes]]\nname = "a"\nurl = "http://x"\n')
    found = load(environ={"INGESTBOX_SERVER_HOST": "::"}, file=file, flags={"server": {"port": 2}}).origins
    assert str(found["data",]) == f"{file}, line 1"
    assert str(found["server", "port"]) == "--port"
    assert str(found["server", "host"]) == "INGESTBOX_SERVER_HOST"
    assert found["lanes", 0, "url"].line == 7
    lanes = json.dumps([{"name": "b", "url": "http://y"}])
    found = load(environ={"INGESTBOX_LANES": lanes}, file=file).origins
    assert {path for path in found if path[0] == "lanes"} == {("lanes",)}


def test_lines_of_a_file_with_everything_that_toml_has() -> None:
    text = '''# a comment with [brackets]
a = 1
[s]   # [not]
x = """
[not]
\\\\""" # c ]
y = [ # ]
 1,
 "]",
]
'z.q'.k = {a = 1, b = '[' }
"l\\"]" = '#'

[[lanes]]
n = "#["
[lanes.sub]
q = 1
[[lanes]]
n = \'\'\'
'#'\'\'\'
m = 3'''
    found = lines.lines(text)
    wanted: dict[lines.Path, int] = {
        ("a",): 2,
        ("s",): 3,
        ("s", "x"): 4,
        ("s", "y"): 7,
        ("s", "z.q", "k", "b"): 11,
        ("s", 'l"]'): 12,
        ("lanes",): 14,
        ("lanes", 0): 14,
        ("lanes", 0, "n"): 15,
        ("lanes", 0, "sub", "q"): 17,
        ("lanes", 1): 18,
        ("lanes", 1, "n"): 19,
        ("lanes", 1, "m"): 21,
    }
    assert {path: found.get(path) for path in wanted} == wanted


def test_many_lines_are_found_in_time_that_grows_with_them() -> None:
    keys = ",\n".join(f'"{"k" * 40}{number}"' for number in range(20_000))
    found = lines.lines(f"[auth]\napi_keys = [\n{keys}\n]\nleeway_seconds = 1\n")
    assert found["auth", "leeway_seconds"] == 20_004


def test_the_variables_of_the_documented_original_make_an_issuer(tmp_path: Path) -> None:
    environ = {"COGNITO_USER_POOL_ID": "eu-west-1_x", "COGNITO_CLIENT_ID": "c", "ALLOWED_GROUP": "staff"}
    found = load(environ=environ)
    (entry,) = found.settings.issuers
    assert (entry.preset, entry.user_pool_id, entry.allowed_group) == ("cognito", "eu-west-1_x", "staff")
    assert str(found.origins["issuers", 0]) == "COGNITO_USER_POOL_ID"


@pytest.mark.parametrize("text", ["[" * 5_000, "a = " + "[" * 5_000, "\x00", "a = 1\r\rb = 2"])
def test_a_file_that_is_nonsense_is_a_fault_like_any_other(tmp_path: Path, text: str) -> None:
    assert faults_of(tmp_path, text)
