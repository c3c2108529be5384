"""The commands as people and scripts meet them: what they print, where, and how they end."""

from __future__ import annotations

import json
import os
import pty
import pwd
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ingestbox import __version__
from ingestbox.cli.commands import cli
from ingestbox.cli.options import settings_of
from ingestbox.model import Role
from ingestbox.store import DATABASE
from tests.cli.support import Answer, Ran, Upstream, environment, ingestbox
from tests.harness import BoxProcess, running, until


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a box that ran once and was stopped."""
    folder = tmp_path_factory.mktemp("stopped")
    with running(folder) as box:
        assert box.stop() == 0
    return box.data


@pytest.fixture(params=["running", "stopped"])
def either(request: pytest.FixtureRequest, box: BoxProcess, stopped: Path) -> Path:
    """A data folder, once with its box running and once without."""
    return box.data if request.param == "running" else stopped


def listing(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def failed_without_trace(ran: Ran, code: int) -> None:
    assert ran.code == code, ran
    assert ran.out == ""
    assert "Error: " in ran.err
    assert "Traceback" not in ran.err


def every_command(group: click.Group = cli, above: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield f"{above}{name}", command
        if isinstance(command, click.Group):
            yield from every_command(command, f"{above}{name} ")


EVERY = dict(every_command())


@pytest.mark.parametrize("command", ["", *EVERY])
def test_every_command_has_help_with_examples(command: str, tmp_path: Path) -> None:
    ran = ingestbox(*command.split(), "--help", cwd=tmp_path)
    assert ran.code == 0
    assert ran.out.startswith("Usage: ingestbox")
    if not isinstance(EVERY.get(command), click.Group):
        assert "Example" in ran.out
        assert f"\n  ingestbox {command}".rstrip() in ran.out.replace("    ingestbox", "  ingestbox")


def test_the_list_of_commands_cuts_no_sentence_short(tmp_path: Path) -> None:
    listed = ingestbox("--help", cwd=tmp_path).out.partition("Commands:\n")[2].partition("\n\n")[0]
    assert "..." not in listed
    named = [line.split()[0] for line in listed.splitlines() if not line.startswith("   ")]
    assert named == [name for name in EVERY if " " not in name]


def test_version_says_which_sqlite_runs(tmp_path: Path) -> None:
    assert ingestbox("version", cwd=tmp_path).out.startswith(f"ingestbox {__version__} (Python ")
    found = ingestbox("version", "--json", cwd=tmp_path).json()
    assert found["version"] == __version__
    assert tuple(map(int, found["sqlite"].split("."))) >= (3, 51, 3)


@pytest.mark.parametrize(
    "command",
    [
        "status",
        "doctor",
        "key list",
        "key create --name x --role ingest",
        "key revoke 1",
        "token create --user me --role admin",
        "send records.ndjson",
    ],
)
def test_without_a_box_a_command_says_what_to_do_and_makes_nothing(command: str, tmp_path: Path) -> None:
    (tmp_path / "records.ndjson").write_text('{"id":1,"summary":"x"}\n')
    before = listing(tmp_path)
    ran = ingestbox(*command.split(), cwd=tmp_path)
    failed_without_trace(ran, 1)
    assert "ingestbox-data" in ran.err
    assert "start" in ran.err.lower()
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    "command",
    [
        "statsu",
        "status --josn",
        "serve --port 70000",
        "token create --user me",
        "token create --user me --role root",
        "token create --user me --role admin --ttl 5",
        "token create --user me --role admin --ttl 90000d",
        "key revoke one",
        "send",
        "send missing.ndjson",
        "send .",
        "send --url http://127.0.0.1:1 records.ndjson",
        "send --url box --token x records.ndjson",
    ],
)
def test_a_wrong_call_ends_with_2_and_says_what_was_wrong(command: str, tmp_path: Path) -> None:
    (tmp_path / "records.ndjson").write_text('{"id":1,"summary":"x"}\n')
    failed_without_trace(ingestbox(*command.split(), cwd=tmp_path), 2)


def test_a_setting_that_is_wrong_is_named(tmp_path: Path) -> None:
    (tmp_path / "box.toml").write_text("[server]\nprot = 1\n")
    ran = ingestbox("serve", "--config", "box.toml", cwd=tmp_path)
    failed_without_trace(ran, 1)
    assert "unknown key `prot` in [server]. Did you mean `port`?" in ran.err


def test_a_variable_that_means_nothing_is_warned_about(stopped: Path, tmp_path: Path) -> None:
    ran = ingestbox("status", "--data", stopped, cwd=tmp_path, env={"INGESTBOX_SERVER_PROT": "1"})
    assert ran.code == 0
    assert "Warning: INGESTBOX_SERVER_PROT is not a setting" in ran.err


def test_a_token_is_printed_alone_and_opens_the_door(box: BoxProcess, tmp_path: Path) -> None:
    ran = ingestbox("token", "create", "--user", "me", "--role", "analyst", "--data", box.data, cwd=tmp_path)
    assert ran.code == 0
    token = ran.out.removesuffix("\n")
    assert token.count(".") == 2
    assert not set(token) & set(" \n")
    assert ran.err == ""
    with box.client() as client:
        asked = {"Authorization": f"Bearer {token}"}
        assert client.get("/api/jobs", headers=asked).status_code == 200
        assert client.get("/v1/stats", headers=asked).status_code == 403


def test_the_data_folder_can_be_named_by_variable(box: BoxProcess, tmp_path: Path) -> None:
    ran = ingestbox("status", "--json", cwd=tmp_path, env={"INGESTBOX_DATA": str(box.data)})
    assert ran.json()["live"]["url"] == box.url


def test_a_key_is_shown_once_and_is_refused_after_it_was_revoked(either: Path, tmp_path: Path) -> None:
    made = ingestbox(
        *("key", "create", "--name", "crawler", "--role", "ingest", "--role", "analyst", "--ttl", "1h"),
        *("--data", either),
        cwd=tmp_path,
    )
    assert made.code == 0
    key = made.out.removesuffix("\n")
    assert key.startswith("ibk_")
    assert "cannot be shown again" in made.err

    listed = ingestbox("key", "list", "--json", "--data", either, cwd=tmp_path)
    assert key not in listed.out
    (entry,) = (each for each in listed.json()["keys"] if each["name"] == "crawler")
    assert entry["roles"] == ["ingest", "analyst"]
    assert entry["revoked_at"] is None
    assert entry["expires_at"] is not None
    plain = ingestbox("key", "list", "--data", either, cwd=tmp_path).out.splitlines()
    assert plain[0].split()[:3] == ["id", "name", "roles"]
    assert any("crawler" in line for line in plain[1:])

    revoked = ingestbox("key", "revoke", entry["id"], "--data", either, cwd=tmp_path)
    assert (revoked.code, revoked.out) == (0, f"Key {entry['id']} is revoked.\n")
    (entry,) = (
        each
        for each in ingestbox("key", "list", "--json", "--data", either, cwd=tmp_path).json()["keys"]
        if each["name"] == "crawler"
    )
    assert entry["revoked_at"] is not None


def test_a_key_made_while_the_box_runs_opens_the_door_until_it_is_revoked(
    box: BoxProcess, tmp_path: Path
) -> None:
    arguments = ("key", "create", "--name", "reports", "--role", "analyst", "--json", "--data", box.data)
    made = ingestbox(*arguments, cwd=tmp_path).json()
    with box.client() as client:
        del client.headers["Authorization"]
        client.headers["X-API-Key"] = made["key"]
        assert client.get("/api/jobs").status_code == 200
        assert ingestbox("key", "revoke", made["id"], "--data", box.data, cwd=tmp_path).code == 0
        assert client.get("/api/jobs").status_code == 401


def test_keys_belong_to_a_workspace(either: Path, tmp_path: Path) -> None:
    def keys(*arguments: str) -> Ran:
        return ingestbox("key", *arguments, "--workspace", "north", "--data", either, cwd=tmp_path)

    made = keys("create", "--name", "theirs", "--role", "ingest", "--json").json()
    assert made["workspace"] == "north"
    assert [each["name"] for each in keys("list", "--json").json()["keys"]] == ["theirs"]
    ours = ingestbox("key", "list", "--json", "--data", either, cwd=tmp_path).json()["keys"]
    assert "theirs" not in [each["name"] for each in ours]
    failed_without_trace(ingestbox("key", "revoke", made["id"], "--data", either, cwd=tmp_path), 1)
    assert keys("revoke", made["id"], "--json").json() == {"id": made["id"], "revoked": True}


def test_what_the_box_refuses_is_said_in_its_own_words(either: Path, tmp_path: Path) -> None:
    empty = ingestbox("key", "create", "--name", " ", "--role", "ingest", "--data", either, cwd=tmp_path)
    failed_without_trace(empty, 1)
    assert "name must have 1 to 100 printable characters." in empty.err
    failed_without_trace(ingestbox("key", "revoke", "999999", "--data", either, cwd=tmp_path), 1)


def test_status_and_doctor_report_a_box_that_runs_or_not(
    either: Path, box: BoxProcess, tmp_path: Path
) -> None:
    status = ingestbox("status", "--json", "--data", either, cwd=tmp_path).json()
    assert set(status) >= {"version", "box", "jobs", "records", "objects", "lanes", "store", "live"}
    assert (status["live"] is not None) == (either == box.data)
    shown = ingestbox("status", "--data", either, cwd=tmp_path).out
    assert status["box"] in shown
    assert ("not running" in shown) == (either != box.data)

    ran = ingestbox("doctor", "--json", "--data", either, cwd=tmp_path)
    report = ran.json()
    assert (ran.code, report["ok"]) == (0, True)
    assert set(report) == {"ok", "sqlite", "findings"}
    assert {"sqlite", "lock", "permissions", "disk", "integrity"} <= {f["check"] for f in report["findings"]}
    assert ingestbox("doctor", "--data", either, cwd=tmp_path).out.endswith("All is well.\n")


def test_commands_leave_a_stopped_box_stopped(stopped: Path, tmp_path: Path) -> None:
    before = listing(stopped)
    for command in ("status", "doctor"):
        assert ingestbox(command, "--data", stopped, cwd=tmp_path).code == 0
    assert listing(stopped) == before


def test_the_doctor_finds_what_is_wrong_and_ends_with_1(own_box: BoxProcess, tmp_path: Path) -> None:
    own_box.start()
    assert own_box.stop() == 0
    own_box.data.chmod(0o755)
    ran = ingestbox("doctor", "--json", "--data", own_box.data, cwd=tmp_path)
    assert ran.code == 1
    (wrong,) = (finding for finding in ran.json()["findings"] if not finding["ok"])
    assert wrong["check"] == "permissions"
    assert wrong["remedy"].startswith("chmod")
    shown = ingestbox("doctor", "--data", own_box.data, cwd=tmp_path)
    assert shown.code == 1
    assert "WRONG permissions" in shown.out
    assert stat.S_IMODE(own_box.data.stat().st_mode) == 0o755  # it reports; the operator decides


def test_the_doctor_reports_a_store_that_does_not_open(own_box: BoxProcess, tmp_path: Path) -> None:
    own_box.start()
    assert own_box.stop() == 0
    (own_box.data / DATABASE).write_bytes(b"this is no database" * 1000)
    ran = ingestbox("doctor", "--json", "--data", own_box.data, cwd=tmp_path)
    assert ran.code == 1
    (wrong,) = (finding for finding in ran.json()["findings"] if not finding["ok"])
    assert wrong["check"] == "store"
    assert "damaged" in wrong["message"]
    failed_without_trace(ingestbox("status", "--data", own_box.data, cwd=tmp_path), 1)


def test_what_a_box_at_an_address_says_is_passed_on_with_what_to_do(box: BoxProcess, tmp_path: Path) -> None:
    (tmp_path / "records.ndjson").write_text('{"id":1,"summary":"x"}\n')

    def send(url: str, token: str) -> str:
        ran = ingestbox(
            *("send", "records.ndjson", "--patience", "0", "--url", url, "--token", token), cwd=tmp_path
        )
        failed_without_trace(ran, 1)
        return ran.err

    assert "ingestbox key create --name NAME --role ingest" in send(box.url, "wrong")
    assert "needs one of the roles" in send(box.url, box.token(Role.FORWARDER))
    assert "http://host:8000" in send(f"{box.url}/elsewhere", box.token())
    assert "nothing listens there" in send("http://127.0.0.1:1", "x")
    assert "its name is not known here" in send("http://box.invalid", "x")
    assert "it does not speak TLS there" in send(box.url.replace("http:", "https:"), "x")


def test_a_folder_that_is_another_users_is_named_with_its_owner(
    stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may use every folder, so that the kernel's answer is made up here."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(click.ClickException) as caught:
        settings_of(str(stopped), None)
    owner = pwd.getpwuid(stopped.stat().st_uid).pw_name
    assert f"sudo -u {owner} ingestbox" in caught.value.message


def test_two_boxes_cannot_have_one_folder(box: BoxProcess, tmp_path: Path) -> None:
    ran = ingestbox("serve", "--data", box.data, "--port", "0", cwd=tmp_path, env={"LOG_FORMAT": "simple"})
    assert ran.code == 1
    assert "is in use by process" in ran.err
    assert "Traceback" not in ran.err


def test_output_into_a_pipe_that_closes_is_no_error_message(stopped: Path, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with subprocess.Popen(
        [sys.executable, "-m", "ingestbox", "status", "--data", str(stopped)],
        cwd=tmp_path,
        env=environment(),
        stdout=writer,
        stderr=subprocess.PIPE,
    ) as process:
        os.close(writer)
        _, errors = process.communicate(timeout=60)
    assert errors == b""


@pytest.fixture
def silent() -> Iterator[Upstream]:
    """A box that never takes anything."""
    with Upstream(lambda _: Answer(503, {"detail": "Not now."}, {"Retry-After": "30"})).running() as upstream:
        yield upstream


def test_ctrl_c_ends_a_send_with_130_and_says_how_to_go_on(silent: Upstream, tmp_path: Path) -> None:
    (tmp_path / "records.ndjson").write_text('{"id":1,"summary":"x"}\n')
    arguments = ["send", "records.ndjson", "--url", silent.url, "--token", "x"]
    with subprocess.Popen(
        [sys.executable, "-m", "ingestbox", *arguments],
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
    ) as process:
        until(silent.posts, "the batch is sent")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Run the same command again" in errors
    assert b"Traceback" not in errors


def test_a_send_ends_although_nobody_writes_to_its_pipe(tmp_path: Path) -> None:
    refusing = Upstream(lambda _: Answer(401, {"detail": "Not authenticated"}))
    with (
        refusing.running() as upstream,
        subprocess.Popen(
            [sys.executable, "-m", "ingestbox", *f"send - --batch 1 --url {upstream.url} --token x".split()],
            cwd=tmp_path,
            env=environment(),
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process,
    ):
        assert process.stdin is not None and process.stderr is not None
        process.stdin.write(b'{"id":1,"summary":"x"}\n' * 2)
        process.stdin.flush()
        assert process.wait(60) == 1  # while its stdin is still open
        assert b"Not authenticated" in process.stderr.read()


def test_on_a_terminal_there_are_tables_and_a_bar(box: BoxProcess, tmp_path: Path) -> None:
    (tmp_path / "records.ndjson").write_text("".join(f'{{"id":"tty-{n}","summary":"x"}}\n' for n in range(5)))

    def on_terminal(*arguments: str) -> str:
        master, terminal = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-m", "ingestbox", *arguments, "--data", str(box.data)],
            cwd=tmp_path,
            env=environment({"TERM": "xterm", "COLUMNS": "100"}),
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        ) as process:
            os.close(terminal)
            shown = b""
            while True:
                try:
                    part = os.read(master, 65_536)
                except OSError:  # EIO: the other side is closed
                    break
                shown += part
            assert process.wait(60) == 0, shown
        os.close(master)
        return shown.decode()

    assert "5 records" in on_terminal("send", "records.ndjson", "--wait")
    status = on_terminal("status")
    assert "\x1b[1mfamily" in status
    assert "feedback" in status


def test_json_of_a_send_has_the_jobs(box: BoxProcess, tmp_path: Path) -> None:
    records = [{"id": f"json-{n}", "summary": "Thanks for the great help!"} for n in range(5)]
    (tmp_path / "records.json").write_text(json.dumps({"records": records}))
    arguments = ("send", "records.json", "--batch", "2", "--wait", "--json", "--data", box.data)
    ran = ingestbox(*arguments, cwd=tmp_path)
    assert ran.code == 0, ran
    report = ran.json()
    assert (report["ok"], report["records"], len(report["jobs"])) == (True, 5, 3)
    assert (report["completed_jobs"], report["failed_jobs"], report["repeated_jobs"]) == (3, [], 0)
    assert ingestbox(*arguments, cwd=tmp_path).json()["repeated_jobs"] == 3
    assert ingestbox(*arguments, "--again", cwd=tmp_path).json()["repeated_jobs"] == 0
