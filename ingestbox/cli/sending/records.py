"""`send` for families that take records in batches: from files to batches, to a box, and followed there."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import click

from ingestbox.cli.output import print_json
from ingestbox.cli.sending.batches import Batch, Batches, bare
from ingestbox.cli.sending.feed import feed
from ingestbox.cli.sending.files import form_of, is_table
from ingestbox.cli.sending.progress import progress_of
from ingestbox.cli.sending.sender import FEEDBACK, Sender
from ingestbox.cli.sending.service import Service
from ingestbox.cli.sending.source import BadFileError, Piece, pieces
from ingestbox.cli.sending.tally import Refused, Tally
from ingestbox.cli.sending.target import Target
from ingestbox.model import Role

STDIN = "-"
MIB = 1_048_576

Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for: see the options of `send`. `salt` makes every key new; `said` is what is known of
    files of rows."""

    files: Sequence[str]
    at: Target
    said: Mapping[str, str]
    salt: str
    most: int | None
    in_flight: int | None
    patience: float
    partial: bool
    compress: bool
    wait: bool


class Feedback:
    """Batches of records; files of rows go as they are."""

    service: Service = FEEDBACK
    in_flight = 4

    def __init__(self, order: Order) -> None:
        self._order = order
        self.tally = Tally()
        limits = order.at.settings.limits
        self._batches = Batches(
            most_records=order.most or limits.feedback_records,
            most_bytes=limits.feedback_json_mb * MIB,
            salt=order.salt,
        )

    def cut(self, _: Note) -> Iterator[Batch]:
        """Batches of every file in turn. Raises ClickException for a file without records."""
        for name in self._order.files:
            if not is_table(name):
                found = partial(_read, name)
                yield from cut(name, found, self.tally, partial(self._batches.cut, heading=bare))

    async def rest(self, sender: Sender) -> None:
        """Sends the files that no batches are made of. Raises ClickException."""
        order = self._order
        for name in filter(is_table, order.files):
            await sender.send_file(await asyncio.to_thread(form_of, name, order.salt, order.said))


class Audience:
    """Uploads with a name: one of each file, or several of one that is beyond the limits of an upload."""

    in_flight = 1

    def __init__(self, order: Order, name: str | None) -> None:
        from ingestbox.cli.sending import audience

        audience.check(order.files, name)
        self.service: Service = audience.Audience()
        self._order = order
        self._name = name
        self._heading = audience.heading
        self._rows: Callable[[str, Note], Iterable[Piece]] = lambda name, note: ()
        if any(map(is_table, order.files)):
            from ingestbox.cli.sending import rows

            self._rows = partial(rows.pieces, known=rows.Known.of(order.said))
        self.tally = Tally(noun="upload")
        limits = order.at.settings.limits
        self._batches = Batches(
            most_records=order.most or limits.audience_records,
            most_bytes=limits.audience_mb * MIB,
            salt=order.salt,
        )

    def cut(self, note: Note) -> Iterator[Batch]:
        """As Feedback's, of files of rows too."""
        for name in self._order.files:
            heading = self._heading(self._name or (called(name) if name == STDIN else Path(name).name))
            found = partial(self._rows, name, note) if is_table(name) else partial(_read, name)
            yield from cut(name, found, self.tally, partial(self._batches.cut, heading=heading))

    async def rest(self, _: Sender) -> None:
        """Nothing is left."""


