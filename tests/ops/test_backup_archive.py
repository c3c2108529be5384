"""Whatever is done to a backup is found when it is read, and nothing in it decides where anything is
written."""

from __future__ import annotations

import random
import subprocess
import tarfile
from pathlib import Path

import msgspec
import pytest

from ingestbox.clock import SystemClock
from ingestbox.ops.backup.archive import described, verify
from ingestbox.ops.backup.manifest import DamagedBackupError
from ingestbox.ops.backup.restoring import RestoreError, restore
from tests.ops import backups
from tests.ops.backups import CONTENTS, STORED, entry, good_entries, manifest, sealed, tar_of


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return backups.write(tmp_path / "good.tar.zst")


def test_a_good_one_is_read_and_any_tar_can_take_it_out(good: Path, tmp_path: Path) -> None:
    assert verify(good) == described(good) == manifest()
    (tmp_path / "out").mkdir()
    subprocess.run(
        ["tar", "--use-compress-program=zstd", "-xf", str(good), "-C", str(tmp_path / "out")], check=True
    )
    for name, data in CONTENTS.items():
        assert (tmp_path / "out" / name).read_bytes() == data


def test_each_flipped_bit_is_found(good: Path, tmp_path: Path) -> None:
    data = good.read_bytes()
    broken = tmp_path / "broken.tar.zst"
    rng = random.Random(3)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << rng.randrange(8)
        broken.write_bytes(changed)
        with pytest.raises(DamagedBackupError):
            verify(broken)


def test_each_shorter_and_longer_one_is_found(good: Path, tmp_path: Path) -> None:
    data = good.read_bytes()
    broken = tmp_path / "broken.tar.zst"
    for end in range(0, len(data), 7):
        broken.write_bytes(data[:end])
        with pytest.raises(DamagedBackupError):
            verify(broken)
    for more in (b"\0", b"\n", data):
        broken.write_bytes(data + more)
        with pytest.raises(DamagedBackupError):
            verify(broken)


def _manifest_with(name: str) -> bytes:
    """One that lists a member which no backup has, in the place of an uploaded file."""
    members = [
        msgspec.structs.replace(each, name=name) if each.name == STORED else each
        for each in manifest().members
    ]
    return tar_of(
        manifest(members=members),
        *[entry(name if each == STORED else each, data) for each, data in CONTENTS.items()],
    )


SPARSE = bytes(1 << 20) * 64

HOSTILE = {
    "out of the folder": _manifest_with("files/../../escaped.csv"),
    "absolute": _manifest_with("/tmp/escaped"),
    "another file of the box": _manifest_with("lock"),
    "deeper": _manifest_with("files/a/" + "ab" * 16 + ".csv"),
    "a member that is not listed": tar_of(manifest(), *good_entries(), entry("../escaped", b"x")),
    "a name that is not the listed one": tar_of(
        manifest(), entry("../ingestbox.db", CONTENTS["ingestbox.db"]), *good_entries()[1:]
    ),
    "a link": tar_of(
        manifest(), entry("ingestbox.db", kind=tarfile.SYMTYPE, link="/etc/passwd"), *good_entries()[1:]
    ),
    "a hard link": tar_of(
        manifest(), entry("ingestbox.db", kind=tarfile.LNKTYPE, link="secret"), *good_entries()[1:]
    ),
    "a device with content": tar_of(
        manifest(), entry("ingestbox.db", CONTENTS["ingestbox.db"], tarfile.CHRTYPE), *good_entries()[1:]
    ),
    "a device": tar_of(manifest(), entry("ingestbox.db", kind=tarfile.CHRTYPE), *good_entries()[1:]),
    "extended headers": tar_of(
        manifest(), entry("x", b"20 path=../escaped\n", kind=tarfile.XHDTYPE), *good_entries()
    ),
    "a long name": tar_of(
        manifest(), entry("x", b"../escaped\0", kind=tarfile.GNUTYPE_LONGNAME), *good_entries()
    ),
    "a member twice": tar_of(manifest(), good_entries()[0], *good_entries()),
    "listed twice": tar_of(
        manifest(members=[*manifest().members, manifest().members[0]]), *good_entries(), good_entries()[0]
    ),
    "a huge size": tar_of(manifest(), entry("ingestbox.db", b"x", size=1 << 60), *good_entries()[1:]),
    "more than is listed": tar_of(
        manifest(), entry("ingestbox.db", CONTENTS["ingestbox.db"] + SPARSE), *good_entries()[1:]
    ),
    "other content": tar_of(
        manifest(), entry("ingestbox.db", CONTENTS["ingestbox.db"][::-1]), *good_entries()[1:]
    ),
    "one less": tar_of(manifest(), *good_entries()[:-1]),
    "another order": tar_of(manifest(), *reversed(good_entries())),
    "zeros without end": tar_of(manifest(), *good_entries()) + SPARSE,
    "a manifest without end": entry("manifest.json", size=1 << 40) + SPARSE,
    "no manifest": b"".join(good_entries()),
    "no store": tar_of(manifest(members=manifest().members[1:]), *good_entries()[1:]),
    "no secret": tar_of(manifest(members=[manifest().members[0]]), good_entries()[0]),
    "deep JSON": entry("manifest.json", b'{"format":1,"members":' + b"[" * 100_000) + bytes(1024),
    "no JSON": entry("manifest.json", b"\xff\xfe") + bytes(1024),
    "a newer format": tar_of(manifest(format=2), *good_entries()),
    "a negative size": tar_of(manifest(members=[msgspec.structs.replace(manifest().members[0], size=-1)])),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_nobody_packed_here_is_refused(what: str, tmp_path: Path) -> None:
    broken = tmp_path / "in" / "broken.tar.zst"
    broken.parent.mkdir()
    broken.write_bytes(sealed(HOSTILE[what]))
    with pytest.raises(DamagedBackupError):
        verify(broken)
    with pytest.raises((DamagedBackupError, RestoreError)):
        restore(broken, tmp_path / "data", force=False, clock=SystemClock(), actor="cli:test")
    left = {path.name for path in tmp_path.rglob("*") if path != broken}
    assert left <= {"in", "data", "lock"}, left


def test_the_seal_and_the_frame_have_to_be_right(tmp_path: Path) -> None:
    tar = tar_of(manifest(), *good_entries())
    broken = tmp_path / "broken.tar.zst"
    broken.write_bytes(sealed(tar))
    assert verify(broken) == manifest()
    for wrong in (
        sealed(tar, after=b"x"),
        sealed(tar, after=sealed(b"")),
        sealed(tar + SPARSE, window_log=27),
        sealed(tar)[:-1] + b"0",
        tar,
        b"",
        b"PK\3\4" + bytes(500),
    ):
        broken.write_bytes(wrong)
        with pytest.raises(DamagedBackupError):
            verify(broken)


def test_a_manifest_without_end_is_not_read(tmp_path: Path) -> None:
    broken = tmp_path / "broken.tar.zst"
    broken.write_bytes(sealed(HOSTILE["a manifest without end"]))
    with pytest.raises(DamagedBackupError, match="larger than any can be"):
        described(broken)


def test_it_takes_little_memory_whatever_its_size(tmp_path: Path) -> None:
    import tracemalloc

    contents = {**CONTENTS, STORED: random.Random(1).randbytes(1 << 16) * 1_000}
    tracemalloc.start()
    try:
        path = backups.write(tmp_path / "large.tar.zst", contents=contents)
        tracemalloc.reset_peak()
        verify(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - len(contents[STORED]) < 16 << 20
