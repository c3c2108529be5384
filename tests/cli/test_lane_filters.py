"""What `check-config` says of a lane's filter and schedule before a start would."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ingestbox import config
from ingestbox.cli.laning.filters import filters
from tests.cli.support import ingestbox

LANE = '[[lanes]]\nname = "up"\nurl = "https://up.example/x"\ntoken = "x"\n'


def found(folder: Path, text: str) -> list[tuple[str, str, str]]:
    file = folder / "box.toml"
    file.write_text(LANE + text)
    return [(each.level, each.about, each.message) for each in filters(config.load(environ={}, file=file))]


@pytest.mark.parametrize(
    "text",
    [
        "",
        'families = ["feedback", "contacts"]\nkinds = ["ticket", "contact"]\n',
        'kinds = ["contact"]\nops = ["put"]\nworkspaces = ["default", "acme", "Rechnung & Co"]\n',
        'schedule = "every 5 s"\n',
        'schedule = "cron * 22-23,0-5 * * *"\n',
    ],
)
def test_what_is_right_says_nothing(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "level", "words"),
    [
        ('families = ["fedback"]\n', "warning", ["no family 'fedback'", "Did you mean feedback?"]),
        ('families = ["Feedback"]\n', "warning", ["Did you mean feedback?"]),
        ('families = ["xyz"]\n', "warning", ["There are: audience, contacts, feedback, knowledge."]),
        ('kinds = ["tickets"]\n', "warning", ["no kind 'tickets'", "Did you mean ticket?"]),
        (
            'families = ["contacts"]\nkinds = ["ticket"]\n',
            "warning",
            ["nothing goes this way", "has no ticket"],
        ),
        ('workspaces = ["defualt"]\n', "warning", ["did you mean default"]),
        ('workspaces = ["acme "]\n', "warning", ["begins or ends with a blank"]),
        ('workspaces = [""]\n', "warning", ["is empty"]),
        ('schedule = "cron 99 * * * *"\n', "error", ["schedule: 'cron 99 * * * *' names no minutes"]),
        ('schedule = "cron * * 31 2 *"\n', "error", ["never opens"]),
    ],
)
def test_what_names_nothing_or_never_comes_is_said(
    tmp_path: Path, text: str, level: str, words: list[str]
) -> None:
    ((told, about, message),) = found(tmp_path, text)
    assert (told, about) == (level, "lane up")
    for word in words:
        assert word in message


def test_the_command_says_it_beside_what_else_there_is_to_the_lane(tmp_path: Path) -> None:
    (tmp_path / "box.toml").write_text(LANE + 'kinds = ["tickets"]\nschedule = "cron 99 * * * *"\n')
    ran = ingestbox("check-config", "--config", "box.toml", "--json", cwd=tmp_path)
    assert ran.code == 1
    checks = [each for each in json.loads(ran.out)["checks"] if each["about"] == "lane up"]
    assert [each["level"] for each in checks].count("warning") == 1
    assert "error" in [each["level"] for each in checks]
