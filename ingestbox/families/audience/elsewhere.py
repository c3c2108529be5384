"""Uploads that came from other boxes (contract: forwarding, Being the upstream).

Administrators who ask for all see them, in the list of uploads and each by itself; whose one is at its own
box grants nothing here. They change and end where they were made: what happens to them there, arrives here.
"""

from __future__ import annotations

from ingestbox.errors import IngestError
from ingestbox.families.audience.selection import Upload, gone, upload_from
from ingestbox.family import Ask
from ingestbox.route import Parameter

BOX = Parameter("box", "The box that it came from, as lists have it; with `all=true`.")


async def named(ask: Ask, public_id: str) -> Upload:
    """The upload with an id: this box's own, or that of the `box` that is asked for, in whichever
    workspace. Raises IngestError `not_found`."""
    box = ask.query.get("box", "")
    if box:
        params = {"public_id": public_id, "box": box, "workspace": ask.caller.workspace}
        rows = await ask.box.read("audience.upload_from", params)
    else:
        rows = await ask.box.read("audience.upload", {"public_id": public_id})
    if not rows:
        raise gone()
    return upload_from(rows[0])


def made_by(upload: Upload) -> str | None:
    """Whose it is here: nobody's, if it came from another box."""
    return None if upload.origin else upload.owner


def own(upload: Upload) -> Upload:
    """The upload, if it is this box's own to change. Raises IngestError `forbidden`."""
    if upload.origin:
        raise IngestError("forbidden", f"This upload is of the box {upload.origin}: delete it there.")
    return upload
