"""Segments that are forwarded: what upstream is told of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import msgspec
import pytest

from ingestbox.families.audience.segments.shapes import SEGMENTS
from ingestbox.families.audience.shapes import PATH
from ingestbox.model import delivery_digest
from tests.families.audience.edge import Edge
from tests.families.audience.support import People, person, post, wait_processed
from tests.families.audience.test_segments import change, listed, make, one, upload
from tests.harness import BoxProcess, until

Json = dict[str, Any]

GERMAN = {"field": "country", "op": "=", "value": "DE"}


def lines_of(box: BoxProcess, segment: Json) -> list[Json]:
    """The deliveries of a segment with their lines, oldest first."""
    with box.client() as operator:
        every = {"all": "true"}
        found = operator.get("/v1/deliveries", params={**every, "limit": 200}).raise_for_status().json()
        mine = [each for each in found["deliveries"] if each["object_id"] == segment["segment_id"]]
        whole = [
            operator.get(f"/v1/deliveries/{each['seq']}", params=every).json() for each in reversed(mine)
        ]
    assert all(each["kind"] == "segment" and each["record"] is None for each in whole)
    return [each["line"] for each in whole]


def said(line: Json) -> tuple[str, int]:
    return line["op"], line["version"]


def test_one_that_is_marked_is_put_as_what_it_is(box: BoxProcess, people: People) -> None:
    upload_id = upload(people.anna, "DE FR DE", name="Spring fair")
    rule = make(people.anna, upload_id, filter=GERMAN, forward=True)
    (line,) = lines_of(box, rule)
    assert said(line) == ("put", 1)
    assert (line["family"], line["kind"], line["id"]) == ("audience", "segment", rule["segment_id"])
    assert (line["workspace"], line["job_id"]) == (people.workspace, upload_id)
    assert line["record"] == {
        "name": "Germany",
        "upload_id": upload_id,
        "filter": GERMAN,
        "frozen": False,
    }
    assert line["result"] == {"count": 2}
    assert line["lineage"] == {"file": "Spring fair", "rules": "1"}
    assert line["hash"] == delivery_digest(
        *(msgspec.json.encode(line[name]) for name in ("record", "result"))
    )
    frozen = make(people.anna, upload_id, "Kept", frozen=True, forward=True, filter=GERMAN)
    (line,) = lines_of(box, frozen)
    assert line["result"] == {"count": 2, "rows": [0, 2]}
    assert lines_of(box, make(people.anna, upload_id, "not marked")) == []


def test_each_change_is_a_new_version_and_unmarking_a_tombstone(box: BoxProcess, people: People) -> None:
    segment = make(people.anna, upload(people.anna))
    change(people.anna, segment, name="unseen")
    assert lines_of(box, segment) == []
    change(people.anna, segment, forward=True)
    change(people.anna, segment, forward=True, name="unseen")  # as it is
    change(people.anna, segment, name="renamed")
    change(people.anna, segment, frozen=True)
    lines = lines_of(box, segment)
    assert [said(line) for line in lines] == [("put", 1), ("put", 2), ("put", 3)]
    assert [line["record"]["name"] for line in lines] == ["unseen", "renamed", "renamed"]
    assert [line["result"].get("rows") for line in lines] == [None, None, [0, 1, 2]]
    unmarked = change(people.anna, segment, forward=False)
    assert (unmarked["forward"], unmarked["name"], unmarked["count"]) == (False, "renamed", 3)
    assert one(people.anna, segment)["indexes"] == [0, 1, 2]
    assert said(lines_of(box, segment)[-1]) == ("delete", 4)
    change(people.anna, segment, name="again", forward=True)
    assert said(lines_of(box, segment)[-1]) == ("put", 5)
    assert people.anna.delete(f"{SEGMENTS}/{segment['segment_id']}").status_code == 200
    assert said(lines_of(box, segment)[-1]) == ("delete", 6)


def test_the_upload_takes_its_segments_along(box: BoxProcess, people: People) -> None:
    upload_id = upload(people.anna)
    marked, other = make(people.anna, upload_id, forward=True), make(people.anna, upload_id)
    assert people.anna.delete(f"{PATH}/{upload_id}").status_code == 200
    assert [said(line) for line in lines_of(box, marked)] == [("put", 1), ("delete", 2)]
    assert lines_of(box, other) == []


@pytest.fixture
def alone(own_box: BoxProcess) -> Iterator[httpx2.Client]:
    own_box.start()
    with own_box.client() as client:
        yield client


def test_an_erased_address_goes_from_what_upstream_has(own_box: BoxProcess, alone: httpx2.Client) -> None:
    address = "zzanna@example.com"
    upload_id = post(alone, [person(0), {"email": address}])
    wait_processed(alone, upload_id)
    theirs = {"field": "email", "op": "!=", "value": address}
    marked = make(alone, upload_id, f"Not {address}", filter=theirs, frozen=True, forward=True)
    other = make(alone, upload_id, "Others", filter=theirs, forward=True)
    change(alone, other, forward=False)
    reply = alone.post("/v1/erasures", json={"email": address})
    path = f"/v1/erasures/{reply.raise_for_status().json()['erasure_id']}"
    until(lambda: alone.get(path).json()["state"] == "done", "the erasure is done")
    first, second = lines_of(own_box, marked)
    assert first["op"] == "skip"
    assert said(second) == ("put", 2)
    assert address not in str(second)
    assert second["result"] == {"count": 1, "rows": [0]}
    assert "row" not in second["lineage"]
    assert second["record"]["name"].startswith("Not ")
    assert one(alone, marked)["segment"]["forward"] is True
    now = one(alone, other)["segment"]
    assert (now["forward"], address in str(now)) == (False, False)
    assert [line["op"] for line in lines_of(own_box, other)] == ["skip", "delete"]
    assert change(alone, marked, name="later")["count"] == 1
    assert said(lines_of(own_box, marked)[-1]) == ("put", 3)


def test_a_central_box_shows_what_it_is_told(box: BoxProcess, people: People) -> None:
    """Here the box is both: what it tells of its own segments another one would tell it."""
    upload_id = upload(people.anna)
    segment = make(people.anna, upload_id, filter=GERMAN, frozen=True, forward=True)
    change(people.anna, segment, name="Renamed")
    with box.client() as operator:
        found = operator.get("/v1/deliveries", params={"all": "true", "limit": 200}).json()["deliveries"]
        told = [
            operator.get(f"/v1/deliveries/{each['seq']}", params={"all": "true"}).json()["line"]
            for each in reversed(found)
            if each["object_id"] == segment["segment_id"] or each["object_id"].startswith(upload_id)
        ]
    edge = Edge(box, people.workspace)
    names = ("op", "version", "workspace", "family", "kind", "id", "owner", "job_id", "at", "hash", "record")
    edge.tells(*[{name: line[name] for name in (*names, "result", "lineage")} for line in told])
    (theirs,) = [each for each in listed(people.admin, all="true") if "box" in each]
    assert (theirs["name"], theirs["count"], theirs["frozen"]) == ("Renamed", 2, True)
    assert (theirs["segment_id"], theirs["box"]) == (segment["segment_id"], edge.box)
    whole = one(people.admin, segment, all="true", box=edge.box)
    assert whole["indexes"] == [0, 2]
    assert whole["records"] == one(people.anna, segment)["records"]
    path, params = f"{SEGMENTS}/{segment['segment_id']}", {"all": "true", "box": edge.box}
    assert people.admin.delete(path, params=params).status_code == 403
    assert people.admin.patch(path, params=params, json={"name": "x"}).status_code == 403
    assert people.anna.get(path, params={"box": edge.box}).status_code == 403
    assert [each["name"] for each in listed(people.anna)] == ["Renamed"]
