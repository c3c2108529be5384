"""docs/install.md: the package in a scratch system, the single file, the folder, as they are built."""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestbox.store.lock import is_held, read_holder
from tests.docs.support import Page, Shell
from tests.harness import PATIENCE, until
from tests.packaging.support import ROOT, folder_form, package
from tests.packaging.test_deb import Machine, serving

PAGE = Page("install.md")
SUMS, INSTALL, LINK, COMMANDS, REMOVE, FILE, FOLDER, CONTAINER, PROBE = PAGE.commands()

SUDO = """\
#!/bin/sh
# To a user of the scratch system, whose program is the installed one.
[ "$1" = -u ] || exec "$@"
shift 3
exec setpriv --reuid={user} --regid={user} --clear-groups {root}/usr/bin/ingestbox "$@"
"""
APT = """\
#!/bin/sh
# Without a network: dpkg does what is asked for.
exec dpkg --root={root} --force-unsafe-io --no-debsig --"$1" "$2"
"""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what was built, as somebody has downloaded it."""
    folder = tmp_path_factory.mktemp("published")
    built = folder_form()
    for path in (ROOT / "dist").iterdir():
        if path.name == "SHA256SUMS" or path.name.startswith("ingestbox"):
            shutil.copyfile(path, folder / path.name)
    for old in folder.glob("*.deb"):
        old.unlink()
    package(built, folder, "1.0rc1")
    return folder


@pytest.fixture
def machine() -> Iterator[Machine]:
    folder = Path(tempfile.mkdtemp(prefix="ingestbox-install-"))
    folder.chmod(0o755)  # the service's user has to get there
    try:
        yield Machine(folder / "root")
    finally:
        shutil.rmtree(folder)


def typed(shell: Shell, published: Path) -> Shell:
    """A shell in the folder with what was published."""
    for path in published.iterdir():
        (shell.folder / path.name).hardlink_to(path)
    return shell


def serves(shell: Shell, line: str) -> None:
    """Types the line that starts a box, with a port of its own; it comes up, and ends at SIGTERM with 0."""
    data = shell.folder / "box"
    with (shell.folder / "serving.log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {line}"],
            cwd=shell.folder,
            env={**shell.environ, "INGESTBOX_SERVER_PORT": "0"},
            stdin=subprocess.DEVNULL,
            stderr=log,
        )
    try:

        def listens() -> bool:
            assert process.poll() is None, (shell.folder / "serving.log").read_text()
            holder = read_holder(data) if is_held(data) else None
            return bool(holder and holder.url)

        until(listens, "the box listens")
        shell.environ["INGESTBOX_DATA"] = str(data)
        assert "is ready" in shell.type(PROBE)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait(PATIENCE)


def test_the_package(machine: Machine, published: Path, tmp_path: Path) -> None:
    etc = {"/etc/ingestbox": machine.root / "etc/ingestbox"}
    shell = typed(Shell(tmp_path / "shell", places=etc), published)
    wrapper = shell.put("apt-get", APT.format(root=machine.root), 0o755)
    shell.program("apt-get", [str(wrapper)])
    sudo = shell.put("sudo", SUDO.format(root=machine.root, user="0"), 0o755)
    shell.program("sudo", [str(sudo)])
    assert "journalctl -u ingestbox -g /console/setup/" in shell.type(INSTALL)
    user = machine.user().pw_uid
    shell.put("sudo", SUDO.format(root=machine.root, user=user), 0o755)
    asked = machine.asked()
    assert asked[-1] == "start ingestbox.service"
    with serving(machine) as service:
        look = f'test "$1 $2 $3" = "-u ingestbox -g" && grep -- "$4" {service.log}'
        shell.program("journalctl", ["sh", "-c", look, "sh"])
        assert "/console/setup/" in shell.type(LINK)
        shell.environ["INGESTBOX_DATA"] = str(machine.data())
        for line in COMMANDS.strip().splitlines():
            if "systemctl" in line:
                assert shlex.split(line) == ["sudo", "systemctl", "restart", "ingestbox"]
            else:
                said = shell.type(line)
        assert said.rstrip().endswith("All is well.")
    data = machine.data()
    shell.type(REMOVE)
    assert (data / "ingestbox.db").exists(), "what is in it may exist nowhere else"


def test_the_single_file(published: Path, tmp_path: Path) -> None:
    shell = typed(Shell(tmp_path / "shell"), published)
    assert "ingestbox: OK" in shell.type(SUMS)
    make, serve = FILE.strip().splitlines()
    shell.type(make)
    serves(shell, serve)


def test_the_folder(published: Path, tmp_path: Path) -> None:
    opt = tmp_path / "opt"
    opt.mkdir()
    shell = typed(Shell(tmp_path / "shell", places={"/opt": opt}), published)
    shell.program("sudo", ["env"])
    unpack, serve = FOLDER.strip().splitlines()
    shell.type(unpack)
    serves(shell, serve.replace("/opt", str(opt)))


def test_the_container_is_built_and_run_as_its_file_says() -> None:
    said = (ROOT / "packaging/Containerfile").read_text("utf-8")
    for line in CONTAINER.strip().splitlines():
        assert f"#   {line}\n" in said
