"""`send --family contacts`: what may be asked for, and the call itself."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence

import click

from ingestbox.cli.output import print_json
from ingestbox.cli.reach import SUBJECT
from ingestbox.cli.sending.asking import Asker
from ingestbox.cli.sending.files import SUFFIXES, form_of, is_table
from ingestbox.cli.sending.imports import Importer, Imports
from ingestbox.cli.sending.progress import progress_of
from ingestbox.cli.sending.target import Target
from ingestbox.model import Role


def check(files: Sequence[str], *, again: bool, of_records: bool) -> None:
    """That what was asked for has a meaning for contacts. Raises UsageError."""
    for name in files:
        if not is_table(name):
            raise click.UsageError(f"{name} is no file of contacts: these end in {', '.join(SUFFIXES)}.")
    if again:
        raise click.UsageError(
            "--again is not for contacts: cancel or undo an import, and its file is taken again."
        )
    if of_records:
        raise click.UsageError("--partial, --gzip and --batch are for batches of records, not for contacts.")


def send(
    files: Sequence[str],
    box: Target,
    said: Mapping[str, str],
    patience: float,
    *,
    wait: bool,
    as_json: bool,
) -> int:
    """Sends the files one by one, and says what has become of them; the exit code. Raises ClickException."""
    imports = Imports()
    if box.url is None and box.token is None:
        imports.sender = f"this box's user {SUBJECT} (ingestbox token create --user {SUBJECT} --role editor)"

    async def go() -> tuple[float, str]:
        loop = asyncio.get_running_loop()
        async with await box.client(Role.UPLOADER) as client:
            with progress_of(files) as progress:
                started = loop.time()
                importer = Importer(Asker(client, progress, patience=patience), progress, imports)
                for name in files:
                    # A key of its own: the box itself knows a file that it has taken already.
                    await importer.send(await asyncio.to_thread(form_of, name, secrets.token_hex(8), said))
                if wait:
                    await importer.wait()
            return loop.time() - started, str(client.base_url).rstrip("/")

    try:
        seconds, address = asyncio.run(go())
    except KeyboardInterrupt:
        click.echo(
            f"Interrupted: {len(imports.taken):,} files were taken. See: ingestbox jobs --family contacts",
            err=True,
        )
        raise click.Abort from None
    if as_json:
        print_json(imports.report(seconds, address))
    else:
        for line, wrong in imports.lines(address):
            click.echo(line, err=wrong)
    return 0 if imports.ok else 1
