"""`POST /jobs/upload` and `POST /jobs/preview`: a file of contacts, taken or looked at (contract: contacts,
Upload)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ingestbox.errors import IngestError
from ingestbox.families import said
from ingestbox.families.contacts import mappings
from ingestbox.families.contacts.fields import FIELDS
from ingestbox.families.contacts.mappings import RememberMapping
from ingestbox.families.contacts.table import How, Wishes
from ingestbox.families.contacts.words import already_imported
from ingestbox.families.preview import PREVIEW_ROWS, PreviewAnswer, preview_of
from ingestbox.family import Ask
from ingestbox.model import Notice, Role
from ingestbox.route import Answer, Parameter, Reply, Route
from ingestbox.sheet import Column, Sheet, Upload, UploadView
from ingestbox.spreadsheet import unguarded

NAME = "contacts"
SOURCE = "csv_upload"
"""What a job that came as a file is called, a workbook too."""

UPLOADERS = frozenset({Role.UPLOADER})

_BINARY: dict[str, Any] = {"format": "binary", "contentMediaType": "application/octet-stream"}
_TRUE, _FALSE = frozenset({"true", "1", "yes"}), frozenset({"", "false", "0", "no"})
_log = logging.getLogger(__name__)
_hows = msgspec.json.Decoder(How)
_encode = msgspec.json.Encoder().encode

MAPPING = (
    'Which column is what, as JSON: `[{"column": "Nome", "field": "first_name"}, …]` as the preview '
    'answers it; a list with a field for each column, `["email", null, …]`; or an object, '
    '`{"Nome": "first_name"}` or `{"first_name": "Nome"}`. A column with `null` is no field. '
    "What is not said is found out. The fields are email, first_name, last_name and "
    "company. It is remembered with an upload, and used again for your next file with the same header."
)
PARAMETERS = (*said.PARAMETERS, Parameter("mapping", MAPPING))
BASELINE = Parameter(
    "baseline",
    "`true`: the file holds contacts that are known already. Rows whose e-mail address is among your "
    "contacts are passed over, instead of being issues.",
    bool,
)


class ContactsForm(msgspec.Struct):
    """A form with one file. What can be said of it may come as fields of the form too; the query wins."""

    file: Annotated[
        str,
        Meta(
            description="A .csv, .tsv, .txt or .xlsx file with its name. Its first line names the columns, "
            "of which four hold e-mail address, first name, last name and company, called so in English, "
            "Portuguese, Spanish, French, German or Vietnamese. All others are kept with the row.",
            extra_json_schema=_BINARY,
        ),
    ]
    encoding: Annotated[str, Meta(description="As the parameter.")] = ""
    delimiter: Annotated[str, Meta(description="As the parameter.")] = ""
    mapping: Annotated[str, Meta(description="As the parameter.")] = ""


class ImportForm(ContactsForm):
    """A form with one file. What can be said of it may come as fields of the form too; the query wins."""

    baseline: Annotated[str, Meta(description="As the parameter.")] = ""


class ImportAnswer(msgspec.Struct, frozen=True):
    """The file is on disk, as a job."""

    job_id: Annotated[int, Meta(ge=1)]
    message: str
    filename: str
    total_rows: Annotated[int, Meta(ge=1, description="All rows, exactly; blank lines are none.")]
    public_id: Annotated[str, Meta(description="The job's id in `/v1`.")]
    encoding: str
    encoding_confidence: Annotated[float, Meta(ge=0, le=1)]
    delimiter: Annotated[str, Meta(description="Empty in a file of one column.")]
    mapping: Annotated[list[Column], Meta(description="Which field each column is taken for.")]
    remembered: Annotated[bool, Meta(description="Whether you said so with an earlier file.")]
    warnings: list[Notice]


async def upload(ask: Ask) -> Reply:
    """POST /jobs/upload: takes a file of contacts; 201 once it is on disk and counted."""
    file, given = _file(ask), _given(ask)
    baseline = _switch(given.get("baseline", ""))
    file.wishes = _encode(await _wishes(ask, given))
    taken: list[Sheet] = []

    def answer(public_id: str, job_id: int, sheet: Sheet) -> object:
        taken.append(sheet)
        return ImportAnswer(
            job_id=job_id,
            message=f"File '{file.name}' uploaded successfully and queued for processing",
            filename=file.name,
            total_rows=sheet.info.rows,
            public_id=public_id,
            encoding=sheet.info.encoding,
            encoding_confidence=sheet.info.encoding_confidence,
            delimiter=sheet.info.delimiter,
            mapping=sheet.info.mapping,
            remembered=_hows.decode(sheet.how).remembered,
            warnings=sheet.notices,
        )

    try:
        reply = await ask.box.accept_file(ask, NAME, SOURCE, answer, 201, baseline=baseline)
    except IngestError as error:
        raise already_imported(file.name) if error.code == "already_imported" else error from None
    if taken:
        await _remember(ask, _hows.decode(taken[-1].how))
    return reply


async def preview(ask: Ask) -> Reply:
    """POST /jobs/preview: how a file would be read."""
    file, given = _file(ask), _given(ask)
    file.wishes = _encode(await _wishes(ask, given, shown=True))
    file.shown = PREVIEW_ROWS
    sheet = await ask.box.look(ask, NAME)
    how = _hows.decode(sheet.how)
    read: Callable[[str], str] = unguarded if how.guarded else str
    return Reply(
        preview_of(sheet, missing=how.missing, remembered=how.remembered, others=how.others, read=read)
    )


def _file(ask: Ask) -> Upload:
    if ask.file is None:  # the route takes files
        raise IngestError("internal")
    return ask.file


def _given(ask: Ask) -> Mapping[str, str]:
    """What is said of the file, in the form and in the query, which wins; the file is told its part of it.

    Raises IngestError `bad_parameter`.
    """
    file = _file(ask)
    given = {**file.fields, **ask.query}
    file.encoding, file.delimiter = said.encoding(given), said.delimiter(given)
    return given


async def _wishes(ask: Ask, given: Mapping[str, str], *, shown: bool = False) -> Wishes:
    """What the plan of the file is to know. Raises IngestError `bad_parameter`."""
    mapping = said.mapping(given)
    return Wishes(mapping, {} if mapping is not None else await mappings.remembered(ask), shown)


def _switch(text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise IngestError("bad_parameter", "baseline must be true or false.")
    return word in _TRUE


async def _remember(ask: Ask, how: How) -> None:
    """Keeps what a person said of the columns. The file is taken by now, whatever comes of this."""
    if not (how.said or how.remembered):
        return
    caller = ask.caller
    unit = RememberMapping(caller.workspace, caller.subject, how.signature, how.places, ask.box.now_ms())
    try:
        await ask.box.write(unit)
    except IngestError as error:
        _log.warning("A mapping of columns could not be kept.", extra={"reason": error.code})


VIEW = UploadView(
    upload="/jobs/upload",
    preview="/jobs/preview",
    fields=FIELDS,
    baseline=True,
)
_FILE_ERRORS = ("bad_parameter", "file_unreadable", "too_many_rows")
_EXAMPLE = "email,first_name,last_name,company\nanna@example.com,Anna,Lee,Acme\n"

ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        VIEW.upload,
        upload,
        "Take in a file of contacts",
        UPLOADERS,
        "contacts_mb",
        media_types=("multipart/form-data",),
        rate="intake",
        takes_records=True,
        upload=True,
        description="The file is on disk when this answers, and `total_rows` is the exact count. Its rows "
        "are then checked; once none of them is an issue, all become contacts together. Encoding, delimiter "
        "and columns are found out, unless they are said. A file is taken once, by content and by name, "
        "until its import is cancelled or undone.",
        body=ImportForm,
        parameters=(*PARAMETERS, BASELINE),
        example={"file": _EXAMPLE},
        answers=(Answer(ImportAnswer, 201, "The file is on disk; its job follows."),),
        errors=(*_FILE_ERRORS, "missing_headers", "already_imported"),
        idempotent=True,
    ),
    Route(
        "POST",
        VIEW.preview,
        preview,
        "Look at a file of contacts without storing it",
        UPLOADERS,
        "contacts_mb",
        media_types=("multipart/form-data",),
        rate="intake",
        upload=True,
        description="How the file would be read: encoding, delimiter, which column is what and how sure that "
        "is, the first rows, and the exact number of all. A field without a column is told in `missing`. "
        "Nothing is stored.",
        body=ContactsForm,
        parameters=PARAMETERS,
        example={"file": _EXAMPLE},
        answers=(Answer(PreviewAnswer, description="How the file would be read."),),
        errors=_FILE_ERRORS,
    ),
)
