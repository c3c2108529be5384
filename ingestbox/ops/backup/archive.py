"""The file that a backup is: a tar in one zstd frame, and a seal over all its bytes.

`tar --zstd -xf` takes it out on any machine; the seal, a SHA-256, is in a skippable frame, which it passes
over. Reading is stricter than tar's: the manifest comes first, then the very members that it lists, in its
order, as plain files of the size that it says, and nothing after them. So nothing that is read decides about
a name, a link, an owner or how much is written.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, Protocol

from ingestbox.ops.backup.manifest import LARGEST_BYTES, NAME, DamagedBackupError, Manifest, Member, read

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LEVEL: Final = 3
"""Of zstd: some 200 MB/s on one core; what is higher costs more than it saves."""

WINDOW_LOG: Final = 23
"""8 MB, the most that reading takes: more than this level asks for, and less than a bomb would."""

PIECE: Final = 262_144
SYNC_BYTES: Final = 2 * 1_048_576
"""Synced each time so much is written: the last sync, and those of others, then take no longer than of a
small file."""

_BLOCK: Final = tarfile.BLOCKSIZE
_SEAL_TEXT: Final = b"ingestbox sha256 "
_SEAL_HEAD: Final = struct.pack("<II", 0x184D2A5E, len(_SEAL_TEXT) + 64)
SEAL_BYTES: Final = len(_SEAL_HEAD) + len(_SEAL_TEXT) + 64

Look = Callable[[int], None]
"""Hears of bytes that were done; what it raises ends the work."""


class Source(Protocol):
    """What a member is read from."""

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes; none at the end."""


class Packing:
    """An archive that is being written."""

    def __init__(self, file: IO[bytes], look: Look) -> None:
        """`file` is new, and open for unbuffered writing; `look` hears of what was read."""
        self._file = file
        self._look = look
        self._hash = hashlib.sha256()
        self._unsynced = 0
        parameter = zstd.CompressionParameter
        options: dict[int, int] = {parameter.compression_level: LEVEL, parameter.checksum_flag: 1}
        self._zstd = zstd.ZstdCompressor(options=options)

    def add(self, name: str, size: int, source: Source, made_ms: int) -> None:
        """Adds a file. Raises DamagedBackupError when its source is shorter."""
        head = tarfile.TarInfo(name)
        head.size, head.mode, head.mtime = size, 0o600, made_ms // 1000
        self._put(head.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict"))  # the one that knows files over 8 GB
        left = size
        while left:
            data = source.read(min(PIECE, left))
            if not data:
                raise DamagedBackupError(f"{name} became shorter while it was read.")
            left -= len(data)
            self._put(data)
            self._look(len(data))
        self._put(bytes(-size % _BLOCK))

    def finish(self) -> None:
        """Ends tar and frame, seals the file, and brings it to the disk."""
        self._put(bytes(2 * _BLOCK))
        self._write(self._zstd.flush())
        self._write(_seal(self._hash.hexdigest()))
        os.fsync(self._file.fileno())

    def _put(self, data: bytes) -> None:
        self._write(self._zstd.compress(data))

    def _write(self, data: bytes) -> None:
        self._hash.update(data)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self._unsynced += len(data)
        if self._unsynced >= SYNC_BYTES:
            self._unsynced = 0
            os.fdatasync(self._file.fileno())


class Unpacking:
    """An archive that is being read; its manifest is read already."""

    def __init__(self, file: IO[bytes]) -> None:
        """Raises DamagedBackupError, OSError."""
        self._stream = _Stream(file)
        size = self._head(NAME)
        if size > LARGEST_BYTES:
            raise DamagedBackupError("The backup's manifest is larger than any can be.")
        self.manifest: Manifest = read(self._stream.take(size))
        self._stream.skip_zeros(-size % _BLOCK)

    def members(self, write: Callable[[Member, bytes], None], look: Look) -> None:
        """Reads all that follows, to the last byte; `write` gets each member piece by piece, one empty piece
        for an empty one. What it got is good only when this returns. Raises DamagedBackupError, OSError."""
        for member in self.manifest.members:
            if self._head(member.name) != member.size:
                raise DamagedBackupError(f"{member.name} in the backup has not the size that it should have.")
            found = hashlib.sha256()
            left = member.size
            while True:
                data = self._stream.take(min(PIECE, left))
                found.update(data)
                write(member, data)
                look(len(data))
                left -= len(data)
                if not left:
                    break
            self._stream.skip_zeros(-member.size % _BLOCK)
            if found.hexdigest() != member.sha256:
                raise DamagedBackupError(f"{member.name} in the backup is not what was put into it.")
        self._stream.skip_zeros(2 * _BLOCK)
        self._stream.end()

    def _head(self, name: str) -> int:
        """The size of the next member, which has to be a plain file of this name."""
        block = self._stream.take(_BLOCK)
        try:
            head = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError):
            raise DamagedBackupError(f"The backup ends, or is damaged, before {name}.") from None
        if head.name != name or head.type != tarfile.REGTYPE or head.linkname or head.size < 0:
            raise DamagedBackupError(f"The backup has {head.name[:80]!r} where {name} should be.")
        return head.size


