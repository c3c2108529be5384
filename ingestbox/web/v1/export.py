"""`/v1/export`: everything that the box holds, as NDJSON (role admin)."""

from __future__ import annotations

import datetime
from typing import Annotated, Any

from msgspec import Meta

from ingestbox.errors import IngestError
from ingestbox.model import EVERYWHERE, Role
from ingestbox.route import Answer, Parameter, Reply, Route
from ingestbox.spreadsheet import disposition
from ingestbox.store import exporting
from ingestbox.store.exporting import KINDS, Wanted
from ingestbox.web.binding import Request
from ingestbox.web.v1.parts import Parts

ADMIN = frozenset({Role.ADMIN})
NDJSON = "application/x-ndjson"

_Kinds: Any = Annotated[str, Meta(pattern=f"^({'|'.join(KINDS)})(,({'|'.join(KINDS)}))*$")]

ABOUT = """
A line is a JSON object with `kind`. First comes `box` (which box, `format` 1, the schema's number), then,
each in the order of its keys: `user`, `key`, `rule`, `lane`, `sender` (a box that sends here), `job`;
`record` (`payload` as it was sent, line breaks between its parts apart; `payload_base64` where that is no
JSON); `object` (`family`, and in `object` what it is; `result`; its `record`, or `sent` of one that another
box has); `issue`, `issue_record`, `operation` (about many issues); `mapping`, `upload`, `source`, `batch`,
`content`, `member` of the families; `tombstone` (what was deleted), `refusal` (what an upstream refused),
`audit`, `erasure`; `delivery` (`line`, and its state in each of `lanes`). The last line is
`{"kind": "end", "lines": n, …}` with the number of lines before it: without it the export was cut off.

What does not match its checksum has `damaged: true`, and null for its content. Nothing secret is in it: no
passwords, keys, tokens. What follows from the rest (vectors, words, tallies) is left out, and so are uploaded
files: a backup has those. The box goes on meanwhile; what comes in after the export has passed its place is
not in it.

Who operates the box gets all workspaces, or one of them; who administers another workspace gets that one.
What is the box's own (`lane`, `refusal`, `sender`) comes only with all of them.
"""


class Export:
    """Everything."""

    def __init__(self, parts: Parts) -> None:
        self._store = parts.store
        self._families = {name: family.kinds for name, family in parts.families.items()}

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "GET",
                "/v1/export",
                self.export,
                "Everything that the box holds, as NDJSON",
                ADMIN,
                description=ABOUT.strip(),
                parameters=(
                    Parameter("workspace", "Of this one alone."),
                    Parameter("kind", "Of these alone, separated by commas.", _Kinds),
                ),
                answers=(
                    Answer(
                        None,
                        description="The lines.",
                        media_type=NDJSON,
                        headers={"Content-Disposition": "The file's name (RFC 6266)."},
                    ),
                ),
                errors=("bad_parameter",),
            ),
        )

    async def export(self, ask: Request) -> Reply:
        """GET /v1/export."""
        wanted = Wanted(_workspace(ask), kinds_of(ask.query.get("kind")))
        now = datetime.datetime.fromtimestamp(self._store.clock.now_ms() / 1000, datetime.UTC)
        name = f"ingestbox-{self._store.identity.box}-{now:%Y%m%dT%H%M%SZ}.ndjson"
        headers = (("Content-Type", NDJSON), ("Content-Disposition", disposition(name)))
        return Reply(exporting.lines(self._store, self._families, wanted), headers=headers)


def _workspace(ask: Request) -> str | None:
    """Whose lines; None for everyone's. Raises IngestError `forbidden`."""
    given = ask.query.get("workspace")
    if given == "":
        raise IngestError("bad_parameter", "workspace must name one.")
    if ask.caller.operates:
        return None if given == EVERYWHERE else given
    if given not in (None, ask.caller.workspace):
        raise IngestError("forbidden", "You administer your own workspace alone.")
    return ask.caller.workspace


def kinds_of(given: str | None) -> frozenset[str]:
    """The kinds that are asked for, none for all. Raises IngestError `bad_parameter`."""
    wanted = frozenset(given.split(",")) if given is not None else frozenset()
    if not wanted <= frozenset(KINDS):
        raise IngestError("bad_parameter", f"kind must be one or more of {', '.join(KINDS)}.")
    return wanted
