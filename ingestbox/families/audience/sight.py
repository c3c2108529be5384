"""Who sees which upload (contract: common, Who sees what; audience, Errors): its creator.

An administrator who asks for `all=true` sees everybody's of the workspace; whoever operates the box, of every
workspace. What is out of sight is answered with 403, as the documented system does.
"""

from __future__ import annotations

from ingestbox.errors import IngestError
from ingestbox.families.audience import elsewhere
from ingestbox.families.audience.selection import Upload
from ingestbox.family import Ask
from ingestbox.model import Role
from ingestbox.route import Parameter
from ingestbox.store.sight import Sight

FAMILY = "audience"

ALL = Parameter(
    "all",
    "For administrators: what everybody has in the workspace; in every one, for those who operate the box.",
    bool,
)

UPLOAD_ID = Parameter("upload_id", "The `upload_id` of the answer to the batch.", str, "path")

_PRIVATE = frozenset({FAMILY})
_ADMINISTRATORS = frozenset({Role.ADMIN})


def sight_of(ask: Ask) -> Sight:
    """What the caller sees. Raises IngestError: bad_parameter, forbidden."""
    caller, given = ask.caller, ask.query.get("all", "false")
    if given not in ("true", "false"):
        raise IngestError("bad_parameter", "all must be true or false.")
    if given == "false":
        return Sight(caller.workspace, caller.subject, _PRIVATE)
    if not caller.may(_ADMINISTRATORS):
        raise IngestError("forbidden", "all=true needs the role admin.")
    return Sight(None if caller.operates else caller.workspace, None, _PRIVATE)


def scoped(name: str, sight: Sight) -> str:
    """The query of a list, of which there is one for each breadth of sight: `<name>_mine`, `_here`,
    `_everywhere`."""
    breadth = "mine" if sight.subject is not None else "here" if sight.workspace is not None else "everywhere"
    return f"{FAMILY}.{name}_{breadth}"


def scope(sight: Sight) -> dict[str, object]:
    """Its parameters."""
    return {"workspace": sight.workspace, "owner": sight.subject}


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
