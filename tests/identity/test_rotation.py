"""The signing secret replaced: files, memory, commands; what was signed before, and what is signed after."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ingestbox.cli.reach import MintedToken
from ingestbox.clock import SystemClock
from ingestbox.errors import IngestError, StartupError
from ingestbox.identity import secretfile
from ingestbox.identity.guard import Guard
from ingestbox.identity.secretfile import (
    LONGEST_SECONDS,
    MAX_RETIRED,
    RETIRED_NAME,
    Secrets,
    commit,
    load_secret,
    load_secrets,
    prepare,
)
from ingestbox.identity.tokens import mint
from ingestbox.model import Role
from ingestbox.web.v1.keys import MAX_TTL_SECONDS
from tests.cli.support import Ran, ingestbox
from tests.harness import BoxProcess, post_tickets, ticket, until, wait_job
from tests.identity.issuing import NOW, Party
from tests.web.support import HeldClock, Keys

DAY = 86_400


class Gate:
    """A guard over a folder's secrets, and a clock that is held."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = HeldClock()
        self.guard = Guard(
            secret=load_secrets(folder), static=(), keys=Keys(), clock=self.clock, leeway_seconds=5
        )

    def token(self, ttl: int = 3_600) -> str:
        """Signed with what is the secret now."""
        secret = load_secret(self.folder)
        return mint(secret, subject="ann", roles=[Role.ADMIN], ttl_seconds=ttl, clock=self.clock)

    def rotate(self, keep_seconds: int | None = None) -> Secrets:
        made = prepare(self.folder, self.clock.now_ms(), keep_seconds)
        commit(self.folder, made)
        self.guard.use_secrets(made.after)
        return made.after

    def found(self, token: str) -> str:
        try:
            caller = asyncio.run(self.guard.caller({"authorization": f"Bearer {token}"}))
        except IngestError as error:
            return error.code
        return caller.subject

    def restarted(self) -> Gate:
        other = Gate(self.folder)
        other.clock.ms = self.clock.ms
        return other


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


def test_what_was_signed_before_is_good_until_it_ends_by_itself(gate: Gate) -> None:
    old = gate.token()
    assert gate.found(old) == "local:ann"
    gate.rotate()
    new = gate.token()
    for each in (gate, gate.restarted()):
        assert each.found(old) == each.found(new) == "local:ann"
    gate.clock.ms += 3_604_000
    assert gate.found(old) == gate.restarted().found(old) == "local:ann"
    gate.clock.ms += 1_000
    assert gate.found(old) == gate.restarted().found(old) == "token_expired"


def test_what_is_signed_with_an_old_secret_after_the_rotation_is_refused(gate: Gate) -> None:
    secret = load_secret(gate.folder)
    gate.clock.ms += 400  # a token says whole seconds
    gate.rotate()
    party = Party("ingestbox", "HS256", secret, extra={"aud": "ingestbox"})
    for iat, found in (
        (NOW, "local:ann"),
        (NOW + 5, "local:ann"),  # a command that had just read the old one
        (NOW + 6, "token_invalid"),
        (NOW + 5.41, "token_invalid"),
        (..., "local:ann"),  # says nothing: good until it ends
    ):
        gate.clock.ms += 1
        assert gate.found(party.token(iat=iat)) == found, iat


def test_ended_now_nothing_signed_before_is_good_also_while_remembered(gate: Gate) -> None:
    first = gate.token()
    gate.rotate()
    second = gate.token()
    assert gate.found(first) == gate.found(second) == "local:ann"
    assert gate.rotate(keep_seconds=0).retired == ()
    for each in (gate, gate.restarted()):
        assert each.found(first) == each.found(second) == "token_invalid"
        assert each.found(gate.token()) == "local:ann"


def test_while_the_files_are_written_both_secrets_are_good(gate: Gate) -> None:
    old = gate.token()
    made = prepare(gate.folder, gate.clock.now_ms(), 0)
    gate.guard.use_secrets(made.during)
    assert gate.found(old) == "local:ann"
    assert gate.found(gate.token()) == "local:ann"  # a command that read the old file just now
    commit(gate.folder, made)
    assert gate.found(gate.token()) == "local:ann"  # one that reads the new file just now
    gate.guard.use_secrets(made.after)
    assert gate.found(old) == "token_invalid"


