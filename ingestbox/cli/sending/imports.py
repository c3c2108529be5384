"""Imports of contacts: files whose rows wait for each other, sent one by one and followed to their end, or to
where a person has to decide."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import click
import httpx2
import msgspec

from ingestbox.cli.output import cell
from ingestbox.cli.reach import complaint
from ingestbox.cli.sending.asking import Asker, code_of, not_a_box
from ingestbox.cli.sending.files import Column, FileInfo, Form, Notice, UploadTaken, assumed, post
from ingestbox.cli.sending.progress import Progress
from ingestbox.cli.sending.service import NO_BOX
from ingestbox.cli.sending.tally import Refused

T = TypeVar("T")

PATH = "/jobs/upload"
SHOWN = 5
"""Issues that are shown of a file; the rest is counted."""

SHOWN_ROWS = 3
"""Rows that are shown of an issue."""

REFUSED = frozenset({400, 409, 413, 415, 422})
"""The fault is the file's own; other files may be good."""

NEXT = {
    401: " Get a token where the box is: ingestbox token create --user YOU --role uploader --role editor; "
    "and give it in INGESTBOX_TOKEN.",
    403: " Ask for a token with the role uploader.",
    404: NO_BOX,
}
"""What to do about a refusal that is not about the file."""

HINTS = {
    "already_imported": " To import it again, cancel or undo that import first; its job is in the list of: "
    "ingestbox jobs --family contacts.",
    "payload_too_large": " Split the file, or raise limits.contacts_mb where the box is.",
    "missing_headers": " Say which column is what: --mapping email=COLUMN.",
}
"""What to do about a refusal of a file, by its code."""

ENDED = frozenset({"review", "completed", "failed", "cancelled"})


class _Taken(msgspec.Struct):
    """The 201 of an upload."""

    job_id: int
    public_id: str
    filename: str
    total_rows: int
    encoding: str
    encoding_confidence: float
    delimiter: str
    mapping: list[Column]
    warnings: list[Notice] = []


class _Counts(msgspec.Struct):
    finished: int
    issue: int
    discarded: int


class _Staging(msgspec.Struct):
    open_issues: int


class _Job(msgspec.Struct):
    """A job, as far as waiting for it goes."""

    state: str
    total: int
    counts: _Counts
    staging: _Staging
    error: str | None = None


class AffectedRow(msgspec.Struct):
    """A row that an issue is about."""

    staging_id: int
    row_number: int


class Issue(msgspec.Struct):
    """What stands in the way of an import."""

    issue_id: int
    issue_type: str
    issue_description: str
    issue_resolved: bool
    affected_rows: list[AffectedRow]
    affected_total: int


class _Issues(msgspec.Struct):
    issues: list[Issue]
    next_cursor: str | None = None


class Import(msgspec.Struct):
    """A file that was taken, and what has become of it. `state` is empty unless it was waited for; `waiting`
    are the rows that wait for a person, `open_issues` the issues that they are grouped in."""

    file: str
    job_id: int
    id: str
    rows: int
    repeated: bool
    state: str = ""
    finished: int = 0
    discarded: int = 0
    waiting: int = 0
    open_issues: int = 0
    issues: list[Issue] = []
    error: str | None = None


