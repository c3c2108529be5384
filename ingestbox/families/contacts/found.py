"""Contacts by what is in them: `GET /contacts` with filters, and the companies that they are of.

All filters are one expression of full text, so that however few of however many they leave, a page is found
from its end of the list. What is hidden (`contacts.py`) is left out by the same expression.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox.enrich.searched import FACET
from ingestbox.errors import IngestError
from ingestbox.families.contacts import searched
from ingestbox.families.contacts.contacts import Row, cells_of, contact_body, first_made
from ingestbox.families.contacts.pages import Part, cursor, number
from ingestbox.families.contacts.shapes import ContactList
from ingestbox.families.contacts.sight import FAMILY
from ingestbox.family import Ask
from ingestbox.route import LIMIT, Answer, Parameter, Reply, Route, limit_of
from ingestbox.store import ReadTx
from ingestbox.store import search as fulltext
from ingestbox.store.sight import Sight
from ingestbox.store.terms import MAX_CHARACTERS, Index, Term, parse

T = TypeVar("T")

DAY_MS = 86_400_000
_EPOCH = datetime.date(1970, 1, 1)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

NEWEST = (1 << 63) - 1

MOST_HIDDEN = 100
"""Companies more than asked for that are looked at while an import is made: those that it alone has go."""

Day = Annotated[str, Meta(extra_json_schema={"format": "date"})]

FILTERS = (
    Parameter(
        "q",
        "Only those whose address, name or company has these words, all of them: "
        '`"words in quotes"` stand together, `acm*` is any word that begins so, `-word` must not be there. '
        "Case does not matter; what is written with diacritics is also found without them.",
        Annotated[str, Meta(min_length=1, max_length=MAX_CHARACTERS)],
    ),
    Parameter("company", "Only those of this company: case, diacritics and punctuation do not matter."),
    Parameter(
        "import",
        "Only those that this import made, or was the last to change (a `job_id`).",
        Annotated[str, Meta(pattern="^[1-9][0-9]{0,17}$")],
    ),
    Parameter("since", "Only those made on this day (UTC) or later.", Day),
)
"""They narrow each other."""

_NAMES = frozenset(each.name for each in FILTERS)


class CompanyCount(msgspec.Struct, frozen=True):
    """A company that contacts are of."""

    company: Annotated[str, Meta(description="As the newest of them has it.")]
    count: Annotated[int, Meta(ge=1)]


class Companies(msgspec.Struct, frozen=True):
    """The companies of the caller's own contacts, that of the most first."""

    companies: list[CompanyCount]
    indexing: Annotated[
        bool | UnsetType,
        Meta(description="True while contacts from before an update wait to be found: there are more."),
    ] = UNSET


@dataclass(frozen=True, slots=True)
class Filters:
    """Which contacts are asked for; None lets all pass. `since` is a day, counted from 1970-01-01."""

    terms: tuple[Term, ...] = ()
    company_key: str | None = None
    job_id: str | None = None
    since: int | None = None

    @property
    def facets(self) -> list[str]:
        """What is asked for as words that are none."""
        found = []
        if self.company_key is not None:
            found.append(f"{searched.COMPANY}{self.company_key}")
        if self.job_id is not None:
            found.append(f"{searched.IMPORT}{self.job_id}")
        return found


def filters_of(query: Mapping[str, str]) -> Filters | None:
    """What is asked for, or None for all contacts. Raises IngestError `bad_parameter`."""
    if not _NAMES & query.keys():
        return None
    job_id = query.get("import")
    if job_id is not None and number(job_id) is None:
        raise IngestError("bad_parameter", "import must be the job_id of an import.")
    company = query.get("company")
    return Filters(
        terms=tuple(parse(query["q"])) if "q" in query else (),
        company_key=None if company is None else searched.company_key(company),
        job_id=job_id,
        since=_day_of(query.get("since")),
    )


def _day_of(given: str | None) -> int | None:
    if given is None:
        return None
    try:
        if not _DATE.fullmatch(given):
            raise ValueError(given)
        return (datetime.date.fromisoformat(given) - _EPOCH).days
    except ValueError:
        raise IngestError("bad_parameter", "since must be a date such as 2026-01-31.") from None


def listed(tx: ReadTx, sight: Sight, filters: Filters, part: Part) -> ContactList:
    """A part of the contacts that the filters leave."""
    scope = _scope(tx, sight)
    pending = bool(tx.all("contacts.not_indexed")[0][0]) or UNSET
    if scope is None:
        return ContactList([], 0, indexing=pending)
    ids, below, total, exact = _newest(tx, sight, scope, filters, part.limit, part.below)
    rows = _rows(tx, ids)
    return ContactList(
        [contact_body(row) for row in rows],
        max(total, len(rows)),
        UNSET if below is None else cursor(below),
        UNSET if exact else "lower bound",
        pending,
    )