def test_kept_for_a_time_older_secrets_end_with_it(gate: Gate) -> None:
    first = gate.token(300 * DAY)
    gate.rotate()
    gate.clock.ms += DAY * 1000
    second = gate.token(300 * DAY)
    gate.rotate(keep_seconds=30 * DAY)
    assert gate.found(first) == gate.found(second) == "local:ann"
    gate.clock.ms += 29 * DAY * 1000 - 1
    assert gate.found(first) == gate.restarted().found(first) == "local:ann"
    for token in (first, second):  # each from when its secret was replaced, a day apart
        gate.clock.ms += 1
        assert gate.found(token) in ("token_expired", "token_invalid")
        assert gate.restarted().found(token) == "token_invalid"
        gate.clock.ms += DAY * 1000 - 2
        assert gate.found(second) == ("local:ann" if token == first else "token_invalid")
        gate.clock.ms += 1
    assert gate.rotate().retired[1:] == ()  # and they are dropped


def test_old_secrets_are_kept_as_long_as_the_longest_token_that_the_box_makes(gate: Gate) -> None:
    assert LONGEST_SECONDS == MAX_TTL_SECONDS
    longest = gate.token(LONGEST_SECONDS)
    (retired,) = gate.rotate().retired
    assert retired.until_ms == gate.clock.ms + LONGEST_SECONDS * 1000
    gate.clock.ms = retired.until_ms - 1
    assert gate.restarted().found(longest) == "local:ann"
    gate.clock.ms += 1
    assert len(gate.rotate().retired) == 1


def test_a_secret_too_many_is_refused_and_nothing_changes(gate: Gate) -> None:
    for _ in range(MAX_RETIRED):
        gate.rotate()
    before = load_secrets(gate.folder)
    with pytest.raises(IngestError) as caught:
        gate.rotate()
    assert caught.value.code == "too_many_secrets"
    assert load_secrets(gate.folder) == before and len(before.retired) == MAX_RETIRED
    assert len(gate.rotate(keep_seconds=0).retired) == 0


def test_the_remedy_for_a_secret_too_many_works(gate: Gate) -> None:
    for _ in range(MAX_RETIRED):
        gate.rotate()
        gate.clock.ms += 31 * DAY * 1000
    with pytest.raises(IngestError) as caught:
        gate.rotate()
    assert "--keep 30d" in caught.value.remedy
    latest = gate.token(31 * DAY)
    assert len(gate.rotate(keep_seconds=30 * DAY).retired) == 1
    assert gate.found(latest) == "local:ann"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for others")
def test_what_root_writes_belongs_to_whom_the_folder_belongs_to(gate: Gate) -> None:
    os.chown(gate.folder, 65_534, 65_533)
    gate.rotate()
    for name in ("secret", "secret.old"):
        found = (gate.folder / name).stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (65_534, 65_533, 0o600)


def test_both_files_are_closed_to_others_and_nothing_else_is_left(gate: Gate) -> None:
    gate.rotate()
    gate.rotate()
    assert sorted(each.name for each in gate.folder.iterdir()) == ["secret", "secret.old"]
    for each in gate.folder.iterdir():
        assert stat.S_IMODE(each.stat().st_mode) == 0o600


