"""What docs/forwarding.md says works: its settings load, its checks of signatures check, its words are those
that a box says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from ingestbox import config, lanewords, webhooks
from ingestbox.cli.lanes import command
from ingestbox.cli.laning.filters import filters
from ingestbox.clock import SystemClock
from ingestbox.forward.sinks import open_sink
from ingestbox.ops import scrape
from ingestbox.web.v1.syncshapes import DeliveryLine
from tests.docs.support import blocks

PAGE = (Path(__file__).parents[2] / "docs" / "forwarding.md").read_text("utf-8")
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WORDS = "a secret of your own, of 24 characters or more"

TOML = [body for kind, body in blocks(PAGE) if kind == "toml"]
PYTHON = [body for kind, body in blocks(PAGE) if kind == "python"]


@pytest.mark.parametrize("example", TOML)
def test_its_settings_load_and_their_filters_name_what_there_is(tmp_path: Path, example: str) -> None:
    secret = tmp_path / "central.token"
    secret.write_text("a-token")
    file = tmp_path / "box.toml"
    example = example.replace("/etc/ingestbox/central.token", str(secret)).replace("whsec_…", WHSEC)
    file.write_text(example, "utf-8")
    loaded = config.load(environ={}, file=file)
    assert loaded.settings.lanes
    assert not loaded.warnings
    assert not list(filters(loaded))
    for lane in loaded.settings.lanes:
        open_sink(lane, SystemClock(), "b1")


def signed(secret: str, body: bytes, ago: int = 0) -> dict[str, str]:
    now = SystemClock().now_ms() // 1000 - ago
    return webhooks.headers(webhooks.keys(secret), "b7-e1-central-1-2", now, body)


def function(number: int, name: str) -> Any:
    found: dict[str, Any] = {}
    exec(PYTHON[number], found)
    return found[name]


def test_the_library_takes_what_a_lane_signs_and_nothing_else() -> None:
    lines = function(0, "lines")
    body = b'{"seq":1}\n{"seq":2}\n'
    assert lines(WHSEC, body, signed(WHSEC, body)) == [{"seq": 1}, {"seq": 2}]
    for headers in (signed(WHSEC, body + b" "), signed(WHSEC, body, 400), {}):
        with pytest.raises(WebhookVerificationError):
            lines(WHSEC, body, headers)


@pytest.mark.parametrize("secret", [WHSEC, WORDS.replace(" ", "-")])
def test_the_check_without_a_library_does_the_same_for_any_body(secret: str) -> None:
    is_ours = function(1, "is_ours")
    body = bytes(range(256))
    both = f"{webhooks.PREFIX}{'A' * 32} {secret}"
    assert is_ours(secret, body, signed(secret, body))
    assert is_ours(secret, body, signed(both, body))
    assert not is_ours(secret, body + b"x", signed(secret, body))
    assert not is_ours(secret, body, signed(secret, body, 400))
    assert not is_ours(secret, body, signed(f"{webhooks.PREFIX}{'A' * 32}", body))


def test_the_states_reasons_commands_and_metrics_that_it_names_are_there() -> None:
    table = PAGE.partition("| what you see |")[2].partition("\n\n")[0]
    seen = [row.split("|")[1] for row in table.splitlines()[2:]]
    named = {word.partition(":")[0] for cell in seen for word in re.findall(r"`([^`]+)`", cell)}
    states = {"trying again", "paused", "running", "on hold", "pending"}
    alarms = {"seq_reused", "sync_gap"}
    assert named - states - alarms <= set(lanewords.REASONS)
    commands = set(re.findall(r"`ingestbox lanes ([a-z]+)|`lanes ([a-z]+)", PAGE))
    assert {one or other for one, other in commands} <= set(command.commands)
    source = Path(scrape.__file__).read_text("utf-8")
    for metric in re.findall(r"`ingestbox_(lane_[a-z_]+)`", PAGE):
        assert f'"{metric}"' in source, metric


def test_its_line_has_the_members_of_a_line() -> None:
    (line,) = [msgspec.json.decode(body) for kind, body in blocks(PAGE) if kind == "json"]
    assert line.keys() <= {*_members(DeliveryLine)}


def _members(shape: type[msgspec.Struct]) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(shape)]
