"""A person is erased from uploads: their own records go, and where others name them a mark is left."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import httpx2
import msgspec
import pytest

from ingestbox.families.audience.shapes import PATH
from ingestbox.model import Role
from tests.families.audience.edge import Edge, found, put
from tests.families.audience.support import person, post, read, send, wait_processed
from tests.families.erasing import ErasureRoom
from tests.harness import BoxProcess, until
from tests.web.v1.support import Json, get, settled
from tests.web.v1.support import post as ask

_numbers = itertools.count(1)


BOB = {"business_email": "bob@example.com"}


@pytest.fixture
def room(box: BoxProcess) -> Iterator[ErasureRoom]:
    number = next(_numbers)
    with box.client(Role.ADMIN, workspace=f"erasing-{number}") as client:
        yield ErasureRoom(box, client, f"erasing-{number}", f"zzanna{number}quux")


def erased(room: ErasureRoom, email: str = "") -> Json:
    client = room.client
    reply = client.post("/v1/erasures", json={"email": email or room.address})
    assert reply.status_code in (200, 202), reply.text
    path = f"/v1/erasures/{reply.json()['erasure_id']}"

    def done() -> Json | None:
        found = get(client, path)
        return found if found["state"] == "done" else None

    return until(done, "the erasure is done")


def done(client: httpx2.Client, records: list[Json], name: str = "people", **options: object) -> str:
    upload_id = post(client, records, name, **options)
    wait_processed(client, upload_id)
    return upload_id


def test_nothing_of_the_person_is_left_and_nobody_else_is_missing(
    room: ErasureRoom,
) -> None:
    client, anna = room.client, room.address
    named = {**BOB, "notes": f"knows {anna.title()}", "of": {anna: [1.50]}}
    theirs: list[Json] = [
        {"business_email": anna.upper()},
        {"email": f"Anna <{anna}>"},
        {"business_email": "anna@work.example", "personal_email": anna},
        {"business_email": "anna at work", "personal_email": f"mailto:{anna}?subject=x"},
    ]
    others: list[Json] = [
        named,
        {"business_email": f"{anna}, bob@x.example"},
        {"domain": "acme.example", "contact": anna},
        {"domain": "ACME.example", "contact": anna.upper()},
        {"business_email": f"jo.{anna}"},
    ]
    first = done(client, [*theirs, *others], f"list of {anna}", body={"fields": ["business_email", anna]})
    second = done(client, [theirs[0], named, person(7)], headers={"Idempotency-Key": "k"})
    send(client, [{"notes": anna}, BOB], params={"mode": "partial"})
    assert room.traces

    counts = erased(room)["counts"]
    assert counts["records"] == 4 + 4 + 2 + 1
    upload = read(client, first)
    assert upload["upload_name"] == "list of [erased]"
    assert upload["fields"] == ["business_email", "[erased]"]
    assert upload["records"] == [
        {**BOB, "notes": "knows [erased]", "of": {"[erased]": [1.5]}},
        {"business_email": "[erased], bob@x.example"},
        {"domain": "acme.example", "contact": "[erased]"},
        {"domain": "ACME.example", "contact": "[erased]"},
        {"business_email": f"jo.{anna}"},
    ]
    assert (upload["rows_received"], upload["rows_stored"], upload["rows_processed"]) == (9, 5, 5)
    assert [each["_email"] for each in upload["results"]] == [
        *("bob@example.com", "[erased], bob@x.example", None, None, f"jo.{anna}"),
    ]
    assert [each["_duplicate_of"] for each in upload["results"]] == [None, None, None, f"{first}/6", None]
    assert [each["_email"] for each in read(client, second)["results"]] == [
        "bob@example.com",
        "test7@example.com",
    ]
    (line,) = [each for each in client.get(PATH).json()["uploads"] if each["upload_id"] == first]
    assert (line["upload_name"], line["rows_stored"]) == ("list of [erased]", 5)

    # Processing all again brings nobody back.
    for upload_id in (first, second):
        ask(client, f"/v1/jobs/{upload_id}/reprocess", records="all")
        settled(client, upload_id)
    assert read(client, first) == upload
    until(lambda: not room.rows("SELECT 1 FROM departed"), "all is told")
    left = f"SELECT object_id FROM audience_records WHERE CAST(result AS TEXT) LIKE '%{room.local}%'"
    assert room.rows(left) == [(f"{first}/8",)]  # somebody else


def test_not_even_a_byte_of_it_is_left(room: ErasureRoom) -> None:
    client, anna = room.client, room.address
    records = [
        {"email": anna, "n": n} if n % 3 else {**person(n), "notes": f"from {anna}"} for n in range(300)
    ]
    upload_id = done(client, records, f"list of {anna}")
    erased(room)
    assert len(read(client, upload_id)["records"]) == 100
    assert room.traces == []


def test_records_that_differ_in_the_address_alone_are_the_same_without_it(
    room: ErasureRoom,
) -> None:
    """Two that were firsts are one thing now; the erasure goes through, and one of them is the first."""
    client, anna = room.client, room.address
    other = f"bob-{room.local}@personal-mail.example"
    first = done(client, [{"domain": "acme.example", "contact": anna}] * 2)
    second = done(client, [{"domain": "acme.example", "contact": other}] * 2)
    third = done(client, [{"domain": "acme.example", "contact": "[erased]"}])
    erased(room)
    erased(room, other)

    def right() -> bool:
        found = [read(client, each)["results"] for each in (first, second, third)]
        return [each["_duplicate_of"] for results in found for each in results] == [f"{third}/0"] * 4 + [None]

    until(right, "one of them is the first")
    until(lambda: not room.rows("SELECT 1 FROM departed"), "all is told")
    assert room.traces == []


def test_what_waits_keeps_its_place_and_other_workspaces_their_people(
    room: ErasureRoom,
) -> None:
    client, anna = room.client, room.address
    with room.box.client(Role.ADMIN, workspace=f"{room.workspace}-other") as elsewhere:
        there = done(elsewhere, [{"email": anna}])
        upload_id = send(client, [{"notes": anna}, BOB], params={"mode": "partial"}).json()["upload_id"]
        wait_processed(client, upload_id)
        erased(room)
        (issue,) = get(client, "/v1/issues", job=upload_id)["issues"]
        assert issue["state"] == "open"
        assert get(client, f"/v1/records/{issue['record']}")["payload"] == {"notes": "[erased]"}
        assert read(client, upload_id)["records"] == [BOB]
        assert len(read(elsewhere, there)["records"]) == 1


def test_what_another_box_has_told_goes_as_well(room: ErasureRoom) -> None:
    client, anna = room.client, room.address
    edge = Edge(room.box, room.workspace)
    upload_id = "upl_1790000000000_abcdefghi"
    records: list[Json] = [
        {"business_email": "anna@work.example", "personal_email": anna},
        {**BOB, "notes": f"knows {anna}"},
        BOB,
    ]
    results = [
        found(_email="anna@work.example"),
        found(_email="bob@example.com"),
        found(_email="bob@example.com"),
    ]
    lines = [
        put(upload_id, index, record=msgspec.json.encode(record), result=msgspec.json.encode(result))
        for index, (record, result) in enumerate(zip(records, results, strict=True))
    ]
    assert edge.send(*lines)["accepted"] == 3
    erased(room)
    upload = read(client, upload_id, box=edge.box, all="true")
    assert upload["records"] == [{**BOB, "notes": "knows [erased]"}, BOB]
    assert room.traces == []
