"""`ingestbox lanes`: what people and scripts are told of the ways upstream, with and without a box."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingestbox import amounts, lanewords, logs
from ingestbox.cli.commands import run
from tests.cli.support import PATIENCE, Ran, environment, ingestbox
from tests.cli.test_completion import words
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job
from tests.upstream import Refusing, refusing

NOWHERE = '[[lanes]]\nname = "nowhere"\nurl = "http://127.0.0.1:9/v1/sync/batches"\ntoken = "any"\n'
OLD = '[[lanes]]\nname = "old"\nurl = "http://127.0.0.1:9/old"\ntoken = "any"\nfamilies = ["feedback"]\n'

Say = Callable[..., Ran]


@dataclass(frozen=True)
class Scene:
    """A box with a lane that delivers, one whose upstream is away, and one that is off with lines in it."""

    box: BoxProcess
    upstream: Refusing


def lane(box: BoxProcess, name: str = "central") -> dict[str, Any]:
    with box.client() as client:
        found: dict[str, Any] = client.get(f"/v1/lanes/{name}").raise_for_status().json()
    return found


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with refusing() as upstream:
        upstream.refusing = False
        folder = tmp_path_factory.mktemp("box")
        with running(folder, config=upstream.lane() + NOWHERE + OLD) as box:
            with box.client() as client:
                wait_job(client, post_tickets(client, [ticket(n) for n in range(1, 4)])["job_id"])
                until(lambda: lane(box)["delivered"] == 3, "three are delivered")
            assert box.stop() == 0
            box.configure(upstream.lane() + NOWHERE)
            box.start()
            until(lambda: lane(box, "nowhere")["state"] == "retrying", "the other has nobody")
            yield Scene(box, upstream)


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Runs a command in this process, which is quicker; how it ends, and what it printed."""
    monkeypatch.setattr(logs, "set_up", lambda *_: None)

    def said(data: Path, *arguments: str) -> Ran:
        capsys.readouterr()
        code = run(["lanes", arguments[0], "--data", str(data), *arguments[1:]] if arguments else _all(data))
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    return said


def _all(data: Path) -> list[str]:
    return ["lanes", "--data", str(data)]


def test_the_list_says_the_lag_and_what_to_do(scene: Scene, tmp_path: Path) -> None:
    ran = ingestbox("lanes", "--data", scene.box.data, cwd=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    head, central, nowhere, old, _, *sentences = ran.out.splitlines()
    assert head.split() == ["lane", "state", "pending", "size", "oldest", "refused", "delivered"]
    assert re.fullmatch(r"central +running +0 +- +- +0 +\d+ (s|min) ago", central), central
    assert re.fullmatch(r"nowhere +trying again +3 +[\d.]+ KB +\d+ (s|min) +0 +-", nowhere), nowhere
    assert re.fullmatch(r"old +off +3 +[\d.]+ KB +\d+ (s|min) +0 +-", old), old
    assert max(map(len, (head, central, nowhere, old))) <= 80
    said = lanewords.REASONS["connect"]
    assert sentences[0].startswith(f"nowhere: {said.meaning} {said.remedy} Next try: ")
    assert sentences[1].startswith("old: It is not in the settings.")
    found = ingestbox("lanes", "--json", "--data", scene.box.data, cwd=tmp_path).json()["lanes"]
    assert [each["name"] for each in found] == ["central", "nowhere", "old"]
    assert (found[1]["state"], found[1]["pending"], found[1]["reason"]) == ("retrying", 3, "connect")
    assert found[1]["pending_bytes"] > 1_000


def test_one_lane_with_its_sums(scene: Scene, say: Say) -> None:
    ran = say(scene.box.data, "show", "old")
    assert (ran.code, ran.err) == (0, "")
    facts = dict(re.split(r" {2,}", line, maxsplit=1) for line in ran.out.splitlines() if "  " in line)
    assert facts["takes"] == "families feedback"
    assert facts["sums"] == "right: 3 made = 0 delivered + 3 pending + 0 refused + 0 given up"
    assert re.fullmatch(r"3, [\d.]+ KB, the oldest \d+ (s|min) old", facts["pending"])
    assert say(scene.box.data, "show", "central").out.count("everything") == 1
    told = json.loads(say(scene.box.data, "show", "central", "--json").out)
    assert told["balance"] == {
        "enqueued": 3,
        "delivered": 3,
        "pending": 0,
        "parked": 0,
        "discarded": 0,
        "holds": True,
    }
    assert told["schedule"] == "immediately"


def test_options_may_stand_before_the_command(scene: Scene, tmp_path: Path) -> None:
    ran = ingestbox("lanes", "--data", scene.box.data, "--json", "show", "central", cwd=tmp_path)
    assert ran.json()["name"] == "central"


@pytest.mark.parametrize(
    ("name", "hint"),
    [("centrl", "Did you mean central?"), ("xyz", "There are: central, nowhere, old."), ("a/b", "There are")],
)
@pytest.mark.parametrize("action", ["show", "pause", "test", "parked", "remove"])
def test_a_lane_that_is_not_there(scene: Scene, say: Say, action: str, name: str, hint: str) -> None:
    ran = say(scene.box.data, action, name)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"Error: There is no lane {name}. {hint}")


