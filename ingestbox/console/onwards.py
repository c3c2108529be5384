"""From one issue to the next of its kind, as the file has them."""

from __future__ import annotations

from ingestbox.console import case
from ingestbox.console.parts import Parts
from ingestbox.web.binding import Request
from ingestbox.web.v1 import lists
from ingestbox.web.v1.issuegroups import IssueGroups
from ingestbox.web.v1.issues import IssueBody, IssuePage


class Onwards:
    """What is left of a job's issues with one code."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def following(self, ask: Request, issue: IssueBody) -> str | None:
        """The id of the open issue after this one; after the last the first again. None: there is no
        other."""
        for cursor in (lists.cursor(issue.id), None):
            query = {
                "job": issue.job,
                "code": issue.code,
                "state": "open",
                "order": "oldest",
                "limit": "1",
                "cursor": cursor,
                **case.scope(ask),
            }
            found = await self._parts.inside.get(ask, "/v1/issues", IssuePage, query)
            if found.issues and found.issues[0].id != issue.id:
                return found.issues[0].id
        return None

    async def left(self, ask: Request, issue: IssueBody) -> int:
        """How many of its kind are open, itself too."""
        query = {"job": issue.job, "code": issue.code, **case.scope(ask)}
        found = await self._parts.inside.get(ask, "/v1/issues/groups", IssueGroups, query)
        return sum(group.open for group in found.groups)
