"""Putting one object that no record becomes: its head, its row, and what upstream is told of it."""

from __future__ import annotations

import zlib

import msgspec

from ingestbox.model import BESIDE, Job, Put, record_id
from ingestbox.store.identity import BoxIdentity
from ingestbox.store.unit import Tx, weight_of
from ingestbox.store.work import PROJECTION_ROWS, Deliver


def weight_of_put(record: bytes, result: bytes) -> int:
    """What putting an object with these adds to a unit's weight."""
    return PROJECTION_ROWS + 3 + 2 * weight_of(len(result) + len(record))


def put_object(tx: Tx, job: Job, put: Put, record: bytes, now_ms: int) -> int:
    """Puts a new version of an object that belongs to a job, as a part of another unit; its version.

    The family's `put_<kind>` gets the record too, as from another box: the ledger has none. A repeat makes
    one more version.
    """
    identity = tx.one("box.identity")
    assert identity is not None  # the box's row is made with the store
    beside = record_id(job.id, BESIDE)
    scope = {"workspace": job.workspace, "family": job.family, "kind": put.kind}
    puts = msgspec.json.encode([(put.id, beside)]).decode()
    head = tx.one("objects.put", {**scope, "puts": puts})
    assert head is not None  # nothing has a later intake
    version = int(head[1])
    tx.run(
        f"{job.family}.put_{put.kind}",
        {
            **put.columns,
            "workspace": job.workspace,
            "origin": "",
            "owner": job.created_by,
            "job": job.id,
            "object_id": put.id,
            "version": version,
            "record_id": beside,
            "job_id": job.public_id,
            "at_ms": now_ms,
            "result": put.result,
            "record": record,
            "crc": zlib.crc32(put.result + record),
            "lineage": None,
        },
    )
    Deliver(BoxIdentity(*identity), job, now_ms).all(tx, [(BESIDE, version, put)], {BESIDE: record})
    return version
