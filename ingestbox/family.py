"""The contract that a family fulfils, and what the box offers to a family's handlers.

A family is data and pure functions: routes, decoding of bodies into records with per-record faults,
`process` for chunks (run in a child process), and how its states and errors look on the wire. Everything
else (identity, limits, idempotency, storing, queueing, progress, issues, forwarding) is done once, outside.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import msgspec
from msgspec import Meta

from ingestbox.config import Limits
from ingestbox.errors import Fault, IngestError
from ingestbox.model import Caller, Job, JobState, Notice, Outcome, Role

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class Intake(msgspec.Struct, frozen=True):
    """One record of a batch: its key (the object's id), its bytes as received, and what is wrong with it.

    A record with a fault is stored as an issue (only in a batch taken with `mode=partial`); one that a later
    record of the same batch replaces is stored as superseded.
    """

    key: str
    payload: bytes
    fault: Fault | None = None
    superseded: bool = False


class Checked(msgspec.Struct, frozen=True):
    """One record that a person has corrected: its key, its bytes as they are to be stored, and everything
    that is still wrong with it."""

    key: str
    payload: bytes
    faults: Sequence[Fault] = ()


class Batch(msgspec.Struct, frozen=True):
    """What a body was decoded into, ready to be stored under one job."""

    family: str
    source: str
    name: str
    records: Sequence[Intake]
    warnings: Sequence[Notice] = ()


class Upload(msgspec.Struct):
    """A file that came with a request, whole and on disk.

    `stored` is what it is called in the data folder, `name` what its client called it, cleaned for display.
    `sha256` (hex) is of its bytes. `content` stands for the whole form: two requests with the same are the
    same request. With `kept` the file stays when the request ends. `encoding` and `delimiter` are what its
    sender says of it (None: nothing; a delimiter may be empty, for a file of one column).
    """

    stored: str
    name: str
    size: int
    sha256: str
    content: bytes
    kept: bool = False
    encoding: str | None = None
    delimiter: str | None = None


class Reply(msgspec.Struct, frozen=True):
    """An answer: `body` is encoded as JSON, unless it is bytes that already are."""

    body: object
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


class Box(Protocol):
    """What a handler may ask of the box. Every call is scoped by the caller it is given."""

    async def accept(
        self,
        ask: Ask,
        batch: Batch,
        answer: Callable[[str, int], object],
    ) -> Reply:
        """Stores the batch durably and rings for it; the reply is sent only after the commit.

        `answer(public_id, internal_id)` builds the body of the 200. Honours Idempotency-Key: a repeat gets
        the stored answer. Raises IngestError (idempotency_mismatch, request_in_progress, overloaded,
        storage_full, store_unavailable).
        """

    async def accept_file(
        self, ask: Ask, family: str, source: str, answer: Callable[[str, int, Sheet], object]
    ) -> Reply:
        """Looks through the file of the request, and stores it with its job durably; the rest is as in
        `accept`.

        `answer(public_id, internal_id, sheet)` builds the body of the 200. Raises IngestError also for a file
        that is no table of this family: file_empty, file_unreadable, too_many_rows, what its plan refuses;
        and request_in_progress while another request with the same key is at its file.
        """

    async def file(self, job: Job) -> JobFile | None:
        """The file that a job came as, or None."""

    async def job(self, caller: Caller, family: str, public_id: str) -> Job | None:
        """The caller's job, or None when it does not exist or is out of sight."""

    async def jobs(self, caller: Caller, family: str, states: Sequence[JobState], limit: int) -> list[Job]:
        """The caller's newest jobs of a family, filtered by state before the limit is applied."""

    async def faults(self, job: Job, limit: int) -> list[Fault]:
        """The open issues of a job, by record index."""

    async def read(self, query: str, params: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Rows of one of the family's own read queries (`<family>.<name>` in its queries.sql)."""

    def now_ms(self) -> int:
        """The box's time, in Unix milliseconds."""


class Ask(Protocol):
    """One request, authenticated and with its body read, as a handler sees it."""

    method: str
    url_path: str  # the path as it was asked for
    route_path: str  # the route's path, with its placeholders
    query_string: str
    headers: Mapping[str, str]  # names in lower case
    caller: Caller
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    file: Upload | None  # of a route with `upload`
    box: Box
    limits: Limits


class Parameter(msgspec.Struct, frozen=True):
    """One value that a call takes beside its body; those of the path are found there, and described here.

    `type` is a type as msgspec knows it (`Annotated[int, Meta(ge=1, le=500)]`, a `Literal`, a list of these);
    it documents what the handler checks.
    """

    name: str
    description: str
    type: Any = str
    place: Literal["query", "header", "path"] = "query"
    required: bool = False


class Answer(msgspec.Struct, frozen=True):
    """A success of a route: its status and the type of its body (None: there is none).

    `type` is what the handler returns, so that the documentation says what is sent; `media_type` is for
    bodies that are not JSON (those have no type). `headers` are those of the handler's own, each with a
    sentence.
    """

    type: Any
    status: int = 200
    description: str = "Done."
    media_type: str = "application/json"
    headers: Mapping[str, str] = {}


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


class Table(msgspec.Struct, frozen=True):
    """How a family takes files: two functions, as `module:function`, which run in a child process.

    `plan(header, preview)` gives the Plan for the names of a file's columns, and the cells of its first rows.
    `rows(how, stem, rows)` makes an Intake of each row (`tabular.Row`), in order, faults included; `stem` is
    the same for every copy of the same file, and ids are made from it.
    """

    plan: str
    rows: str


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


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was looked through, ready to become a job: what is told of it, and what reading its rows
    takes."""

    info: FileInfo
    notices: list[Notice]
    rows_file: str
    rows_size: int
    blocks: bytes
    form: bytes
    position: bytes
    how: bytes


class Route(msgspec.Struct, frozen=True):
    """One endpoint, as data: web binds it, and documents it in /openapi.json.

    `roles` empty admits every authenticated caller. `body_limit` names a field of `[limits]` ending in
    `_mb` or `_kb`; None means the call takes no body. `media_types` are the body's; `application/json` also
    admits every `…+json`. `rate` names a field of `[rates]`; calls are counted by caller, family and rate, or
    not at all if it is empty. Public routes are counted by address, and only under a rate of their own: a
    probe that is refused would look like a box that is down. With `upload` the body is a form
    (multipart/form-data) with one file, which is on disk when the handler is asked (`Ask.file`), and of which
    `body_limit` is the cap. `takes_records` says that the call makes work for the box, which refuses it while
    more records wait than `[limits] backlog_records`.

    The rest is documentation, which tests hold against what the route does: `summary` is a phrase without a
    full stop; `body` is the type of the body, `example` one that the route takes; `answers` its successes;
    `errors` are the codes of the catalogue (`errors.CATALOGUE`) that the handler raises of its own accord:
    what binding raises for every route (401, 403, 413, 415 …) is added by itself. `idempotent` says that the
    handler honours Idempotency-Key.
    """

    method: Method
    path: str
    handler: Callable[[Any], Awaitable[Reply]]
    summary: str
    roles: frozenset[Role] = frozenset()
    body_limit: str | None = None
    media_types: tuple[str, ...] = ("application/json",)
    rate: str = "requests"
    description: str = ""
    body: Any = None
    example: Any = None
    parameters: tuple[Parameter, ...] = ()
    answers: tuple[Answer, ...] = ()
    errors: tuple[str, ...] = ()
    idempotent: bool = False
    takes_records: bool = False
    upload: bool = False


class Hit(msgspec.Struct, frozen=True):
    """Something that a search found: what it is, with a piece of its text.

    `box` is empty for the box's own; `score` (0 to 1) says how well it fits; `cursor` goes on after it.
    """

    kind: str
    id: str
    snippet: str
    box: str
    score: float
    cursor: str


class Found(msgspec.Struct, frozen=True):
    """A page of hits, best first.

    `total` is a lower bound unless `exact`. `cursor` goes on after the page (None: at the end), `start`
    begins it again. `indexing` says that some of what is there cannot be found yet.
    """

    hits: Sequence[Hit]
    total: int
    exact: bool
    start: str
    cursor: str | None
    indexing: bool = False


class Search(msgspec.Struct, frozen=True):
    """How a family's objects are searched: by whom (`roles`, as in `Route`), and
    `find(ask, q, limit, cursor)`, within what the caller may see. It raises IngestError `bad_parameter`."""

    roles: frozenset[Role]
    find: Callable[[Any, str, int, str | None], Awaitable[Found]]


class Family(msgspec.Struct, frozen=True):
    """A kind of data the box takes in.

    `process` names a function `(Chunk, steps=BUILT_IN) -> list[Outcome]` as `module:function`; it runs in a
    child process that imports that module alone, so the module must be light and pure. `steps` are those of
    `enrich.steps`, given when a server does some of them. `project` gives the named values of the query
    `<name>.put_<kind>` from kind, record and result (both JSON); it serves a central box, where results
    arrive finished, and objects that are put again after an update (`store.reindex`). `kinds` are the kinds
    of objects the family puts; `queries` is its file of named SQL. `check` looks at one record, as JSON, that
    a person has corrected, and finds what decoding would find. `error_type` is the type of what `error_body`
    gives. `table` is how it takes files, if it does; `search` how its objects are found by their text.
    """

    name: str
    kinds: frozenset[str]
    queries: Path
    routes: Sequence[Route]
    process: str
    project: Callable[[str, bytes, bytes], dict[str, str | int | float | None]]
    check: Callable[[bytes], Checked]
    error_body: Callable[[IngestError, str], dict[str, object]]
    error_type: type[msgspec.Struct]
    table: Table | None = None
    search: Search | None = None


Process = Callable[..., list[Outcome]]
"""The type of the function that `Family.process` names."""

DEFAULT_LIMIT = 50
MAX_LIMIT = 500


LIMIT = Parameter(
    "limit", f"How many; {DEFAULT_LIMIT} unless given.", Annotated[int, Meta(ge=1, le=MAX_LIMIT)]
)
"""The `limit` of a list, as `limit_of` reads it."""


def limit_of(query: Mapping[str, str]) -> int:
    """The `limit` of a list (contract: common, Answers). Raises IngestError `bad_parameter`."""
    text = query.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MAX_LIMIT):
        raise IngestError("bad_parameter", f"limit must be a whole number from 1 to {MAX_LIMIT}.")
    return int(text)
