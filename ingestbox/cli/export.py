"""`ingestbox export`: everything that a box holds, as NDJSON."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import sys
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from ingestbox.cli.options import data_options, settings_of

if TYPE_CHECKING:
    from ingestbox.config import Settings

STDOUT = "-"
PART = ".part"
MOST_TAIL = 65_536
"""The last line is shorter."""


@click.command(
    "export",
    short_help="Write everything that the box holds as NDJSON.",
    epilog="""\b
Examples:
  ingestbox export --to box.ndjson.zst
  ingestbox export --kind record,object --workspace north --to north.ndjson.gz
  ingestbox export | jq -c 'select(.kind == "issue")'
""",
)
@data_options
@click.option(
    "--to",
    default=STDOUT,
    metavar="FILE",
    help="File to write; .gz and .zst are compressed. `-`: standard output.  [default: -]",
)
@click.option("--workspace", help="Of this one alone.  [default: all]")
@click.option(
    "--kind", "kinds", multiple=True, metavar="KIND", help="Of these alone; repeat it, or use commas."
)
def command(
    data: str | None, config: Path | None, to: str, workspace: str | None, kinds: tuple[str, ...]
) -> None:
    """Write everything that the box holds, a JSON object a line, with its `kind`; nothing secret.

    Jobs, records as they were sent, what came of them, issues, deliveries and how they are with each lane,
    users, keys (without passwords and keys), rules, the audit trail and more. The last line is
    {"kind": "end", "lines": …}. The box may run meanwhile. Uploaded files are in a backup. What kinds there
    are, and what is in their lines: GET /v1/export at /docs of the box.

    A file is there, under its name, once it is whole.
    """
    settings = settings_of(data, config)
    wanted = ",".join(kinds)
    with _target(to) as target:
        end = asyncio.run(_export(settings, workspace, wanted, target))
    damaged = f"; {end['damaged']} are damaged, see: ingestbox doctor" if end["damaged"] else ""
    click.echo(f"{end['lines']} lines{damaged}.", err=True)


@contextlib.contextmanager
def _target(to: str) -> Iterator[IO[bytes]]:
    """Where the lines go; a file gets its name when all are written. Raises OSError."""
    if to == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(to)
    part = path.with_name(path.name + PART)
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with _compressing(path.name, file) as target:
                yield target
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    from ingestbox.store.copying import sync

    sync(path.parent)


@contextlib.contextmanager
def _compressing(name: str, file: IO[bytes]) -> Iterator[Any]:
    if name.endswith(".gz"):
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0) as target:
            yield target
    elif name.endswith(".zst"):
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
        with zstd.ZstdFile(file, "wb") as target:
            yield target
    else:
        yield file


async def _export(settings: Settings, workspace: str | None, kinds: str, target: Any) -> Any:
    """The last line. Raises ClickException, StartupError, OSError."""
    import msgspec

    tail = b""
    async with contextlib.aclosing(_pieces(settings, workspace, kinds)) as pieces:
        async for piece in pieces:
            await asyncio.to_thread(target.write, piece)
            tail = (tail + piece)[-MOST_TAIL:]
    last = tail.rstrip(b"\n").rpartition(b"\n")[2]
    try:
        end = msgspec.json.decode(last) if tail.endswith(b"\n") else {}
    except msgspec.DecodeError:
        end = {}
    if not isinstance(end, dict) or end.get("kind") != "end":
        raise click.ClickException(
            "The export was cut off: its last line is missing. The box's log says why; ingestbox doctor "
            "looks for damage."
        )
    return end


async def _pieces(settings: Settings, workspace: str | None, kinds: str) -> AsyncGenerator[bytes, None]:
    import httpx2

    from ingestbox.cli import reach

    if await reach.running_box(settings) is None:
        async with contextlib.aclosing(_alone(settings, workspace, kinds)) as pieces:
            async for piece in pieces:
                yield piece
        return
    query = {name: value for name, value in (("workspace", workspace), ("kind", kinds)) if value}
    async with reach.administration(settings) as client:
        try:
            async with client.stream("GET", "/v1/export", params=query) as response:
                if not response.is_success:
                    await response.aread()
                    raise reach.RefusedError(response)
                async for piece in response.aiter_bytes():
                    yield piece
        except httpx2.TransportError as error:
            raise click.ClickException(f"The export was cut off: {reach.reason(error)}.") from None


async def _alone(settings: Settings, workspace: str | None, kinds: str) -> AsyncGenerator[bytes, None]:
    """Without a running box: a transport to a door within this process would keep it all in memory."""
    from ingestbox import families, logs
    from ingestbox.errors import IngestError
    from ingestbox.ops.offline import open_store
    from ingestbox.store import exporting
    from ingestbox.web.v1.export import kinds_of

    logs.set_up("WARNING", "simple")
    try:
        wanted = exporting.Wanted(workspace or None, kinds_of(kinds or None))
        async with open_store(settings) as store:
            known = {name: family.kinds for name, family in families.load().items()}
            async with contextlib.aclosing(exporting.lines(store, known, wanted)) as pieces:
                async for piece in pieces:
                    yield piece
    except IngestError as error:
        raise click.ClickException(f"{error.detail} {error.remedy}".strip()) from None
