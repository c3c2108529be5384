"""Builds the Debian package from the folder form of the program. Run: make deb.

Equal input makes equal packages: order, owners and modes are set here, and times to SOURCE_DATE_EPOCH.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from click.testing import CliRunner

from ingestbox import __version__
from ingestbox.cli.commands import cli
from ingestbox.config.template import template

HERE = Path(__file__).parent
DEBIAN = HERE / "debian"

MAINTAINER = os.environ.get("DEB_MAINTAINER", "ingestbox maintainers <maintainers@ingestbox.example>")

PROGRAM = "usr/lib/ingestbox"
DOC = "usr/share/doc/ingestbox"
CONFIG = "etc/ingestbox/ingestbox.toml"
DATA = "/var/lib/ingestbox"

SCRIPTS = ("postinst", "prerm", "postrm")

COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/ingestbox",
    "zsh": "usr/share/zsh/vendor-completions/_ingestbox",
    "fish": "usr/share/fish/vendor_completions.d/ingestbox.fish",
}

OF_LIBC = re.compile(r"(ld-linux[\w-]*|lib(c|m|dl|rt|pthread|util|resolv))\.so\.\d+")
OF_PACKAGES = {"libgcc_s.so.1": "libgcc-s1"}
"""System libraries that the program does not bring, beside those of libc6, and who has them."""

CONTROL = """\
Package: ingestbox
Version: {version}
Architecture: {architecture}
Maintainer: {maintainer}
Installed-Size: {kib}
Depends: {depends}
Section: net
Priority: optional
Description: takes records in, never loses one, forwards them upstream
 A box that takes records in over HTTP, never loses one it said yes to,
 analyses them, and forwards the results to a central service whenever that
 can be reached. It is one program with one data folder; it needs no database,
 queue or other service beside it.
"""

CHANGES = """\
ingestbox ({version}) unstable; urgency=medium

  * What is new is in /{doc}/CHANGELOG.md.gz.

 -- {maintainer}  {date}
