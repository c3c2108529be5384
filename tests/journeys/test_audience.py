"""An audience on its way through a box: sent, told apart, selected from, exported, forwarded, and taken back.

One box and one upstream; the tests go through it in order."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from ingestbox.model import Role
from tests.harness import PATIENCE, BoxProcess, running, until
from tests.journeys.test_forwarding import lane
from tests.journeys.upstream import Upstream, upstream

PATH = "/api/audience/batch-upload"
SEGMENTS = "/api/audience/segments"

FAIR: list[dict[str, object]] = [
    {"business_email": " Mai.Trần@SONGBAC.example ", "first_name": "Mai", "employees": 410, "note": "=1+1"},
    {"email": "owen@firm.example", "employees": "52"},
    {"domain": "https://www.Thistle-Rowe.example/about", "employees": 1250},
    {"business_email": "mai.trần@songbac.example", "first_name": "MAI"},
    {"email": "@@", "personal_email": "", "employees": 7, "tags": ["a", {"b": 1.50}]},
]
NEWS: list[dict[str, object]] = [
    {"email": "OWEN@firm.example", "opted_in": True},
    {"email": "lan@moclan.example", "opted_in": False},
]

LARGE = {"all": [{"field": "employees", "op": ">=", "value": 52}]}
FIRST = {"all": [*LARGE["all"], {"field": "_duplicate_of", "op": "exists", "value": False}]}


@pytest.fixture(scope="module")
def server() -> Iterator[Upstream]:
    with upstream() as started:
        yield started


@pytest.fixture(scope="module")
def box(server: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    with running(tmp_path_factory.mktemp("box"), config=lane(server.url)) as started:
        yield started


@pytest.fixture(scope="module")
def client(box: BoxProcess) -> Iterator[httpx2.Client]:
    with box.client(Role.ANALYST) as found:
        yield found


@pytest.fixture(scope="module")
def fair(client: httpx2.Client) -> str:
    """The first upload, once it is processed."""
    return sent(client, "Fair", FAIR)


@pytest.fixture(scope="module")
def news(client: httpx2.Client, fair: str) -> str:
    """The second one, compressed."""
    return sent(client, "News", NEWS, compressed=True)


def sent(
    client: httpx2.Client, name: str, records: list[dict[str, object]], *, compressed: bool = False
) -> str:
    body = json.dumps({"upload_name": name, "records": records}, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json"}
    if compressed:
        body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
    answer = client.post(PATH, content=body, headers=headers).raise_for_status().json()
    assert answer["rows_received"] == len(records)
    upload: str = answer["upload_id"]
    until(lambda: one(client, upload)["rows_processed"] == len(records), f"{name} is processed")
    return upload


def one(client: httpx2.Client, upload: str, **query: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"{PATH}/{upload}", params=query).raise_for_status().json()
    return found


def upstream_has(server: Upstream) -> dict[tuple[str, str], Any]:
    """The objects that the upstream has by now, by kind and id: the last line of each, if no tombstone."""
    found: dict[tuple[str, str], Any] = {}
    for batch in server.taken:
        for line in batch.lines:
            assert line["family"] == "audience"
            found[line["kind"], line["id"]] = None if line["op"] == "delete" else line
    return {key: line for key, line in found.items() if line is not None}


def test_records_come_back_as_they_were_sent_with_what_was_found_out_beside_them(
    client: httpx2.Client, fair: str, news: str
) -> None:
    upload = one(client, fair)
    assert upload["records"] == FAIR
    assert upload["fields"] == list(dict.fromkeys(name for record in FAIR for name in record))
    results = upload["results"]
    assert [each["_email_valid"] for each in results] == [True, True, None, True, False]
    assert [each["_domain"] for each in results[:3]] == [
        "songbac.example",
        "firm.example",
        "thistle-rowe.example",
    ]
    assert [each["_duplicate_of"] for each in results] == [None, None, None, f"{fair}/0", None]
    raw = client.get(f"{PATH}/{fair}").text
    assert '{"b": 1.5}' in raw or '{"b": 1.50}' in raw


def test_duplicates_are_found_across_uploads(client: httpx2.Client, fair: str, news: str) -> None:
    assert [each["_duplicate_of"] for each in one(client, news)["results"]] == [f"{fair}/1", None]
    listed = client.get(PATH).json()["uploads"]
    assert [each["upload_id"] for each in listed] == [news, fair]


def test_a_filter_asks_for_some_and_counts_them(client: httpx2.Client, fair: str) -> None:
    found = one(client, fair, filter=json.dumps(LARGE), limit="2")
    assert (found["total"], found["indexes"]) == (3, [0, 1])
    rest = one(client, fair, filter=json.dumps(LARGE), limit="2", cursor=found["next_cursor"])
    assert (rest["indexes"], rest["next_cursor"]) == ([2], None)
    refused = client.get(f"{PATH}/{fair}", params={"filter": '{"all": [{"field": "x", "op": "like"}]}'})
    assert refused.status_code == 400
    assert "all[0].op must be one of" in refused.json()["message"]


def test_a_table_and_lines_have_the_same(client: httpx2.Client, fair: str) -> None:
    table = client.get(f"{PATH}/{fair}.csv").raise_for_status()
    assert table.headers["content-disposition"].startswith('attachment; filename="Fair.csv"')
    rows = list(csv.DictReader(io.StringIO(table.content.decode("utf-8-sig"))))
    assert [row["employees"] for row in rows] == ["410", "52", "1250", "", "7"]
    assert rows[0]["note"] == "'=1+1"
    assert rows[3]["_duplicate_of"] == f"{fair}/0"
    asked = {"columns": '["_email", "employees"]'}
    lines = client.get(f"{PATH}/{fair}.ndjson", params=asked).raise_for_status().text.splitlines()
    assert [json.loads(line)["_email"] for line in lines[:2]] == [
        "mai.trần@songbac.example",
        "owen@firm.example",
    ]
    assert json.loads(lines[2]) == {"_email": None, "employees": 1250}


def test_segments_are_rules_or_lists_and_go_upstream_when_they_are_to(
    client: httpx2.Client, server: Upstream, fair: str, news: str
) -> None:
    def kept(**body: object) -> str:
        answer = client.post(f"{PATH}/{fair}/segments", json=body).raise_for_status().json()
        assert answer["segment"]["count"] == 3
        found: str = answer["segment"]["segment_id"]
        return found

    rule = kept(name="Rule", filter=LARGE)
    frozen = kept(name="List", filter=FIRST, frozen=True, forward=True)
    for segment in (rule, frozen):
        found = client.get(f"{SEGMENTS}/{segment}").raise_for_status().json()
        assert found["records"] == FAIR[:3]
        table = client.get(f"{SEGMENTS}/{segment}.csv").raise_for_status().content.decode("utf-8-sig")
        assert len(table.splitlines()) == 4
    listed = client.get(SEGMENTS).json()["segments"]
    assert [each["segment_id"] for each in listed] == [frozen, rule]

    records = {("record", f"{fair}/{n}") for n in range(5)} | {("record", f"{news}/{n}") for n in range(2)}
    until(lambda: upstream_has(server).keys() == records | {("segment", frozen)}, "all is upstream")
    there = upstream_has(server)
    for index, record in enumerate(FAIR):
        assert there["record", f"{fair}/{index}"]["record"] == record
    assert there["record", f"{news}/0"]["result"]["_duplicate_of"] == f"{fair}/1"
    told = there["segment", frozen]
    assert told["record"] == {"name": "List", "upload_id": fair, "filter": FIRST, "frozen": True}
    assert told["result"] == {"count": 3, "rows": [0, 1, 2]}
    client.patch(f"{SEGMENTS}/{rule}", json={"forward": True}).raise_for_status()
    until(lambda: ("segment", rule) in upstream_has(server), "the rule is upstream")
    assert upstream_has(server)["segment", rule]["result"] == {"count": 3}


def test_what_is_deleted_goes_everywhere_and_its_duplicates_are_looked_at_again(
    box: BoxProcess, client: httpx2.Client, server: Upstream, fair: str, news: str
) -> None:
    headers = {"Authorization": f"Bearer {box.token(Role.ANALYST, subject='another')}"}
    for method in ("GET", "DELETE"):
        refused = client.request(method, f"{PATH}/{fair}", headers=headers)
        assert (refused.status_code, refused.json()["message"]) == (403, "Access denied")
    gone = client.delete(f"{PATH}/{fair}")
    assert gone.json() == {"status": "success", "message": "Batch upload deleted successfully"}
    assert client.delete(f"{PATH}/{fair}").status_code == 404
    assert client.get(f"{PATH}/{fair}").json()["message"] == "Batch upload not found"
    assert client.get(SEGMENTS).json()["segments"] == []
    left = {("record", f"{news}/{n}") for n in range(2)}
    until(lambda: upstream_has(server).keys() == left, "upstream has been told", PATIENCE)
    until(
        lambda: one(client, news)["results"][0]["_duplicate_of"] is None, "what was a duplicate is the first"
    )
    until(
        lambda: upstream_has(server)["record", f"{news}/0"]["result"]["_duplicate_of"] is None,
        "upstream knows it",
    )
    assert [seq for batch in server.taken for seq in batch.seqs] == list(
        range(1, server.taken[-1].seqs[-1] + 1)
    )
    with box.client() as admin:
        assert admin.get("/v1/doctor").json()["ok"]
        job = admin.get(f"/v1/jobs/{fair}").raise_for_status().json()
        assert (job["state"], job["error"]) == ("cancelled", "The upload was deleted.")
