"""Bulk uploads of articles: `POST /knowledge-management/content/bulk-upload`, in chunks that are called
`<batch>_chunk_N` and followed until all that was taken of them is processed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
import httpx2
import msgspec

from ingestbox import tabular
from ingestbox.cli.sending.asking import Asker, not_a_box
from ingestbox.cli.sending.service import NO_BOX, Outcome, Taken
from ingestbox.cli.sending.source import BadFileError, Piece
from ingestbox.cli.sending.tally import Articles, Refused, Tally
from ingestbox.errors import IngestError
from ingestbox.families import said as sayings
from ingestbox.families.knowledge.batches import parent_of
from ingestbox.tabular import Given, NotTabular, Unreadable

CHUNK: Final = 50
"""Articles in one upload."""

MOST_CHARACTERS: Final = 150
"""Of a batch's name."""

ITEMS: Final = "items"
SHARED: Final = ("source_id",)
"""What a document with items says of all of them."""

SLICE_ROWS: Final = 200

NEXT: Mapping[int, str] = {
    401: " Get a key where the box is: ingestbox key create --name NAME --role ingest; and give it in "
    "INGESTBOX_TOKEN.",
    403: " Ask for a key with such a role: ingestbox key create --name NAME --role ingest.",
    404: NO_BOX,
}

_OF_METADATA: Final = frozenset({"author", "category", "tags", "medical_specialty", "authority_score"})
"""Columns of files of rows that are members of `metadata`."""

_LISTS: Final = frozenset({"tags", "medical_specialty"})


class _Item(msgspec.Struct):
    """What became of an article."""

    status: str
    content_id: str | None = None
    message: str = "rejected"


class _Taken(msgspec.Struct):
    """The 200 of a bulk upload."""

    batch_id: str
    items: list[_Item]


class _State(msgspec.Struct):
    """How far an article is."""

    content_id: str
    status: str
    error: str = ""
    held: bool = False


class _Status(msgspec.Struct):
    """How far a batch is."""

    items: list[_State]


class Knowledge:
    """See Service."""

    path = "/knowledge-management/content/bulk-upload"
    next = NEXT

    def __init__(self) -> None:
        self._taken: dict[str, list[_Item]] = {}

    def taken(self, content: bytes) -> Taken:
        """See Service."""
        found = msgspec.json.decode(content, type=_Taken)
        self._taken[found.batch_id] = found.items
        outcomes = [Outcome(index, each.status, each.message) for index, each in enumerate(found.items)]
        return Taken(found.batch_id, outcomes)

    async def follow(self, asker: Asker, batch_id: str, places: Sequence[str], tally: Tally) -> None:
        """See Service."""
        items = self._taken[batch_id]
        # Of a batch that was there before, others may be in it too.
        mine = {
            each.content_id: places[index]
            for index, each in enumerate(items)
            if each.content_id is not None and each.status != "rejected"
        }

        def over(response: httpx2.Response) -> list[_State] | None:
            if response.status_code != 200:
                raise click.ClickException(f"Batch {batch_id}: {asker.about(response)}")
            try:
                found = msgspec.json.decode(response.content, type=_Status).items
            except msgspec.DecodeError:
                not_a_box(response)
            found = [each for each in found if each.content_id in mine]
            return found if all(each.status in ("completed", "failed") for each in found) else None

        query = httpx2.QueryParams({"batch_id": batch_id})
        ended = await asker.watch(f"/knowledge-management/content/status?{query}", over) if mine else []
        failed = [each for each in ended if each.status == "failed"]
        tally.issues += [Refused(mine[each.content_id], each.error or "failed") for each in failed]
        low = [Refused(mine[each.content_id], each.error) for each in ended if each.held]
        duplicates = sum(each.status == "duplicate" for each in items)
        counted = Articles(parent_of(batch_id), len(ended) - len(failed), len(failed), low, duplicates)
        tally.articles[counted.batch_id] = counted.added_to(tally.articles.get(counted.batch_id))
        tally.completed += 1


def heading(name: str) -> Callable[[int], bytes]:
    """How the body of each chunk of a batch begins; chunk 0 is the only one."""

    def begin(part: int) -> bytes:
        called = f"{name}_chunk_{part}" if part else name
        return b'{"batch_id":%b,"items":[' % msgspec.json.encode(called)

    return begin


def names(files: Sequence[str], name: str | None) -> Iterator[str]:
    """What the batch of each file is called: `name`, or after the file; no two alike. Raises UsageError."""
    if name is not None and (not name.strip() or len(name) > MOST_CHARACTERS):
        raise click.UsageError(f"--name has 1 to {MOST_CHARACTERS} characters.")
    if name is not None and len(files) > 1:
        raise click.UsageError("--name is for one file; several are named after themselves.")
    used: dict[str, int] = {}
    for file in files:
        called = name or ("stdin" if file == "-" else Path(file).stem[:MOST_CHARACTERS])
        used[called] = used.get(called, 0) + 1
        yield called if used[called] == 1 else f"{called}-{used[called]}"


def rows(name: str, said: Mapping[str, str]) -> Iterator[Piece]:
    """The rows of a file (CSV, workbook) as articles: columns are called as their members are, also those of
    `metadata`; others are kept as they are, and empty cells left out. Raises BadFileError, OSError,
    UsageError."""
    try:
        given = Given(encoding=sayings.encoding(said), delimiter=sayings.delimiter(said))
    except IngestError as error:
        raise click.UsageError(f"--{error.detail}") from None
    path = Path(name)
    with tempfile.TemporaryDirectory(prefix="ingestbox-send-") as folder:
        try:
            found = tabular.survey(path, name=path.name, given=given, copy=Path(folder, "copy"))
        except NotTabular as problem:
            raise BadFileError(problem.sentence.rstrip(".")) from None
        columns = [each.strip() for each in found.format.header]
        if missing := sorted({"source_url", "title", "content"} - set(columns)):
            raise BadFileError(f"it has no column {missing[0]}")
        where = path if found.copy is None else Path(found.copy)
        position, done = found.start, False
        while not done:
            part = tabular.read(where, found.format, position, SLICE_ROWS)
            span = (part.position.offset - position.offset) // max(1, len(part.rows))
            for each in part.rows:
                if isinstance(each, Unreadable):
                    yield Piece(f"line {each.line}", b"", "", span, each.message)
                else:
                    raw = msgspec.json.encode(_article(columns, each.cells))
                    yield Piece(f"line {each.line}", raw, "", span)
            position, done = part.position, part.done


def _article(columns: Sequence[str], cells: Sequence[str]) -> dict[str, Any]:
    article: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    for column, cell in zip(columns, cells, strict=False):
        text = cell.strip()
        member = column.removeprefix("metadata.")
        if not text:
            continue
        if member in _LISTS:
            metadata[member] = [each.strip() for each in text.split(";") if each.strip()]
        elif member == "authority_score":
            metadata[member] = _number(text)
        elif member in _OF_METADATA or member != column:
            metadata[member] = text
        else:
            article[column] = cell
    return {**article, "metadata": metadata} if metadata else article


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text  # which the box says is none