"""

OVERRIDES = """\
# The program brings Python and the libraries that it was tested with, as they were built elsewhere; some of
# them break when they are stripped, and the program itself would.
ingestbox: embedded-library *
ingestbox: hardening-no-pie *
ingestbox: library-not-linked-against-libc *
ingestbox: shared-library-lacks-prerequisites *
ingestbox: unstripped-binary-or-object *
"""


def main() -> None:
    """Builds the package that the command line describes."""
    parser = argparse.ArgumentParser(description="Build the Debian package from the folder form.")
    parser.add_argument("folder", type=Path, help="the program's folder form")
    parser.add_argument("man", type=Path, help="the man page")
    parser.add_argument("output", type=Path, help="the folder that the package is put into")
    parser.add_argument("--version", default=__version__, help="the program's version")
    parser.add_argument("--licences", type=Path, help="the licences of what the program brings")
    parser.add_argument("--compression", default="xz", choices=["xz", "gzip", "none"])
    given = parser.parse_args()
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", "315532800"))
    with tempfile.TemporaryDirectory(prefix="ingestbox-deb-") as scratch:
        root = Path(scratch) / "root"
        version = debian_version(given.version)
        architecture = said("dpkg", "--print-architecture")
        lay(root, given.folder, given.man, given.licences, version, epoch)
        describe(root, version, architecture)
        settle(root, epoch)
        given.output.mkdir(parents=True, exist_ok=True)
        package = given.output / f"ingestbox_{version}_{architecture}.deb"
        pack(root, package, given.compression, epoch)
    print(package)


def lay(root: Path, folder: Path, man: Path, licences: Path | None, version: str, epoch: int) -> None:
    """Puts every file in its place below `root`."""
    shutil.copytree(folder, root / PROGRAM)
    link = root / "usr/bin/ingestbox"
    link.parent.mkdir()
    link.symlink_to("../lib/ingestbox/ingestbox")
    write(root / CONFIG, configuration())
    write(root / "usr/lib/systemd/system/ingestbox.service", (HERE / "ingestbox.service").read_text())
    write(root / "usr/lib/sysusers.d/ingestbox.conf", (HERE / "ingestbox.sysusers").read_text())
    for shell, place in COMPLETIONS.items():
        done = CliRunner().invoke(cli, ["completion", shell], catch_exceptions=False)
        write(root / place, done.output)
    squeeze(root / "usr/share/man/man1/ingestbox.1.gz", man.read_bytes())
    date = format_datetime(datetime.fromtimestamp(epoch, UTC))
    changes = CHANGES.format(version=version, doc=DOC, maintainer=MAINTAINER, date=date)
    squeeze(root / DOC / "changelog.gz", changes.encode())
    squeeze(root / DOC / "CHANGELOG.md.gz", (HERE.parent / "CHANGELOG.md").read_bytes())
    if licences is not None:
        squeeze(root / DOC / "licences.txt.gz", licences.read_bytes())
    write(root / DOC / "copyright", (DEBIAN / "copyright").read_text())
    write(root / "usr/share/lintian/overrides/ingestbox", OVERRIDES)


def configuration() -> str:
    """What `ingestbox init` writes, with the data folder of the service."""
    text = template()
    default = '#data = "./ingestbox-data"\n'
    assert default in text
    return text.replace(default, f'data = "{DATA}"\n')


def describe(root: Path, version: str, architecture: str) -> None:
    """Writes what dpkg reads: control, conffiles, checksums, the maintainer's scripts."""
    control = root / "DEBIAN"
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    text = CONTROL.format(
        version=version,
        architecture=architecture,
        maintainer=MAINTAINER,
        kib=sum(-(-path.stat().st_size // 1_024) for path in files),
        depends=", ".join(depends(root / PROGRAM)),
    )
    sums = "".join(
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path.relative_to(root)}\n"
        for path in files
        if path != root / CONFIG
    )
    write(control / "control", text)
    write(control / "conffiles", f"/{CONFIG}\n")
    write(control / "md5sums", sums)
    for script in SCRIPTS:
        write(control / script, (DEBIAN / script).read_text())


def depends(program: Path) -> list[str]:
    """The packages whose libraries the program uses and does not bring; libc6 in the version that it needs.

    Raises SystemExit for a library that nobody is known to have.
    """
    files = [path for path in program.rglob("*") if path.is_file() and ".so" in path.suffixes]
    files.append(program / "ingestbox")
    brought = {path.name for path in files}
    listed = said("readelf", "--dynamic", "--version-info", "--wide", *map(str, files))
    needed = set(re.findall(r"\(NEEDED\)\s+Shared library: \[([^]]+)]", listed)) - brought
    foreign = {each for each in needed if not OF_LIBC.fullmatch(each)}
    unknown = foreign - OF_PACKAGES.keys()
    if unknown:
        sys.exit(f"The program needs {', '.join(sorted(unknown))}, which no package here is known to have.")
    versions = {tuple(map(int, each.split("."))) for each in re.findall(r"Name: GLIBC_([\d.]+)", listed)}
    libc = ".".join(map(str, max(versions)))
    users = "systemd | systemd-standalone-sysusers | systemd-sysusers"
    return [f"libc6 (>= {libc})", *sorted(OF_PACKAGES[each] for each in foreign), users]


def settle(root: Path, epoch: int) -> None:
    """Sets modes and times: only the program itself and the scripts can be run."""
    runs = {root / PROGRAM / "ingestbox", *(root / "DEBIAN" / each for each in SCRIPTS)}
    for path in [root, *root.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path in runs else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def pack(root: Path, package: Path, compression: str, epoch: int) -> None:
    """Has dpkg-deb write the package; one thread, for more of them write other bytes."""
    part = package.with_name(f".{package.name}.part")
    options = ["--root-owner-group", f"-Z{compression}", "--threads-max=1"]
    environ = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}
    try:
        subprocess.run(
            ["dpkg-deb", *options, "--build", root, part], env=environ, stdout=subprocess.DEVNULL, check=True
        )
        part.replace(package)
    finally:
        part.unlink(missing_ok=True)


def debian_version(version: str) -> str:
    """Python's version as one of Debian's, which orders them alike: 1.0~rc1 for 1.0rc1, before 1.0."""
    return re.sub(r"\.?(dev|a|b|rc)(?=\d)", r"~\1", version)


def squeeze(path: Path, content: bytes) -> None:
    """Writes a file as gzip, without a name or a time in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, mtime=0))


def write(path: Path, text: str) -> None:
    """Writes a text, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def said(*command: str) -> str:
    """What a command prints. Raises SystemExit when it fails, or is not there."""
    try:
        done = subprocess.run(command, env={**os.environ, "LC_ALL": "C"}, stdout=subprocess.PIPE, text=True)
    except FileNotFoundError:
        sys.exit(f"There is no {command[0]} here. On Debian: apt-get install binutils dpkg-dev")
    if done.returncode:
        sys.exit(f"{command[0]} failed.")
    return done.stdout.strip()


if __name__ == "__main__":
    main()
