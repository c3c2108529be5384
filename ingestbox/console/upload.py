"""`/console/upload`: files of rows, shown as they would be read, and taken.

With scripts a line for each file shows its preview, made of the file's beginning, and sends the file once it
is to be taken. Without them the same form either shows the preview or takes the file, which has to be chosen
again in between: a browser forgets it, and a copy that waits on the disk for its sender to come back would be
one more thing to count, to time out, and to find after a crash.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ingestbox import samples
from ingestbox.amounts import size
from ingestbox.console.inside import body_of
from ingestbox.console.pages import is_htmx
from ingestbox.console.parts import Parts
from ingestbox.console.show import segment
from ingestbox.console.uploadkinds import MAPPED_COLUMNS, Kind, Was, kinds, query_of
from ingestbox.errors import IngestError, TooLargeError
from ingestbox.families.preview import PreviewAnswer
from ingestbox.model import Caller, Role
from ingestbox.route import Reply
from ingestbox.sheet import Upload
from ingestbox.store.shelf import EXTENSIONS
from ingestbox.view import Grid, View
from ingestbox.web.binding import BoundRoute, Failed, Request, bytes_of
from ingestbox.web.v1.jobs import JobBody

PREVIEW_BYTES = 1_048_576
"""So much of a file's beginning is sent for its preview; smaller ones, and workbooks, are sent whole."""

BOOK_BYTES = 16 * 1_048_576
"""A workbook over this is not sent only to be looked at."""

ENCODINGS = (
    *("utf-8", "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258"),
    *("iso8859-1", "iso8859-15", "mac-roman", "utf-16", "shift_jis", "gb18030", "big5", "euc_kr"),
)
"""What a person can say that a file is in, beside what it may be by its letters."""

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe", " ": "space", "": "none"}
"""Their names in the form."""


class Taken(msgspec.Struct, frozen=True):
    """What a family answers to a file that it has taken (`sheet.UploadView`)."""

    job_id: int | str
    public_id: str = ""

    @property
    def id(self) -> str:
        """The job's id in `/v1`."""
        return self.public_id or str(self.job_id)


class Beginning(msgspec.Struct, frozen=True):
    """The beginning of a file that was sent for a preview: its bytes, and those of the whole."""

    size: int
    whole: int

    def rows(self, shown: int) -> int:
        """About how many rows the whole has, to two digits, when its beginning has so many."""
        return int(float(f"{shown * self.whole / max(1, self.size):.1e}"))


