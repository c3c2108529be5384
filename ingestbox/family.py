"""The contract that a family fulfils, and what the box offers to a family's handlers.

A family is data and pure functions: routes, decoding of bodies into records with per-record faults,
`process` for chunks (run in a child process), and how its states and errors look on the wire. Everything
else (identity, limits, idempotency, storing, queueing, progress, issues, forwarding) is done once, outside.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from ingestbox import ids
from ingestbox.config import Limits, Settings
from ingestbox.errors import Fault, IngestError
from ingestbox.model import Caller, Columns, Job, JobState, Notice, Outcome, Role
from ingestbox.outbound.fetched import Fetched
from ingestbox.route import Reply, Route
from ingestbox.sheet import JobFile, Sheet, Table, Upload
from ingestbox.view import Form, Grid, View

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


# No cycle can be made of them, and looking for some in 50,000 holds up every other request for 50 ms.
class Intake(msgspec.Struct, frozen=True, gc=False):
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
    """What a body was decoded into, ready to be stored under one job.

    `about` is what the family keeps of the job as a whole: the query `<family>.put_job` is run with it where
    the job is made, and with `job_id`, `public_id`, `workspace`, `owner`, `now`, and the `name` that is the
    job's, unless `about` has one.

    `sift` is asked in the transaction that stores records, before them: `sift(tx, whose, first, records)`
    writes what the family keeps of each, and gives them back as they are to be stored, as many and in their
    order. It may run twice; what it raises refuses the batch.
    """

    family: str
    source: str
    name: str
    records: Sequence[Intake]
    warnings: Sequence[Notice] = ()
    about: Mapping[str, str | int | None] | None = None
    sift: Callable[[Any, Sifted, int, Sequence[Intake]], Sequence[Intake]] | None = None


class Sifted(msgspec.Struct, frozen=True):
    """Where records that `Batch.sift` is asked about go, and when (Unix milliseconds)."""

    job_id: int
    workspace: str
    owner: str
    now_ms: int


class Work(Protocol[T_co]):
    """What `Box.write` takes: see `store.unit.Unit`."""

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
        about: Callable[[Sheet], Mapping[str, str | int | None]] | None = None,
    ) -> Reply:
        """Looks through the file of the request, and stores it with its job durably; the rest is as in
        `accept`.

        `answer(public_id, internal_id, sheet)` builds the body of the answer, whose `status` is given;
        `about(sheet)` is `Batch.about`. Raises
        IngestError also for a file that is no table of this family: file_empty, file_unreadable,
        too_many_rows, what its plan refuses; request_in_progress while another request with the same key is
        at its file; and for a staged family already_imported, when a live job of the caller has the same
        content or name. With `baseline` rows of a staged family whose key exists already are passed over,
        instead of being issues.
        """

    async def look(self, ask: Ask, family: str) -> Sheet:
        """Looks through the file of the request and stores nothing. Raises as `accept_file` does."""

    async def compute(
        self, function: str, data: bytes, *, stepped: bool = False, seconds: float | None = None
    ) -> bytes:
        """Asks a function (`module:function`, from bytes to bytes) in a child process about `data`: for what
        takes longer than other requests can wait. What it is given and gives back are a few MB at most. With
        `stepped` it is given `steps`, too, as `Family.process` is. `seconds` is how long it may wait for a
        child, and again for an answer, if that is to be less than usual.

        Raises IngestError: overloaded when no child is free in time; validation_failed (400) when what was
        sent takes too long, or ended the child twice; shutting_down; internal when the function raised.
        """

    async def fetch(self, url: str, user_agent: str, most_bytes: int) -> Fetched:
        """Fetches a page that a client names (http, https), with at most three redirects, within ten seconds;
        the body is cut at `most_bytes`. Any status is an answer.

        Raises `outbound.fetched.FetchError`, also for an address that is not global, unless `[outbound]
        allow_hosts` opens it.
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

    async def read_with(self, function: Callable[[Any], T]) -> T:
        """Runs a function over a `store.ReadTx`, all that it reads being of one moment; within a second."""

    async def read_apart(self, function: Callable[[Any], T]) -> T:
        """The same over a connection for reads that are narrowed by a condition (`store.conditions`), of
        which one runs at a time; what it reads is not of one moment."""

    def creation(self, ask: Ask) -> Any:
        """What an Idempotency-Key makes of a request that creates something other than a job (None without
        one): the key of `store.once.Once`. Raises IngestError `idempotency_key_invalid`."""

    async def write(self, unit: Work[T]) -> T:
        """Runs a unit of work (`store.unit.Unit`); durable when it returns.

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
    settings: Settings


class Room(Protocol):
    """What a chore may ask of the box; each of these is as in `Box`."""

    settings: Settings

    async def read_with(self, function: Callable[[Any], T]) -> T:
        """Runs a function over a `store.ReadTx`, all that it reads being of one moment; within a second."""

    async def write(self, unit: Work[T]) -> T:
        """Runs a unit of work; durable when it returns. Raises IngestError, or what the unit raised."""

    async def compute(
        self, function: str, data: bytes, *, stepped: bool = False, seconds: float | None = None
    ) -> bytes:
        """Asks a function in a child process; see `Box.compute`."""

    def now_ms(self) -> int:
        """The box's time, in Unix milliseconds."""