class Knowledge:
    """Batches of articles, one of each file, in chunks."""

    in_flight = 1

    def __init__(self, order: Order, name: str | None) -> None:
        from ingestbox.cli.sending import knowledge

        self.service: Service = knowledge.Knowledge()
        self._order = order
        self._names = list(knowledge.names(order.files, name))
        self._heading = knowledge.heading
        self._rows = knowledge.rows
        self._read = partial(_read, member=knowledge.ITEMS, shared=knowledge.SHARED)
        self.tally = Tally(noun="upload")
        limits = order.at.settings.limits
        self._batches = Batches(
            most_records=order.most or knowledge.CHUNK,
            most_bytes=limits.knowledge_bulk_mb * MIB,
            salt=order.salt,
        )

    def cut(self, _: Note) -> Iterator[Batch]:
        """As Audience's."""
        for file, name in zip(self._order.files, self._names, strict=True):
            rows = partial(self._rows, file, self._order.said)
            found = rows if is_table(file) else partial(self._read, file)
            heading = self._heading(name)
            yield from cut(file, found, self.tally, partial(self._batches.cut, heading=heading))

    async def rest(self, _: Sender) -> None:
        """Nothing is left."""


def send(order: Order, kind: Feedback | Audience | Knowledge, *, as_json: bool) -> int:
    """Sends the files, and says what has become of them; the exit code. Raises ClickException."""
    tally = kind.tally

    async def go() -> tuple[float, str]:
        loop = asyncio.get_running_loop()
        async with await order.at.client(Role.INGEST) as client:
            with progress_of(order.files) as progress:
                started = loop.time()
                sender = Sender(
                    client,
                    tally,
                    progress,
                    in_flight=order.in_flight or kind.in_flight,
                    patience=order.patience,
                    partial=order.partial,
                    compress=order.compress,
                    service=kind.service,
                )

                def note(sentence: str) -> None:  # from the thread that reads
                    loop.call_soon_threadsafe(progress.note, sentence)

                await sender.send(feed(kind.cut(note)))
                await kind.rest(sender)
                seconds = loop.time() - started
                if order.wait:
                    await sender.wait()
            return seconds, str(client.base_url)

    taken = "{:,} records in {:,} {}s were taken"
    try:
        seconds, address = asyncio.run(go())
    except KeyboardInterrupt:
        told = taken.format(tally.taken, len(tally.jobs), tally.noun)
        click.echo(f"Interrupted: {told}. Run the same command again to go on.", err=True)
        raise click.Abort from None
    except click.ClickException:
        if tally.jobs:
            told = taken.format(tally.taken, len(tally.jobs), tally.noun)
            click.echo(f"{told} before this.", err=True)
        raise
    if as_json:
        print_json(tally.report(seconds, address, order.wait))
    else:
        *trouble, summary = tally.lines(seconds, order.wait)
        for line in trouble:
            click.echo(line, err=True)
        for line in tally.found():
            click.echo(line)
        click.echo(summary)
    return 0 if tally.ok else 1


def cut(
    name: str,
    found: Callable[[], Iterable[Piece]],
    tally: Tally,
    batches: Callable[[Iterable[Piece], str], Iterator[Batch]],
) -> Iterator[Batch]:
    """Batches of one file; what is no record is noted as refused. Raises ClickException for a file without
    records."""
    try:
        yield from batches(_good(found(), called(name), tally), f"{called(name)}, ")
    except BadFileError as error:
        raise click.ClickException(f"{called(name)} cannot be sent: {error}.") from None
    except OSError as error:
        raise click.ClickException(f"{called(name)} cannot be read: {error.strerror}.") from None


def called(name: str) -> str:
    """What a file is called in what is said of it."""
    return "stdin" if name == STDIN else name


def _read(name: str, member: str = "records", shared: Sequence[str] = ()) -> Iterator[Piece]:
    with _open(name) as stream:
        yield from pieces(stream, member, shared)


def _open(name: str) -> BinaryIO:
    if name == STDIN:
        # Not sys.stdin, whose lock a thread that still reads would hold when the program ends.
        return io.BufferedReader(io.FileIO(0, closefd=False))
    return Path(name).open("rb")


def _good(found: Iterable[Piece], name: str, tally: Tally) -> Iterator[Piece]:
    """The pieces that are records; the others are noted as refused."""
    for piece in found:
        if piece.fault is None:
            yield piece
        else:
            tally.refused.append(Refused(f"{name}, {piece.place}", piece.fault))
