"""Uploads of audience records: `POST /api/audience/batch-upload`, each with a name, followed until all that
can be found out about its records is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import click
import httpx2
import msgspec

from ingestbox.cli.sending.asking import Asker, not_a_box
from ingestbox.cli.sending.service import NO_BOX, Outcome, Taken
from ingestbox.cli.sending.tally import Looked, Tally

MOST_CHARACTERS = 100
"""Of an upload's name."""

DUPLICATE = {"all": [{"field": "_duplicate_of", "op": "exists", "value": True}]}
INVALID = {"all": [{"field": "_email_valid", "op": "=", "value": False}]}
"""What is counted of an upload once it is processed, as filters."""

NEXT: Mapping[int, str] = {
    401: " Get a token where the box is: ingestbox token create --user YOU --role analyst; "
    "and give it in INGESTBOX_TOKEN.",
    404: NO_BOX,
}


class _Taken(msgspec.Struct):
    """The 200 of a batch."""

    upload_id: str
    outcomes: list[Outcome] = []


class _Upload(msgspec.Struct):
    """An upload, as far as waiting for it goes."""

    upload_name: str
    rows_received: int
    rows_stored: int
    rows_processed: int
    total: int | None = None


class Audience:
    """See Service."""

    path = "/api/audience/batch-upload"
    next = NEXT

    def taken(self, content: bytes) -> Taken:
        """See Service."""
        found = msgspec.json.decode(content, type=_Taken)
        return Taken(found.upload_id, found.outcomes)

    async def follow(self, asker: Asker, batch_id: str, places: Sequence[str], tally: Tally) -> None:
        """See Service."""
        path = f"{self.path}/{batch_id}"

        async def matching(condition: Mapping[str, object]) -> int:
            query = {"limit": "1", "filter": msgspec.json.encode(condition).decode()}
            return _upload(asker, await asker.ask("GET", path, query=query)).total or 0

        def over(response: httpx2.Response) -> _Upload | None:
            found = _upload(asker, response)
            return found if found.rows_processed >= found.rows_stored else None

        ended = await asker.watch(f"{path}?limit=1", over)
        tally.looked.append(
            Looked(
                batch_id,
                ended.upload_name,
                records=ended.rows_stored,
                duplicates=await matching(DUPLICATE),
                invalid=await matching(INVALID),
                waiting=ended.rows_received - ended.rows_stored,
            )
        )
        tally.completed += 1


def _upload(asker: Asker, response: httpx2.Response) -> _Upload:
    if response.status_code != 200:
        raise click.ClickException(asker.about(response))
    try:
        return msgspec.json.decode(response.content, type=_Upload)
    except msgspec.DecodeError:
        not_a_box(response)


def heading(name: str) -> Callable[[int], bytes]:
    """How the body of each part of a file begins; part 0 is the only one. Long names are cut to fit."""

    def begin(part: int) -> bytes:
        suffix = f" ({part})" if part else ""
        called = name[: MOST_CHARACTERS - len(suffix)] + suffix
        return b'{"upload_name":%b,"records":[' % msgspec.json.encode(called)

    return begin


def check(files: Sequence[str], name: str | None) -> None:
    """That what was asked for has a meaning for uploads. Raises UsageError."""
    if name is None:
        return
    if not name.strip() or len(name) > MOST_CHARACTERS:
        raise click.UsageError(f"--name has 1 to {MOST_CHARACTERS} characters.")
    if len(files) > 1:
        raise click.UsageError("--name is for one file; several are named after themselves.")
