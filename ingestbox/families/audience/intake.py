"""`POST /api/audience/batch-upload`: a batch of records (contract: audience)."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET

from ingestbox import ids
from ingestbox.errors import IngestError
from ingestbox.families.audience.decode import decode
from ingestbox.families.audience.shapes import PATH, Outcome, UploadAnswer
from ingestbox.family import Ask, Batch
from ingestbox.route import Answer, Parameter, Reply, Route


async def upload(ask: Ask) -> Reply:
    """POST /api/audience/batch-upload: takes a batch; 200 once it is on disk."""
    mode = ask.query.get("mode", "all")
    if mode not in ("all", "partial"):
        raise IngestError("bad_parameter", f"mode must be `all` or `partial`, not `{mode}`.")
    partial = mode == "partial"
    batch = await decode(ask.body, max_records=ask.limits.audience_records, partial=partial)
    rejected = list(_outcomes(batch)) if partial else []

    def answer(public_id: str, _: int) -> object:
        return UploadAnswer(
            status="success",
            upload_id=public_id,
            session_token=ids.prefixed("sess", ask.box.now_ms()),
            rows_received=len(batch.records),
            message="Batch upload successful",
            rows_stored=len(batch.records) - len(rejected) if partial else UNSET,
            outcomes=rejected if partial else UNSET,
        )

    return await ask.box.accept(ask, batch, answer)


def _outcomes(batch: Batch) -> list[Outcome]:
    return [
        Outcome(index, "rejected", record.fault.code, record.fault.message, record.fault.field or UNSET)
        for index, record in enumerate(batch.records)
        if record.fault is not None
    ]


ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        PATH,
        upload,
        "Take in a batch of audience records",
        body_limit="audience_mb",
        rate="intake",
        takes_records=True,
        parameters=(Parameter("mode", "`partial` takes the good records.", Literal["all", "partial"]),),
        body=Any,
        example={
            "upload_name": "test_upload",
            "records": [{"business_email": "test@example.com", "first_name": "Test"}],
        },
        answers=(Answer(UploadAnswer, description="The batch is on disk."),),
        errors=("validation_failed",),
        idempotent=True,
    ),
)
