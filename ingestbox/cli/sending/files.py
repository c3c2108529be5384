"""Files of rows (CSV, workbooks), as one streamed form each: `POST /api/upload`."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import click
import httpx2
import msgspec

from ingestbox.cli.sending.asking import Asker
from ingestbox.cli.sending.progress import Progress

PATH = "/api/upload"
SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx")
"""What is sent as a file of rows; everything else holds records."""

PIECE = 262_144
"""Bytes read and sent at a time."""

ANSWER_SECONDS = 600.0
"""The box looks the whole file through before it answers: a minute or so for 500 MB."""

NOTHING: Mapping[str, str] = {}


class Column(msgspec.Struct):
    """A column, and the field that it is taken for."""

    column: str
    field: str | None


class FileInfo(msgspec.Struct):
    """What the box makes of a file."""

    filename: str
    rows: int
    refused: int
    encoding: str
    encoding_confidence: float
    delimiter: str
    mapping: list[Column]
    sheet: str | None = None


class Notice(msgspec.Struct):
    """Something that the box assumes."""

    message: str


class UploadTaken(msgspec.Struct):
    """The 200 of an upload."""

    job_id: str
    file_info: FileInfo
    warnings: list[Notice] = []


class Rows(Sequence[str]):
    """Where each record of a file lies."""

    def __init__(self, name: str, count: int) -> None:
        self._name = name
        self._count = count

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...

    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(self._count))]
        return f"{self._name}, row {index + 1}"

    def __len__(self) -> int:
        return self._count


def is_table(name: str) -> bool:
    """Whether a file is sent as a file of rows."""
    return Path(name).suffix.lower() in SUFFIXES


@dataclass(frozen=True, slots=True)
class Form:
    """A form with one file, ready to be sent any number of times.

    `idempotency_key` is made from content and name, so that the same file sent again is the same request.
    """

    path: Path
    size: int
    changed_ns: int
    boundary: str
    idempotency_key: str
    query: Mapping[str, str]

    @classmethod
    def of(cls, path: Path, salt: str = "", said: Mapping[str, str] = NOTHING) -> Form:
        """Reads the whole file once. `salt` makes the key another one, and so does what is `said` of the
        file: `encoding`, `delimiter`. Raises OSError."""
        state = path.stat()
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        parts = "\n".join((salt, path.name, digest, *(f"{name}={said[name]}" for name in sorted(said))))
        key = f"send-{hashlib.sha256(parts.encode(errors='surrogateescape')).hexdigest()[:48]}"
        return cls(path, state.st_size, state.st_mtime_ns, secrets.token_hex(16), key, said)

    @property
    def headers(self) -> dict[str, str]:
        """Those of the request."""
        return {
            "Content-Type": f"multipart/form-data; boundary={self.boundary}",
            "Content-Length": str(len(self._head) + self.size + len(self._tail)),
            "Idempotency-Key": self.idempotency_key,
        }

    async def body(self, sent: Callable[[int], None]) -> AsyncIterator[bytes]:
        """The form; `sent(bytes)` hears of each piece. Raises ClickException if the file has changed."""
        yield self._head
        left = self.size
        with self.path.open("rb") as stream:
            while left and (piece := stream.read(min(PIECE, left))):
                left -= len(piece)
                yield piece
                sent(len(piece))
        state = self.path.stat()
        if left or (state.st_size, state.st_mtime_ns) != (self.size, self.changed_ns):
            raise click.ClickException(
                f"{self.path} was changed while it was being sent; nothing of it was taken. Run the same "
                "command again when it is complete."
            )
        yield self._tail

    @property
    def _head(self) -> bytes:
        name = self.path.name.encode(errors="surrogateescape")
        for unsafe, safe in ((b'"', b"%22"), (b"\r", b"%0D"), (b"\n", b"%0A")):
            name = name.replace(unsafe, safe)
        return (
            b'--%b\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n'
            b"Content-Type: application/octet-stream\r\n\r\n" % (self.boundary.encode(), name)
        )

    @property
    def _tail(self) -> bytes:
        return b"\r\n--%b--\r\n" % self.boundary.encode()


def form_of(name: str, salt: str, said: Mapping[str, str]) -> Form:
    """The form of a file. Raises ClickException when it cannot be read."""
    try:
        return Form.of(Path(name), salt, said)
    except OSError as error:
        raise click.ClickException(f"{name} cannot be read: {error.strerror}.") from None


async def post(asker: Asker, progress: Progress, path: str, form: Form) -> httpx2.Response:
    """The final answer to a form, of which each piece moves the bar. Raises ClickException."""
    seen = 0

    def sent(size: int) -> None:
        nonlocal seen
        seen += size
        progress.sent(size, 0)

    def body() -> AsyncIterator[bytes]:
        nonlocal seen
        progress.sent(-seen, 0)  # another try begins anew
        seen = 0
        return form.body(sent)

    return await asker.ask(
        "POST", path, content=body, headers=form.headers, query=form.query, seconds=ANSWER_SECONDS
    )


def assumed(taken: UploadTaken) -> str:
    """What the box assumes of a file, in sentences."""
    info = taken.file_info
    sure = "" if info.encoding_confidence >= 0.995 else f" ({info.encoding_confidence:.0%} sure)"
    delimiter = {"\t": "tab", " ": "space", "": "none, one column"}.get(info.delimiter, f'"{info.delimiter}"')
    fields = [f"{each.field} from {each.column!r}" for each in info.mapping if each.field]
    kept = sum(each.field is None for each in info.mapping)
    form = f"{info.encoding}{sure}, delimiter {delimiter}" if info.sheet is None else f'sheet "{info.sheet}"'
    said = [
        f"{info.filename}: {info.rows:,} row{'' if info.rows == 1 else 's'}, {form}; "
        f"{', '.join(fields) or 'no field known'}" + (f", {kept} more kept as they are." if kept else ".")
    ]
    if info.refused:
        count = "1 row" if info.refused == 1 else f"{info.refused:,} rows"
        said.append(
            f"Not readable, kept as issues: {count}; where the box is: ingestbox jobs {taken.job_id}."
        )
    said += [f"{each.message.rstrip('.')}." for each in taken.warnings]
    return " ".join(said)