class Uploading:
    """The pages of uploads."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._kinds = kinds(parts.families.values())

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        page = self._parts.page
        roles = [kind.roles for kind in self._kinds.values()]
        everyone = frozenset().union(*roles) if all(roles) else frozenset[Role]()  # no role: any will do
        made = [
            page("GET", "/upload", self.page, *everyone),
            page("GET", "/upload/next/{id}", self.next),
            page("GET", "/upload/sample/{family}", self.sample),
        ]
        for name, kind in self._kinds.items():
            take, look, cap = f"/upload/{name}", f"/upload/{name}/preview", kind.limit
            made += [
                page("GET", take, self.back, *everyone),
                page("GET", look, self.back, *everyone),
                page("POST", take, self.take, *kind.roles, body_limit=cap, upload=True, takes_records=True),
                page("POST", look, self.preview, *kind.roles, body_limit=cap, upload=True),
            ]
        return tuple(
            msgspec.structs.replace(each, error_page=self._refused) if each.route.upload else each
            for each in made
        )

    async def page(self, ask: Request) -> Reply:
        """GET /console/upload?as=: what to choose a file in."""
        mine = self._mine(ask.caller)
        chosen = ask.query.get("as")
        kind = next((each for each in mine if each.family == chosen), mine[0])
        return self._page(ask, kind)

    async def back(self, ask: Request) -> Reply:
        """GET of an address that takes files: to the page with the form."""
        return self._parts.pages.redirect(ask, "/console/upload", **{"as": self._kind(ask).family})

    async def preview(self, ask: Request) -> Reply:
        """POST /console/upload/{family}/preview: how the file would be read; a piece of a page for htmx."""
        kind, (file, fields) = self._kind(ask), _file(ask)
        try:
            query = query_of(kind, fields)
            query.pop("baseline", None)  # a preview does not look at what is there already
            reply = await self._parts.inside.call(ask, "POST", kind.view.preview, query=query, file=file)
        except IngestError as error:
            if is_htmx(ask.headers):
                raise
            return self._page(ask, kind, fields, error=error)
        values = _shown(body_of(reply, PreviewAnswer), fields, file.size, said=query.get("mapping"))
        if is_htmx(ask.headers):
            return self._parts.pages.reply(ask, "upload/preview.html", kind=kind, **values)
        return self._page(ask, kind, fields, **values)

    async def take(self, ask: Request) -> Reply:
        """POST /console/upload/{family}: the file becomes a job."""
        kind, (file, fields) = self._kind(ask), _file(ask)
        # The same form sent twice, by a double click or after a cut, is one; another file in it is another.
        once = {"idempotency-key": file.content.hex()} if fields.get("once") else {}
        try:
            query = query_of(kind, fields)
            reply = await self._parts.inside.call(
                ask, "POST", kind.view.upload, query=query, headers=once, file=file
            )
        except IngestError as error:
            if is_htmx(ask.headers):
                raise
            return self._page(ask, kind, fields, error=error)
        taken = body_of(reply, Taken)
        if not is_htmx(ask.headers):
            return self._parts.pages.redirect(ask, f"/console/jobs/{segment(taken.id)}")
        return await self._next(ask, taken.id, "upload/taken.html")

    async def next(self, ask: Request) -> Reply:
        """GET /console/upload/next/{id}: where to go on from an upload; a piece of a page."""
        return await self._next(ask, ask.path["id"], "upload/next.html")

    async def sample(self, ask: Request) -> Reply:
        """GET /console/upload/sample/{family}: a file to try it with."""
        found = samples.table(ask.path["family"])
        if found is None:
            raise IngestError("not_found")
        name, content = found
        disposition = f'attachment; filename="{name}"'
        return Reply(
            content,
            headers=(("Content-Type", "text/csv; charset=utf-8"), ("Content-Disposition", disposition)),
        )

    async def _next(self, ask: Request, job_id: str, template: str) -> Reply:
        job = await self._parts.inside.get(ask, "/v1/jobs/{id}", JobBody, params={"id": job_id})
        family = self._parts.families.get(job.family)
        shown: list[View | Grid] = []
        if family is not None:
            shown = [*family.views, *(each for each in family.grids if each.job == each.key)]
        views = [view for view in shown if ask.caller.may(view.roles)]
        return self._parts.pages.reply(ask, template, job=job, everyone=None, views=views)

    def _page(
        self,
        ask: Request,
        kind: Kind,
        given: Mapping[str, str] | None = None,
        *,
        error: IngestError | None = None,
        **shown: Any,
    ) -> Reply:
        return self._parts.pages.reply(
            ask,
            "upload/page.html",
            status=200 if error is None else error.status,
            kinds=self._mine(ask.caller),
            kind=kind,
            limit=bytes_of(kind.limit, ask.limits),
            extensions=[f".{each}" for each in EXTENSIONS],
            preview_bytes=PREVIEW_BYTES,
            book_bytes=BOOK_BYTES,
            given=given or {},
            error=None if error is None else self._worded(error),
            **{"preview": None, **shown},
        )

    def _refused(self, error: IngestError, failed: Failed) -> Reply:
        """An error that nobody was asked about: the door's, or one for a script."""
        return self._parts.pages.error(self._worded(error), failed)

    def _worded(self, error: IngestError) -> IngestError:
        """An error as it is said to who has just chosen a file, with what to do about it."""
        words = self._parts.pages.texts["upload"]
        detail = error.detail
        if isinstance(error, TooLargeError):
            detail = words.too_large(limit=size(error.limit))
        worded = IngestError(
            error.code, detail, faults=error.faults, retry_after=error.retry_after, status=error.status
        )
        worded.remedy = words.remedy.of(error.code, error.remedy)
        if worded.faults and worded.faults[0].message in detail:
            worded.faults = ()
        return worded

    def _mine(self, caller: Caller) -> list[Kind]:
        return [kind for kind in self._kinds.values() if caller.may(kind.roles)]

    def _kind(self, ask: Request) -> Kind:
        return self._kinds[ask.route_path.split("/")[3]]


def _file(ask: Request) -> tuple[Upload, Mapping[str, str]]:
    """The file of a form, and the fields beside it, which are not the family's: it is told what they mean."""
    file = ask.file
    if file is None:  # the routes take files
        raise IngestError("internal")
    fields, file.fields = file.fields, {}
    return file, fields


def _shown(found: PreviewAnswer, fields: Mapping[str, str], sent: int, *, said: str | None) -> dict[str, Any]:
    """What a preview is made of: what was found in so many bytes, and what the form had said."""
    places = {place: each.field for place, each in enumerate(found.mapping) if each.field is not None}
    encoding, delimiter = fields.get("encoding", ""), fields.get("delimiter", "")
    # What was found out anew is said as well: otherwise what is remembered would come back with the import.
    was = Was(len(found.mapping), places, said is not None, encoding, delimiter)
    return {
        "preview": found,
        "by_you": said is not None and "anew" not in fields,
        "encoding": encoding,
        "encodings": list(dict.fromkeys((found.encoding, *found.encodings, *ENCODINGS))),
        "delimiter": delimiter,
        "delimiters": list(dict.fromkeys((*DELIMITERS.values(), _name_of(found.delimiter)))),
        "found_delimiter": _name_of(found.delimiter),
        "beginning": _beginning(fields, sent),
        "was": msgspec.json.encode(was).decode(),
        "most_columns": MAPPED_COLUMNS,
    }


def _name_of(delimiter: str) -> str:
    return DELIMITERS.get(delimiter, delimiter)


def _beginning(fields: Mapping[str, str], sent: int) -> Beginning | None:
    """What was left out, if only a part of the file was sent."""
    whole = fields.get("whole_bytes", "")
    if not (whole.isascii() and whole.isdigit() and len(whole) < 16) or int(whole) <= sent:
        return None
    return Beginning(sent, int(whole))
