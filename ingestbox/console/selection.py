"""What a decision about many issues is about, as a page's form says it, and what is known of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from ingestbox.console.choices import Choice, kinds_for
from ingestbox.console.forms import pairs
from ingestbox.console.nav import ADMIN, EDITORS
from ingestbox.console.parts import Parts
from ingestbox.errors import IngestError
from ingestbox.rules import MEMBER_LENGTH
from ingestbox.web.binding import Request
from ingestbox.web.v1.issues import IssueBody, IssuePage
from ingestbox.web.v1.jobs import JobBody
from ingestbox.web.v1.records import RecordBody

MOST_CHOSEN = 500
"""Issues that are looked at to say what they are; of more that a filter finds it is told that there are."""


class Selection(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is decided about: issues by their ids, or all open ones of a job and a code."""

    ids: tuple[str, ...] = ()
    job: str = ""
    code: str = ""
    everyone: bool = False

    def asked(self) -> dict[str, object]:
        """As `/v1/issues/bulk` takes it."""
        if self.ids:
            return {"ids": list(self.ids)}
        return {"filter": {name: value for name, value in (("job", self.job), ("code", self.code)) if value}}

    @property
    def query(self) -> dict[str, str | None]:
        """For calls about it: what others made too, for an administrator who asks for that."""
        return {"all": "true" if self.everyone else None}


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is known of a selection: `issues` are the first of them, `more` whether there are others."""

    selection: Selection
    issues: Sequence[IssueBody]
    more: bool
    job: JobBody | None
    columns: Sequence[str]
    choices: Sequence[Choice]

    @property
    def rows(self) -> int:
        """Records that they hold."""
        return sum(issue.records for issue in self.issues)

    @property
    def family(self) -> str:
        """The family of all; empty when there are several."""
        names = {issue.family for issue in self.issues}
        return names.pop() if len(names) == 1 else ""

    @property
    def codes(self) -> list[tuple[str, int]]:
        """How many there are of each code."""
        return Counter(issue.code for issue in self.issues).most_common()


class Selecting:
    """Looks at what was selected."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def chosen(self, ask: Request, selection: Selection) -> Chosen:
        """What is selected, as far as it is in sight. Raises IngestError: not_found, forbidden."""
        found, more = await self._issues(ask, selection)
        if not found:
            raise IngestError("not_found", self._parts.pages.texts["bulk"].nothing_chosen)
        job = None
        if len({issue.job for issue in found}) == 1:
            job = await self._parts.inside.get(
                ask, "/v1/jobs/{id}", JobBody, selection.query, params={"id": found[0].job}
            )
        families = [self._parts.families.get(name) for name in {issue.family for issue in found}]
        held = any(issue.held for issue in found)
        choices = kinds_for(families, {issue.code for issue in found}, held=held)
        if all(choice.needs_editor for choice in choices) and not ask.caller.may(EDITORS):
            raise IngestError("forbidden", self._parts.pages.texts["bulk"].needs_editor)
        return Chosen(selection, found, more, job, await self._columns(ask, found, selection), choices)

    async def _issues(self, ask: Request, selection: Selection) -> tuple[list[IssueBody], bool]:
        inside = self._parts.inside
        if selection.ids:
            looks = [
                inside.get(ask, "/v1/issues/{id}", IssueBody, selection.query, params={"id": name})
                for name in selection.ids
            ]
            found = await asyncio.gather(*looks, return_exceptions=True)
            wrong = [each for each in found if isinstance(each, BaseException)]
            for error in wrong:
                if not (isinstance(error, IngestError) and error.code == "not_found"):
                    raise error
            return [each for each in found if isinstance(each, IssueBody) and each.state == "open"], False
        query = {
            **selection.query,
            "job": selection.job or None,
            "code": selection.code or None,
            "state": "open",
            "limit": str(MOST_CHOSEN),
        }
        page = await inside.get(ask, "/v1/issues", IssuePage, query)
        return page.issues, page.next_cursor is not None

    async def _columns(self, ask: Request, found: Sequence[IssueBody], selection: Selection) -> list[str]:
        """What a value can be set in: what every row of the family has, and what the first row has."""
        families = (self._parts.families.get(name) for name in dict.fromkeys(each.family for each in found))
        named = [name for each in families if each and each.staging for name in each.staging.fields]
        try:
            first = await self._parts.inside.get(
                ask, "/v1/records/{id}", RecordBody, selection.query, params={"id": found[0].record}
            )
        except IngestError:
            return named
        names = dict.fromkeys([*named, *(cells_of(first.payload) or {})])
        return [name for name in names if len(name) <= MEMBER_LENGTH]  # a rule has no room for others


def selection_of(ask: Request) -> Selection:
    """What a query or a form names. Raises IngestError `bad_parameter`."""
    given = pairs(ask.body) if ask.method == "POST" else list(ask.query.items())
    named = [value for name, value in given if name == "issue" and value]
    values = dict(given)
    named += [each for each in values.get("ids", "").split(",") if each]
    ids = tuple(dict.fromkeys(named))
    if len(ids) > MOST_CHOSEN:
        raise IngestError("bad_parameter", f"At most {MOST_CHOSEN} issues can be chosen one by one.")
    everyone = values.get("all") == "true" and ask.caller.may(ADMIN)
    if ids:
        return Selection(ids=ids, everyone=everyone)
    job, code = values.get("job", ""), values.get("code", "")
    if not (job or code):
        raise IngestError("bad_parameter", "No issue is chosen.")
    return Selection(job=job, code=code, everyone=everyone)


def cells_of(payload: object) -> dict[str, object] | None:
    """What a row holds, without the box's own members; None when it is no object."""
    if isinstance(payload, msgspec.Raw):
        payload = msgspec.json.decode(payload)
    if not isinstance(payload, dict):
        return None
    return {name: value for name, value in payload.items() if not name.startswith("_")}
