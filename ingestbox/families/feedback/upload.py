"""`POST /api/upload`: a file of tickets (contract: feedback, CSV upload)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ingestbox.errors import IngestError
from ingestbox.families import said
from ingestbox.family import Ask
from ingestbox.model import Notice, Role
from ingestbox.route import Answer, Reply, Route
from ingestbox.sheet import Column, Sheet

SOURCE = "csv_upload"
"""What a job that came as a file is called, a workbook too."""

_BINARY: dict[str, Any] = {"format": "binary", "contentMediaType": "application/octet-stream"}


class UploadForm(msgspec.Struct):
    """A form with one file. Other small fields are taken, and make no difference."""

    file: Annotated[
        str,
        Meta(
            description="A .csv, .tsv, .txt or .xlsx file with its name. Its first line names the columns, "
            "of which one at least has text: its name contains description, summary, comment, feedback, "
            "message, content, text, title or subject, or the same in Vietnamese or Portuguese.",
            extra_json_schema=_BINARY,
        ),
    ]


class UploadedFile(msgspec.Struct, frozen=True):
    """The file as it is read. What is assumed of it, and how sure that is, is for a person to see."""

    filename: str
    size: Annotated[int, Meta(ge=0, description="Bytes.")]
    rows: Annotated[int, Meta(ge=1, description="All rows, exactly.")]
    columns: list[str]
    text_columns: list[str]
    refused: Annotated[int, Meta(ge=0, description="Rows that cannot be read; each becomes an issue.")]
    sha256: str
    mapping: Annotated[list[Column], Meta(description="Which field each column is taken for.")]
    encoding: str
    encoding_confidence: Annotated[float, Meta(ge=0, le=1)]
    delimiter: Annotated[str, Meta(description="Empty in a file of one column.")]
    dialect_confidence: Annotated[float, Meta(ge=0, le=1)]


class UploadAnswer(msgspec.Struct, frozen=True):
    """The file is on disk, as a job."""

    job_id: str
    status_url: Annotated[str, Meta(description="Where the job can be followed.")]
    message: str
    file_info: UploadedFile
    warnings: list[Notice]


async def upload(ask: Ask) -> Reply:
    """POST /api/upload: takes a file of tickets; 200 once it is on disk and counted."""

    def answer(public_id: str, _: int, sheet: Sheet) -> object:
        known = msgspec.structs.asdict(sheet.info)
        return UploadAnswer(
            job_id=public_id,
            status_url=f"/api/job/{public_id}",
            message="File uploaded, processing started",
            file_info=UploadedFile(**{name: known[name] for name in UploadedFile.__struct_fields__}),
            warnings=sheet.notices,
        )

    if ask.file is None:
        raise IngestError("internal")
    ask.file.encoding, ask.file.delimiter = said.encoding(ask.query), said.delimiter(ask.query)
    return await ask.box.accept_file(ask, "feedback", SOURCE, answer)


ROUTE = Route(
    "POST",
    "/api/upload",
    upload,
    "Take in a file of tickets",
    frozenset({Role.ANALYST, Role.INGEST}),
    "feedback_csv_mb",
    media_types=("multipart/form-data",),
    rate="intake",
    takes_records=True,
    upload=True,
    description="The file is on disk when this answers, and `rows` is the exact count; its rows become "
    "records after that, and are processed as those of a batch are. Encoding, delimiter and header are found "
    "out, unless they are said. A row that cannot be read, or has no text, waits as an issue, with its line; "
    "the others go on. Of an id that comes twice the later row wins.",
    body=UploadForm,
    parameters=said.PARAMETERS,
    example={"file": "ticket,subject,description\nT-1042,Late,The delivery was late.\n"},
    answers=(Answer(UploadAnswer, description="The file is on disk; its job follows."),),
    errors=("bad_parameter", "file_unreadable", "text_column_required", "too_many_rows"),
    idempotent=True,
)
