"""Looks into both forms of a program, checks them, and writes what is published into a folder."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import sysconfig
from pathlib import Path

from release import archive, licences, native, packed, sbom
from release.component import Component
from release.inside import Owners, UnknownPartError
from release.installed import Installed
from release.known import Known

ROOT = Path(__file__).parents[2]


def main() -> int:
    """0, or 1 with a sentence for each thing that keeps this build from being published."""
    parser = argparse.ArgumentParser(prog="release", description=__doc__)
    parser.add_argument("--program", type=Path, required=True, help="the single file")
    parser.add_argument("--folder", type=Path, required=True, help="the folder form")
    parser.add_argument("--version", required=True)
    parser.add_argument("--to", type=Path, required=True, help="the folder to write into")
    given = parser.parse_args()
    seconds = int(os.environ["SOURCE_DATE_EPOCH"])
    known = Known.read()
    try:
        parts = archive.read(given.program, given.folder)
        native.check_needs(given.folder / archive.INNER)
        installed = Installed(Path(sysconfig.get_path("purelib")), known)
        components = Owners(installed, known, native.Packaged()).components(parts)
        licences.check(components)
    except (archive.DifferentFormsError, native.NeedsError, UnknownPartError, licences.LicenceError) as error:
        print(f"This build cannot be published:\n{error}", file=sys.stderr)
        return 1
    publish(given.program, given.folder, given.to, given.version, components, seconds)
    return 0


def publish(
    program: Path, folder: Path, to: Path, version: str, components: list[Component], seconds: int
) -> None:
    """Writes everything, the sums last: who finds them finds the rest."""
    to.mkdir(exist_ok=True)
    for old in (*to.glob("ingestbox*"), *to.glob("licences.txt"), *to.glob("SHA256SUMS")):
        old.unlink()
    itself = Component(
        "ingestbox",
        version,
        "Apache-2.0",
        ((ROOT / "LICENSE").read_text("utf-8"),),
        f"pkg:generic/ingestbox@{version}",
        "application",
    )
    report = licences.report(f"ingestbox {version}", [itself, *components])
    for place in (to, folder):
        (place / "licences.txt").write_text(report, "utf-8")
    shutil.copyfile(program, to / "ingestbox")
    (to / "ingestbox").chmod(0o755)
    name = f"ingestbox-{version}-linux-{platform.machine()}"
    packed.pack(folder, to / f"{name}.tar.xz", name, seconds)
    forms = {file: sbom.sha256((to / file).read_bytes()) for file in ("ingestbox", f"{name}.tar.xz")}
    (to / f"ingestbox-{version}.cdx.json").write_text(
        sbom.described(itself, components, forms, seconds), "utf-8"
    )
    sums = [f"{sbom.sha256(file.read_bytes())}  {file.name}\n" for file in sorted(to.iterdir())]
    (to / "SHA256SUMS").write_text("".join(sums), "utf-8")


sys.exit(main())
