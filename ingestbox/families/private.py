"""Who sees what of a private family (contract: common, Who sees what): each person their own.

An administrator who asks for `all=true` sees everybody's of the workspace, those from other boxes too;
whoever operates the box, of every workspace.
"""

from __future__ import annotations

from ingestbox.errors import IngestError
from ingestbox.family import Ask
from ingestbox.model import Role
from ingestbox.route import Parameter
from ingestbox.store.sight import Sight

ALL = Parameter(
    "all",
    "For administrators: what everybody has in the workspace; in every one, for those who operate the box.",
    bool,
)

_ADMINISTRATORS = frozenset({Role.ADMIN})


def sight_of(family: str, ask: Ask) -> Sight:
    """What the caller sees. Raises IngestError: bad_parameter, forbidden."""
    caller, given, private = ask.caller, ask.query.get("all", "false"), frozenset({family})
    if given not in ("true", "false"):
        raise IngestError("bad_parameter", "all must be true or false.")
    if given == "false":
        return Sight(caller.workspace, caller.subject, private)
    if not caller.may(_ADMINISTRATORS):
        raise IngestError("forbidden", "all=true needs the role admin.")
    return Sight(None if caller.operates else caller.workspace, None, private)


def scoped(family: str, name: str, sight: Sight) -> str:
    """The query of a list, of which there is one for each breadth of sight: `<name>_mine`, `_here`,
    `_everywhere`."""
    breadth = "mine" if sight.subject is not None else "here" if sight.workspace is not None else "everywhere"
    return f"{family}.{name}_{breadth}"


def scope(sight: Sight) -> dict[str, object]:
    """Its parameters."""
    return {"workspace": sight.workspace, "owner": sight.subject}