def test_a_lane_is_put_on_hold_and_goes_on(scene: Scene, say: Say) -> None:
    ran = say(scene.box.data, "pause", "central", "--reason", "moves tonight")
    assert (ran.code, ran.err) == (0, "")
    assert "on hold" in ran.out
    shown = say(scene.box.data, "show", "central").out
    assert "state        on hold" in shown
    assert re.search(r"Put on hold by local:cli, \d s ago: moves tonight\. Let it go on", shown)
    listed = say(scene.box.data).out
    assert "Let it go on with: ingestbox lanes resume central" in listed
    assert say(scene.box.data, "pause", "central", "--reason", " ").code == 1
    assert say(scene.box.data, "resume", "central").out == "Lane central goes on, with 0 lines pending.\n"
    assert lane(scene.box)["held_at"] is None


def test_a_knock_tells_what_the_answer_means(scene: Scene, say: Say) -> None:
    ran = say(scene.box.data, "test", "central")
    assert (ran.code, ran.out.startswith("ok central: The upstream was reached")) == (0, True), ran
    assert "(answer 200, " in ran.out
    scene.upstream.status = 401
    ran = say(scene.box.data, "test", "central")
    scene.upstream.status = 200
    assert ran.code == 1
    assert ran.out.startswith("FAILED central: The upstream does not know this box")
    assert "Check the lane's token" in ran.out
    assert "(answer 401, " in ran.out
    ran = say(scene.box.data, "test", "nowhere", "--json")
    assert (ran.code, json.loads(ran.out)["reason"]) == (1, "connect")