class Chore(msgspec.Struct, frozen=True):
    """What a family does in the background: `run` does a slice of it, which may be cut off at any point and
    done again, and says whether there is more to do now. `state`, for people, says how far it is, over a
    `store.ReadTx`; nothing where there is nothing to say."""

    name: str
    run: Callable[[Room], Awaitable[bool]]
    state: Callable[[Any], str] | None = None


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


class Trouble(msgspec.Struct, frozen=True):
    """Something of a family's that is wrong now, and alarms if it stays: its name, such as
    `source_quiet:news`, and a sentence for the operator that says what to do, without a secret."""

    name: str
    detail: str


class Gauge(msgspec.Struct, frozen=True):
    """A number of a family's that metrics show: `values` by what each of `labels` is."""

    name: str
    text: str
    labels: tuple[str, ...]
    values: Mapping[tuple[str, ...], float]


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


class Distinct(msgspec.Struct, frozen=True):
    """Of objects of a `kind` that one owner has with the same `Put.match`, one is the first, and the others
    are its duplicates: `member`, the last one of their result, names it, and is null in the first one's.

    The family's queries.sql has `firsts_<kind>` (workspace, owner, matches as JSON: match and object_id of
    the first of each), `followers_<kind>` (workspace, owner, object_id, after, limit: record_id, object_id,
    match, result and its CRC-32 of its duplicates above a record, in order) and `retell_<kind>` (workspace,
    object_id, version, duplicate_of, result, crc, at_ms; a null version leaves the one that is). Triggers of
    its table add to `departed` what was first, has duplicates, and is so no more; what these are duplicates
    of is told anew (`store.departed`). `match` gives an object's match from its record (JSON), for one that
    is put again; `project` gives the columns `match`, empty where it does not count, and `duplicate_of`.
    """

    kind: str
    member: str
    match: Callable[[bytes], str]


class Subjects(msgspec.Struct, frozen=True):
    """Whose records are, and what they become, for a family whose objects are not called by their records'
    keys. Unless it is given a record is of the person whose address its key has.

    `addresses` gives the addresses of the person that a record (JSON) is all about; `object_id` what the
    object of a record is called, from the job's public id and the record's id.
    """

    addresses: Callable[[bytes], Sequence[str]]
    object_id: Callable[[str, int], str]


