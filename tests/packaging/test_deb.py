"""The Debian package, by dpkg itself in a scratch system: installed, upgraded, removed, purged; what it
installs runs as its unit says, and what it has taken in stays.

Needs root, as dpkg does.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from ingestbox.store.lock import read_holder
from tests.harness import post_tickets, ticket, until, wait_job
from tests.packaging.support import folder_form, package, run, system

NEWER = "99.0"
KEPT = '\n[[lanes]]\nname = "up"\nurl = "http://127.0.0.1:9/"\ntoken = "ours"\n'


class Machine:
    """The scratch system, with dpkg at work in it from outside."""

    def __init__(self, root: Path) -> None:
        self.root = root
        system(root)

    def dpkg(self, *arguments: str | Path, **environ: str) -> str:
        options = ["--force-unsafe-io", "--force-confold", "--no-debsig"]
        done = run(
            "dpkg", f"--root={self.root}", *options, *arguments, env={**os.environ, "LC_ALL": "C", **environ}
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def asked(self) -> list[str]:
        """What systemd was asked to do since the last time."""
        log = self.root / "systemctl.log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        verbs = [line.replace("--quiet", "").replace("--system", "").split() for line in lines]
        return [" ".join(words) for words in verbs]

    def user(self) -> pwd.struct_passwd:
        entry = (self.root / "etc/passwd").read_text().splitlines()[-1].split(":")
        return pwd.struct_passwd((*entry[:2], int(entry[2]), int(entry[3]), *entry[4:]))

    def unit(self) -> dict[str, str]:
        text = (self.root / "usr/lib/systemd/system/ingestbox.service").read_text()
        return dict(re.findall(r"^(\w+)=(.+)$", text, re.MULTILINE))

    def config(self) -> Path:
        return self.root / "etc/ingestbox/ingestbox.toml"

    def data(self) -> Path:
        return self.root / "var/lib" / self.unit()["StateDirectory"]


class Service:
    """The installed program, started as systemd would start it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.data, user, unit = machine.data(), machine.user(), machine.unit()
        assert (unit["User"], unit["Group"]) == (user.pw_name, user.pw_name)
        self.data.mkdir(mode=int(unit["StateDirectoryMode"], 8), parents=True, exist_ok=True)
        os.chown(self.data, user.pw_uid, user.pw_gid)
        # Paths of the system as they are from outside; the data folder is in the configuration.
        self._inside = {"/usr/bin/ingestbox", "/etc/ingestbox/ingestbox.toml"}
        self._who = {
            "user": user.pw_uid,
            "group": user.pw_gid,
            "extra_groups": [],
            "umask": int(unit["UMask"], 8),
            "cwd": self.data,
        }
        heard = machine.root / "tmp/notify"
        heard.unlink(missing_ok=True)
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as supervisor:
            supervisor.bind(str(heard))
            heard.chmod(0o666)
            supervisor.setblocking(False)
            self.log = machine.root / "tmp/log"
            with self.log.open("wb") as log:
                self.process = subprocess.Popen(
                    self._outside(shlex.split(unit["ExecStart"])),
                    env=self._environ() | {"NOTIFY_SOCKET": str(heard), "INGESTBOX_SERVER_PORT": "0"},
                    stdin=subprocess.DEVNULL,
                    stderr=log,
                    **self._who,  # type: ignore[call-overload]
                )
            try:
                until(lambda: self._ready(supervisor), "the service is ready", 60)
            except BaseException:
                self.close()
                raise
        holder = read_holder(self.data)
        assert holder is not None
        self.url = holder.url

    def _ready(self, supervisor: socket.socket) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(BlockingIOError):
            return b"READY=1" in supervisor.recv(4_096)
        return False

    def run(self, *arguments: str) -> str:
        config = "/etc/ingestbox/ingestbox.toml"
        command = self._outside(["/usr/bin/ingestbox", *arguments, "--config", config])
        done = run(*command, env=self._environ(), **self._who)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def client(self) -> httpx2.Client:
        token = self.run("token", "create", "--user", "me", "--role", "analyst").strip()
        headers = {"Authorization": f"Bearer {token}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.log.read_text()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(60)

    def _outside(self, command: list[str]) -> list[str]:
        return [f"{self.machine.root}{word}" if word in self._inside else word for word in command]

    def _environ(self) -> dict[str, str]:
        return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "INGESTBOX_DATA": str(self.data)}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The package of this source, and one of a later version of the same."""
    output, folder = tmp_path_factory.mktemp("packages"), folder_form()
    return package(folder, output, "1.0rc1"), package(folder, output, NEWER)


@pytest.fixture
def machine() -> Iterator[Machine]:
    assert os.geteuid() == 0, "dpkg needs root: run this test as root, in a container for example"
    folder = Path(tempfile.mkdtemp(prefix="ingestbox-deb-"))
    folder.chmod(0o755)  # the service's user has to get there
    try:
        yield Machine(folder / "root")
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def serving(machine: Machine) -> Iterator[Service]:
    service = Service(machine)
    try:
        yield service
        service.stop()
    finally:
        service.close()


def test_the_life_of_a_package(machine: Machine, packages: tuple[Path, Path]) -> None:
    first, second = packages
    root = machine.root
    said = machine.dpkg("--install", first)
    assert "journalctl -u ingestbox -g /console/setup/" in said
    assert machine.asked() == ["daemon-reload", "start ingestbox.service"]
    assert (root / "etc/systemd/system/multi-user.target.wants/ingestbox.service").is_symlink()
    user = machine.user()
    assert (user.pw_name, user.pw_dir, user.pw_shell) == (
        "ingestbox",
        "/var/lib/ingestbox",
        "/usr/sbin/nologin",
    )
    status = machine.config().stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (0, user.pw_gid, 0o640)
    assert tomllib.loads(machine.config().read_text())["data"] == user.pw_dir
    assert machine.dpkg("--verify", "ingestbox") == ""

    with serving(machine) as service, service.client() as client:
        for number in range(3):
            wait_job(client, post_tickets(client, [ticket(number)])["job_id"])
        assert "is ready" in service.run("probe", "--ready")
    assert {path.stat().st_uid for path in machine.data().rglob("*")} == {user.pw_uid}

    with machine.config().open("a") as config:
        config.write(KEPT)
    machine.config().chmod(0o600)
    said = machine.dpkg("--install", second)
    assert "console/setup" not in said
    assert machine.asked() == ["stop ingestbox.service", "daemon-reload", "start ingestbox.service"]
    assert f"Version: {NEWER}" in machine.dpkg("--status", "ingestbox")
    assert machine.config().read_text().endswith(KEPT)
    assert machine.config().stat().st_mode & 0o777 == 0o600, "an operator's own choice"
    machine.config().chmod(0o640)
    with serving(machine) as service, service.client() as client:
        checks = json.loads(service.run("check-config", "--json"))["checks"]
        assert not [each for each in checks if each["about"] == "file"], "its group is the service's own"
        assert client.get("/api/tickets").raise_for_status().json()["total"] == 3

    machine.dpkg("--remove", "ingestbox")
    assert machine.asked() == ["stop ingestbox.service", "daemon-reload"]
    assert not (root / "usr/lib/ingestbox").exists()
    assert machine.config().exists()
    assert (machine.root / "var/lib/ingestbox/ingestbox.db").exists()

    shutil.copytree(root / "var/lib/dpkg", root / "books")
    said = machine.dpkg("--purge", "ingestbox")
    assert "When nobody needs it any more: rm -rf /var/lib/ingestbox" in said
    assert (root / "var/lib/ingestbox/ingestbox.db").exists(), "what exists nowhere else stays"
    left = {path.relative_to(root) for path in root.rglob("*ingestbox*")}
    assert {str(path) for path in left} <= {
        "var/lib/ingestbox",
        "var/lib/ingestbox/ingestbox.db",
        *(f"books/{path.relative_to(root / 'books')}" for path in (root / "books").rglob("*ingestbox*")),
    }

    shutil.rmtree(root / "var/lib/dpkg")
    (root / "books").rename(root / "var/lib/dpkg")
    machine.dpkg("--purge", "ingestbox", INGESTBOX_PURGE="data")
    assert not (root / "var/lib/ingestbox").exists()


def test_equal_input_makes_equal_packages(tmp_path: Path) -> None:
    """Whatever order, times and modes the folder has; the libraries are left out, for they take long."""
    folder = folder_form()
    files = [path for path in folder.rglob("*") if path.is_file() and ".so" not in path.suffixes]
    built = []
    ways = (("one", 0o700, 1, sorted(files)), ("two", 0o644, 1_000_000_000, sorted(files, reverse=True)))
    for name, mode, modified, order in ways:
        for path in order:
            target = tmp_path / name / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            target.chmod(mode)
            os.utime(target, (modified, modified))
        (tmp_path / f"{name}-built").mkdir()
        built.append(package(tmp_path / name, tmp_path / f"{name}-built", "1.0rc1"))
    architecture = run("dpkg", "--print-architecture").stdout.strip()
    assert {path.name for path in built} == {f"ingestbox_1.0~rc1_{architecture}.deb"}
    assert built[0].read_bytes() == built[1].read_bytes()