@pytest.mark.parametrize("step", range(8))
def test_a_rotation_cut_short_anywhere_leaves_one_secret_whole(
    gate: Gate, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each sync, and just before each file is put in its place."""
    before = gate.token()
    left = [step]

    def cut() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt

    real_sync, real_replace = os.fsync, Path.replace

    def sync(descriptor: int) -> None:
        cut()
        real_sync(descriptor)

    def replace(path: Path, target: Path) -> Path:
        cut()
        return real_replace(path, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", replace)
    try:
        gate.rotate()
        cut_short = False
    except KeyboardInterrupt:
        cut_short = True
    monkeypatch.undo()
    assert cut_short == (step < 6)  # two files: sync, replace, sync of the folder
    after = gate.restarted()
    assert after.found(before) == "local:ann"
    assert after.found(after.token()) == "local:ann"
    current = load_secrets(gate.folder)
    assert current.current not in [each.secret for each in current.retired]
    assert not [each for each in gate.folder.iterdir() if each.name.startswith(".")]
    after.rotate()
    assert after.found(before) == "local:ann"


def test_what_a_kill_left_half_written_goes_with_the_next_rotation(gate: Gate) -> None:
    for name in (".secret-0123456789abcdef", ".secret.old-0123456789abcdef"):
        (gate.folder / name).write_text("a secret that was on its way")
    (gate.folder / ".secretary").touch()
    gate.rotate()
    assert sorted(each.name for each in gate.folder.iterdir()) == [".secretary", "secret", "secret.old"]


def test_a_full_disk_keeps_the_old_secret(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_secrets(gate.folder)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(IngestError) as caught:
        gate.rotate()
    assert (caught.value.code, caught.value.status) == ("secret_unwritable", 507)
    monkeypatch.undo()
    assert load_secrets(gate.folder) == before
    assert [each.name for each in gate.folder.iterdir()] == ["secret"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"retired":[{"secret":7}]}', b'{"retired":[],"x":1}', b"\xff"]
)
def test_damaged_old_secrets_stop_the_start(tmp_path: Path, content: bytes) -> None:
    load_secret(tmp_path)
    (tmp_path / RETIRED_NAME).write_bytes(content)
    with pytest.raises(StartupError, match=r"old secrets .* are damaged"):
        load_secrets(tmp_path)
    (tmp_path / RETIRED_NAME).unlink()
    (tmp_path / RETIRED_NAME).mkdir()
    with pytest.raises(StartupError, match=r"old secrets .* cannot be read"):
        load_secrets(tmp_path)


def test_an_operators_own_secret_can_be_rotated_whatever_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xff\xfe secret of raw bytes, 32 or more\n")
    (tmp_path / "secret").chmod(0o600)
    gate = Gate(tmp_path)
    token = gate.token()
    gate.rotate()
    assert gate.restarted().found(token) == "local:ann"


def test_however_long_an_operators_own_secret_is(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"long " * 20_000 + b"secret")
    gate = Gate(tmp_path)
    token = gate.token()
    assert load_secret(tmp_path).endswith(b"secret")
    gate.rotate()
    assert gate.restarted().found(token) == "local:ann"


# Through the box


def get(box: BoxProcess, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx2.get(f"{box.url}/v1/audit", headers=headers, trust_env=False, verify=False).status_code


def command(box: BoxProcess, *arguments: str) -> Ran:
    return ingestbox(*arguments, "--data", box.data, cwd=box.folder)


def rotations(box: BoxProcess) -> list[dict[str, Any]]:
    with box.client(Role.ADMIN) as client:
        lines = client.get("/v1/audit", params={"action": "secret.rotate"}).raise_for_status().json()["audit"]
        return list(lines)


def test_a_running_box_takes_a_new_secret_at_once(own_box: BoxProcess) -> None:
    own_box.start()
    old_secret = load_secret(own_box.data)
    old = own_box.token()
    assert get(own_box, old) == 200
    ran = command(own_box, "secret", "rotate")
    assert ran.code == 0, ran.err
    first_line, second_line = ran.out.splitlines()
    assert first_line == "A new secret signs tokens from now on."
    assert second_line.startswith("Tokens made before are good until they end by themselves, or until 20")
    assert load_secret(own_box.data) != old_secret
    new = own_box.token()
    assert get(own_box, old) == get(own_box, new) == 200
    assert command(own_box, "status").code == 0  # commands read the new one
    made = command(own_box, "token", "create", "--user", "ann", "--role", "admin")
    assert get(own_box, made.out.strip()) == 200

    ended = command(own_box, "secret", "rotate", "--end-now", "--json")
    assert ended.json()["old"] == []
    assert get(own_box, old) == get(own_box, new) == 401
    assert get(own_box, own_box.token()) == 200
    (last, first) = rotations(own_box)
    assert (first["actor"], first["object"], first["after"]) == (
        "local:cli",
        "secret",
        {"keep_seconds": None},
    )
    assert last["after"] == {"keep_seconds": 0}
    everything = json.dumps([first, last]) + own_box.log.read_text()
    assert load_secret(own_box.data).decode() not in everything and old_secret.decode() not in everything

    kept = own_box.token()
    assert command(own_box, "secret", "rotate", "--keep", "30d").code == 0
    own_box.kill()
    own_box.start()
    assert get(own_box, kept) == 200
    assert get(own_box, old) == 401


def test_without_a_running_box_the_files_are_changed_under_the_folders_lock(own_box: BoxProcess) -> None:
    own_box.start()
    old = own_box.token()
    assert own_box.stop() == 0
    ran = command(own_box, "secret", "rotate", "--json")
    assert ran.code == 0, ran.err
    assert len(ran.json()["old"]) == 1
    own_box.start()
    assert get(own_box, old) == get(own_box, own_box.token()) == 200
    assert len(rotations(own_box)) == 1
    own_box.stop()
    assert command(own_box, "secret", "rotate", "--end-now").code == 0
    own_box.start()
    assert get(own_box, old) == 401
    assert get(own_box, own_box.token()) == 200


def test_a_rotation_is_for_administrators_and_says_what_is_wrong_with_a_call(own_box: BoxProcess) -> None:
    own_box.start()
    secret = load_secret(own_box.data)
    with own_box.client(Role.EDITOR) as client:
        assert client.post("/v1/secret/rotate", json={}).status_code == 403
    with own_box.client(Role.ADMIN) as client:
        wrong: list[object] = [
            {"keep_seconds": -1},
            {"keep_seconds": LONGEST_SECONDS + 1},
            {"keep": 1},
            [],
            {"keep_seconds": "1"},
        ]
        for body in wrong:
            reply = client.post("/v1/secret/rotate", json=body)
            assert (reply.status_code, reply.json()["code"]) == (422, "validation_failed"), body
    assert load_secret(own_box.data) == secret
    ran = command(own_box, "secret", "rotate", "--keep", "1d", "--end-now")
    assert ran.code == 2 and "contradict" in ran.err
    nowhere = ingestbox("secret", "rotate", "--data", own_box.folder / "nowhere", cwd=own_box.folder)
    assert nowhere.code == 1 and "There is no store" in nowhere.err


def test_a_rotation_that_cannot_be_written_changes_nothing(own_box: BoxProcess) -> None:
    own_box.start()
    (own_box.data / RETIRED_NAME).mkdir()
    old = own_box.token()
    with own_box.client(Role.ADMIN) as client:
        reply = client.post("/v1/secret/rotate", json={})
        assert (reply.status_code, reply.json()["code"]) == (507, "secret_unwritable")
        failed = client.get("/v1/audit", params={"action": "secret.rotate_failed"}).json()["audit"]
        assert len(failed) == 1
    assert get(own_box, old) == 200
    (own_box.data / RETIRED_NAME).rmdir()
    assert command(own_box, "secret", "rotate").code == 0
    assert get(own_box, old) == 200


def test_commands_and_clients_go_on_across_rotations(own_box: BoxProcess) -> None:
    """A client that signs its own tokens, as commands do, sends all the while; nothing of it is refused."""
    own_box.start()
    done, replies = threading.Event(), []

    def send() -> None:
        minted = MintedToken(own_box.data, Role.ADMIN)
        with httpx2.Client(base_url=own_box.url, auth=minted, trust_env=False, timeout=30) as client:
            number = 0
            while not done.is_set():
                body = {"records": [ticket(number)]}
                replies.append(client.post("/api/data-ingest", json=body).status_code)
                number += 1

    def goes_on() -> None:
        seen = len(replies)
        until(lambda: len(replies) > seen + 5, "the client goes on")

    sender = threading.Thread(target=send)
    sender.start()
    try:
        for options in ([], ["--end-now"], ["--keep", "1d"], ["--end-now"]):
            goes_on()
            assert command(own_box, "secret", "rotate", *options).code == 0
        goes_on()
    finally:
        done.set()
        sender.join()
    assert set(replies) == {200}
    with own_box.client(Role.ADMIN) as client:
        wait_job(client, post_tickets(client, [ticket(1_000_000)])["job_id"])


def test_a_token_minted_for_a_command_is_made_anew_at_half_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_secret(tmp_path)
    clock = HeldClock()
    minted = MintedToken(tmp_path, Role.ADMIN)
    monkeypatch.setattr(minted, "_clock", clock)
    seen: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers["authorization"])
        return httpx2.Response(401 if len(seen) == 3 else 200)

    with httpx2.Client(auth=minted, transport=httpx2.MockTransport(answer)) as client:
        client.get("http://box/")
        client.get("http://box/")
        assert seen[0] == seen[1]
        assert client.get("http://box/").status_code == 401  # the secret is the same: nothing to try
        assert len(seen) == 3
        commit(tmp_path, prepare(tmp_path, SystemClock().now_ms()))
        clock.ms += 30_000
        client.get("http://box/")
        assert seen[3] != seen[0]
    current = Gate(tmp_path)
    current.clock.ms = clock.ms
    current.guard.use_secrets(Secrets(load_secret(tmp_path)))
    assert current.found(seen[3].removeprefix("Bearer ")) == "local:cli"
    assert current.found(seen[0].removeprefix("Bearer ")) == "token_invalid"
    assert secretfile.NAME == "secret"


def test_only_who_operates_the_box_ends_everybodys_tokens(own_box: BoxProcess) -> None:
    own_box.start()
    with own_box.client(workspace="north") as north:
        refused = north.post("/v1/secret/rotate", json={"keep_seconds": 0})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert north.get("/v1/doctor").status_code == 403
        assert north.get("/v1/keys").status_code == 200
