"""Backups through the front door: taken of a box that is busy and of one that is not, and put back."""

from __future__ import annotations

import itertools
import os
import shutil
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestbox.identity.secretfile import load_secret
from ingestbox.ops.backup import folder as lying
from ingestbox.ops.backup.archive import verify
from ingestbox.store import DATABASE
from ingestbox.store.copying import copy_database, facts_of
from ingestbox.store.engine import connect_writer, sqlite3
from ingestbox.store.place import MARKER
from tests.cli.support import ingestbox
from tests.harness import BoxProcess, post_tickets, ticket, until, wait_job

PASSWORD = "correct horse battery staple"
USER = {"email": "ann@example.com", "roles": ["admin"], "password": PASSWORD}
CONFIG = "[rates]\nlogin = 0\n"


def rows(data: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(data / DATABASE)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def csv_of(number: int) -> bytes:
    return b"id,summary\n" + b"".join(b"U%d-%d,The delivery was late.\n" % (number, n) for n in range(40))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    """A box with something in it, that runs; its data folder is not to be changed."""
    box = BoxProcess(tmp_path_factory.mktemp("made") / "box", config=CONFIG).start()
    try:
        with box.client() as client:
            client.post("/v1/users", json=USER).raise_for_status()
            job = post_tickets(client, [ticket(n) for n in range(30)])["job_id"]
            upload = client.post("/api/upload", files={"file": ("a.csv", csv_of(0))}).raise_for_status()
            wait_job(client, job)
            wait_job(client, upload.json()["job_id"])
        yield box
    finally:
        box.close()


@pytest.fixture(scope="module")
def backup(made: BoxProcess, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of it."""
    folder = tmp_path_factory.mktemp("backup")
    ran = ingestbox("backup", "--data", made.data, "--to", folder, "--json", cwd=folder)
    assert ran.code == 0, ran.err
    path = Path(ran.json()["path"])
    assert list(folder.iterdir()) == [path]
    return path


@pytest.fixture
def put_back(backup: Path, tmp_path: Path) -> Path:
    """A data folder that it was put back into."""
    ran = ingestbox("restore", backup, "--data", tmp_path / "data", cwd=tmp_path)
    assert ran.code == 0, ran.err
    return tmp_path / "data"


def test_all_that_was_acknowledged_before_is_in_it_and_the_doctor_is_content(tmp_path: Path) -> None:
    box = BoxProcess(tmp_path / "box", config="[store]\nfile_days = 0\n").start()
    restored = BoxProcess(tmp_path / "restored")
    ended = threading.Event()
    tickets: list[str] = []
    uploads: list[str] = []

    def post() -> None:
        with box.client() as client:
            for number in itertools.count(1):
                if ended.is_set():
                    return
                post_tickets(client, [ticket(number * 10 + n) for n in range(10)])
                tickets.append(f"T-{number * 10}")

    def upload() -> None:
        with box.client() as client:
            for number in itertools.count(1):
                if ended.is_set():
                    return
                client.post("/api/upload", files={"file": ("f.csv", csv_of(number))}).raise_for_status()
                uploads.append(f"U{number}-39")

    threads = [threading.Thread(target=each) for each in (post, upload)]
    for each in threads:
        each.start()
    try:
        with box.client() as client:
            until(lambda: len(tickets) > 3 and len(uploads) > 3, "clients are at work")
            expected = [*tickets, *uploads]
            reply = client.post("/v1/backups?wait=50")
            after = len(tickets)
            assert reply.status_code == 201, reply.text
            name = reply.json()["name"]
            (line,) = client.get("/v1/audit?action=backup.take").json()["audit"]
            assert (line["object_id"], line["actor"]) == (name, "local:tester")
            until(lambda: len(tickets) > after, "clients go on")
    finally:
        ended.set()
        for each in threads:
            each.join()
        box.close()
    path = box.data / "backups" / name
    assert verify(path).missing == []
    ran = ingestbox("restore", path, "--data", restored.data, "--json", cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert ran.json()["missing"] == []
    named = facts_of(restored.data / DATABASE).files
    assert {each.name for each in (restored.data / "files").iterdir()} == set(named)
    try:
        restored.start()
        with restored.client() as client:
            for key in expected:

                def processed(key: str = key) -> bool:
                    return client.get(f"/api/tickets/{key}").status_code == 200

                until(processed, f"{key} is there and processed")
            report = client.get("/v1/doctor").json()
            assert report["ok"], [each for each in report["findings"] if not each["ok"]]
    finally:
        restored.close()


def test_two_at_once_are_one_and_a_refusal(made: BoxProcess) -> None:
    with made.client() as client:
        first = client.post("/v1/backups?wait=0")
        second = client.post("/v1/backups?wait=0")
        assert first.status_code == 202
        assert second.status_code == 409
        assert second.json()["code"] == "backup_running"
        name = first.json()["name"]
        until(lambda: (last := client.get("/v1/backups").json()["last"]) and last["name"] == name, "it ends")
        state = client.get("/v1/backups").json()
        assert state["last"]["state"] == "taken"
        (line,) = [each for each in state["backups"] if each["name"] == name]
        assert (line["files"], line["scheduled"]) == (1, False)
        assert line["bytes"] < line["data_bytes"]
        for wait in ("x", "-1", "51", "1e1"):
            assert client.post(f"/v1/backups?wait={wait}").status_code == 400
    with made.client(workspace="other") as client:
        assert client.get("/v1/backups").status_code == 403
        assert client.post("/v1/backups").status_code == 403
    ran = ingestbox("backup", "list", "--data", made.data, cwd=made.folder)
    assert name in ran.out
    assert "asked for" in ran.out
    path = made.data / "backups" / name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.unlink()


def test_it_says_beforehand_that_the_disk_has_too_little_room(tmp_path: Path) -> None:
    least = "[store]\nmin_free_mb = 1000000000\n"
    least += '[backup]\nschedule = "every 1 h"\n[alarms]\ncheck_seconds = 0.05\n'
    box = BoxProcess(tmp_path / "box", config=least).start()
    try:
        with box.client() as client:

            def alarm() -> str | None:
                raised = {each["name"]: each["detail"] for each in client.get("/v1/stats").json()["alarms"]}
                return raised.get("backup_failed")

            detail = until(alarm, "the scheduled one alarms")
            assert "where 0 MB can be used" in detail
            reply = client.post("/v1/backups?wait=20")
            assert (reply.status_code, reply.json()["code"]) == (507, "storage_full")
            (finding,) = [
                each
                for each in client.get("/v1/doctor").json()["findings"]
                if "backup_failed" in each["message"]
            ]
            assert "ingestbox backup" in finding["remedy"]
        ran = ingestbox("backup", "--data", box.data, cwd=tmp_path)
        assert ran.code == 1
        assert "where 0 MB can be used" in ran.err
        assert list((box.data / "backups").iterdir()) == []
    finally:
        box.close()


def test_without_a_box_it_is_taken_from_the_folder(put_back: Path, tmp_path: Path) -> None:
    before = (put_back / DATABASE).read_bytes()
    (tmp_path / "out").mkdir()
    wanted: list[list[str | Path]] = [[], ["--to", tmp_path / "out"], ["--to", tmp_path / "named.tar.zst"]]
    for to in wanted:
        ran = ingestbox("backup", "--data", put_back, *to, cwd=tmp_path)
        assert ran.code == 0, ran.err
    again = ingestbox("backup", "--data", put_back, "--to", tmp_path / "named.tar.zst", cwd=tmp_path)
    assert again.code == 1
    assert "is there already" in again.err
    nowhere = ingestbox("backup", "--data", put_back, "--to", tmp_path / "no" / "where", cwd=tmp_path)
    assert nowhere.code == 1
    assert "There is no folder" in nowhere.err
    (inside,) = (put_back / "backups").iterdir()
    (outside,) = (tmp_path / "out").iterdir()
    for path in (inside, outside, tmp_path / "named.tar.zst"):
        assert verify(path).files == 1
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (put_back / DATABASE).read_bytes() == before
    ran = ingestbox("backup", "--data", put_back, "list", "--json", cwd=tmp_path)
    assert [each["name"] for each in ran.json()["backups"]] == [inside.name]


def test_verify_says_what_is_good_and_what_is_not(backup: Path, tmp_path: Path) -> None:
    ran = ingestbox("backup", "verify", backup, cwd=tmp_path)
    assert ran.code == 0
    assert "is good" in ran.out
    broken = tmp_path / "broken.tar.zst"
    data = bytearray(backup.read_bytes())
    data[len(data) // 2] ^= 1
    broken.write_bytes(data)
    ran = ingestbox("backup", "verify", broken, "--json", cwd=tmp_path)
    assert ran.code == 1
    assert not ran.json()["ok"]
    refused = ingestbox("restore", broken, "--data", tmp_path / "data", cwd=tmp_path)
    assert refused.code == 1
    assert "Nothing was changed" in refused.err
    assert not (tmp_path / "data" / DATABASE).exists()
    assert {each.name for each in (tmp_path / "data").iterdir()} <= {"lock"}


def test_a_restored_box_lets_nobody_in_who_was_in_before(
    backup: Path, put_back: Path, tmp_path: Path
) -> None:
    box = BoxProcess(tmp_path / "box", config=CONFIG)
    box.data = put_back
    box.start()
    try:
        with box.client() as client:
            login = {"email": USER["email"], "password": PASSWORD}
            session = client.post("/api/auth/login", json=login).raise_for_status().json()["access_token"]
            bearer = {"Authorization": f"Bearer {session}"}
            assert client.get("/v1/stats", headers=bearer).status_code == 200
            client.post("/v1/users", json={"email": "eve@example.com", "roles": ["analyst"], "invite": True})
            later = client.post("/v1/backups?wait=50").json()["name"]
            key = client.post("/v1/keys", json={"name": "k", "roles": ["ingest"]}).json()["id"]
            assert client.delete(f"/v1/keys/{key}").is_success
            refused = ingestbox("restore", backup, "--data", put_back, "--force", cwd=tmp_path)
            assert refused.code == 1
            assert "in use by process" in refused.err
        box.stop()
        file = put_back / "backups" / later
        secret = load_secret(put_back)
        before = facts_of(put_back / DATABASE)
        refused = ingestbox("restore", file, "--data", put_back, cwd=tmp_path)
        assert refused.code == 1
        assert "--force" in refused.err
        assert facts_of(put_back / DATABASE) == before
        ran = ingestbox("restore", file, "--data", put_back, "--force", cwd=tmp_path)
        assert ran.code == 0, ran.err
        assert f"key.revoke  key {key}" in ran.err
        assert load_secret(put_back) == secret
        assert facts_of(put_back / DATABASE).epoch != before.epoch
        for table in ("sessions", "invitations"):
            assert rows(put_back, f"SELECT count(*) FROM {table}") == [(0,)]
        (aside,) = put_back.glob("before-restore-*")
        assert facts_of(aside / DATABASE) == before
        place = "SELECT place FROM box"
        assert rows(aside, place) != rows(put_back, place), (
            "put back by hand, it would go on with its numbers"
        )
        assert {each.name for each in aside.iterdir()} >= {DATABASE, "files"}
        epoch = facts_of(put_back / DATABASE).epoch
        box.start()
        with box.client() as client:
            assert client.get("/v1/stats", headers=bearer).status_code == 401
            assert client.post("/api/auth/login", json=login).status_code == 200
            assert client.get("/api/tickets").json()["total"] == 70
            told = client.get("/v1/audit?all=true&action=box.epoch").json()["audit"][0]
            assert told["after"]["reason"] == "restore"
            assert client.get("/v1/stats").json()["epoch"] == epoch, "one restore is one epoch"
    finally:
        box.close()


def test_what_is_there_is_another_boxs_then_its_secret_goes_aside(
    put_back: Path, backup: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(put_back, other)
    connection = connect_writer(other / DATABASE)
    connection.execute("UPDATE box SET box = 'bother'")
    connection.close()
    (other / "secret").write_text("o" * 43)
    (other / "secret.old").write_text('{"retired": []}')
    (other / "notes.txt").write_text("the operator's")
    for each in ("secret", "secret.old"):
        (other / each).chmod(0o600)
    ran = ingestbox("restore", backup, "--data", other, "--force", "--json", cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert ran.json()["secret"] == "backup"
    assert ran.json()["taken_back"] == []
    assert load_secret(other) == load_secret(put_back)
    aside = Path(ran.json()["aside"])
    assert (aside / "secret").read_text() == "o" * 43
    assert (aside / "secret.old").exists()
    assert not (other / "secret.old").exists()
    assert (other / "notes.txt").read_text() == "the operator's"
    assert stat.S_IMODE((other / "secret").stat().st_mode) == 0o600


def test_over_a_store_that_is_damaged_the_folders_secret_stays(
    put_back: Path, backup: Path, tmp_path: Path
) -> None:
    (put_back / DATABASE).write_bytes(os.urandom(20_000))
    (put_back / "secret").write_text("n" * 43)
    beside = {f"{DATABASE}-wal": b"what was written last", "upgrading": b"{}", "upgrade-failed": b"{}"}
    for name, content in beside.items():
        (put_back / name).write_bytes(content)
    ran = ingestbox("restore", backup, "--data", put_back, "--force", "--json", cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert ran.json()["secret"] == "folder"
    assert (put_back / "secret").read_text() == "n" * 43
    aside = Path(ran.json()["aside"])
    for name, content in beside.items():
        assert not (put_back / name).exists(), f"{name} is not of the database that was put back"
        assert (aside / name).read_bytes() == content
    assert rows(put_back, "SELECT count(*) FROM objects") == [(70,)]


def test_a_snapshot_of_an_upgrade_is_put_back_alone(put_back: Path, tmp_path: Path) -> None:
    snapshot = tmp_path / "before-upgrade-19-to-20-20260131T120000Z.db"
    copy_database(put_back / DATABASE, snapshot)
    files = {each.name: each.stat().st_ino for each in (put_back / "files").iterdir()}
    marker = (put_back / MARKER).stat().st_ino
    good = ingestbox("backup", "verify", snapshot, cwd=tmp_path)
    assert good.code == 0
    ran = ingestbox("restore", snapshot, "--data", put_back, "--force", "--json", cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert (ran.json()["kind"], ran.json()["secret"]) == ("snapshot", "folder")
    assert {each.name: each.stat().st_ino for each in (put_back / "files").iterdir()} == files
    assert (put_back / MARKER).stat().st_ino == marker
    name = next(iter(files))
    (put_back / "files" / name).unlink()
    ran = ingestbox("restore", snapshot, "--data", put_back, "--force", cwd=tmp_path)
    assert ran.code == 0
    assert f"{name} is not there" in ran.err
    with snapshot.open("r+b") as file:
        file.seek(40_000)
        file.write(os.urandom(20_000))
    before = (put_back / DATABASE).read_bytes()
    commands: list[list[str | Path]] = [
        ["backup", "verify", snapshot],
        ["restore", snapshot, "--data", put_back, "--force"],
    ]
    for command in commands:
        assert ingestbox(*command, cwd=tmp_path).code == 1
    assert (put_back / DATABASE).read_bytes() == before
    assert not (put_back / "restoring").exists()


def test_a_backup_of_a_newer_program_is_refused_with_a_sentence(put_back: Path, tmp_path: Path) -> None:
    connection = connect_writer(put_back / DATABASE)
    connection.execute("PRAGMA user_version = 4711")
    connection.close()
    ran = ingestbox("backup", "--data", put_back, "--to", tmp_path, "--json", cwd=tmp_path)
    assert ran.code == 0, ran.err
    refused = ingestbox("restore", ran.json()["path"], "--data", tmp_path / "new", cwd=tmp_path)
    assert refused.code == 1
    assert "newer ingestbox (its schema is 4711" in refused.err
    assert not (tmp_path / "new" / DATABASE).exists()


def test_what_is_no_store_and_no_backup_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("nothing of the kind")
    database = tmp_path / "other.db"
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE a (b)")
    connection.close()
    for file in ("text", "other.db"):
        ran = ingestbox("restore", tmp_path / file, "--data", tmp_path / "data", cwd=tmp_path)
        assert ran.code == 1
        assert "Traceback" not in ran.err
    for command in (["backup"], ["backup", "list"]):
        ran = ingestbox(*command, "--data", tmp_path / "none", cwd=tmp_path)
        assert "Traceback" not in ran.err
    assert lying.is_name("ingestbox-b0-20260131T020000Z.tar.zst")


def test_what_is_put_back_belongs_to_the_folders_owner(backup: Path, tmp_path: Path) -> None:
    """An administrator restores, and the box runs as somebody else."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(data, 4711, 4712)
    owner = data.stat()
    for _ in range(2):
        ran = ingestbox("restore", backup, "--data", data, "--force", cwd=tmp_path)
        assert ran.code == 0, ran.err
        for path in data.rglob("*"):
            found = path.stat()
            assert (found.st_uid, found.st_gid) == (owner.st_uid, owner.st_gid), path
            assert stat.S_IMODE(found.st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_backups_that_follow_each_other_at_once_have_names_of_their_own(box: BoxProcess) -> None:
    with box.client() as client:
        taken = [client.post("/v1/backups?wait=30").raise_for_status().json()["name"] for _ in range(4)]
        assert len(set(taken)) == 4
