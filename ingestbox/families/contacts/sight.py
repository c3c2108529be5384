"""Who sees what of contacts (contract: common, Who sees what): each person their own.

An administrator who asks for `all=true` sees everybody's of the workspace, those from other boxes too;
whoever operates the box, of every workspace. What is out of sight is answered as what does not exist.
"""

from __future__ import annotations

from typing import Any

from ingestbox.errors import IngestError
from ingestbox.families.contacts.pages import number
from ingestbox.family import Ask
from ingestbox.model import Role
from ingestbox.route import Parameter
from ingestbox.store import ReadTx
from ingestbox.store.sight import Sight

FAMILY = "contacts"

ALL = Parameter(
    "all",
    "For administrators: what everybody has in the workspace; in every one, for those who operate the box.",
    bool,
)

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


def no_job(given: object) -> IngestError:
    """What is said of a job that is not there, or not the caller's (contract: contacts, Endpoints)."""
    return IngestError("job_not_found", f"Job {str(given)[:40]} not found or you don't have access to it")


def no_issue(given: object) -> IngestError:
    """The same of an issue."""
    return IngestError("not_found", f"Issue {str(given)[:40]} not found or you don't have access to it")


def job_id_of(ask: Ask) -> int:
    """The job that the path names, whoever's it is. Raises IngestError `job_not_found`."""
    found = number(ask.path["id"])
    if found is None:
        raise no_job(ask.path["id"])
    return found


def job_row(tx: ReadTx, job_id: int, sight: Sight) -> tuple[Any, ...] | None:
    """The job's row of the query `job`, if it is in sight; a cancelled one is gone."""
    row = tx.one("contacts.job", {"job_id": job_id})
    if row is None or not sight.admits(row[0], FAMILY, row[1]):
        return None
    return row[2:]
