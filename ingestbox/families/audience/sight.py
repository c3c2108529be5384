"""Who sees which upload (contract: audience, Errors): as in every private family. What is out of sight
is answered with 403, as the documented system does.
"""

from __future__ import annotations

from functools import partial

from ingestbox.errors import IngestError
from ingestbox.families import private
from ingestbox.families.audience import elsewhere
from ingestbox.families.audience.selection import Upload
from ingestbox.family import Ask
from ingestbox.route import Parameter

FAMILY = "audience"

UPLOAD_ID = Parameter("upload_id", "The `upload_id` of the answer to the batch.", str, "path")

ALL, scope = private.ALL, private.scope
sight_of = partial(private.sight_of, FAMILY)
scoped = partial(private.scoped, FAMILY)


async def upload_of(ask: Ask) -> Upload:
    """The upload that the path names. Raises IngestError: bad_parameter, forbidden, not_found."""
    return await upload_called(ask, ask.path["upload_id"])


async def upload_called(ask: Ask, public_id: str) -> Upload:
    """The upload with an id. Raises as `upload_of` does."""
    sight = sight_of(ask)
    upload = await elsewhere.named(ask, public_id)
    if not sight.admits(upload.workspace, FAMILY, elsewhere.made_by(upload)):
        raise IngestError("forbidden", "Access denied")
    return upload