class Address(Protocol):
    """An e-mail address that is to be erased, in all its spellings (`enrich.addresses.Spellings`)."""

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where it stands in a text."""

    def in_json(self, data: bytes) -> bytes | None:
        """The JSON with a mark in its place, or None if it is not in it."""


def _uncounted(_: bytes) -> dict[str, int]:
    return {}


def _redacted(_: str, record: bytes, result: bytes, address: Address) -> tuple[bytes, bytes]:
    return address.in_json(record) or record, address.in_json(result) or result


def _as_they_say(family: Family, _: Settings) -> Family:
    return family


CHUNK_BYTES = 81_920
"""Bytes of records that are settled at once, unless a family says less: with all of their full text they hold
the writer for about 20 ms. A hundred usual tickets have less."""


class Family(msgspec.Struct, frozen=True):
    """A kind of data the box takes in.

    `process` names a function `(Chunk, steps=BUILT_IN) -> list[Outcome]` as `module:function`; it runs in a
    child process that imports that module alone, so the module must be light and pure. `steps` are those of
    `enrich.steps`, given when a server does some of them. `project` gives the named values of the query
    `<name>.put_<kind>` from kind, record and result (both JSON); it serves a central box, where results
    arrive finished, and objects that are put again after an update (`store.reindex`). `kinds` are the kinds
    of objects the family puts; `queries` is its file of named SQL. One named `put_own_<kind>`, with `job`
    (the job's id) besides, puts objects of this box's own jobs, where that can be done quicker. `check` looks
    at one record, as JSON, that a person has corrected, and finds what decoding would find. `error_type` is
    the type of what `error_body` gives. `table` is how it takes files, if it does; `search` how its objects
    are found by their text. Those of one that is `indexed` are found by it in the family's own lists alone.
    `staging` is how its rows wait for each other, if they do. What is `private` is seen by who made it, and
    by administrators who ask for all; otherwise by the whole workspace. `reworded` puts an error into the
    family's own words and status, before `error_body` shapes it. `redact` takes an address out of an object,
    from kind, record and result (both JSON); unless given, a mark takes its place in every string. `counted`
    gives from a result (JSON) what its record added to the job's tallies.

    `forms` is how records with an issue are repaired at the console, by its code; `view.OTHERS` stands for
    those that are not in it. `views` are the pages there that show its objects, `grids`
    those of lists of rows whose columns nobody knows before. `export(ask, job, every)`
    gives a job's rows that wait, or every one, as a file of the family's own, to be corrected and sent again;
    None for a job that has none. It is asked for jobs in sight alone. Objects of a family that has the query
    `given_up` (ids of records as JSON: kind and object_id of what became of them) go when their record is
    given up.

    `distinct` is how objects that are the same thing are told apart, if they are. `new_id(now_ms)` makes the
    public id of a job.

    `deletes` are the kinds of objects that go with a job that is deleted (`store.deleting`), if jobs of the
    family can be. Its queries.sql then has `forget_job` (job_id), which removes what `put_job` made, and for
    each of these kinds `of_job_<kind>` (job_id; first and beyond, the ids of its records; limit): object_id
    and bytes of those that are there, which `remove_<kind>` removes.

    `configured` gives the family as the settings want it. `context(tx, job, indexes)` gives what `process`
    is told besides a chunk's records (`Chunk.context`): what the store knows of those with these indexes at
    the moment they are read. `conditions(tx, now_ms)` gives what is wrong with what the family keeps, every
    few seconds; `gauges(tx)` what metrics show of it. Both take a few milliseconds whatever there is.

    `chunk_bytes` is how many bytes of its records are processed and settled at once, one record at least:
    fewer for a family whose objects keep the writer long (20 ms at most).

    `same` gives what a record (JSON) is known by, of which there may not be two: one that a person corrects
    into what another one is stays as it was. The family's queries.sql then has `has_same` (id of the record,
    same: the object_id of another record's object that has it) and `put_same` (id, same).

    `pii` says what is done about personal data in its objects (`enrich.pii.marking`); the settings give it.

    `chores` are what it does in the background (`ops.chores`).

    What is erased when a person asks for it is found by `subjects` and by the queries `erasable_<kind>`,
    `number_<kind>` and `remove_<kind>`, and with a full text gone from there by `merge_<kind>` (see
    `store.erasing`).
    """

    name: str
    kinds: frozenset[str]
    queries: Path
    routes: Sequence[Route]
    process: str
    project: Callable[[str, bytes, bytes], Columns]
    check: Callable[[bytes], Checked]
    error_body: Callable[[IngestError, str], dict[str, object]]
    error_type: type[msgspec.Struct]
    table: Table | None = None
    search: Search | None = None
    indexed: bool = False
    staging: Staging | None = None
    private: bool = False
    reworded: Callable[[IngestError], IngestError] = _as_it_is
    redact: Callable[[str, bytes, bytes, Address], tuple[bytes, bytes]] = _redacted
    counted: Callable[[bytes], dict[str, int]] = _uncounted
    forms: Mapping[str, Form] = {}
    views: tuple[View, ...] = ()
    grids: tuple[Grid, ...] = ()
    export: Callable[[Any, Job, bool], Awaitable[Reply | None]] | None = None
    distinct: Distinct | None = None
    subjects: Subjects | None = None
    new_id: Callable[[int], str] = ids.time_uuid
    deletes: tuple[str, ...] = ()
    configured: Callable[[Family, Settings], Family] = _as_they_say
    context: Callable[[Any, Job, Sequence[int]], bytes] | None = None
    chunk_bytes: int = CHUNK_BYTES
    chores: tuple[Chore, ...] = ()
    pii: str = "off"
    conditions: Callable[[Any, int], Sequence[Trouble]] | None = None
    gauges: Callable[[Any], Sequence[Gauge]] | None = None
    same: Callable[[bytes], bytes] | None = None

    @property
    def shown(self) -> tuple[View | Grid, ...]:
        """All of its pages at the console."""
        return (*self.views, *self.grids)

    @property
    def full_text(self) -> bool:
        """Whether there is an index of its objects' words."""
        return self.indexed or self.search is not None


Process = Callable[..., list[Outcome]]
"""The type of the function that `Family.process` names."""
