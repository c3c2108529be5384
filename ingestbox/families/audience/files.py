"""`POST /api/audience/batch-upload/file` and `…/preview`: a file of records, taken or looked at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ingestbox import ids
from ingestbox.errors import IngestError
from ingestbox.families import said
from ingestbox.families.audience.about import MAX_NAME, invalid, name_of, too_many
from ingestbox.families.audience.sent import MAPPING
from ingestbox.families.audience.shapes import PATH, Success
from ingestbox.families.audience.table import FIELDS, Wishes, missing_of, names_of
from ingestbox.families.preview import PREVIEW_ROWS, PreviewAnswer, preview_of
from ingestbox.family import Ask
from ingestbox.model import Notice
from ingestbox.route import Answer, Parameter, Reply, Route
from ingestbox.sheet import Column, Sheet, Upload, UploadView

NAME = "audience"
SOURCE = "csv_upload"
"""What a job that came as a file is called, a workbook too."""

NAMELESS = "upload"
"""The name of an upload whose file's name has nothing before its ending."""

VIEW = UploadView(upload=f"{PATH}/file", preview=f"{PATH}/preview", fields=FIELDS)

_BINARY: dict[str, Any] = {"format": "binary", "contentMediaType": "application/octet-stream"}
_EXAMPLE = {"file": "business_email,first_name,company_name\ntest@example.com,Test,Example\n"}
_encode = msgspec.json.Encoder().encode

PARAMETERS = (*said.PARAMETERS, Parameter("mapping", MAPPING))
UPLOAD_NAME = Parameter(
    "upload_name", "The upload's name, 1 to 100 characters; the file's, without its ending, unless given."
)


class PreviewForm(msgspec.Struct):
    """A form with one file. What can be said of it may come as fields of the form too; the query wins."""

    file: Annotated[
        str,
        Meta(
            description="A .csv, .tsv, .txt or .xlsx file with its name. Its first line names the columns, "
            "of which one at least holds an e-mail address or a domain, and is called so, in English or "
            "Vietnamese; all others are kept.",
            extra_json_schema=_BINARY,
        ),
    ]
    encoding: Annotated[str, Meta(description="As the parameter.")] = ""
    delimiter: Annotated[str, Meta(description="As the parameter.")] = ""
    mapping: Annotated[str, Meta(description="As the parameter.")] = ""


class FileForm(PreviewForm):
    """A form with one file. What can be said of it may come as fields of the form too; the query wins."""

    upload_name: Annotated[str, Meta(description="As the parameter.")] = ""


class FileAnswer(msgspec.Struct, frozen=True):
    """The file is on disk, as an upload; its rows become records after that."""

    status: Success
    upload_id: str
    session_token: Annotated[str, Meta(description="For clients that expect one; no call takes it.")]
    rows_received: Annotated[int, Meta(ge=1, description="All rows, exactly; blank lines are none.")]
    message: str
    job_id: Annotated[str, Meta(description="The upload's id, as the job that it is in `/v1`.")]
    upload_name: str
    fields: list[str]
    refused: Annotated[int, Meta(ge=0, description="Rows that cannot be read; each becomes an issue.")]
    mapping: Annotated[list[Column], Meta(description="Which field each column is taken for.")]
    encoding: str
    encoding_confidence: Annotated[float, Meta(ge=0, le=1)]
    delimiter: Annotated[str, Meta(description="Empty in a file of one column.")]
    warnings: list[Notice]


async def upload(ask: Ask) -> Reply:
    """POST /api/audience/batch-upload/file: takes a file; 200 once it is on disk and counted."""
    file, given = _wish(ask, shown=False)
    name = _name(file, given)

    def answer(public_id: str, _: int, sheet: Sheet) -> object:
        info = sheet.info
        return FileAnswer(
            status="success",
            upload_id=public_id,
            session_token=ids.prefixed("sess", ask.box.now_ms()),
            rows_received=info.rows,
            message="Batch upload successful",
            job_id=public_id,
            upload_name=name,
            fields=names_of(sheet.how),
            refused=info.refused,
            mapping=info.mapping,
            encoding=info.encoding,
            encoding_confidence=info.encoding_confidence,
            delimiter=info.delimiter,
            warnings=sheet.notices,
        )

    def about(sheet: Sheet) -> Mapping[str, str]:
        _bound(ask, sheet)
        return {"name": name, "fields": _encode(names_of(sheet.how)).decode()}

    return await ask.box.accept_file(ask, NAME, SOURCE, answer, about=about)


async def preview(ask: Ask) -> Reply:
    """POST /api/audience/batch-upload/preview: how a file would be read."""
    file, _ = _wish(ask, shown=True)
    file.shown = PREVIEW_ROWS
    sheet = await ask.box.look(ask, NAME)
    _bound(ask, sheet)
    return Reply(preview_of(sheet, missing=missing_of(sheet.how)))


def _wish(ask: Ask, *, shown: bool) -> tuple[Upload, Mapping[str, str]]:
    """The file of the request, and what is said of it in the form and in the query, which wins; it is told
    its part of that. Raises IngestError `bad_parameter`."""
    file = ask.file
    if file is None:  # the routes take files
        raise IngestError("internal")
    given = {**file.fields, **ask.query}
    file.encoding, file.delimiter = said.encoding(given), said.delimiter(given)
    file.wishes = _encode(Wishes(said.mapping(given), shown))
    return file, given


def _name(file: Upload, given: Mapping[str, str]) -> str:
    if not given.get("upload_name"):
        return PurePath(file.name).stem.strip()[:MAX_NAME] or NAMELESS
    name, wrong = name_of(given["upload_name"])
    if wrong:
        raise invalid(wrong)
    return name


def _bound(ask: Ask, sheet: Sheet) -> None:
    """Raises IngestError `validation_failed` for a file with more rows than a batch may have."""
    if sheet.info.rows > ask.limits.audience_records:
        raise invalid([too_many(ask.limits.audience_records)])


_ERRORS = ("bad_parameter", "file_unreadable", "too_many_rows", "validation_failed")

ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        VIEW.upload,
        upload,
        "Take in a file of audience records",
        body_limit="audience_mb",
        media_types=("multipart/form-data",),
        rate="intake",
        takes_records=True,
        upload=True,
        description="The file is on disk when this answers, and `rows_received` is the exact count; its "
        "rows become records after that, with text as their values. Encoding, delimiter and columns are "
        "found out, unless they are said. A row that cannot be read, or has neither an e-mail address nor a "
        "domain, waits as an issue, with its line; the others go on.",
        body=FileForm,
        parameters=(*PARAMETERS, UPLOAD_NAME),
        example=_EXAMPLE,
        answers=(Answer(FileAnswer, description="The file is on disk; its records follow."),),
        errors=(*_ERRORS, "missing_headers"),
        idempotent=True,
    ),
    Route(
        "POST",
        VIEW.preview,
        preview,
        "Look at a file of audience records without storing it",
        body_limit="audience_mb",
        media_types=("multipart/form-data",),
        rate="intake",
        upload=True,
        description="How the file would be read: encoding, delimiter, which column is what and how sure that "
        "is, the first rows, and the exact number of all. Where no column holds an e-mail address or a "
        "domain, `missing` says so. Nothing is stored.",
        body=PreviewForm,
        parameters=PARAMETERS,
        example=_EXAMPLE,
        answers=(Answer(PreviewAnswer, description="How the file would be read."),),
        errors=_ERRORS,
    ),
)
