"""The contract that a family fulfils, and what the box offers to a family's handlers.

A family is data and pure functions: routes, decoding of bodies into records with per-record faults,
`process` for chunks (run in a child process), and how its states and errors look on the wire. Everything
else (identity, limits, idempotency, storing, queueing, progress, issues, forwarding) is done once, outside.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeVar

import msgspec
from msgspec import Meta

from ingestbox.config import Limits
from ingestbox.errors import Fault, IngestError
from ingestbox.model import Caller, Job, JobState, Notice, Outcome, Role

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

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


class Reply(msgspec.Struct, frozen=True):
    """An answer: `body` is encoded as JSON, unless it is bytes that already are.

    A body that is an iterator (`AsyncIterator[bytes]`) is sent while it comes into being, as the Content-Type
    of `headers` says. If it raises, or the client goes away, or the box stops, the answer is cut off.
    """

    body: object
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


class Work(Protocol[T_co]):
    """What `Box.write` takes: see `store.writer.Unit`."""

    @property
    def weight(self) -> int:
        """About how many rows it touches."""

    def apply(self, tx: Any) -> T_co:
        """Does the work; it may run twice."""


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
        self,
        ask: Ask,
        family: str,
        source: str,
        answer: Callable[[str, int, Sheet], object],
        status: int = 200,
        *,
        baseline: bool = False,
    ) -> Reply:
        """Looks through the file of the request, and stores it with its job durably; the rest is as in
        `accept`.

        `answer(public_id, internal_id, sheet)` builds the body of the answer, whose `status` is given. Raises
        IngestError also for a file that is no table of this family: file_empty, file_unreadable, too_many_rows, what its plan refuses;
        request_in_progress while another request with the same key is at its file; and for a staged family
        already_imported, when a live job of the caller has the same content or name. With `baseline` rows of
        a staged family whose key exists already are passed over, instead of being issues.
        """

    async def look(self, ask: Ask, family: str) -> Sheet:
        """Looks through the file of the request and stores nothing. Raises as `accept_file` does."""

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

    async def read_with(self, function: Callable[[Any], T]) -> T:
        """Runs a function over a `store.ReadTx`, all that it reads being of one moment; within a second."""

    async def write(self, unit: Work[T]) -> T:
        """Runs a unit of work (`store.writer.Unit`); durable when it returns.

        Raises IngestError (storage_full, store_unavailable) or what the unit raised.
        """

    def changed(self, job_id: int, *, ring: bool = False) -> None:
        """A job has changed on disk: tells those who watch it, and with `ring` the workers."""

    def now_ms(self) -> int:
        """The box's time, in Unix milliseconds."""


class Ask(Protocol):
    """One request, authenticated and with its body read, as a handler sees it."""

    method: str
    url_path: str  # the path as it was asked for
    route_path: str  # the route's path, with its placeholders
    query_string: str
    headers: Mapping[str, str]  # names in lower case
    request_id: str
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

    `plan(header, preview, wishes)` gives the Plan for the names of a file's columns, the cells of its first
    rows, and JSON of the family's own that came with the file (`Upload.wishes`).
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


def _as_it_is(error: IngestError) -> IngestError:
    return error


class Staging(msgspec.Struct, frozen=True):
    """How a family's rows wait until all of a job's are right or given up, and become objects together.

    `check` names a function `(list[Item]) -> list[Checked]` as `module:function`, run in a child: what of
    each row is wrong by itself. `kind` is the kind of object a row becomes. `repeated` and `existing` are the
    faults (code, message) of rows whose key another row of the job has, and of those whose key an object of
    the owner has. `same` names a function `(list[bytes]) -> list[bytes]` that gives what rows are compared
    by: of rows that are alike in it one is kept. `fields` are the members that a row may have whichever
    columns its file had.

    The family's queries.sql has `existing_<kind>` (workspace, owner, job_id, after, upto: record_id, key and
    object_id of the staged keys in that range that an object of the owner has, but not by that very record)
    and `taken_<kind>` (workspace, owner, keys as JSON: key and object_id of those that are taken).
    """

    check: str
    same: str
    kind: str
    repeated: tuple[str, str]
    existing: tuple[str, str]
    fields: tuple[str, ...] = ()


class Address(Protocol):
    """An e-mail address that is to be erased, in all its spellings (`enrich.addresses.Spellings`)."""

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where it stands in a text."""

    def in_json(self, data: bytes) -> bytes | None:
        """The JSON with a mark in its place, or None if it is not in it."""


def _redacted(_: str, record: bytes, result: bytes, address: Address) -> tuple[bytes, bytes]:
    return address.in_json(record) or record, address.in_json(result) or result


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
    `staging` is how its rows wait for each other, if they do. What is `private` is seen by who made it, and
    by administrators who ask for all; otherwise by the whole workspace. `reworded` puts an error into the
    family's own words and status, before `error_body` shapes it. `redact` takes an address out of an object, from kind,
    record and result (both JSON); unless given, a mark takes its place in every string.

    What is erased when a person asks for it is found by the queries `erasable_<kind>`, `number_<kind>` and
    `remove_<kind>`, and with a search gone from there by `merge_<kind>` (see `store.erasing`).
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
    staging: Staging | None = None
    private: bool = False
    reworded: Callable[[IngestError], IngestError] = _as_it_is
    redact: Callable[[str, bytes, bytes, Address], tuple[bytes, bytes]] = _redacted


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
