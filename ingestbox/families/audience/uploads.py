"""Uploads as they are read: the list of them, and each with its records (contract: audience)."""

from __future__ import annotations

from typing import Any

import msgspec

from ingestbox.clock import iso
from ingestbox.errors import IngestError
from ingestbox.families.audience.shapes import PATH, UploadLine, UploadList, UploadWhole
from ingestbox.family import Ask
from ingestbox.model import records_of
from ingestbox.route import Answer, Parameter, Reply, Route


async def uploads(ask: Ask) -> Reply:
    """GET /api/audience/batch-upload: the caller's, newest first."""
    params = {"workspace": ask.caller.workspace, "owner": ask.caller.subject, "below": 1 << 62}
    rows = await ask.box.read("audience.uploads_mine", {**params, "limit": 10_000})
    return Reply(UploadList("success", [_line(row) for row in rows], len(rows)))


def _line(row: tuple[Any, ...]) -> UploadLine:
    public_id, name, fields, created_ms, _, _, _, total, processed, issues, discarded = row
    return UploadLine(
        upload_id=public_id,
        upload_name=name,
        created_at=iso(created_ms) or "",
        rows_received=total,
        status="uploaded",
        fields=msgspec.json.decode(fields, type=list[str]),
        rows_stored=total - issues - discarded,
        rows_processed=processed - issues - discarded,
    )


async def one(ask: Ask) -> Reply:
    """GET /api/audience/batch-upload/{upload_id}: an upload with its records."""
    rows = await ask.box.read("audience.upload", {"public_id": ask.path["upload_id"]})
    if not rows:
        raise IngestError("not_found", "Batch upload not found")
    row = rows[0]
    if (row[4], row[5]) != (ask.caller.workspace, ask.caller.subject):
        raise IngestError("forbidden", "Access denied")
    span = records_of(row[6])
    found = await ask.box.read(
        "audience.records", {"after": span["first"] - 1, "beyond": span["beyond"], "limit": -1}
    )
    line = _line(row)
    return Reply(
        UploadWhole(
            status="success",
            upload_id=line.upload_id,
            upload_name=line.upload_name,
            records=[msgspec.Raw(each[3]) for each in found],
            results=[None if each[5] is None else msgspec.Raw(each[5]) for each in found],  # type: ignore[misc]
            fields=line.fields,
            created_at=line.created_at,
            rows_received=line.rows_received,
            upload_status="uploaded",
            rows_stored=line.rows_stored,
            rows_processed=line.rows_processed,
        )
    )


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        PATH,
        uploads,
        "Your uploads",
        answers=(Answer(UploadList, description="Newest first."),),
    ),
    Route(
        "GET",
        PATH + "/{upload_id}",
        one,
        "An upload with its records",
        parameters=(Parameter("upload_id", "The `upload_id` of the answer to the batch.", str, "path"),),
        answers=(Answer(UploadWhole, description="The upload."),),
        errors=("not_found", "forbidden"),
    ),
)