def test_sent_again_after_it_was_said_how_much_that_is(scene: Scene, say: Say) -> None:
    data = scene.box.data
    plan = say(data, "replay", "central", "--from-seq", "2", "--dry-run")
    assert (plan.code, plan.err) == (0, "")
    assert plan.out.startswith("Lane central would send 2 lines again, from number 2 on, made 20")
    assert lane(scene.box)["delivered"] == 3
    unasked = say(data, "replay", "central", "--from-seq", "2")
    assert (unasked.code, "add --yes" in unasked.err) == (2, True)
    assert lane(scene.box)["delivered"] == 3
    before = len(scene.upstream.seen)
    done = say(data, "replay", "central", "--from-seq", "2", "--yes")
    assert done.out.endswith("Lane central sends 2 lines again. Watch it: ingestbox lanes show central\n")
    until(lambda: (2, 3) in scene.upstream.seen[before:], "they come again")
    until(lambda: lane(scene.box)["delivered"] == 3, "and are counted again")
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    none = say(data, "replay", "central", "--from-date", tomorrow, "--yes")
    assert (none.code, "nothing to send again" in none.out) == (0, True)
    day = datetime.now().astimezone().date().isoformat()
    told = json.loads(say(data, "replay", "central", "--from-date", day, "--dry-run", "--json").out)
    assert (told["lines"], told["starts_at"], told["dry_run"]) == (3, "1", True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay", "central"),
        ("replay", "central", "--from-seq", "1", "--from-date", "2026-01-01"),
        ("replay", "central", "--from-seq", "0"),
        ("replay", "central", "--from-date", "yesterday"),
        ("retry", "central"),
        ("retry", "central", "1", "--all"),
        ("retry", "central", "x"),
        ("discard", "central", "1"),
        ("discard", "central", "--reason", "x"),
        ("parked", "central", "--state", "lost"),
        ("show",),
        ("central",),
    ],
)
def test_a_mistake_in_the_call(scene: Scene, say: Say, arguments: tuple[str, ...]) -> None:
    ran = say(scene.box.data, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert arguments != ("central",) or "To see a lane: ingestbox lanes show central" in ran.err


def test_what_lies_ahead_cannot_be_sent_again(scene: Scene, say: Say) -> None:
    ran = say(scene.box.data, "replay", "central", "--from-seq", "99", "--yes")
    assert ran.code == 1
    assert "ends with 3" in ran.err


def test_refused_lines_are_listed_sent_again_and_given_up(scene: Scene, say: Say) -> None:
    data, upstream = scene.box.data, scene.upstream
    upstream.refusing, upstream.message = True, "No such customer.\x1b[2J"
    with scene.box.client() as client:
        wait_job(client, post_tickets(client, [ticket(4), ticket(5), ticket(6)])["job_id"])
    until(lambda: lane(scene.box)["parked"] == 3, "they are refused")
    assert "3 lines are refused. See why: ingestbox lanes parked central" in say(data).out
    ran = say(data, "parked", "central")
    rows = [line.split() for line in ran.out.splitlines()]
    assert [row[:4] for row in rows[1:4]] == [
        [str(seq), "refused", "ticket", f"T-{seq}"] for seq in (6, 5, 4)
    ]
    assert "\x1b" not in ran.out
    assert "ingestbox lanes retry central" in ran.out
    assert say(data, "parked", "central", "--limit", "1").out.count("record_invalid") == 1
    given_up = say(data, "discard", "central", "6", "--reason", "removed there")
    assert (given_up.code, given_up.out) == (0, "1 line of lane central is given up.\n")
    assert say(data, "discard", "central", "1", "--reason", "x").code == 1
    upstream.refusing = False
    assert say(data, "retry", "central", "4").out == "1 line of lane central is sent again.\n"
    assert say(data, "retry", "central", "--all").out == "1 line of lane central is sent again.\n"
    until(lambda: lane(scene.box)["delivered"] == 5, "they are taken")
    assert say(data, "parked", "central").err == "Lane central has no such lines.\n"
    assert "given up" in say(data, "parked", "central", "--state", "discarded").out
    shown = say(data, "show", "central").out
    assert "refused      none waits, 1 given up" in shown
    assert "right: 6 made = 5 delivered + 0 pending + 0 refused + 1 given up" in shown


def on_terminal(answer: str, *arguments: str) -> tuple[int, str]:
    """A command on a terminal, where a person types an answer."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "ingestbox", *arguments],
        env=environment({"COLUMNS": "80"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # how a terminal says that nobody is there any more
        while part := os.read(ours, 4096):
            shown += part
            if part.endswith(b"[y/N]: "):
                os.write(ours, answer.encode() + b"\n")
    os.close(ours)
    return process.wait(PATIENCE), shown.decode()


def test_a_person_is_asked_before_a_lane_is_forgotten(scene: Scene, say: Say) -> None:
    data = scene.box.data
    configured = say(data, "remove", "nowhere", "--yes", "--reason", "x")
    assert (configured.code, "in the settings" in configured.err) == (1, True)
    unsaid = say(data, "remove", "old", "--yes")
    assert unsaid.code == 1
    assert "Say why with --reason" in unsaid.err
    code, shown = on_terminal("n", "lanes", "remove", "old", "--data", str(data), "--reason", "gone")
    assert (code, "Nothing was changed." in shown) == (1, True), shown
    pending = lane(scene.box, "old")["pending"]
    assert pending >= 3
    code, shown = on_terminal("y", "lanes", "remove", "old", "--data", str(data), "--reason", "gone")
    assert code == 0, shown
    assert "Lane old is forgotten." in shown
    assert f"{pending} lines are given up." in shown
    assert "\nold" not in say(data).out
    with scene.box.client() as client:
        line = client.get("/v1/audit", params={"action": "lane.remove"}).json()["audit"][0]
    assert (line["after"]["reason"], line["after"]["pending"]) == ("gone", pending)


def test_without_a_box_commands_go_to_the_folder_and_count_from_the_next_start(
    scene: Scene, say: Say, tmp_path: Path
) -> None:
    box, data = scene.box, scene.box.data
    config = str(box.folder / "ingestbox.toml")
    before = len(scene.upstream.seen)
    assert box.stop() == 0
    ran = say(data, "show", "central")
    assert (ran.code, ran.err.startswith("No box runs on ")) == (0, True)
    assert say(data, "pause", "nowhere", "--reason", "moving").code == 0
    assert say(data, "replay", "central", "--from-seq", "1", "--yes").code == 0
    assert say(data, "test", "central", "--config", config).code == 0
    ran = say(data, "test", "central")
    assert (ran.code, "not in the settings" in ran.err) == (1, True)
    assert "5 lines" not in say(data, "parked", "central").out
    box.start()
    until(lambda: any(first == 1 for first, _ in scene.upstream.seen[before:]), "it is sent again")
    assert lane(box, "nowhere")["held_reason"] == "moving"
    nothing = say(tmp_path, "show", "central")
    assert (nothing.code, "There is no store in" in nothing.err) == (1, True)


def test_names_are_completed_from_the_settings(tmp_path: Path) -> None:
    (tmp_path / "box.toml").write_text(NOWHERE + OLD)
    assert words(tmp_path, "ingestbox lanes ") >= {"show", "replay", "remove"}
    assert words(tmp_path, "ingestbox lanes --config box.toml show n") == {"nowhere"}
    assert words(tmp_path, "ingestbox lanes pause --config box.toml ") == {"nowhere", "old"}


def test_sizes_and_ages() -> None:
    assert [amounts.size(given) for given in (0, 1023, 1024, 10_240, 5 * 1024**4)] == [
        *("0 B", "1023 B", "1.0 KB", "10 KB", "5.0 TB"),
    ]
    assert [amounts.age(given) for given in (0, 119, 120, 7_199, 7_200, 172_799, 172_800)] == [
        *("0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 d"),
    ]
