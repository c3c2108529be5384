"""UTF-8 copies of files whose bytes cannot be read row by row: UTF-16, UTF-32, workbooks."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ingestbox.tabular.problem import NotTabular

CHUNK_BYTES = 256 << 10
_ODD = "tabular.odd"


def default_path(path: Path) -> Path:
    """Where the copy of a file is, if nothing else is said: beside it."""
    return path.with_name(path.name + ".copy.csv")


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A file that is there whole and synced, or not at all."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        part.unlink(missing_ok=True)


def from_wide(path: Path, copy: Path, encoding: str, bom: int) -> None:
    """Writes the UTF-8 copy of a UTF-16 or UTF-32 file, line for line, in bounded memory.

    A unit that is no character becomes bytes that are not UTF-8, so that its row is refused as undecodable.

    Raises:
        NotTabular: there are NUL characters.
    """
    with path.open("rb") as source, written(copy) as out:
        source.seek(bom)
        pour(source, out, encoding)


def pour(source: BinaryIO, out: BinaryIO, encoding: str) -> None:
    """The same from where a file is to another; see `from_wide`."""
    decoder = codecs.getincrementaldecoder(encoding)(errors=_ODD)
    lines = 1
    while True:
        data = source.read(CHUNK_BYTES)
        text = decoder.decode(data, final=not data)
        if (zero := text.find("\0")) >= 0:
            line = lines + text.count("\n", 0, zero)
            raise NotTabular("nul_bytes", f"Line {line} has a NUL character: this is no text.", line)
        lines += text.count("\n")
        out.write(text.encode("utf-8", "surrogatepass"))
        if not data:
            return


def _odd_unit(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


codecs.register_error(_ODD, _odd_unit)
