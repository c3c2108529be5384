"""Whose each thing inside the program is. Nothing may stay without an owner."""

from __future__ import annotations

import platform
import re
import sys
import sysconfig
from collections import defaultdict
from importlib import metadata
from pathlib import Path

from release.archive import Part
from release.component import Component
from release.installed import Installed, canonical
from release.known import Assets, Known
from release.native import Packaged
from release.sbom import sha256

_LISTED = re.compile(r"^\| `([^`]+)` \| (\S+) (\d[^ ,]*), ([\w.-]+) \|", re.MULTILINE)
"""A row of a README's table of files that come from npm packages: file, package, version, licence."""
_PYTHON = re.compile(r"^(libpython3|python3[^/]*/lib-dynload/|base_library\.zip$)")
_STANDARD = sys.stdlib_module_names | {"_pyi_rth_utils"}
_BOOT = re.compile(r"^(pyi_rth_|pyiboot|pyimod|_pyi_)")


class UnknownPartError(Exception):
    """Something is inside the program that belongs to nothing that is known."""


class Owners:
    """Sorts what is inside by whom it belongs to."""

    def __init__(self, installed: Installed, known: Known, packaged: Packaged) -> None:
        self._installed = installed
        self._known = known
        self._packaged = packaged

    def components(self, parts: list[Part]) -> list[Component]:
        """Everything that is not ours, by kind and name.

        Raises UnknownPartError, which names them all, for what belongs to nobody.
        """
        owned: defaultdict[str, list[Part]] = defaultdict(list)
        distributions: dict[str, metadata.Distribution] = {}
        unknown = []
        for part in parts:
            owner = self._owner(part)
            if isinstance(owner, metadata.Distribution):
                distributions[canonical(owner.name)] = owner
                owner = canonical(owner.name)
            if owner:
                owned[owner].append(part)
            else:
                unknown.append(part.name)
        if unknown:
            raise UnknownPartError("nobody knows whose these are: " + ", ".join(sorted(unknown)))
        content = {name: b"\0".join(part.content for part in its) for name, its in owned.items()}
        found = [self._installed.component(each, content[name]) for name, each in distributions.items()]
        found.append(self._python(content.get("cpython", b"")))
        found += [self._library(part) for part in owned["system"]]
        found += self._assets(owned["ingestbox"])
        return sorted(found, key=lambda each: (each.kind, each.name, each.version, each.sha256))

    def _owner(self, part: Part) -> metadata.Distribution | str | None:
        name = part.name
        if part.kind in ("boot", "module"):
            top = name.partition(".")[0]
            if top in ("ingestbox", "__main__"):
                return "ingestbox"
            if _BOOT.match(name) or top == "_pyi_rth_utils":
                return self._installed.of_module("PyInstaller")
            if owner := self._installed.of_module(name):
                return owner
            return "cpython" if top in _STANDARD or top.startswith("_sysconfigdata_") else None
        if name.startswith("ingestbox/"):
            return "ingestbox"
        if ".libs/" in name:  # libraries of others that a wheel brings, under licences of their own
            return "system" if _stem(name) in self._known.libraries else None
        if owner := self._installed.of_file(name):
            return owner
        if _PYTHON.match(name):
            return "cpython"
        known = part.kind == "library" and _stem(name) in self._known.libraries
        return "system" if known else None

    def _python(self, content: bytes) -> Component:
        version = platform.python_version()
        licence = Path(sysconfig.get_path("stdlib")) / "LICENSE.txt"
        return Component(
            "cpython",
            version,
            "Python-2.0.1",
            (licence.read_text("utf-8"),) if licence.exists() else (),
            f"pkg:generic/cpython@{version}",
            holds=tuple(
                held
                for each in self._known.linked_into("cpython")
                if (held := self._known.linked(each, content)).version  # Debian's has them beside it
            ),
        )

    def _library(self, part: Part) -> Component:
        library = self._known.libraries[_stem(part.name)]
        as_said = self._known.linked(library, part.content)
        package = self._packaged.of(part.name, part.content)
        version = as_said.version or (package.upstream if package else "")
        purl = package.purl if package else as_said.purl
        return Component(
            part.name, version, as_said.licence, as_said.texts, purl, sha256=sha256(part.content)
        )

    def _assets(self, parts: list[Part]) -> list[Component]:
        files = {part.name.removeprefix("ingestbox/"): part.content for part in parts if part.kind == "data"}
        found = [*self._known.assets, *_listed(files)]
        for each in found:
            if missing := [name for name in (*each.files, *each.texts) if name not in files]:
                raise UnknownPartError(f"{each.name} should be inside, and is not: {', '.join(missing)}")
        return [
            Component(
                each.name,
                each.version,
                each.licence,
                tuple(files[name].decode() for name in each.texts),
                each.purl,
                "data",
            )
            for each in found
        ]


def _listed(files: dict[str, bytes]) -> list[Assets]:
    """What the tables of files in READMEs list; every file in a folder of such a package has to be in one.

    Raises UnknownPartError for a file of somebody else that no table has.
    """
    found: dict[str, Assets] = {}
    for readme, content in files.items():
        folder = readme.removesuffix("README.md")
        if folder == readme:
            continue
        for file, package, version, licence in _LISTED.findall(content.decode()):
            (path,) = [name for name in files if name.startswith(folder) and name.endswith(f"/{file}")]
            asset = found.setdefault(
                package, Assets(package, version, licence, [], [], f"pkg:npm/{package}@{version}")
            )
            asset.files.append(path)
    for asset in found.values():
        for path in asset.files:
            place, _, file = path.rpartition("/")
            mine = {other.rpartition("/")[0] for other in asset.files} - {"console/static/vendor"}
            for other in files:
                if other.startswith(f"{place}/") and _is_text(other.rpartition("/")[2]):
                    stem = other.rpartition("/")[2].partition(".LICENSE")[0]
                    if (place in mine or file.startswith(f"{stem}.")) and other not in asset.texts:
                        asset.texts.append(other)
    named = {name for asset in found.values() for name in (*asset.files, *asset.texts)}
    places = {path.rpartition("/")[0] for asset in found.values() for path in asset.files}
    if strange := [name for name in files if name.rpartition("/")[0] in places and name not in named]:
        raise UnknownPartError(f"no README says where these come from: {', '.join(strange)}")
    return list(found.values())


def _is_text(name: str) -> bool:
    return "LICENSE" in name or name == "NOTICE.txt"


def _stem(name: str) -> str:
    """A library's name without its version, and without the hash that wheels put into it."""
    return re.sub(r"-[0-9a-f]{8}$", "", name.rpartition("/")[2].partition(".so")[0])
