"""What is inside both forms of the program: read out of them, not out of what was meant to be put in."""

from __future__ import annotations

import io
import subprocess
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PyInstaller.archive.readers import CArchiveReader

Kind = Literal["boot", "module", "library", "data"]
_KINDS: dict[str, Kind] = {"b": "library", "x": "data"}
BOOT_LOADER = "pyiboot"
"""The name of what stands before the archive."""
INNER = "_internal"
"""The folder of the folder form that holds all but the program itself."""


class DifferentFormsError(Exception):
    """The folder does not hold what the single file holds."""


@dataclass(frozen=True)
class Part:
    """One thing inside the program."""

    name: str
    """A module's dotted name; of all others the path below `_internal`."""
    kind: Kind
    content: bytes = b""
    """What a library, a data file or the boot-loader is made of."""


def read(program: Path, folder: Path) -> list[Part]:
    """Everything in the single file `program`, by kind and name.

    Raises DifferentFormsError when `folder`, the other form, holds other files or another content.
    """
    archive = CArchiveReader(str(program))
    parts: list[Part] = []
    for name, (*_, code) in archive.toc.items():
        if code == "z":
            parts += [Part(each, "module") for each in archive.open_embedded_archive(name).toc]
        elif code in _KINDS:
            parts.append(Part(name, _KINDS[code], archive.extract(name)))
        else:
            parts.append(Part(name, "boot"))
    parts.append(Part(BOOT_LOADER, "boot", _before(program)))
    (base,) = [part for part in parts if part.name == "base_library.zip"]
    with zipfile.ZipFile(io.BytesIO(base.content)) as library:
        names = [name.removesuffix(".pyc").removesuffix("/__init__") for name in library.namelist()]
    parts += [Part(name.replace("/", "."), "module") for name in names]
    _compare({part.name: part.content for part in parts if part.kind in ("library", "data")}, folder)
    return sorted(parts, key=lambda part: (part.kind, part.name))


def _before(program: Path) -> bytes:
    """What the single file is without its archive, which is in a section of its own."""
    with tempfile.NamedTemporaryFile() as bare:
        command: list[str | Path] = ["objcopy", "--remove-section=pydata", program, bare.name]
        subprocess.run(command, check=True)
        return Path(bare.name).read_bytes()


def _compare(inside: dict[str, bytes], folder: Path) -> None:
    files = {
        str(path.relative_to(folder / INNER)): path for path in (folder / INNER).rglob("*") if path.is_file()
    }
    if missing := sorted(files.keys() ^ inside.keys()):
        raise DifferentFormsError(f"only one of the two forms has {', '.join(missing)}")
    if other := sorted(name for name, path in files.items() if path.read_bytes() != inside[name]):
        raise DifferentFormsError(f"the two forms differ in {', '.join(other)}")
