"""`ingestbox send`: records from files to a box."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

import click

from ingestbox.cli.options import data_options, json_option, settings_of
from ingestbox.cli.sending import columns
from ingestbox.cli.sending.target import Target

STDIN = "-"
FAMILIES = ("feedback", "contacts", "audience", "knowledge")


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
  INGESTBOX_TOKEN=$TOKEN ingestbox send --family audience fair.csv --name "Trade fair" --wait
  ingestbox send --family knowledge articles.ndjson --name crawl-7 --wait
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
    help="Records in a batch.  [default: 1000, of audience 50000: the box's limit; of knowledge 50]",
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
    help="Of contacts and audience: which column is email, first_name …  [default: found out]",
)
@click.option(
    "--baseline",
    is_flag=True,
    help="Of contacts: pass over people who are contacts already, instead of asking about each.",
)
@click.option(
    "--name",
    help="Of audience: what the upload is called; a part of a large file has its number after it. Of "
    "knowledge: the batch_id.  [default: the file's name]",
)
@click.option(
    "--parallel",
    type=click.IntRange(1, 16),
    help="Batches sent at once.  [default: 4; 1 for audience and knowledge, whose parts then are in the "
    "file's order]",
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
    name: str | None,
    parallel: int | None,
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

    Audience records (--family audience) are uploads with a name, and belong to whom the token speaks for.
    Files of rows are read here and sent as records. A file beyond the box's limits becomes several uploads,
    called NAME (1), NAME (2) … With --wait each says how many duplicates and invalid addresses it has.

    Articles of knowledge go in chunks of 50, called NAME_chunk_1, NAME_chunk_2 … of a batch NAME; a document
    is {"source_id": …, "items": […]}, and columns of rows are called as the members of an item. With --wait
    it says how many are completed, failed, of low quality, and duplicates.

    Exit code 0 when every record was taken and, with --wait, processed; otherwise 1.
    """
    said = {key: value for key, value in (("encoding", encoding), ("delimiter", delimiter)) if value}
    _check(files)
    if family == "contacts":
        from ingestbox.cli.sending import contacts

        contacts.check(files, again=again, of_records=partial or compress or most is not None)
        said |= columns.said(mapping)
        said |= {"baseline": "true"} if baseline else {}
        at = Target(url, token, settings_of(data, config))
        return contacts.send(files, at, said, patience, wait=wait is not False, as_json=as_json)
    if baseline:
        raise click.UsageError("--baseline is for --family contacts.")
    if (family == "feedback" and name is not None) or (family in ("feedback", "knowledge") and mapping):
        raise click.UsageError("--mapping is for contacts and audience, --name for audience and knowledge.")
    if family == "knowledge" and partial:
        raise click.UsageError("Of knowledge the good articles of a batch are taken anyway.")
    said |= columns.said(mapping)
    from ingestbox.cli.sending import records

    order = records.Order(
        files=files,
        at=Target(url, token, settings_of(data, config)),
        said=said,
        salt=secrets.token_hex(8) if again else "",
        most=most,
        in_flight=parallel,
        patience=patience,
        partial=partial,
        compress=compress,
        wait=bool(wait),
    )
    kind: records.Feedback | records.Audience | records.Knowledge
    if family == "knowledge":
        kind = records.Knowledge(order, name)
    else:
        kind = records.Audience(order, name) if family == "audience" else records.Feedback(order)
    return records.send(order, kind, as_json=as_json)


def _check(files: Sequence[str]) -> None:
    """Before anything is sent: that each file can be read."""
    for name in files:
        if name == STDIN:
            continue
        if not Path(name).exists():
            raise click.UsageError(f"There is no file {name}.")
        if Path(name).is_dir() or not os.access(name, os.R_OK):
            raise click.UsageError(f"The file {name} cannot be read.")
