"""What `make binary` publishes: nothing is inside that may not be, all that is inside is listed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shutil
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import cyclonedx.schema
import jsonschema_rs
import pytest
from release import archive, licences, native, packed
from release.archive import INNER, Part
from release.component import Component
from release.inside import Owners, UnknownPartError
from release.installed import Installed
from release.known import Known

from tests.binary.conftest import dist as dist

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "program" / "folder"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
LARGEST = 45_000_000
"""Bytes of the single file."""
STAYS_OUTSIDE = {
    "build-only": {"packaging", "setuptools", "typing-extensions"},
    "nothing of it is used": {"dnspython", "markdown-it-py", "mdurl", "pycparser", "pygments"},
}
"""Of what the runtime lock names."""


@pytest.fixture(scope="module")
def parts(dist: Path) -> list[Part]:
    return archive.read(dist / "ingestbox", FOLDER)


@pytest.fixture(scope="module")
def site(dist: Path) -> Path:
    (found,) = (ROOT / "build" / "venv" / "lib").glob("python3*/site-packages")
    return found


@pytest.fixture(scope="module")
def listed(dist: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((dist / f"ingestbox-{VERSION}.cdx.json").read_text("utf-8"))
    return found


def components(parts: list[Part], site: Path) -> list[Component]:
    known = Known.read()
    return Owners(Installed(site, known), known, native.Packaged()).components(parts)


def planted(
    folder: Path, *metadata: str, files: tuple[str, ...] = ("planted.py",), text: bool = True
) -> Path:
    """A site-packages folder with one distribution."""
    info = folder / "planted-1.0.dist-info"
    info.mkdir(parents=True)
    lines = ("Metadata-Version: 2.4", "Name: planted", "Version: 1.0", *metadata)
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    owned = [*files, "planted-1.0.dist-info/METADATA"]
    if text:
        (info / "LICENSE").write_text("All of it is permitted.")
        owned.append("planted-1.0.dist-info/LICENSE")
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in owned))
    return folder


PLANTED = Part("planted", "module")
OUR_OWN = [
    Part(f"ingestbox/{name}", "data", b"x")
    for each in Known.read().assets
    for name in each.files + each.texts
]


def refusal(site: Path, *also: Part) -> str:
    """What the check says of a program that holds a planted module and further parts."""
    with pytest.raises(licences.LicenceError) as refused:
        licences.check(components([PLANTED, *OUR_OWN, *also], site))
    return str(refused.value)


@pytest.mark.parametrize(
    ("metadata", "called"),
    [
        (("License-Expression: GPL-3.0-only",), "GPL-3.0-only"),
        (("License-Expression: LGPL-2.1-or-later",), "LGPL-2.1-or-later"),
        (("License-Expression: MIT AND GPL-2.0-or-later",), "MIT AND GPL-2.0-or-later"),
        (("License-Expression: GPL-2.0-or-later WITH Bootloader-exception",), "Bootloader-exception"),
        (("License: GPL",), "under GPL"),
        (("License: As permissive as you like",), "not known"),
        (("Classifier: License :: OSI Approved :: BSD License",), "not known"),
        (
            (
                "Classifier: License :: OSI Approved :: MIT License",
                "Classifier: License :: OSI Approved :: GNU General Public License (GPL)",
            ),
            "not known",
        ),
        ((), "not known"),
    ],
)
def test_a_package_that_is_not_permissive_or_not_known_is_refused(
    tmp_path: Path, metadata: tuple[str, ...], called: str
) -> None:
    said = refusal(planted(tmp_path, *metadata))
    assert "planted 1.0 is under" in said
    assert called in said


@pytest.mark.parametrize(
    "metadata",
    [
        "License-Expression: MIT",
        "License-Expression: Apache-2.0 OR GPL-2.0-only",
        "License: BSD-3-Clause",
        "Classifier: License :: OSI Approved :: MIT License",
    ],
)
def test_a_permissive_package_is_taken_with_the_text_of_its_licence(tmp_path: Path, metadata: str) -> None:
    found = components([PLANTED, *OUR_OWN], planted(tmp_path / "with", metadata))
    assert "planted" in {each.name for each in found}
    licences.check([each for each in found if each.name == "planted"])
    (without,) = [
        each
        for each in components([PLANTED, *OUR_OWN], planted(tmp_path / "without", metadata, text=False))
        if each.name == "planted"
    ]
    with pytest.raises(licences.LicenceError, match=r"planted 1\.0 comes without the text"):
        licences.check([without])


def test_what_a_wheel_says_was_linked_into_it_is_looked_at(tmp_path: Path) -> None:
    site = planted(tmp_path, "License-Expression: MIT")
    lists = site / "planted-1.0.dist-info" / "sboms" / "rust.json"
    lists.parent.mkdir()
    crates = [
        {"name": "good", "version": "1", "licenses": [{"expression": "MIT OR Apache-2.0"}]},
        {
            "name": "only-builds",
            "version": "1",
            "scope": "excluded",
            "licenses": [{"expression": "GPL-3.0-only"}],
        },
        {"name": "bad", "version": "2", "licenses": [{"expression": "LGPL-3.0-only"}]},
        {"name": "silent", "version": "3"},
    ]
    lists.write_text(json.dumps({"components": crates}))
    with (site / "planted-1.0.dist-info" / "RECORD").open("a") as record:
        record.write("planted-1.0.dist-info/sboms/rust.json,,\n")
    said = refusal(site)
    assert "bad 2 is under LGPL-3.0-only" in said
    assert "silent 3 is under a licence that is not known" in said
    assert "good" not in said
    assert "only-builds" not in said


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("libreadline.so.8", "library"),
        ("libgcc_s.so.1", "library"),
        ("planted.libs/libgfortran-040039e1.so.5", "library"),
        ("strange.bin", "data"),
        ("nobodys.module", "module"),
    ],
)
def test_what_belongs_to_nobody_is_refused(tmp_path: Path, name: str, kind: archive.Kind) -> None:
    site = planted(
        tmp_path, "License-Expression: MIT", files=("planted.py", "planted.libs/libgfortran-040039e1.so.5")
    )
    with pytest.raises(UnknownPartError, match=re.escape(name)):
        components([PLANTED, *OUR_OWN, Part(name, kind, b"x")], site)


def test_an_asset_of_somebody_else_has_to_be_in_its_folders_table(parts: list[Part], site: Path) -> None:
    strange = Part("ingestbox/console/static/vendor/other.min.js.gz", "data", b"x")
    ours = [part for part in parts if part.name.startswith("ingestbox/")]
    assert "uplot" in {each.name for each in components(ours, site)}
    with pytest.raises(UnknownPartError, match=r"other\.min\.js\.gz"):
        components([*ours, strange], site)


def test_a_library_that_needs_one_which_is_not_there_is_refused(dist: Path, tmp_path: Path) -> None:
    native.check_needs(FOLDER / INNER)
    shutil.copy(FOLDER / INNER / "libssl.so.3", tmp_path)
    with pytest.raises(native.NeedsError, match=r"libcrypto\.so\.3"):
        native.check_needs(tmp_path)


def test_both_forms_hold_the_same(dist: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(FOLDER, folder)
    (sql, *_) = sorted((folder / INNER / "ingestbox").rglob("*.sql"))
    sql.write_bytes(sql.read_bytes() + b"\n")
    with pytest.raises(archive.DifferentFormsError, match=re.escape(sql.name)):
        archive.read(dist / "ingestbox", folder)
    sql.unlink()
    with pytest.raises(archive.DifferentFormsError, match=re.escape(sql.name)):
        archive.read(dist / "ingestbox", folder)


def test_nothing_that_would_bring_the_gpl_along_is_inside(parts: list[Part], site: Path) -> None:
    modules = {part.name.rpartition("/")[2].partition(".")[0] for part in parts}
    assert not modules & {"_crypt", "_dbm", "_gdbm", "libcrypt", "libgdbm", "libreadline", "nis", "readline"}
    found = components(parts, site)
    licences.check(found)
    (boot_loader,) = [each for each in found if each.name == "pyinstaller"]
    with pytest.raises(licences.LicenceError, match="pyinstaller"):
        licences.check([dataclasses.replace(boot_loader, licence="GPL-2.0-or-later")])


def locked(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([^ \n]+)", (ROOT / name).read_text("utf-8"), re.MULTILINE))


def test_the_list_has_what_the_lock_files_name_and_what_is_beside_it(listed: dict[str, Any]) -> None:
    schema = Path(cyclonedx.schema.__file__).parent / "_res"
    resources = [
        (f"http://cyclonedx.org/schema/{name}", json.loads((schema / name).read_text("utf-8")))
        for name in ("spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json")
    ]
    document = json.loads((schema / "bom-1.6.SNAPSHOT.schema.json").read_text("utf-8"))
    registry = jsonschema_rs.Registry(resources)
    jsonschema_rs.validator_for(document, registry=registry).validate(listed)

    packages = {
        each["name"]: each["version"] for each in listed["components"] if each["purl"].startswith("pkg:pypi/")
    }
    packages.pop("vaderSentiment")
    build, runtime = locked("requirements-build.lock"), locked("requirements.lock")
    assert packages.items() <= build.items()
    assert set(runtime) - set(packages) <= set().union(*STAYS_OUTSIDE.values())
    assert set(packages) - set(runtime) == {"asyncpg", "pyinstaller"}

    named = {each["name"]: each for each in listed["components"]}
    assert {"cpython", "libssl.so.3", "libcrypto.so.3", "libz.so.1"} <= set(named)
    assert {"htmx.org", "@picocss/pico", "uplot", "swagger-ui-dist", "redoc", "vaderSentiment"} <= set(named)
    (sqlite,) = [each for each in named["pysqlite3"]["components"] if each["name"] == "sqlite"]
    assert tuple(map(int, sqlite["version"].split("."))) >= (3, 51, 3)
    assert "openssl" in {each["name"] for each in named["cryptography"]["components"]}
    assert re.match(r"3\.\d+\.\d+", named["libssl.so.3"]["version"])


def test_what_is_published_is_summed_small_enough_and_says_its_licences(
    dist: Path, listed: dict[str, Any]
) -> None:
    lines = [line.split() for line in (dist / "SHA256SUMS").read_text().splitlines()]
    sums = {name: sha for sha, name in lines}
    (packed_folder,) = [name for name in sums if name.endswith(".tar.xz")]
    assert {"ingestbox", f"ingestbox-{VERSION}.cdx.json", "licences.txt"} <= set(sums)
    for name, sha in sums.items():
        assert hashlib.sha256((dist / name).read_bytes()).hexdigest() == sha, name
    described = listed["metadata"]["component"]
    assert {each["name"]: each["value"] for each in described["properties"]} == {
        f"ingestbox:sha256:{name}": sums[name] for name in ("ingestbox", packed_folder)
    }
    assert (dist / "ingestbox").stat().st_size <= LARGEST
    report = (dist / "licences.txt").read_text("utf-8")
    for each in listed["components"]:
        assert re.search(
            rf"^{re.escape(each['name'])} {re.escape(each['version'])} +\S", report, re.MULTILINE
        )
    assert "GNU GENERAL PUBLIC LICENSE" in report, "the boot-loader's, with its exception"
    assert "May you do good and not evil." in report


def test_the_archive_is_the_folder_and_nobodys_in_particular(dist: Path) -> None:
    (file,) = dist.glob(f"ingestbox-{VERSION}-linux-*.tar.xz")
    with tarfile.open(file) as tar:
        entries = tar.getmembers()
        names = [each.name for each in entries]
        assert names == sorted(names, key=lambda name: name.split("/"))
        assert {(each.uid, each.gid, each.uname, each.gname) for each in entries} == {(0, 0, "root", "root")}
        assert len({each.mtime for each in entries}) == 1
        top = file.name.removesuffix(".tar.xz")
        for each in entries:
            path = FOLDER / Path(each.name).relative_to(top)
            if each.isfile():
                content = tar.extractfile(each)
                assert content is not None
                assert content.read() == path.read_bytes(), each.name
        assert {f"{top}/ingestbox", f"{top}/licences.txt"} <= set(names)
        assert tar.getmember(f"{top}/ingestbox").mode == 0o755


def test_equal_folders_are_packed_equally(tmp_path: Path) -> None:
    for name, mode in (("one", 0o600), ("two", 0o644)):
        folder = tmp_path / name
        for inner in ("b", "a") if name == "one" else ("a", "b"):
            (folder / inner).mkdir(parents=True)
            (folder / inner / "file").write_bytes(b"content")
            (folder / inner / "file").chmod(mode)
        packed.pack(folder, tmp_path / f"{name}.tar.xz", "top", 1_700_000_000)
    assert (tmp_path / "one.tar.xz").read_bytes() == (tmp_path / "two.tar.xz").read_bytes()