@contextmanager
def opened(path: Path) -> Iterator[Unpacking]:
    """An archive on the disk. Raises DamagedBackupError, OSError."""
    with path.open("rb", buffering=0) as file:
        yield Unpacking(file)


def verify(path: Path, look: Look = lambda size: None) -> Manifest:
    """Reads all of it from the disk; what is in it. Raises DamagedBackupError, OSError."""
    with opened(path) as archive:
        archive.members(lambda member, data: None, look)
        return archive.manifest


def described(path: Path) -> Manifest:
    """What a backup says of itself: its beginning is read, and nothing is verified. Raises
    DamagedBackupError, OSError."""
    with opened(path) as archive:
        return archive.manifest


class _Stream:
    """The bytes in the frame, as many at a time as are asked for; and the seal."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._left = os.fstat(file.fileno()).st_size - SEAL_BYTES
        if self._left <= 0:
            raise DamagedBackupError("The file is no backup, or only the beginning of one.")
        if hasattr(os, "posix_fadvise"):
            # From the disk, as far as can be told: what is in memory says nothing about what is there.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        self._hash = hashlib.sha256()
        options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: WINDOW_LOG}
        self._zstd = zstd.ZstdDecompressor(options=options)

    def take(self, size: int) -> bytes:
        """So many bytes. Raises DamagedBackupError when there are fewer."""
        found = io.BytesIO()
        while (missing := size - found.tell()) > 0:
            found.write(self._some(missing))
        return found.getvalue()

    def skip_zeros(self, size: int) -> None:
        """The same, of what has to be empty."""
        if any(self.take(size)):
            raise DamagedBackupError("The backup is damaged between two members.")

    def end(self) -> None:
        """There is nothing more, and the seal is right."""
        while not self._zstd.eof:
            if self._some(1):
                raise DamagedBackupError("The backup holds more than its manifest lists.")
        if self._zstd.unused_data or self._left:
            raise DamagedBackupError("The backup goes on after its end.")
        seal = self._file.read(SEAL_BYTES) or b""
        if seal != _seal(self._hash.hexdigest()):
            raise DamagedBackupError("The backup is damaged: its seal is not that of its content.")

    def _some(self, most: int) -> bytes:
        """Up to so many bytes; none when it goes on later."""
        try:
            if self._zstd.eof:
                raise DamagedBackupError("The backup ends too early.")
            data = self._next() if self._zstd.needs_input else b""
            return self._zstd.decompress(data, most)
        except zstd.ZstdError as error:
            raise DamagedBackupError(f"The backup is damaged, or is none: {error}.") from None

    def _next(self) -> bytes:
        if not self._left:
            raise DamagedBackupError("The backup ends too early.")
        data = self._file.read(min(PIECE, self._left))
        if not data:
            raise DamagedBackupError("The backup ends too early.")
        self._left -= len(data)
        self._hash.update(data)
        return data


def _seal(digest: str) -> bytes:
    return _SEAL_HEAD + _SEAL_TEXT + digest.encode()
