"""What is sent to audience's calls, as it is documented."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ingestbox.families.audience.about import MAX_NAME
from ingestbox.families.audience.fields import IDENTIFYING

_FILLED = {"type": "string", "pattern": r"[^\s\x1c-\x1f\x85]"}  # what Python takes for a blank
_ANY_OF: dict[str, Any] = {
    "anyOf": [{"required": [name], "properties": {name: _FILLED}} for name in IDENTIFYING],
}


class AudienceRecord(msgspec.Struct):
    """A person or a company, as it is sent. At least one of business_email, personal_email, email, domain and
    company_domain has to be filled in, as text. All members are kept as they are, also those that are not
    named here."""

    business_email: Any = None
    personal_email: Any = None
    email: Any = None
    first_name: Any = None
    last_name: Any = None
    company_name: Any = None
    domain: Any = None
    company_domain: Any = None


Record = Annotated[AudienceRecord, Meta(extra_json_schema=_ANY_OF)]

MAPPING = (
    'Which column is what, as JSON: `[{"column": "Mail", "field": "business_email"}, …]` as the '
    'preview of a file answers it; a list with a field for each column, `["email", null, …]`; or an object, '
    '`{"Mail": "email"}` or `{"email": "Mail"}`. A column with `null` is none of them. What is not said is '
    "found out by the names. The fields are business_email, personal_email, email, first_name, last_name, "
    "company_name, domain and company_domain; other columns keep their own names."
)


class BatchBody(msgspec.Struct):
    """A batch of records."""

    upload_name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MAX_NAME,
            extra_json_schema={"pattern": _FILLED["pattern"]},
        ),
    ]
    records: Annotated[
        list[Record],
        Meta(min_length=1, description="At most `[limits] audience_records`: 50,000, unless set otherwise."),
    ]
    fields: Annotated[
        list[str] | None,
        Meta(
            description="The names of the fields, kept as they are given; without them they are every key of "
            "the records, in the order of first appearance."
        ),
    ] = None
