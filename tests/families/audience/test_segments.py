"""Segments at the door: made, listed, read, changed, deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from ingestbox.families.audience.segments.shapes import SEGMENTS
from ingestbox.families.audience.shapes import PATH
from ingestbox.families.audience.twins import NDJSON
from tests.families.audience.support import People, person, post, read, refused, wait_processed
from tests.harness import BoxProcess, until

Json = dict[str, Any]

GERMAN = {"field": "country", "op": "=", "value": "DE"}
WITHOUT_X = {"field": "x", "op": "!=", "value": 1}


def upload(client: httpx2.Client, countries: str = "DE FR DE", **options: Any) -> str:
    records = [person(number, country=each) for number, each in enumerate(countries.split())]
    upload_id = post(client, records, **options)
    wait_processed(client, upload_id)
    return upload_id


def make(client: httpx2.Client, upload_id: str, name: str = "Germany", **members: Any) -> Json:
    headers = members.pop("headers", {})
    body = {"name": name, **members}
    reply = client.post(f"{PATH}/{upload_id}/segments", json=body, headers=headers)
    assert reply.status_code == 200, reply.text
    segment: Json = reply.json()["segment"]
    return segment


def change(client: httpx2.Client, segment: Json, **members: Any) -> Json:
    reply = client.patch(f"{SEGMENTS}/{segment['segment_id']}", json=members)
    assert reply.status_code == 200, reply.text
    changed: Json = reply.json()["segment"]
    return changed


def one(client: httpx2.Client, segment: Json, **params: Any) -> Json:
    reply = client.get(f"{SEGMENTS}/{segment['segment_id']}", params=params)
    assert reply.status_code == 200, reply.text
    found: Json = reply.json()
    return found


def listed(client: httpx2.Client, **params: Any) -> list[Json]:
    reply = client.get(SEGMENTS, params=params)
    assert reply.status_code == 200, reply.text
    found: list[Json] = reply.json()["segments"]
    return found


def trail(people: People, segment: Json) -> list[tuple[str, Any, Any]]:
    params = {"object": "segment", "object_id": segment["segment_id"]}
    lines = people.admin.get("/v1/audit", params=params).raise_for_status().json()["audit"]
    return [(line["action"], line["before"], line["after"]) for line in reversed(lines)]


def test_a_rule_and_a_list_have_their_records(people: People) -> None:
    upload_id = upload(people.anna)
    rule = make(people.anna, upload_id, filter=GERMAN)
    frozen = make(people.anna, upload_id, "  All ", frozen=True)
    assert rule["segment_id"].startswith("seg_")
    assert {name: rule[name] for name in ("name", "upload_id", "filter", "frozen", "forward", "count")} == {
        "name": "Germany",
        "upload_id": upload_id,
        "filter": GERMAN,
        "frozen": False,
        "forward": False,
        "count": 2,
    }
    assert (frozen["name"], frozen["filter"], frozen["frozen"], frozen["count"]) == ("All", None, True, 3)
    assert listed(people.anna) == [frozen, rule]
    everything = read(people.anna, upload_id)
    whole = one(people.anna, rule)
    assert whole["segment"] == rule
    assert whole["indexes"] == [0, 2]
    assert whole["records"] == [everything["records"][0], everything["records"][2]]
    assert whole["results"] == [everything["results"][0], everything["results"][2]]
    assert (whole["fields"], "next_cursor" in whole) == (everything["fields"], False)
    assert one(people.anna, frozen)["records"] == everything["records"]
    assert trail(people, rule) == [
        ("segment.create", None, {**facts(rule), "upload": upload_id}),
    ]


def facts(segment: Json) -> Json:
    return {name: segment[name] for name in ("name", "filter", "frozen", "forward")}


def test_pages_and_twins(people: People) -> None:
    upload_id = upload(people.anna, "DE FR DE DE")
    for frozen in (False, True):
        segment = make(people.anna, upload_id, "De, luxe", filter=GERMAN, frozen=frozen)
        first = one(people.anna, segment, limit=2)
        assert (first["indexes"], first["segment"]["count"]) == ([0, 2], 3)
        second = one(people.anna, segment, limit=2, cursor=first["next_cursor"])
        assert (second["indexes"], second["next_cursor"]) == ([3], None)
        path = f"{SEGMENTS}/{segment['segment_id']}"
        csv = people.anna.get(f"{path}.csv", params={"columns": '["country","_index"]'})
        assert csv.content.decode("utf-8-sig").split() == ["country,_index", "DE,0", "DE,2", "DE,3"]
        assert "luxe.csv" in csv.headers["Content-Disposition"]
        lines = people.anna.get(f"{path}.ndjson")
        assert lines.headers["Content-Type"] == NDJSON
        assert [json.loads(line)["_index"] for line in lines.text.splitlines()] == [0, 2, 3]


def test_a_long_list_is_read_whole(people: People) -> None:
    upload_id = post(people.anna, [{"domain": f"d{number}.example"} for number in range(2_100)])
    wait_processed(people.anna, upload_id)
    frozen = make(people.anna, upload_id, frozen=True, filter={"field": "domain", "op": "!=", "value": "x"})
    rule = make(people.anna, upload_id)
    for segment in (frozen, rule):
        whole = one(people.anna, segment)
        assert whole["segment"]["count"] == 2_100
        assert whole["indexes"] == list(range(2_100))
        assert len(whole["results"]) == 2_100


def test_lists_of_segments(people: People) -> None:
    first, second = upload(people.anna), upload(people.anna)
    made = [make(people.anna, first, "a"), make(people.anna, second, "b"), make(people.anna, first, "c")]
    boris = make(people.boris, upload(people.boris), "d")
    assert [each["name"] for each in listed(people.anna)] == ["c", "b", "a"]
    assert [each["name"] for each in listed(people.anna, upload_id=first)] == ["c", "a"]
    page = people.anna.get(SEGMENTS, params={"limit": 2}).json()
    assert ([each["name"] for each in page["segments"]], page["total"]) == (["c", "b"], 3)
    rest = people.anna.get(SEGMENTS, params={"limit": 2, "cursor": page["next_cursor"]}).json()
    assert ([each["name"] for each in rest["segments"]], rest["next_cursor"]) == (["a"], None)
    everybody = listed(people.admin, all="true")
    assert [each["name"] for each in everybody] == ["d", "c", "b", "a"]
    assert {each["owner"] for each in everybody} >= {everybody[0]["owner"], everybody[1]["owner"]}
    assert listed(people.stranger) == []
    refused(people.boris.get(SEGMENTS, params={"upload_id": first}), 403, "Access denied")
    refused(people.boris.get(SEGMENTS, params={"upload_id": "upl_0_x"}), 404, "Batch upload not found")
    assert made[0]["count"] == boris["count"] == 3


def test_who_sees_and_changes_one(people: People) -> None:
    upload_id = upload(people.anna)
    segment = make(people.anna, upload_id)
    path = f"{SEGMENTS}/{segment['segment_id']}"
    for client in (people.boris, people.admin, people.stranger):
        for reply in (
            client.get(path),
            client.get(f"{path}.csv"),
            client.get(f"{path}.ndjson"),
            client.patch(path, json={"name": "mine"}),
            client.delete(path),
            client.post(f"{PATH}/{upload_id}/segments", json={"name": "mine"}),
        ):
            refused(reply, 403, "Access denied")
    assert people.admin.get(path, params={"all": "true"}).json()["segment"]["owner"]
    assert people.admin.patch(path, params={"all": "true"}, json={"name": "seen"}).status_code == 200
    assert one(people.anna, segment)["segment"]["name"] == "seen"
    missing = f"{SEGMENTS}/seg_0_000000000"
    for reply in (
        people.anna.get(missing),
        people.anna.get(f"{missing}.csv"),
        people.anna.patch(missing, json={}),
        people.anna.delete(missing),
    ):
        refused(reply, 404, "Segment not found")
    refused(
        people.anna.post(f"{PATH}/upl_0_000000000/segments", json={"name": "a"}),
        404,
        "Batch upload not found",
    )


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["name"]),
        ({"name": " "}, ["name"]),
        ({"name": None}, ["name"]),
        ({"name": "x" * 101}, ["name"]),
        (
            {"name": "a\nb", "frozen": 1, "forward": "yes", "colour": 1},
            ["name", "frozen", "forward", "colour"],
        ),
        ({"name": "a", "filter": {"all": [GERMAN, {"field": "a", "op": "~"}]}}, ["filter.all[1].op"]),
        ({"name": "a", "filter": "country = DE"}, ["filter"]),
        ([], [None]),
    ],
)
def test_all_that_is_wrong_with_a_body_is_told(people: People, body: Any, fields: list[str | None]) -> None:
    upload_id = post(people.anna, [person(1)])
    reply = people.anna.post(f"{PATH}/{upload_id}/segments", json=body)
    assert (reply.status_code, reply.json()["code"]) == (400, "validation_failed"), reply.text
    assert [fault.get("field") for fault in reply.json()["errors"]] == fields
    assert listed(people.anna) == []


def test_a_creation_is_made_once_for_its_key(people: People) -> None:
    upload_id = upload(people.anna)
    path, headers = f"{PATH}/{upload_id}/segments", {"Idempotency-Key": "once"}
    with ThreadPoolExecutor(4) as pool:
        replies = list(
            pool.map(lambda _: people.anna.post(path, json={"name": "a"}, headers=headers), range(4))
        )
    assert len({reply.content for reply in replies}) == 1
    assert sorted(reply.headers.get("Idempotency-Replayed", "") for reply in replies) == ["", *["true"] * 3]
    assert len(listed(people.anna)) == 1
    other = people.anna.post(path, json={"name": "b"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    bad = people.anna.post(path, json={"name": "b"}, headers={"Idempotency-Key": "x" * 256})
    assert bad.status_code == 400


def test_renaming_freezing_and_making_a_rule_again(people: People) -> None:
    segment = make(people.anna, upload(people.anna), filter=GERMAN)
    same = change(people.anna, segment, name="Germany", frozen=False)
    assert same == segment
    renamed = change(people.anna, segment, name="Deutschland")
    assert (renamed["name"], renamed["created_at"], renamed["count"]) == (
        "Deutschland",
        segment["created_at"],
        2,
    )
    assert renamed["updated_at"] > segment["updated_at"]
    frozen = change(people.anna, segment, frozen=True)
    assert (frozen["frozen"], frozen["name"], frozen["count"]) == (True, "Deutschland", 2)
    assert change(people.anna, segment, frozen=False)["frozen"] is False
    assert [action for action, _, _ in trail(people, segment)] == ["segment.create", *["segment.change"] * 3]
    reply = people.anna.patch(f"{SEGMENTS}/{segment['segment_id']}", json={"filter": None, "name": 5})
    assert [fault["field"] for fault in reply.json()["errors"]] == ["name", "filter"]


def test_changes_at_the_same_time_are_all_made(people: People) -> None:
    segment = make(people.anna, upload(people.anna))
    bodies = [{"name": "Other"}, {"frozen": True}]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda body: change(people.anna, segment, **body), bodies))
    now = one(people.anna, segment)["segment"]
    assert (now["name"], now["frozen"]) == ("Other", True)


def test_a_deleted_one_is_gone_and_its_records_stay(people: People) -> None:
    upload_id = upload(people.anna)
    segment = make(people.anna, upload_id)
    path = f"{SEGMENTS}/{segment['segment_id']}"
    assert people.anna.delete(path).json() == {
        "status": "success",
        "message": "Segment deleted successfully",
    }
    for reply in (people.anna.delete(path), people.anna.get(path)):
        refused(reply, 404, "Segment not found")
    assert len(read(people.anna, upload_id)["records"]) == 3
    assert [action for action, _, _ in trail(people, segment)] == ["segment.create", "segment.remove"]


def test_segments_go_with_their_upload(people: People) -> None:
    first, second = upload(people.anna), upload(people.anna)
    segment, other = make(people.anna, first), make(people.anna, second)
    assert people.anna.delete(f"{PATH}/{first}").status_code == 200
    assert [each["segment_id"] for each in listed(people.anna)] == [other["segment_id"]]
    refused(people.anna.get(f"{SEGMENTS}/{segment['segment_id']}"), 404, "Segment not found")


def test_what_is_repaired_joins_a_rule_and_no_list(people: People) -> None:
    upload_id = post(people.anna, [person(0), {"x": 1}, person(2)], params={"mode": "partial"})
    wait_processed(people.anna, upload_id)
    rule = make(people.anna, upload_id, filter=WITHOUT_X)
    frozen = make(people.anna, upload_id, filter=WITHOUT_X, frozen=True)
    everything = make(people.anna, upload_id)
    assert (rule["count"], frozen["count"], everything["count"]) == (2, 2, 2)
    params = {"job": upload_id, "all": "true"}
    (issue,) = people.admin.get("/v1/issues", params=params).raise_for_status().json()["issues"]
    record = f"/v1/records/{issue['record']}"
    fixed = people.admin.patch(record, params={"all": "true"}, json={"email": "a@b.example", "x": 2})
    assert fixed.status_code == 200, fixed.text
    wait_processed(people.anna, upload_id)
    assert until(lambda: one(people.anna, rule)["indexes"] == [0, 1, 2], "it joined")
    assert one(people.anna, frozen)["indexes"] == [0, 2]
    assert one(people.anna, everything)["segment"]["count"] == 3
    again = change(people.anna, frozen, frozen=True)
    assert again["count"] == 3
    assert one(people.anna, frozen)["indexes"] == [0, 1, 2]
    # Processed anew, all are what they were.
    people.admin.post(f"/v1/jobs/{upload_id}/reprocess", params={"all": "true"}, json={"records": "all"})
    wait_processed(people.anna, upload_id)
    assert one(people.anna, frozen)["indexes"] == one(people.anna, rule)["indexes"] == [0, 1, 2]


@pytest.fixture
def alone(own_box: BoxProcess) -> Iterator[httpx2.Client]:
    own_box.start()
    with own_box.client() as client:
        yield client


def test_who_is_erased_leaves_lists_and_names(alone: httpx2.Client) -> None:
    address = "zzanna@example.com"
    upload_id = post(alone, [person(0), {"email": address}, person(2)])
    wait_processed(alone, upload_id)
    theirs = {"field": "email", "op": "=", "value": address}
    segment = make(alone, upload_id, f"Not {address}", filter={"any": [WITHOUT_X, theirs]}, frozen=True)
    assert segment["count"] == 3
    reply = alone.post("/v1/erasures", json={"email": address})
    path = f"/v1/erasures/{reply.raise_for_status().json()['erasure_id']}"
    until(lambda: alone.get(path).json()["state"] == "done", "the erasure is done")
    now = one(alone, segment)
    assert (now["indexes"], now["segment"]["count"]) == ([0, 2], 2)
    assert address not in json.dumps(now)
    assert now["segment"]["name"].startswith("Not ")
    assert address not in json.dumps(alone.get("/v1/audit").json())
