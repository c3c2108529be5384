"""Who sees what of contacts: as in every private family. What is out of sight is answered as what is not
there."""

from __future__ import annotations

from functools import partial
from typing import Any

from ingestbox.errors import IngestError
from ingestbox.families import private
from ingestbox.families.contacts.pages import number
from ingestbox.family import Ask
from ingestbox.store import ReadTx
from ingestbox.store.sight import Sight

FAMILY = "contacts"

ALL, scope = private.ALL, private.scope
sight_of = partial(private.sight_of, FAMILY)
scoped = partial(private.scoped, FAMILY)


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
