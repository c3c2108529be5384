"""Compiles PyInstaller's boot-loader, unchanged, with room.c linked to it, from the source the lock names.

`python packaging/bootloader/build.py <lock file> <file to write>`. Equal compilers write equal files. Without
a compiler or the source it says so and writes an empty file: PyInstaller's own boot-loader serves then, and
what that says when it cannot unpack is a riddle.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOM = Path(__file__).with_name("room.c")
FLAGS = ("-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror")
STAYS = "the boot-loader stays PyInstaller's own, which says less when it cannot unpack"


class MissingError(Exception):
    """What this needs cannot be had on this machine."""


def compiled(lock: Path, folder: Path) -> Path:
    """The boot-loader, in a folder. Raises MissingError, and CalledProcessError when it does not compile."""
    compiler = shutil.which(os.environ.get("CC", "gcc"))
    if compiler is None:
        raise MissingError("there is no compiler (Debian: apt-get install gcc libc6-dev)")
    source = fetched(lock, folder)
    room = folder / "room.o"
    subprocess.run([compiler, *FLAGS, "-c", ROOM, "-o", room], check=True)
    # With its own zlib, so that nothing that was unpacked is loaded before the boot-loader's main().
    waf = [sys.executable, "waf", "configure", "build_release", "--static-zlib", f"--out={folder / 'out'}"]
    environ = {**os.environ, "LDFLAGS": str(room), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(waf, cwd=source / "bootloader", env=environ, capture_output=True, text=True)
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        done.check_returncode()
    return folder / "out" / "release" / "run"


def fetched(lock: Path, folder: Path) -> Path:
    """PyInstaller's source, unpacked, of the version and with one of the hashes that the lock file names."""
    entry = re.search(r"^pyinstaller==\S+(?: \\\n +--hash=\S+)+", lock.read_text(), re.MULTILINE)
    if entry is None:
        raise MissingError(f"{lock} does not name pyinstaller")
    wanted = folder / "wanted.txt"
    wanted.write_text(entry[0] + "\n")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    pip += ["--no-binary", "pyinstaller", "--dest", str(folder), "--requirement", str(wanted)]
    if importlib.util.find_spec("hatchling") is not None:
        # pip asks the source for its name; this way it installs nothing for that.
        pip.append("--no-build-isolation")
    done = subprocess.run(pip, capture_output=True, text=True)
    if done.returncode:
        raise MissingError(f"its source cannot be fetched: {done.stderr.strip().rpartition(chr(10))[2]}")
    (archive,) = folder.glob("pyinstaller-*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.4
        tar.extractall(folder)
    return archive.with_name(archive.name.removesuffix(".tar.gz"))


def main() -> None:
    """Writes the file."""
    lock, target = map(Path, sys.argv[1:])
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        try:
            content = compiled(lock, Path(folder)).read_bytes()
        except MissingError as missing:
            print(f"Warning: {missing}; {STAYS}.", file=sys.stderr)
            content = b""
    target.write_bytes(content)


if __name__ == "__main__":
    main()
