"""Sample data: what people would send, English and Vietnamese, and by which call of the API each kind goes.

All of it is made up. A family brings its samples by a file in this folder and an entry in `SAMPLES`, `FILES`,
`UPLOADS` or `ARTICLES`.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

FOLDER = Path(__file__).parent


class Sample(msgspec.Struct, frozen=True):
    """The samples of one kind of data.

    `file` has a JSON object a line; a body for `path` is `{"<wrap>": [record, …]}`, of `batch` records.
    `key` is the field that identifies a record. `shown` are the keys of some that are worth a look, found
    again at `<look>/<key>` once they are analysed, with `fields` to show. `imperfect` is a file of records
    some of which have faults, for a box that takes the good ones.
    """

    family: str
    file: str
    path: str
    wrap: str
    batch: int
    key: str
    look: str
    shown: tuple[str, ...]
    fields: tuple[str, ...]
    imperfect: str = ""


class SampleFile(msgspec.Struct, frozen=True):
    """A file of rows, as people would have it from their spreadsheet, for an upload to `path`.

    `issues` counts by type what stands in its way, as it is; `copies` are rows that come once more. A repair
    is what a person would do about one row: its number in the file, and the members of a `PUT /staging/{id}`;
    after all of them nothing stands in the way. `look` and `shown` are as those of a `Sample`: the call, and
    the values of its parameter.
    """

    family: str
    file: str
    path: str
    rows: int
    copies: int
    issues: dict[str, int]
    repairs: tuple[tuple[int, dict[str, str]], ...]
    look: str
    shown: tuple[str, ...]


class SampleUploads(msgspec.Struct, frozen=True):
    """Records that go as uploads with names, each to be looked through and selected from.

    `file` has a JSON object a line; `uploads` are their names, with how many of the records each has, in the
    order of the file; a body for `path` is `{"upload_name": name, "records": [record, …]}`. Of all of them
    `duplicates` are the same as an earlier one, and `invalid` have an address that cannot be one. `segment`
    is a selection of the first upload's by name and filter, which `selected` records are in, and `columns`
    are those to show of it.
    """

    family: str
    file: str
    path: str
    uploads: tuple[tuple[str, int], ...]
    duplicates: int
    invalid: int
    segment: tuple[str, dict[str, Any]]
    selected: int
    columns: tuple[str, ...]


class SampleArticles(msgspec.Struct, frozen=True):
    """Articles that go as one bulk upload, called `batch_id`, to be searched.

    `file` has a JSON object a line. Of all of them `low` are of low quality, so that they wait for a person
    before they are forwarded; `alike` have a near-duplicate among the others; the one with the index
    `personal` has personal data. Each search, a text for
    `search`, finds best an article with the title that is given with it.
    """

    family: str
    file: str
    path: str
    batch_id: str
    low: int
    alike: int
    personal: int
    search: str
    searches: tuple[tuple[str, str], ...]


SAMPLES: tuple[Sample, ...] = (
    Sample(
        family="feedback",
        file="feedback.ndjson",
        path="/api/data-ingest",
        wrap="records",
        batch=10,
        key="id",
        look="/api/tickets",
        shown=("HT-1002", "TL-1011", "TL-1010", "KS-1014", "NH-1005", "BH-1014"),
        fields=("summary", "sentiment", "score"),
        imperfect="feedback-imperfect.ndjson",
    ),
)
"""One entry for each family that has samples of records."""

FILES: tuple[SampleFile, ...] = (
    SampleFile(
        family="contacts",
        file="contacts.csv",
        path="/jobs/upload",
        rows=60,
        copies=1,
        issues={"MISSING_REQUIRED_FIELD": 2, "INVALID_EMAIL": 2, "DUPLICATE_EMAIL": 2},
        repairs=(
            (24, {"staging_company": "Harrow Tools"}),
            (26, {"staging_email": "anna@whitfield.example"}),
            (28, {"staging_email": "ngoductho@mekongrice.example"}),
            (45, {"staging_email": "luisa@guimaraes.example"}),
            (50, {"staging_last_name": "Mörike"}),
            (56, {"staging_status": "DISCARD"}),
        ),
        look="/contacts?email=",
        shown=(
            "joao.conceicao@padaria-sol.example",
            "sam.porter@harrow-tools.example",
            "ngoductho@mekongrice.example",
            "jürgen.groß@werkzeug-müller.example",
        ),
    ),
)
"""One entry for each family whose samples are a file."""

UPLOADS: tuple[SampleUploads, ...] = (
    SampleUploads(
        family="audience",
        file="audience.ndjson",
        path="/api/audience/batch-upload",
        uploads=(("Trade fair", 64), ("Newsletter", 31)),
        duplicates=6,
        invalid=2,
        segment=(
            "Large and new to us",
            {
                "all": [
                    {"field": "employees", "op": ">=", "value": 200},
                    {"field": "_duplicate_of", "op": "exists", "value": False},
                    {
                        "any": [
                            {"field": "country", "op": "=", "value": "VN"},
                            {"field": "_domain", "op": "starts_with", "value": "copper"},
                        ]
                    },
                ]
            },
        ),
        selected=9,
        columns=("_email", "company_name", "city", "employees"),
    ),
)
"""One entry for each family whose samples are uploads with names."""

ARTICLES: tuple[SampleArticles, ...] = (
    SampleArticles(
        family="knowledge",
        file="knowledge.ndjson",
        path="/knowledge-management/content/bulk-upload",
        batch_id="demo",
        low=1,
        alike=4,
        personal=6,
        search="/knowledge-management/search",
        searches=(
            ("huyết áp cao ăn nhạt", "Tăng huyết áp: dấu hiệu và cách phòng ngừa"),
            ("which inhaler during an attack", "Living with asthma: inhalers, triggers and a plan"),
        ),
    ),
)
"""One entry for each family whose samples are articles."""


def records(file: str) -> list[dict[str, Any]]:
    """The records of one of the files in this folder."""
    lines = (FOLDER / file).read_bytes().splitlines()
    return [msgspec.json.decode(line, type=dict[str, Any]) for line in lines]


def bodies(sample: Sample) -> Iterator[tuple[int, bytes]]:
    """The samples as bodies for `sample.path`, each with the number of its records."""
    every = records(sample.file)
    for start in range(0, len(every), sample.batch):
        batch = every[start : start + sample.batch]
        yield len(batch), msgspec.json.encode({sample.wrap: batch})


def uploads(sample: SampleUploads) -> Iterator[tuple[int, bytes]]:
    """The samples as bodies for `sample.path`, each with the number of its records."""
    every = iter(records(sample.file))
    for name, count in sample.uploads:
        body = {"upload_name": name, "records": list(itertools.islice(every, count))}
        yield count, msgspec.json.encode(body)


def articles(sample: SampleArticles) -> bytes:
    """The samples as the body for `sample.path`."""
    every = records(sample.file)
    body = {"batch_id": sample.batch_id, "source_id": every[0]["source_id"], "items": every}
    return msgspec.json.encode(body)


def again(sample: Sample) -> Iterator[bytes]:
    """Bodies of one record each, without an end: the samples once more, each time under keys of their own."""
    every = records(sample.file)
    turn = 2
    while True:
        for record in every:
            renamed = {**record, sample.key: f"{record[sample.key]}-{turn}"}
            yield msgspec.json.encode({sample.wrap: [renamed]})
        turn += 1


def table(family: str) -> tuple[str, bytes] | None:
    """A family's samples as a file of rows, as people would upload it: its name and content; None without."""
    for each in FILES:
        if each.family == family:
            return each.file, (FOLDER / each.file).read_bytes()
    files: list[Sample | SampleUploads | SampleArticles] = [*SAMPLES, *UPLOADS, *ARTICLES]
    for sample in files:
        if sample.family == family:
            return f"{family}.csv", _as_rows(records(sample.file))
    return None


def _as_rows(found: list[dict[str, Any]]) -> bytes:
    """Records as CSV in UTF-8 with a mark, by which spreadsheets know it; a list becomes a column each, and
    so does each member of an object, its lists as one text."""
    flat: list[dict[str, Any]] = []
    for record in found:
        row: dict[str, Any] = {}
        for name, value in record.items():
            if isinstance(value, dict):
                row.update({f"{name}.{member}": _one(each) for member, each in value.items()})
                continue
            items = value if isinstance(value, list) else [value]
            names = [f"{name} {n}" for n in range(1, len(items) + 1)] if isinstance(value, list) else [name]
            row.update(zip(names, items, strict=True))
        flat.append(row)
    names = list(dict.fromkeys(name for row in flat for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, restval="")
    writer.writeheader()
    writer.writerows(flat)
    return out.getvalue().encode("utf-8-sig")


def _one(value: object) -> object:
    return "; ".join(map(str, value)) if isinstance(value, list) else value
