"""Files that are tables: as they come, what a family makes of their header, and what is told of them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from ingestbox.errors import Fault
from ingestbox.model import Notice


class Upload(msgspec.Struct):
    """A file that came with a request, whole and on disk.

    `stored` is what it is called in the data folder, `name` what its client called it, cleaned for display.
    `sha256` (hex) is of its bytes. `content` stands for the whole form: two requests with the same are the
    same request. With `kept` the file stays when the request ends. `encoding` and `delimiter` are what its
    sender says of it (None: nothing; a delimiter may be empty, for a file of one column). `wishes` is JSON
    for the plan of the family (`Table`), null for none; with `shown` the sheet comes with so many of the
    first rows. `fields` are the small fields that came with the file in the form, by name; of one that comes
    twice the last.
    """

    stored: str
    name: str
    size: int
    sha256: str
    content: bytes
    kept: bool = False
    encoding: str | None = None
    delimiter: str | None = None
    wishes: bytes = b"null"
    shown: int = 0
    fields: dict[str, str] = {}


NO_ROWS = "The file has a header, but no rows."
"""What `file_empty` says of a file that has something in it all the same."""


class Column(msgspec.Struct, frozen=True):
    """A column of a file, the field of a record that it holds (None: it stays as it is), and how sure that
    is (0 to 1)."""

    column: str
    field: str | None
    confidence: float


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a family makes of a file's header.

    `how` is JSON for the family itself, which turns the rows into records by it. `refusal` is why it takes no
    such file: its code is one of the catalogue.
    """

    how: msgspec.Raw = msgspec.Raw(b"null")
    columns: list[Column] = []
    text_columns: list[str] = []
    notices: list[Notice] = []
    refusal: Fault | None = None


class UploadView(msgspec.Struct, frozen=True, kw_only=True):
    """How people upload a file of a family: by which of its calls, and what may be said of the columns.

    `upload` and `preview` are paths of routes that take a file by POST, with `encoding`, `delimiter` and
    `mapping` in the query; the one honours Idempotency-Key and answers with the job's public id as
    `public_id`, or else `job_id`; the other answers as `families.preview` does. `fields` are what a column
    can be; those of `several` more than one column each. With `baseline` the upload takes `baseline=true`.
    """

    upload: str
    preview: str
    fields: tuple[str, ...]
    several: tuple[str, ...] = ()
    baseline: bool = False


class Table(msgspec.Struct, frozen=True):
    """How a family takes files: two functions, as `module:function`, which run in a child process.

    `plan(header, preview, wishes)` gives the Plan for the names of a file's columns, the cells of its first
    rows, and JSON of the family's own that came with the file (`Upload.wishes`).
    `rows(how, stem, rows)` makes an Intake of each row (`tabular.Row`), in order, faults included; `stem` is
    the same for every copy of the same file, and ids are made from it. `view` is how people upload one.
    Rows with one key are the same object, of which the last row wins; not if they are `apart`, each an
    object of its own.
    """

    plan: str
    rows: str
    view: UploadView | None = None
    apart: bool = False


class FileInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An uploaded file: what it is, how it is read, and how sure that is."""

    filename: str
    size: Annotated[int, Meta(ge=0, description="Bytes.")]
    sha256: str
    rows: Annotated[int, Meta(ge=0, description="All rows, exactly: those that cannot be read too.")]
    refused: Annotated[int, Meta(ge=0, description="Rows that cannot be read; each is an issue.")]
    columns: list[str]
    text_columns: Annotated[list[str], Meta(description="Those whose text is looked at.")]
    mapping: Annotated[list[Column], Meta(description="Which field each column is taken for.")]
    encoding: str
    encoding_confidence: Annotated[float, Meta(ge=0, le=1)]
    encoding_evidence: Annotated[str, Meta(description="Why it is taken for this encoding.")]
    alternatives: Annotated[list[str], Meta(description="Other encodings that it may have.")]
    delimiter: Annotated[str, Meta(description="Empty in a file of one column.")]
    quote: str
    dialect_confidence: Annotated[float, Meta(ge=0, le=1)]
    header_line: Annotated[int, Meta(ge=0, description="0: there is none.")]
    sheet: Annotated[str | None, Meta(description="Of a workbook: which one is read.")] = None


class JobFile(FileInfo, frozen=True, kw_only=True):
    """The file of a job, and how far its rows are."""

    loaded: Annotated[int, Meta(ge=0, description="Rows that are records already.")]
    kept: Annotated[bool, Meta(description="Whether the file is still in the data folder.")]
    error: Annotated[str | None, Meta(description="Why the rest of it was not read, if it was not.")] = None


class Shown(msgspec.Struct, frozen=True):
    """One of a file's first rows: its line, and its cells, long ones cut; `refused` says why it cannot be
    read, if it cannot."""

    line: int
    cells: list[str]
    refused: str | None = None


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was looked through, ready to become a job: what is told of it, and what reading its rows
    takes. `shown` are its first rows, if they were asked for (`Upload.shown`)."""

    info: FileInfo
    notices: list[Notice]
    rows_file: str
    rows_size: int
    blocks: bytes
    form: bytes
    position: bytes
    how: bytes
    shown: list[Shown] = []
