"""Backups made by hand, good and bad, for the tests of those who read them."""

from __future__ import annotations

import hashlib
import io
import struct
import sys
import tarfile
from pathlib import Path

import msgspec

from ingestbox.ops.backup.archive import Packing
from ingestbox.ops.backup.manifest import Manifest, Member

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MADE_MS = 1_800_000_000_000
STORED = "files/" + "ab" * 16 + ".csv"
CONTENTS = {
    "ingestbox.db": b"a store" * 300,
    "secret": b"s" * 43 + b"\n",
    STORED: b"id,text\n1,good\n",
    "files/" + "cd" * 16 + ".tsv": b"",
}


def manifest(contents: dict[str, bytes] | None = None, **fields: object) -> Manifest:
    contents = CONTENTS if contents is None else contents
    members = [Member(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in contents.items()]
    made = Manifest(
        made_at="2027-01-15T08:00:00.000Z",
        made_ms=MADE_MS,
        box="b0123456789abcdef",
        epoch="e",
        schema=20,
        version="0.1.0",
        number=1,
        scheduled=False,
        missing=[],
        members=members,
    )
    return msgspec.structs.replace(made, **fields)


def write(path: Path, made: Manifest | None = None, contents: dict[str, bytes] | None = None) -> Path:
    """A good backup, as the box writes it."""
    contents = CONTENTS if contents is None else contents
    made = made or manifest(contents)
    path.parent.mkdir(exist_ok=True)
    with path.open("wb", buffering=0) as file:
        packing = Packing(file, lambda size: None)
        text = msgspec.json.encode(made)
        packing.add("manifest.json", len(text), io.BytesIO(text), MADE_MS)
        for name, data in contents.items():
            packing.add(name, len(data), io.BytesIO(data), MADE_MS)
        packing.finish()
    return path


def entry(
    name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, *, size: int | None = None, link: str = ""
) -> bytes:
    """A member of a tar; `size` is what it claims."""
    head = tarfile.TarInfo(name)
    head.size, head.type, head.linkname = len(data) if size is None else size, kind, link
    return head.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict") + data + bytes(-len(data) % 512)


def sealed(tar: bytes, *, window_log: int = 20, after: bytes = b"", level: int = 3) -> bytes:
    """A tar in a frame with a right seal; `after` comes between the two."""
    parameter = zstd.CompressionParameter
    options: dict[int, int] = {
        parameter.compression_level: level,
        parameter.window_log: window_log,
        parameter.checksum_flag: 1,
    }
    body = zstd.compress(tar, options=options) + after
    text = b"ingestbox sha256 " + hashlib.sha256(body).hexdigest().encode()
    return body + struct.pack("<II", 0x184D2A5E, len(text)) + text


def tar_of(made: Manifest, *entries: bytes) -> bytes:
    return b"".join((entry("manifest.json", msgspec.json.encode(made)), *entries, bytes(1024)))


def good_entries() -> list[bytes]:
    return [entry(name, data) for name, data in CONTENTS.items()]
