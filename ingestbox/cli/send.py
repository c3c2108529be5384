"""`ingestbox send`: records from files to a box."""

from __future__ import annotations

import asyncio
import io
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from ingestbox.cli.options import data_options, json_option, settings_of
from ingestbox.cli.output import print_json
from ingestbox.cli.sending.target import Target

if TYPE_CHECKING:
    from ingestbox.cli.sending.batches import Batch, Batches
    from ingestbox.cli.sending.source import Piece
    from ingestbox.cli.sending.tally import Tally

STDIN = "-"
FAMILIES = ("feedback", "contacts")


@click.command(
    "send",
    short_help="Send records from files to a running box.",
    epilog="""\b
Examples:
  ingestbox send tickets.ndjson --wait
  ingestbox send tickets.csv --wait
  ingestbox send export.csv --encoding windows-1258 --delimiter semicolon
  export.sh | ingestbox send -
  INGESTBOX_TOKEN=ibk_… ingestbox send tickets.json --url https://box.example:8000 --gzip
  INGESTBOX_TOKEN=$TOKEN ingestbox send --family contacts people.csv
  ingestbox send --family contacts list.xlsx --mapping email=Kontakt --mapping company=Haus
""",
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(allow_dash=True))
@click.option(
    "--family",
    type=click.Choice(FAMILIES),
    default=FAMILIES[0],
    show_default=True,
    help="What the files hold. Contacts are files of rows alone.",
)
@click.option(
    "--url", envvar="INGESTBOX_URL", help="Another box; or INGESTBOX_URL.  [default: the data folder's]"
)
@click.option(
    "--token",
    "--key",
    "token",
    envvar="INGESTBOX_TOKEN",
    help="Token or API key for it; or INGESTBOX_TOKEN, which other users of this machine cannot see.",
)
@click.option(
    "--wait/--no-wait",
    default=None,
    help="Wait until every job has ended, and report what failed.  [default: for contacts]",
)
@click.option("--partial", is_flag=True, help="Take the good records of a batch that has bad ones.")
@click.option("--again", is_flag=True, help="Send as new what an earlier call has sent already.")
@click.option("--gzip", "compress", is_flag=True, help="Compress batches of records.")
@click.option(
    "--batch",
    "most",
    type=click.IntRange(1, 100_000),
    help="Records in a batch.  [default: 1000, the box's limit]",
)
@click.option(
    "--encoding", help="Of files of rows, if it is known: utf-8, windows-1258, …  [default: found out]"
)
@click.option(
    "--delimiter",
    help="Of files of rows, if it is known: comma, semicolon, tab, pipe, none, …  [default: found out]",
)
@click.option(
    "--mapping",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="Of contacts: which column is email, first_name, last_name, company.  [default: found out]",
)
@click.option(
    "--baseline",
    is_flag=True,
    help="Of contacts: pass over people who are contacts already, instead of asking about each.",
)
@click.option(
    "--parallel", type=click.IntRange(1, 16), default=4, show_default=True, help="Batches sent at once."
)
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=300.0,
    show_default=True,
    help="Seconds to keep trying while the box does not take a batch.",
)
@data_options
@json_option
def command(
    files: tuple[str, ...],
    family: str,
    url: str | None,
    token: str | None,
    wait: bool | None,
    partial: bool,
    again: bool,
    compress: bool,
    most: int | None,
    encoding: str | None,
    delimiter: str | None,
    mapping: tuple[str, ...],
    baseline: bool,
    parallel: int,
    patience: float,
    data: str | None,
    config: Path | None,
    as_json: bool,
) -> int:
    """Send the records in FILEs (`-` is stdin) to a running box: NDJSON, a JSON array, or {"records": […]};
    or the rows of .csv, .tsv, .txt and .xlsx files, whose form the box finds out and says.

    A call that was interrupted is repeated as it was: each batch has an Idempotency-Key made from its
    content and its number, so that what was taken is not taken twice (for 48 hours, as the box is set); so
    has each file of rows, which is sent whole, and taken whole or not at all.

    Contacts (--family contacts) belong to whom the token speaks for, and are followed to their end: either
    all rows became contacts, or what stands in the way is shown, with what to do about it. A file of them is
    taken once, by content and by name, until its import is cancelled or undone.

    Exit code 0 when every record was taken and, with --wait, processed; otherwise 1.
    """
    said = {name: value for name, value in (("encoding", encoding), ("delimiter", delimiter)) if value}
    if family == "contacts":
        from ingestbox.cli.sending import contacts

        _check(files)
        contacts.check(files, again=again, of_records=partial or compress or most is not None)
        said |= contacts.said(mapping, baseline=baseline)
        at = Target(url, token, settings_of(data, config))
        return contacts.send(files, at, said, patience, wait=wait is not False, as_json=as_json)
    if mapping or baseline:
        raise click.UsageError("--mapping and --baseline are for --family contacts.")
    from ingestbox.cli.sending.batches import Batches
    from ingestbox.cli.sending.sender import Sender
    from ingestbox.cli.sending.tally import Tally
    from ingestbox.model import Role

    wait, settings = bool(wait), settings_of(data, config)
    _check(files)
    tally = Tally()
    salt = secrets.token_hex(8) if again else ""
    batches = Batches(
        most_records=most or settings.limits.feedback_records,
        most_bytes=settings.limits.feedback_json_mb * 1_048_576,
        salt=salt,
    )

    async def send() -> tuple[float, str]:
        from ingestbox.cli.sending.feed import feed
        from ingestbox.cli.sending.files import form_of, is_table
        from ingestbox.cli.sending.progress import progress_of

        loop = asyncio.get_running_loop()
        async with await Target(url, token, settings).client(Role.INGEST) as client:
            with progress_of(files) as progress:
                started = loop.time()
                sender = Sender(
                    client,
                    tally,
                    progress,
                    in_flight=parallel,
                    patience=patience,
                    partial=partial,
                    compress=compress,
                )
                await sender.send(feed(_cut([name for name in files if not is_table(name)], batches, tally)))
                for name in filter(is_table, files):
                    await sender.send_file(await asyncio.to_thread(form_of, name, salt, said))
                seconds = loop.time() - started
                if wait:
                    await sender.wait()
            return seconds, str(client.base_url)

    try:
        seconds, address = asyncio.run(send())
    except KeyboardInterrupt:
        click.echo(
            f"Interrupted: {tally.taken:,} records in {len(tally.jobs):,} jobs were taken. Run the same "
            "command again to go on.",
            err=True,
        )
        raise click.Abort from None
    except click.ClickException:
        if tally.jobs:
            click.echo(
                f"{tally.taken:,} records in {len(tally.jobs):,} jobs were taken before this.", err=True
            )
        raise
    if as_json:
        print_json(tally.report(seconds, address, wait))
    else:
        *trouble, summary = tally.lines(seconds, wait)
        for line in trouble:
            click.echo(line, err=True)
        click.echo(summary)
    return 0 if tally.ok else 1


