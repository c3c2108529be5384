"""`POST /api/upload` and `POST /api/upload/preview`: a file of tickets, taken or looked at (contract:
feedback, CSV upload)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ingestbox.errors import IngestError
from ingestbox.families import said
from ingestbox.families.feedback.table import FIELDS, SEVERAL, How, Wishes
from ingestbox.families.preview import PREVIEW_ROWS, PreviewAnswer, preview_of
from ingestbox.family import Ask
from ingestbox.model import Notice, Role
from ingestbox.route import Answer, Parameter, Reply, Route
from ingestbox.sheet import Column, Sheet, Upload, UploadView

SOURCE = "csv_upload"
"""What a job that came as a file is called, a workbook too."""

_BINARY: dict[str, Any] = {"format": "binary", "contentMediaType": "application/octet-stream"}


_EXAMPLE = {"file": "ticket,subject,description\nT-1042,Late,The delivery was late.\n"}
_hows = msgspec.json.Decoder(How)
_encode = msgspec.json.Encoder().encode

VIEW = UploadView(
    upload="/api/upload",
    preview="/api/upload/preview",
    fields=FIELDS,
    several=SEVERAL,
)
MAPPING = (
    'Which column is what, as JSON: `[{"column": "Assunto", "field": "summary"}, …]` as the preview answers '
    'it; a list with a field for each column, `["id", null, …]`; or an object, `{"Assunto": "summary"}` or '
    '`{"summary": "Assunto"}`. A column with `null` is none of them. What is not said is found out. The '
    "fields are id, summary, description and comments, which may be several columns."
)
PARAMETERS = (*said.PARAMETERS, Parameter("mapping", MAPPING))


class UploadForm(msgspec.Struct):
    """A form with one file. What can be said of it may come as fields of the form too; the query wins."""

    file: Annotated[
        str,
        Meta(
            description="A .csv, .tsv, .txt or .xlsx file with its name. Its first line names the columns, "
            "of which one at least has text: its name contains description, summary, comment, feedback, "
            "message, content, text, title or subject, or the same in Vietnamese or Portuguese.",
            extra_json_schema=_BINARY,
        ),
    ]
    encoding: Annotated[str, Meta(description="As the parameter.")] = ""
    delimiter: Annotated[str, Meta(description="As the parameter.")] = ""
    mapping: Annotated[str, Meta(description="As the parameter.")] = ""


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

    _wish(ask, shown=False)
    return await ask.box.accept_file(ask, "feedback", SOURCE, answer)


async def preview(ask: Ask) -> Reply:
    """POST /api/upload/preview: how a file would be read."""
    _wish(ask, shown=True).shown = PREVIEW_ROWS
    sheet = await ask.box.look(ask, "feedback")
    return Reply(preview_of(sheet, missing=_hows.decode(sheet.how).missing))


def _wish(ask: Ask, *, shown: bool) -> Upload:
    """The file of the request, told what is said of it in the form and in the query, which wins.

    Raises IngestError `bad_parameter`.
    """
    file = ask.file
    if file is None:  # the routes take files
        raise IngestError("internal")
    given = {**file.fields, **ask.query}
    file.encoding, file.delimiter = said.encoding(given), said.delimiter(given)
    file.wishes = _encode(Wishes(said.mapping(given), shown))
    return file


UPLOAD = Route(
    "POST",
    VIEW.upload,
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
    parameters=PARAMETERS,
    example=_EXAMPLE,
    answers=(Answer(UploadAnswer, description="The file is on disk; its job follows."),),
    errors=("bad_parameter", "file_unreadable", "text_column_required", "too_many_rows"),
    idempotent=True,
)

PREVIEW = Route(
    "POST",
    VIEW.preview,
    preview,
    "Look at a file of tickets without storing it",
    UPLOAD.roles,
    "feedback_csv_mb",
    media_types=("multipart/form-data",),
    rate="intake",
    upload=True,
    description="How the file would be read: encoding, delimiter, which column is what and how sure that is, "
    "the first rows, and the exact number of all. Where no column has text, `missing` says so. Nothing is "
    "stored.",
    body=UploadForm,
    parameters=PARAMETERS,
    example=_EXAMPLE,
    answers=(Answer(PreviewAnswer, description="How the file would be read."),),
    errors=("bad_parameter", "file_unreadable", "too_many_rows"),
)

ROUTES: tuple[Route, ...] = (UPLOAD, PREVIEW)
