"""`/console/issues/{id}`: one thing that waits for a person, with the form that its kind needs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from ingestbox.console import case, repairing
from ingestbox.console.case import Case, Cases
from ingestbox.console.forms import form
from ingestbox.console.nav import READERS
from ingestbox.console.onwards import Onwards
from ingestbox.console.pages import is_htmx
from ingestbox.console.parts import Parts
from ingestbox.console.repairing import Typed, same
from ingestbox.console.sights import became
from ingestbox.errors import Fault, IngestError
from ingestbox.route import Reply
from ingestbox.web.binding import BoundRoute, Request
from ingestbox.web.v1.issues import IssueBody
from ingestbox.web.v1.resolving import COMMENT_LENGTH

CHANGED = frozenset({"precondition_failed", "issue_resolved", "record_not_waiting", "record_changed"})
"""Why somebody else was first."""

TOLD = CHANGED | {
    *("validation_failed", "malformed_json", "payload_too_large", "damaged", "rule_not_applicable"),
    *("issue_not_held", "job_active", "job_not_waiting", "job_cancelled", "job_ended"),
    *("issue_not_existing", "rows_undecided", "nothing_to_update"),
    *("superseded", "turn_taken", "key_taken", "lane_off", "reason_required", "duplicate_content"),
}
"""What the page itself tells, with all that was typed."""


class IssuePlace:
    """The page of an issue, and what is decided there."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._cases = Cases(parts)
        self._onwards = Onwards(parts)

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        page = self._parts.page
        return (
            page("GET", "/issues/{id}", self.show, *READERS),
            page("POST", "/issues/{id}", self.decide, *READERS, body_limit="feedback_json_mb"),
        )

    async def show(self, ask: Request) -> Reply:
        """GET /console/issues/{id}."""
        return await self._page(ask, await self._cases.of(ask, ask.path["id"], row=ask.query.get("row")))

    async def decide(self, ask: Request) -> Reply:
        """POST /console/issues/{id}: does it, and goes on to the next; or the page again, with the reason."""
        # A record may be large, and to take 15 MB of a form apart takes seconds: others have their turns.
        given = await asyncio.to_thread(form, ask.body)
        typed = repairing.typed(given)
        if given.get("do") == "use":
            typed = [
                msgspec.structs.replace(each, value=given.get("use", ""))
                if each.name == given.get("field")
                else each
                for each in typed
            ]
        try:
            done = await self._done(ask, given, typed)
        except IngestError as error:
            if error.code not in TOLD:
                raise
            return await self._again(ask, given, typed, error)
        if done.state == "open" and given["do"] in ("save", "use"):
            return await self._same(ask, done.id, given)
        return await self._next(ask, done, given)

    async def _done(self, ask: Request, given: Mapping[str, str], typed: list[Typed]) -> IssueBody:
        """What was asked for, done through the API, with If-Match from the page; the issue as it is then."""
        issue, scope = ask.path["id"], case.scope(ask)
        do, etag, row = given.get("do", ""), given.get("etag"), given.get("row", "")
        if not etag:
            raise IngestError("bad_parameter", "The form is not one of this page.")
        comment = given.get("comment", "").strip()[:COMMENT_LENGTH]
        body: dict[str, object] = {"comment": comment} if comment else {}
        if do in ("save", "use"):
            patch = repairing.patch_of(typed)
            etag = given.get("retag") or etag
            if given.get("settled"):  # resolved by somebody else already: the row itself can be changed still
                await self._call(ask, "PATCH", "/v1/records/{id}", row, patch, etag, scope)
                return await self._parts.inside.get(
                    ask, "/v1/issues/{id}", IssueBody, scope, params={"id": issue}
                )
            texts = self._parts.pages.texts["issues"]
            if not patch and given.get("kind") in ("choose", "existing"):
                raise IngestError("validation_failed", str(texts.unchanged))
            if not patch and given.get("kind") == "refused":
                raise IngestError("validation_failed", str(texts.refusal.unchanged))
            body |= {"action": "edit", "patch": patch, "record": row}
        elif do == "keep":
            body |= {"action": "keep", "record": row}
        elif do == "complete":
            return await self._most_complete(ask, issue, etag, scope)
        elif do in ("discard", "retry", "accept", "update"):
            body |= {"action": do}
        else:
            raise IngestError("bad_parameter", "The form is not one of this page.")
        reply = await self._call(ask, "POST", "/v1/issues/{id}/resolve", issue, body, etag, scope)
        assert isinstance(reply.body, IssueBody)  # what the route says it gives
        return reply.body

    async def _most_complete(self, ask: Request, issue: str, etag: str, scope: dict[str, str]) -> IssueBody:
        """Of rows that repeat each other the most complete one is kept."""
        now, seen = await self._cases.issue(ask, issue)
        if seen != etag:
            raise IngestError("issue_resolved" if now.state == "resolved" else "precondition_failed")
        body = {"ids": [now.id], "rule": {"keep": "most_complete"}}
        reply = await self._parts.inside.call(ask, "POST", "/v1/issues/bulk", query=scope, body=body)
        told = msgspec.to_builtins(reply.body)["outcomes"][0]["outcome"]
        if told not in ("resolved", "changed", "unchanged", "in_part"):
            raise IngestError(told if told in TOLD else "record_changed")
        return (await self._cases.issue(ask, issue))[0]

    async def _call(
        self, ask: Request, method: str, route: str, name: str, body: object, etag: str, scope: dict[str, str]
    ) -> Reply:
        headers = {"if-match": etag, "content-type": "application/json"}
        return await self._parts.inside.call(
            ask, method, route, params={"id": name}, query=scope, body=body, headers=headers
        )

    async def _next(self, ask: Request, done: IssueBody, given: Mapping[str, str]) -> Reply:
        """On to the next one of its kind, or, at their end, back to what is left of the job."""
        did = case.did(given, done)
        following = await self._onwards.following(ask, done)
        scope = case.scope(ask)
        if following is None:
            query = {"job": done.job, **did, **scope}
            return self._parts.pages.redirect(ask, "/console/issues", **query)
        path = f"/console/issues/{following}"
        if not is_htmx(ask.headers):
            return self._parts.pages.redirect(ask, path, **did, **scope)
        found = await self._cases.of(ask, following)
        return await self._page(ask, found, did=did, headers=self._address(ask, path, scope))

    async def _same(self, ask: Request, issue: str, given: Mapping[str, str]) -> Reply:
        """The same issue: something of it is left."""
        did, scope = {"did": "saved", "row_done": given.get("at", "")}, case.scope(ask)
        path = f"/console/issues/{issue}"
        if not is_htmx(ask.headers):
            return self._parts.pages.redirect(ask, path, **did, **scope)
        found = await self._cases.of(ask, issue)
        return await self._page(ask, found, did=did, headers=self._address(ask, path, scope))

    def _address(self, ask: Request, path: str, scope: dict[str, str]) -> tuple[tuple[str, str], ...]:
        """What puts an address into the browser's bar that is not the one it asked."""
        more = "?all=true" if scope else ""
        return (("HX-Push-Url", f"{ask.origin.prefix}{path}{more}"),)

    async def _again(
        self, ask: Request, given: Mapping[str, str], typed: list[Typed], error: IngestError
    ) -> Reply:
        """The page as it is by now, with what was typed."""
        found = await self._cases.of(ask, ask.path["id"], row=given.get("row") or None)
        changed = error.code in CHANGED and given.get("do") in ("save", "use")
        if changed and _is_stored(found, typed):
            if found.open:
                return await self._same(ask, found.issue.id, given)
            return await self._next(ask, found.issue, given)
        rest: list[Fault] = list(error.faults)
        if found.fields is not None and found.editable and changed:
            found.fields = repairing.conflicted(found.fields, typed)
            return await self._page(ask, found, status=error.status, error=error, conflict=True)
        if found.fields is not None and found.editable and typed:
            found.fields, rest = repairing.retyped(found.fields, typed, error.faults)
            found.retag = given.get("retag") or found.retag
            return await self._page(ask, found, status=error.status, error=error, faults=rest)
        return await self._page(ask, found, status=error.status, error=error, faults=rest, typed=typed)

    async def _page(
        self,
        ask: Request,
        found: Case,
        *,
        status: int = 200,
        headers: tuple[tuple[str, str], ...] = (),
        did: Mapping[str, str] | None = None,
        error: IngestError | None = None,
        faults: list[Fault] | None = None,
        conflict: bool = False,
        typed: list[Typed] | None = None,
    ) -> Reply:
        given = ask.query if did is None else did
        lines = await self._cases.history(ask, found.issue.id)
        others = (line for line in lines if line.actor != ask.caller.subject)
        deciders = (line for line in lines if line.actor == found.issue.resolved_by)
        values: dict[str, Any] = {
            "case": found,
            "did": given.get("did", ""),
            "row_done": given.get("row_done", ""),
            "left": await self._onwards.left(ask, found.issue),
            "following": await self._onwards.following(ask, found.issue),
            "lines": lines,
            "other": next(others, lines[0] if lines else None),
            "decider": next(deciders, None),
            "error": error,
            "faults": faults or [],
            "conflict": conflict,
            "typed": [each for each in typed or [] if each.changed],
            "scope": case.scope(ask),
            "became": became(self._parts, ask, found.issue.family, found.issue.record)
            if found.issue.held
            else None,
            "comment_length": COMMENT_LENGTH,
        }
        return self._parts.pages.reply(ask, "issues/issue.html", status=status, headers=headers, **values)


def _is_stored(found: Case, typed: list[Typed]) -> bool:
    """Whether the record is by now what was typed: the form came before, and its answer was lost."""
    if found.record is None or found.record.state in ("issue", "discarded"):
        return False
    now = {each.name: each.was for each in found.fields or ()}
    mine = [each for each in typed if each.changed]
    return bool(mine) and all(same(now.get(each.name, "")) == same(each.value) for each in mine)