async def companies(ask: Ask) -> Reply:
    """GET /contacts/companies."""
    limit = limit_of(ask.query)
    sight = Sight(ask.caller.workspace, ask.caller.subject, frozenset({FAMILY}))

    def read(tx: ReadTx) -> Companies:
        pending = bool(tx.all("contacts.not_indexed")[0][0]) or UNSET
        scope = _scope(tx, sight)
        if scope is None:
            return Companies([], pending)
        hiding = _hiding(tx, sight)
        whose = {"workspace": sight.workspace, "owner": sight.subject}
        most = limit + MOST_HIDDEN if hiding else limit
        found: list[CompanyCount] = []
        for key, contacts in tx.all("contacts.companies", {**whose, "limit": most}):
            count = contacts - sum(_hidden_of(tx, scope, key, job_id, first) for job_id, first in hiding)
            name = _name(tx, hiding, scope, key) if count > 0 else None
            if name is not None:
                found.append(CompanyCount(name, count))
        found.sort(key=lambda each: -each.count)  # stable
        return Companies(found[:limit], pending)

    return Reply(await ask.box.read_with(read))


def _scope(tx: ReadTx, sight: Sight) -> str | None:
    """The word of all contacts in sight; None: there are none."""
    if sight.workspace is None:
        return searched.EVERY
    row = tx.one("contacts.scope_number", {"workspace": sight.workspace, "owner": sight.subject})
    if row is None:
        return None
    return f"{searched.WORKSPACE if sight.subject is None else searched.OWNER}{row[0]}"


def _hiding(tx: ReadTx, sight: Sight) -> list[tuple[int, int]]:
    """Imports in sight whose contacts are hidden, each with the first one."""
    found = []
    for job_id, workspace, owner, _ in tx.all("contacts.hiding"):
        if sight.admits(workspace, FAMILY, owner):
            first = first_made(tx, job_id)
            if first is not None:
                found.append((job_id, first))
    return found


def _newest(
    tx: ReadTx, sight: Sight, scope: str, filters: Filters, limit: int, below: int
) -> tuple[list[int], int | None, int, bool]:
    """The ids of a part's contacts, and what `store.search.newest` says besides."""
    day = -1 if filters.since is None else filters.since
    low, high = tx.all("contacts.bounds", {"day": day})[0]
    since = 0 if filters.since is None else max(1, filters.since * DAY_MS)
    index = Index(
        "contacts.match", "contacts.match_count", "contacts.terms", max(0, low), max(low + 1, high, 1)
    )

    async def read(query: str, params: Mapping[str, object]) -> list[Row]:
        return tx.all(query, {**params, "since": since})

    return _at_once(
        fulltext.newest(
            read,
            index,
            filters.terms,
            limit,
            below,
            facets=[scope, *filters.facets],
            without=[f"{searched.MADE_BY}{job_id}" for job_id, _ in _hiding(tx, sight)],
        )
    )


def _at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing: all that it reads is of one moment."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("it waited")


def _rows(tx: ReadTx, ids: list[int]) -> list[Row]:
    return tx.all("contacts.found", {"ids": msgspec.json.encode(ids).decode()}) if ids else []


def _hidden_of(tx: ReadTx, scope: str, key: str, job_id: int, first: int) -> int:
    """How many of a company's contacts an import hides."""
    match = _all_of(scope, f"{searched.COMPANY}{key}", f"{searched.MADE_BY}{job_id}")
    span = {"match": match, "low": first - 1, "high": NEWEST, "since": 0, "limit": NEWEST}
    count: int = tx.all("contacts.match_count", span)[0][0]
    return count


def _name(tx: ReadTx, hiding: list[tuple[int, int]], scope: str, key: str) -> str | None:
    """A company as its newest contact has it."""
    match = _all_of(scope, f"{searched.COMPANY}{key}")
    for job_id, _ in hiding:
        match = f"({match}) NOT {_all_of(f'{searched.MADE_BY}{job_id}')}"
    span = {"match": match, "low": 0, "high": NEWEST, "since": 0, "limit": 1}
    for row in _rows(tx, [row[0] for row in tx.all("contacts.match", span)]):
        cells = cells_of(row)
        if cells is not None:
            return cells.company
    return None


def _all_of(*words: str) -> str:
    """Full text's expression for what has all of these words that are none."""
    return " AND ".join(f'{{title}} : "{FACET}{word}"' for word in words)


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/contacts/companies",
        companies,
        "The companies of your contacts, with how many are of each",
        description="Spellings that differ in case, diacritics or punctuation are one company.",
        parameters=(LIMIT,),
        answers=(Answer(Companies, description="Those of the most contacts first."),),
        errors=("bad_parameter",),
    ),
)
