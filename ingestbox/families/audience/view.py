"""How uploads and their records are shown at the console."""

from __future__ import annotations

from ingestbox.families.audience.members import DAMAGED, OWN, PLACE, WHOLE
from ingestbox.families.audience.segments.shapes import SEGMENTS as SEGMENTS_PATH
from ingestbox.families.audience.segments.shapes import SegmentList, SegmentWhole
from ingestbox.families.audience.shapes import PATH, UploadList, UploadWhole
from ingestbox.view import Column, Grid, Part, Quick, Rows, Save, Switch, Word

_YES = (Word("true", "Yes", "waits"), Word("false", "No"))

_RESULTS = (
    Column("_email", "E-mail found", "email"),
    Column(
        "_email_valid",
        "E-mail valid",
        "badge",
        words=(Word("true", "Valid", "good"), Word("false", "Not valid", "bad")),
    ),
    Column("_domain", "Domain found"),
    Column("_free_mail", "Free mail", "badge", words=_YES),
    Column("_disposable", "Throw-away", "badge", words=(Word("true", "Yes", "bad"), Word("false", "No"))),
    Column("_completeness", "Complete", "share"),
    Column("_duplicate_of", "Duplicate of", "row"),
)


def _one(field: str, op: str, value: object) -> dict[str, object]:
    return {"all": [{"field": field, "op": op, "value": value}]}


_QUICK = (
    Quick("Firsts, without duplicates", _one("_duplicate_of", "exists", False)),
    Quick("Duplicates", _one("_duplicate_of", "exists", True)),
    Quick("Valid e-mail", _one("_email_valid", "=", True)),
    Quick("E-mail not valid", _one("_email_valid", "=", False)),
    Quick("Free mail", _one("_free_mail", "=", True)),
    Quick("Throw-away", _one("_disposable", "=", True)),
)

_FILES = ("csv", "ndjson")

_SWITCHES = (
    Switch(
        "frozen",
        "Frozen",
        help="A frozen segment keeps the list of records that it has now. Otherwise its filter is applied "
        "whenever it is looked at.",
        on="Frozen",
        off="No, a rule",
        turn_on="Freeze it as it is now",
        turn_off="Make a rule of it again",
    ),
    Switch(
        "forward",
        "Forwarded",
        help="A forwarded segment is told upstream, and again whenever it is changed.",
        on="Forwarded",
        off="No",
        turn_on="Have it forwarded",
        turn_off="Forward it no more",
    ),
)

UPLOADS = Grid(
    name="audience",
    title="Audience",
    lead="Batches of people and companies, each as it came, with what the box found out beside it.",
    one="upload",
    many="uploads",
    path=PATH,
    type=UploadList,
    items="uploads",
    key="upload_id",
    label="upload_name",
    facts=(
        Column("created_at", "Came in", "time"),
        Column("rows_received", "Records sent", "number"),
        Column("rows_stored", "Taken", "number"),
        Column("fields", "Columns", "count"),
        Column("owner", "Belongs to", everybody=True),
        Column("box", "From box", everybody=True),
    ),
    rows=Rows(
        path=PATH + "/{upload_id}",
        type=UploadWhole,
        columns=_RESULTS,
        places="indexes",
        own=OWN,
        reserved=(PLACE, DAMAGED, WHOLE),
        files={ending: f"{PATH}/{{upload_id}}.{ending}" for ending in _FILES},
        quick=_QUICK,
    ),
    share=("rows_processed", "rows_stored"),
    job="upload_id",
    kind="record",
    everybody="all",
    with_={"box": "box"},
    save=Save("segments", PATH + "/{upload_id}/segments", "segment.segment_id", _SWITCHES),
    remove=PATH + "/{upload_id}",
    holds=True,
    sample="audience",
    send=(
        PATH,
        {"upload_name": "First", "records": [{"business_email": "anna@example.com", "first_name": "Anna"}]},
    ),
)

SEGMENTS = Grid(
    name="segments",
    title="Segments",
    lead="Selections of an upload's records, kept under a name.",
    one="segment",
    many="segments",
    path=SEGMENTS_PATH,
    type=SegmentList,
    items="segments",
    key="segment_id",
    label="name",
    head="segment",
    facts=(
        Column("count", "Records", "number"),
        Column("created_at", "Made", "time"),
        Column("owner", "Belongs to", everybody=True),
        Column("box", "From box", everybody=True),
    ),
    rows=Rows(
        path=SEGMENTS_PATH + "/{segment_id}",
        type=SegmentWhole,
        columns=_RESULTS,
        places="indexes",
        own=OWN,
        reserved=(PLACE, DAMAGED, WHOLE),
        narrowed=False,
        files={ending: f"{SEGMENTS_PATH}/{{segment_id}}.{ending}" for ending in _FILES},
    ),
    job="upload_id",
    filter="filter",
    part=Part("audience", "upload_id", "upload_id"),
    remove=SEGMENTS_PATH + "/{segment_id}",
    change=SEGMENTS_PATH + "/{segment_id}",
    switches=_SWITCHES,
    kind="segment",
    everybody="all",
    with_={"box": "box"},
)

GRIDS = (UPLOADS, SEGMENTS)
