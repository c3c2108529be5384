"""A Debian without anything in it: what a maintainer's scripts run in, made of this machine's own files."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DONE = 300.0

PROGRAMS = ("sh", "cat", "chmod", "chown", "dirname", "mkdir", "rm", "rmdir", "sed", "stat", "true")
HELPERS = ("systemd-sysusers", "deb-systemd-helper", "deb-systemd-invoke")

SYSTEMCTL = """\
#!/bin/sh
case "$*" in
--root=*) exec /usr/lib/systemctl "$@" ;;
*is-enabled*) exec /usr/lib/systemctl --root=/ is-enabled ingestbox.service ;;
*is-active*) test -e /run/active; exit ;;
*stop*) rm -f /run/active ;;
*start*) : > /run/active ;;
esac
echo "$*" >> /systemctl.log
"""
"""systemd does not run in tests: what is asked of it is written down. What is about files alone is done."""


def run(*command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end; what it said."""
    words = list(map(str, command))
    return subprocess.run(words, capture_output=True, text=True, timeout=DONE, check=False, **options)


def folder_form() -> Path:
    """The program's folder form, of this very source."""
    subprocess.run(["make", "--silent", "binary"], cwd=ROOT, check=True, timeout=900)
    return ROOT / "build" / "program" / "folder"


def package(folder: Path, output: Path, version: str) -> Path:
    """The package that `make deb` builds, but for its compression."""
    man = output / "ingestbox.1"
    man.write_text(run(sys.executable, "packaging/man.py", cwd=ROOT).stdout)
    built = run(
        sys.executable,
        "packaging/deb.py",
        *(folder, man, output, "--version", version, "--compression", "none"),
        cwd=ROOT,
    )
    assert built.returncode == 0, built.stderr
    return Path(built.stdout.strip())


def system(root: Path) -> None:
    """Makes the scratch system: a few programs, their libraries, dpkg's books; systemd seems to run."""
    for each in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc", "dev", "tmp", "run/systemd/system"):
        (root / each).mkdir(parents=True)
    for each in ("bin", "sbin", "lib", "lib64"):
        (root / each).symlink_to(f"usr/{each}")
    (root / "dev/null").touch(0o666)  # a device is more than a test may have
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    perl = run("dpkg-query", "--listfiles", "perl-base").stdout.splitlines()
    for name in (*map(_place, (*PROGRAMS, *HELPERS)), *perl):
        _bring(root, Path(name))
    _bring(root, Path(_place("systemctl")))
    (root / "usr/bin/systemctl").rename(root / "usr/lib/systemctl")
    (root / "usr/bin/systemctl").write_text(SYSTEMCTL)
    (root / "usr/bin/systemctl").chmod(0o755)
    books = root / "var/lib/dpkg"
    (books / "info").mkdir(parents=True)
    (books / "updates").mkdir()
    # The packages that ours depends on, as they are on this machine.
    known = run("dpkg-query", "--status", "libc6", "libgcc-s1", "systemd")
    assert known.returncode == 0, known.stderr
    (books / "status").write_text(known.stdout)


def _place(program: str) -> str:
    found = shutil.which(program)
    assert found, f"there is no {program} here; .ci/run says which packages tests need"
    return found


def _bring(root: Path, source: Path) -> None:
    """Copies a file, and the libraries that it needs, to the same place below `root`."""
    target = root / source.relative_to("/")
    if target.exists() or not source.is_file():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)
    if source.read_bytes()[:4] == b"\x7fELF":
        for library in re.findall(r"(/\S+) \(0x", run("ldd", source).stdout):
            _bring(root, Path(library))
