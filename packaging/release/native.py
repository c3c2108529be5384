"""Shared libraries: which Debian package one is, and what it needs of the system."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

SYSTEM = re.compile(r"^(ld-linux[\w-]*|libc|libdl|libgcc_s|libm|libpthread|librt|libutil)\.so\.\d+$")
"""What comes with glibc on every system that has it, and is never inside the program."""


class NeedsError(Exception):
    """A library inside the program needs one that is neither inside nor on every system."""


@dataclass(frozen=True)
class Package:
    """A package of Debian."""

    name: str
    version: str

    @property
    def upstream(self) -> str:
        """The version without Debian's own part."""
        return self.version.partition(":")[2].rpartition("-")[0] or self.version.rpartition("-")[0]

    @property
    def purl(self) -> str:
        """Its name in a list of what is inside."""
        return f"pkg:deb/debian/{self.name}@{self.version}"


class Packaged:
    """Finds the packages of this machine's libraries, if it has packages."""

    def of(self, name: str, content: bytes) -> Package | None:
        """The package whose library has this name and exactly this content; None when there is none."""
        for folder in self._folders():
            file = folder / name
            if file.is_file() and file.read_bytes() == content:
                return self._package(file) or self._package(file.resolve())
        return None

    @functools.cached_property
    def _query(self) -> str | None:
        return shutil.which("dpkg-query")

    def _folders(self) -> list[Path]:
        multiarch = sysconfig.get_config_var("MULTIARCH") or ""
        return [Path("/lib") / multiarch, Path("/usr/lib") / multiarch]

    def _package(self, file: Path) -> Package | None:
        if self._query is None:
            return None
        owner = subprocess.run([self._query, "--search", file], capture_output=True, text=True, check=False)
        if owner.returncode:
            return None
        shown = subprocess.run(
            [self._query, "--show", "--showformat=${Package} ${Version}", owner.stdout.partition(": ")[0]],
            capture_output=True,
            text=True,
            check=True,
        )
        name, version = shown.stdout.split()
        return Package(name, version)


def check_needs(folder: Path) -> None:
    """Raises NeedsError when a library below `folder` needs one that is neither there nor on every system."""
    files = [str(path) for path in sorted(folder.rglob("*")) if path.is_file() and ".so" in path.name]
    shown = subprocess.run(
        ["objdump", "--private-headers", *files], capture_output=True, text=True, check=True
    ).stdout
    there = {Path(file).name for file in files}
    missing = {name for name in re.findall(r"^\s+NEEDED\s+(\S+)$", shown, re.MULTILINE) if name not in there}
    if strange := sorted(name for name in missing if not SYSTEM.match(name)):
        raise NeedsError(f"libraries inside need {', '.join(strange)}, which not every system has")