@dataclass(slots=True)
class Imports:
    """What a call has come to, and what it says at the end; `sender` is who may go on with what waits."""

    sender: str = "the user who sent it"
    taken: list[Import] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every file was taken, and none that was waited for needs a person."""
        return not self.refused and all(each.state in ("", "completed") for each in self.taken)

    def report(self, seconds: float, url: str) -> dict[str, object]:
        """The summary as `--json` prints it; `state` is null unless it was waited for."""
        return {
            "ok": self.ok,
            "url": url,
            "seconds": round(seconds, 3),
            "files": [{**msgspec.to_builtins(each), "state": each.state or None} for each in self.taken],
            "refused_files": [{"place": each.place, "message": each.message} for each in self.refused],
        }

    def lines(self, url: str) -> Iterator[tuple[str, bool]]:
        """The summary for people, line by line, and whether it is about a file that was not taken."""
        for refused in self.refused:
            yield f"Refused file: {refused.place}: {refused.message}", True
        for each in self.taken:
            yield from ((line, False) for line in _told(each, url, self.sender))


class Importer:
    """Sends files of contacts to one box."""

    def __init__(self, asker: Asker, progress: Progress, imports: Imports) -> None:
        self._asker = asker
        self._progress = progress
        self._imports = imports

    async def send(self, form: Form) -> None:
        """Uploads one file. What the box refuses of it is noted. Raises ClickException."""
        response = await post(self._asker, self._progress, PATH, form)
        if response.status_code in REFUSED:
            hint = HINTS.get(code_of(response), "")
            self._imports.refused.append(Refused(str(form.path), complaint(response) + hint))
            return
        if response.status_code != 201:
            raise click.ClickException(f"{self._asker.about(response)}{NEXT.get(response.status_code, '')}")
        taken = _decoded(response, _Taken)
        self._progress.note(assumed(_as_upload(taken)))
        self._progress.sent(0, taken.total_rows)
        repeated = response.headers.get("Idempotency-Replayed") == "true"
        self._imports.taken.append(
            Import(str(form.path), taken.job_id, taken.public_id, taken.total_rows, repeated)
        )

    async def wait(self) -> None:
        """Returns once every import is at its end, or waits for a person."""
        every = self._imports.taken
        for done, each in enumerate(every):
            self._progress.waiting(done, len(every))
            job = await self._asker.watch(f"/v1/jobs/{each.id}", self._over)
            each.state, each.error = job.state, job.error
            each.finished, each.discarded = job.counts.finished, job.counts.discarded
            each.waiting, each.open_issues = job.counts.issue, job.staging.open_issues
            if each.open_issues:
                each.issues = [issue async for issue in self._open(each.job_id)]
        self._progress.waiting(len(every), len(every))

    def _over(self, response: httpx2.Response) -> _Job | None:
        if response.status_code != 200:
            raise click.ClickException(self._asker.about(response))
        job = _decoded(response, _Job)
        return job if job.state in ENDED else None

    async def _open(self, job_id: int) -> AsyncIterator[Issue]:
        """The newest open issues of a job, as many as are shown."""
        left, cursor = SHOWN, ""
        while left:
            response = await self._asker.ask("GET", f"/issues/job/{job_id}?limit=50{cursor}")
            if response.status_code != 200:
                raise click.ClickException(self._asker.about(response))
            page = _decoded(response, _Issues)
            for issue in page.issues:
                if left and not issue.issue_resolved:
                    yield issue
                    left -= 1
            if page.next_cursor is None:
                return
            cursor = f"&cursor={page.next_cursor}"


def _told(each: Import, url: str, sender: str) -> Iterator[str]:
    """What has become of one file, and what to do about it."""
    name, earlier = cell(each.file), ", from an earlier call" if each.repeated else ""
    rows = _count(each.rows, "row")
    if not each.state:
        yield f"{name}: {rows}, taken as job {each.job_id}{earlier}. See: ingestbox jobs {each.id}"
    elif each.state == "completed":
        given_up = f", {_count(each.discarded, 'row')} given up" if each.discarded else ""
        yield f"{name}: {rows}: {_count(each.finished, 'contact')} made or updated{given_up}{earlier}."
    elif each.state == "review":
        yield (
            f"{name}: needs review: {_count(each.open_issues, 'issue')} "
            f"in {each.waiting:,} of {rows}{earlier}. No row is a contact before all are settled."
        )
        yield from _listed(each.issues)
        more = each.open_issues - len(each.issues)
        if more > 0:
            yield f"  and {more:,} more: GET {url}/issues/job/{each.job_id}"
        yield from _next(each, url, sender)
    else:
        yield f"{name}: {each.state}: {(each.error or 'see its job').rstrip('.')}. ingestbox jobs {each.id}"


def _listed(issues: Sequence[Issue]) -> Iterator[str]:
    """The issues in the order of the file, each with where its rows are corrected."""
    shown = [
        (f"issue {each.issue_id}", each.issue_type, _rows(each), cell(each.issue_description), _places(each))
        for each in sorted(issues, key=lambda each: each.affected_rows[0].row_number)
    ]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for line in shown:
        yield "  " + "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()


def _rows(issue: Issue) -> str:
    shown = issue.affected_rows[:SHOWN_ROWS]
    more = issue.affected_total - len(shown)
    told = ", ".join(f"{row.row_number:,}" for row in shown) + (f" and {more:,} more" if more else "")
    return f"{'row' if issue.affected_total == 1 else 'rows'} {told}"


def _places(issue: Issue) -> str:
    return " ".join(f"/staging/{row.staging_id}" for row in issue.affected_rows[:SHOWN_ROWS])


def _next(each: Import, url: str, sender: str) -> Iterator[str]:
    """How a person goes on from here."""
    yield f"  What to do next, as {sender}, with the role editor:"
    calls = [
        ("correct a row", "PUT", "/staging/ID", '{"staging_company": "…", "staging_status": "READY"}'),
        ("give a row up", "PUT", "/staging/ID", '{"staging_status": "DISCARD"}'),
        ("update the contact", "PUT", "/issues/ID", '{"resolution": "update_existing"}'),
        ("check all again", "POST", f"/jobs/{each.job_id}/reprocess", ""),
        ("have them as a file", "GET", f"/jobs/{each.job_id}/errors.csv", ""),
        ("give it all up", "DELETE", f"/jobs/{each.job_id}", ""),
    ]
    exists = any(issue.issue_type == "EXISTING_EMAIL" for issue in each.issues)
    for what, method, path, body in calls:
        if exists or not path.startswith("/issues"):
            yield f"    {what:<20} {method:<6} {url}{path} {body}".rstrip()


def _as_upload(taken: _Taken) -> UploadTaken:
    info = FileInfo(
        taken.filename,
        taken.total_rows,
        0,
        taken.encoding,
        taken.encoding_confidence,
        taken.delimiter,
        taken.mapping,
    )
    return UploadTaken(taken.public_id, info, taken.warnings)


def _decoded(response: httpx2.Response, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(response.content, type=type_)
    except msgspec.DecodeError:
        not_a_box(response)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