def _check(files: Sequence[str]) -> None:
    """Before anything is sent: that each file can be read."""
    for name in files:
        if name == STDIN:
            continue
        if not Path(name).exists():
            raise click.UsageError(f"There is no file {name}.")
        if Path(name).is_dir() or not os.access(name, os.R_OK):
            raise click.UsageError(f"The file {name} cannot be read.")


def _cut(files: Sequence[str], batches: Batches, tally: Tally) -> Iterator[Batch]:
    """Batches of every file in turn. Raises ClickException for a file without records."""
    from ingestbox.cli.sending.source import BadFileError, pieces

    for name in files:
        called = "stdin" if name == STDIN else name
        with _open(name) as stream:
            try:
                yield from batches.cut(_good(pieces(stream), called, tally), f"{called}, ")
            except BadFileError as error:
                raise click.ClickException(f"{called} cannot be sent: {error}.") from None
            except OSError as error:
                raise click.ClickException(f"{called} cannot be read: {error.strerror}.") from None


def _open(name: str) -> BinaryIO:
    if name == STDIN:
        # Not sys.stdin, whose lock a thread that still reads would hold when the program ends.
        return io.BufferedReader(io.FileIO(0, closefd=False))
    return Path(name).open("rb")


def _good(found: Iterable[Piece], name: str, tally: Tally) -> Iterator[Piece]:
    """The pieces that are records; the others are noted as refused."""
    from ingestbox.cli.sending.tally import Refused

    for piece in found:
        if piece.fault is None:
            yield piece
        else:
            tally.refused.append(Refused(f"{name}, {piece.place}", piece.fault))
