"""`POST /api/audience/batch-upload`: a batch of records (contract: audience)."""

from __future__ import annotations

import asyncio
from typing import Literal

from msgspec import UNSET

from ingestbox import ids
from ingestbox.errors import IngestError
from ingestbox.families import said
from ingestbox.families.audience.bodies import CSV, MEDIA_TYPES, NDJSON, batch_of
from ingestbox.families.audience.files import ROUTES as FILES
from ingestbox.families.audience.sent import MAPPING, BatchBody, Record
from ingestbox.families.audience.shapes import PATH, BatchAnswer, Outcome
from ingestbox.family import Ask, Batch
from ingestbox.route import Answer, Body, Parameter, Reply, Route

OUTCOMES_A_TURN = 2_000
"""Made at a stretch: about 1 ms."""


async def upload(ask: Ask) -> Reply:
    """POST /api/audience/batch-upload: takes a batch; 200 once it is on disk."""
    mode = ask.query.get("mode", "all")
    if mode not in ("all", "partial"):
        raise IngestError("bad_parameter", "mode must be `all` or `partial`.")
    partial = mode == "partial"
    batch = await batch_of(ask, partial=partial)
    rejected = await _rejected(batch) if partial else []
    total = len(batch.records)

    def answer(public_id: str, _: int) -> object:
        return BatchAnswer(
            status="success",
            upload_id=public_id,
            session_token=ids.prefixed("sess", ask.box.now_ms()),
            rows_received=total,
            message="Batch upload successful",
            rows_stored=total - len(rejected) if partial else UNSET,
            outcomes=rejected if partial else UNSET,
        )

    return await ask.box.accept(ask, batch, answer)


async def _rejected(batch: Batch) -> list[Outcome]:
    found: list[Outcome] = []
    for index, record in enumerate(batch.records):
        if (fault := record.fault) is not None:
            found.append(Outcome(index, "rejected", fault.code, fault.message, fault.field or UNSET))
        if index % OUTCOMES_A_TURN == 0:
            await asyncio.sleep(0)
    return found


_LINES = (
    '{"business_email": "test@example.com", "first_name": "Test"}\n'
    '{"domain": "example.org", "company_name": "Example"}\n'
)
_ROWS = "business_email,first_name\ntest@example.com,Test\n"

ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        PATH,
        upload,
        "Take in a batch of audience records",
        body_limit="audience_mb",
        media_types=MEDIA_TYPES,
        rate="intake",
        takes_records=True,
        description="The batch is on disk when this answers. It is taken whole or not at all, unless "
        "`mode=partial` is given: then the good records are taken, and the others wait as issues. Each "
        "record needs an e-mail address or a domain: what has neither is refused, with every fault of every "
        "record in `errors` (the first 1,000). A value there that is no text fills nothing in. Records come "
        "back as they are sent; what is found out about them stands beside them. Lines of JSON and CSV are "
        "taken too, by the content type, with `upload_name` in the query.",
        body=BatchBody,
        example={
            "upload_name": "test_upload",
            "records": [{"business_email": "test@example.com", "first_name": "Test"}],
        },
        bodies={
            **{
                media: Body(Record, "Each line is a record; blank lines are none.", _LINES)
                for media in NDJSON
            },
            CSV: Body(
                None,
                "The first line names the columns; every other is a record, whose values are text, exactly "
                "as in the cells. Columns that hold an e-mail address, a name, a company or a domain are "
                "found by their names, as in a file; `mapping` says otherwise.",
                _ROWS,
            ),
        },
        parameters=(
            Parameter(
                "mode",
                "`partial` takes the good records of a batch; `all`, the default, every record or none.",
                Literal["all", "partial"],
            ),
            Parameter(
                "upload_name",
                "The upload's name, 1 to 100 characters: needed with lines of JSON and with CSV. A JSON body "
                "has it inside.",
            ),
            Parameter(
                "fields",
                "With lines of JSON and with CSV: the names of the fields, as a list in JSON. Without it "
                "they are those of the records, in the order of their first appearance.",
            ),
            *said.PARAMETERS,
            Parameter("mapping", f"Of CSV. {MAPPING}"),
        ),
        answers=(Answer(BatchAnswer, description="The batch is on disk."),),
        errors=("validation_failed", "bad_parameter"),
        idempotent=True,
    ),
    *FILES,
)
