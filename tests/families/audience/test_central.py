"""A central box keeps what other boxes found out about audience records: one effect per line, uploads that
are there as long as a record of theirs is, and nobody's but the administrators'."""

from __future__ import annotations

import csv
from typing import Any

import httpx2
import msgspec
import pytest

from ingestbox.families.audience.segments.shapes import SEGMENTS
from ingestbox.families.audience.shapes import PATH
from ingestbox.ids import prefixed
from ingestbox.model import Role
from ingestbox.store import DATABASE
from ingestbox.store.engine import connect_writer
from tests.families.audience.edge import Edge, found, gone, put, rejected, segment, segment_gone
from tests.families.audience.support import People, person, post, refused, wait_processed
from tests.harness import BoxProcess, until

Json = dict[str, Any]

MADE_MS = 1_772_366_400_123
MADE = "2026-03-01T12:00:00.123Z"


@pytest.fixture
def edge(box: BoxProcess, people: People) -> Edge:
    return Edge(box, people.workspace)


@pytest.fixture
def upload_id() -> str:
    return prefixed("upl", MADE_MS)


def listed(client: httpx2.Client, **params: Any) -> list[Json]:
    """The uploads of a list for administrators, whose total has to be right."""
    reply = client.get(PATH, params={"all": "true", **params}).raise_for_status().json()
    if not params:
        assert reply["total"] == len(reply["uploads"])
    uploads: list[Json] = reply["uploads"]
    return uploads


def counts(client: httpx2.Client) -> dict[tuple[str, str], int]:
    """(box, upload's name) → how many records."""
    return {(each.get("box", ""), each["upload_name"]): each["rows_received"] for each in listed(client)}


def one(client: httpx2.Client, upload_id: str, box: str, **params: Any) -> Json:
    reply = client.get(f"{PATH}/{upload_id}", params={"all": "true", "box": box, **params})
    assert reply.status_code == 200, reply.text
    whole: Json = reply.json()
    return whole


def test_an_upload_of_another_box_is_made_of_its_lines(people: People, edge: Edge, upload_id: str) -> None:
    records = [
        b'{ "business_email" : "anna@example.com",\t"n" : 1.0e3, "caf\\u00e9":"\xc3\xa9" }',
        b'{"domain":"example.com","n":12345678901234567890,"n2":[ ],"":null}',
    ]
    same = b'"_domain":"example.com","_free_mail":false,"_disposable":false'
    results = [
        b'{"_email":"a@example.com","_email_valid":true,%s,"_completeness":0.70,"_duplicate_of":null}' % same,
        b'{"_email":null,"_email_valid":null,%s,"_completeness":1,"_duplicate_of":"upl_other/3"}' % same,
    ]
    # The second one comes first: their order is that of the upload.
    edge.tells(*(put(upload_id, 9 - 4 * n, record=records[n], result=results[n]) for n in (0, 1)))
    (line,) = listed(people.admin)
    assert line == {
        "upload_id": upload_id,
        "upload_name": "Spring fair",
        "created_at": MADE,
        "rows_received": 2,
        "status": "uploaded",
        "fields": ["business_email", "n", "café", "domain", "n2", ""],
        "rows_stored": 2,
        "rows_processed": 2,
        "owner": "local:somebody",
        "box": edge.box,
    }
    reply = people.admin.get(f"{PATH}/{upload_id}", params={"all": "true", "box": edge.box})
    raw = msgspec.json.decode(reply.content, type=dict[str, msgspec.Raw])
    assert bytes(raw["records"]) == b"[%s,%s]" % (records[1], records[0])
    assert bytes(raw["results"]) == b"[%s,%s]" % (results[1], results[0])
    whole = reply.json()
    assert (whole["upload_name"], whole["created_at"], whole["fields"]) == (
        line["upload_name"],
        MADE,
        line["fields"],
    )
    assert (whole["rows_received"], whole["rows_stored"], whole["rows_processed"]) == (2, 2, 2)


def test_one_effect_per_line_whatever_comes_again(people: People, edge: Edge, upload_id: str) -> None:
    lines = [put(upload_id, index) for index in range(120)]  # more than one unit
    edge.tells(*lines)
    assert edge.again(1, *lines)["duplicate"] == 120
    assert counts(people.admin) == {(edge.box, "Spring fair"): 120}
    edge.tells(put(upload_id, 5, 3), put(upload_id, 6, 2), put(upload_id, 5, 2))  # the last is late
    whole = one(people.admin, upload_id, edge.box)
    assert len(whole["records"]) == whole["rows_received"] == 120
    assert [whole["results"][index]["_email"] for index in (4, 5, 6)] == [
        f"test{version}@example.com" for version in (1, 3, 2)
    ]
    edge.tells(gone(upload_id, 7, 2), gone(upload_id, 7, 3), gone(upload_id, 500, 1), put(upload_id, 7, 1))
    assert counts(people.admin) == {(edge.box, "Spring fair"): 119}


def test_an_upload_goes_with_its_last_record_and_comes_back_with_the_next(
    people: People, edge: Edge, upload_id: str
) -> None:
    edge.tells(put(upload_id, 0), put(upload_id, 1), gone(upload_id, 0, 2))
    assert counts(people.admin) == {(edge.box, "Spring fair"): 1}
    edge.tells(gone(upload_id, 1, 2))
    assert listed(people.admin) == []
    read = people.admin.get(f"{PATH}/{upload_id}", params={"all": "true", "box": edge.box})
    refused(read, 404, "Batch upload not found")
    edge.tells(put(upload_id, 1, 1))  # an older word than its end
    assert listed(people.admin) == []
    edge.tells(put(upload_id, 1, 3, lineage={"file": "Autumn fair"}))
    assert counts(people.admin) == {(edge.box, "Autumn fair"): 1}


def test_a_new_epoch_of_a_box_has_the_newer_word_and_counts_nothing_twice(
    people: People, edge: Edge, upload_id: str
) -> None:
    edge.tells(*(put(upload_id, index, 7) for index in range(3)))
    edge.epoch = "e2"
    again = [put(upload_id, 0, 2), put(upload_id, 1, 2), gone(upload_id, 2, 2), put(upload_id, 3)]
    answer = edge.again(1, *again)
    assert (answer["accepted"], answer["duplicate"]) == (4, 0)
    edge.epoch = "e1"
    edge.tells(put(upload_id, 0, 8), put(upload_id, 2, 8))
    whole = one(people.admin, upload_id, edge.box)
    assert [each["_email"] for each in whole["results"]] == [f"test{v}@example.com" for v in (2, 2, 1)]
    assert whole["rows_received"] == 3


def test_boxes_and_workspaces_have_uploads_of_their_own(people: People, box: BoxProcess) -> None:
    """Also under the same ids and names, and beside those of this very box."""
    workspace = people.workspace
    own = post(people.anna, [person(1)], "Spring fair")
    wait_processed(people.anna, own)
    first, second, every = (Edge(box, name) for name in (workspace, workspace, "*"))
    first.tells(put(own, 0), put(own, 1))
    second.tells(put(own, 0))
    elsewhere = f"{workspace}-other"
    every.tells(put(own, 0, workspace=workspace), put(own, 0, workspace=elsewhere), gone(own, 0, 1))
    every.tells(put(own, 1, workspace=elsewhere), put(own, 2, workspace=elsewhere))
    assert counts(people.admin) == {
        ("", "Spring fair"): 1,
        (first.box, "Spring fair"): 2,
        (second.box, "Spring fair"): 1,
        (every.box, "Spring fair"): 1,
    }
    with box.client(Role.ADMIN, workspace=elsewhere) as there:
        assert counts(there) == {(every.box, "Spring fair"): 3}
        assert one(there, own, every.box)["rows_received"] == 3
        refused(there.get(f"{PATH}/{own}", params={"all": "true", "box": first.box}), 403, "Access denied")
    # Of what this box has itself, theirs is no duplicate, and it has nothing of theirs.
    whole = wait_processed(people.anna, own)
    assert [each["_duplicate_of"] for each in whole["results"]] == [None]
    assert "box" not in people.anna.get(PATH).json()["uploads"][0]
    with box.client(Role.ADMIN) as operator:  # in every workspace
        mine = {(each.get("box"), each["rows_received"]) for each in listed(operator)}
        assert {(first.box, 2), (every.box, 1), (every.box, 3)} <= mine
    first.tells(gone(own, 0, 2), gone(own, 1, 2))
    assert (first.box, "Spring fair") not in counts(people.admin)
    assert wait_processed(people.anna, own)["rows_received"] == 1


def test_only_administrators_who_ask_for_all_see_them(people: People, edge: Edge, upload_id: str) -> None:
    own = post(people.anna, [person(1)])
    (anna,) = (each["owner"] for each in listed(people.admin))
    edge.tells(put(upload_id, 0, owner=anna))
    path, there = f"{PATH}/{upload_id}", {"box": edge.box}
    for client in (people.anna, people.boris, people.stranger, people.admin):
        mine = [own] if client is people.anna else []
        assert [each["upload_id"] for each in client.get(PATH).json()["uploads"]] == mine
        refused(client.get(path, params=there), 403, "Access denied")
        refused(client.get(path), 404, "Batch upload not found")
        for other in ("b-unheard", "", edge.box.upper()):
            reply = client.get(path, params={"box": other})
            refused(reply, 404, "Batch upload not found")
    for client in (people.anna, people.stranger):
        refused(client.get(PATH, params={"all": "true"}), 403, "all=true needs the role admin.")
        refused(client.get(path, params={**there, "all": "true"}), 403, "all=true needs the role admin.")
    assert one(people.admin, upload_id, edge.box)["rows_received"] == 1
    refused(people.admin.get(path, params={"all": "true"}), 404, "Batch upload not found")


def test_it_is_read_in_parts(people: People, edge: Edge, upload_id: str) -> None:
    # 2^16 + 1 is after 7 by number, and before it as text.
    places = [0, 1, 7, 10, 65_537, (1 << 24) - 1]
    edge.tells(*(put(upload_id, place) for place in reversed(places)))
    params: Json = {"limit": 4}
    seen: list[str] = []
    sizes = []
    while True:
        part = one(people.admin, upload_id, edge.box, **params)
        assert part["rows_received"] == len(places)
        assert len(part["results"]) == len(part["records"])
        seen += [each["business_email"] for each in part["records"]]
        sizes.append(len(part["records"]))
        if part["next_cursor"] is None:
            break
        params["cursor"] = part["next_cursor"]
    assert seen == [f"test{place}@example.com" for place in places]
    assert sizes == [4, 2]
    # The list as well, with others before and after it.
    other = prefixed("upl", MADE_MS)
    edge.tells(put(other, 0))
    page = people.admin.get(PATH, params={"all": "true", "limit": 1}).json()
    assert [each["upload_id"] for each in page["uploads"]] == [other]
    after = {"all": "true", "limit": 1, "cursor": page["next_cursor"]}
    (last,) = people.admin.get(PATH, params=after).json()["uploads"]
    assert last["upload_id"] == upload_id


ODD_IDS = [
    "",  # no slash
    "/",
    "/x",
    "/0x1",
    "/1.0",
    "/01",
    "/+1",
    "/ 1",
    "/1 ",
    "/-1",
    "/-0",
    "/0/1",
    "/1/0",
    "//1",
    f"/{1 << 24}",
    f"/{1 << 63}",
    f"/{1 << 64}",
    f"/{10**400}",
    "/\u0661",  # a digit elsewhere
    "/1\n",
    "/1\0",
    "\0/1",
]


def test_a_line_that_names_no_place_of_its_upload_is_rejected_alone(
    people: People, edge: Edge, upload_id: str
) -> None:
    odd = [put(upload_id, 0, id=upload_id + end) for end in ODD_IDS]
    odd += [put(upload_id, 9, id=other) for other in (f"x{upload_id}/9", "9", "/", "\0/9")]
    jobs = (None, "", f"{upload_id}x", upload_id[:-1], "/", "\0")
    odd += [put(upload_id, 9, job_id=other) for other in jobs]
    odd += [put("", 0), put("a/b", 0), put("/", 0), put("\0", 0), put("a\0b", 0)]
    answer = edge.send(put(upload_id, 0), *odd, put(upload_id, 1))
    assert rejected(answer) == list(range(2, len(odd) + 2))
    assert answer["accepted"] == 2
    assert counts(people.admin) == {(edge.box, "Spring fair"): 2}
    # What is sent instead of them is taken: nothing of them is left.
    answer = edge.again(2, put(upload_id, 2))
    assert (answer["accepted"], answer["rejected"]) == (1, [])
    assert counts(people.admin) == {(edge.box, "Spring fair"): 3}


def test_a_record_or_result_that_is_none_is_rejected_alone(
    people: People, edge: Edge, upload_id: str
) -> None:
    wrong: list[tuple[bytes | None, bytes | None]] = [
        (record, None) for record in (b"[]", b"null", b'"x"', b"7", b"[1]", b'{"a":1e999}')
    ]
    wrong += [(None, result) for result in (b"{}", b"[]", b"null", b'"x"', b"7")]
    less = found()
    for name in found():
        without = {member: value for member, value in less.items() if member != name}
        wrong.append((None, msgspec.json.encode(without)))
        never: list[Any] = [[], {}, -(2**70), [["x"]], 1e300]
        wrong += [(None, msgspec.json.encode({**less, name: value})) for value in never]
    of_one: dict[str, list[Any]] = {
        "_completeness": [-0.1, 1.1, "1", True],
        "_email_valid": [1, "yes"],
        "_free_mail": [None, 0, ""],
        "_email": [True, 0],
    }
    for name, values in of_one.items():
        wrong += [(None, msgspec.json.encode({**less, name: value})) for value in values]
    lines = [put(upload_id, index, record=pair[0], result=pair[1]) for index, pair in enumerate(wrong)]
    answer = edge.send(put(upload_id, 1_000), *lines, put(upload_id, 1_001))
    taken = set(range(2, len(lines) + 2)) - set(rejected(answer))
    assert [wrong[seq - 2] for seq in sorted(taken)] == []
    assert counts(people.admin) == {(edge.box, "Spring fair"): 2}
    assert people.admin.get(f"{PATH}/{upload_id}", params={"all": "true", "box": edge.box}).status_code == 200


def test_the_name_is_the_file_of_the_lineage_or_the_id(people: People, edge: Edge) -> None:
    odd: list[Any] = ["", "   ", "\0", 7, None, ["Spring fair"], {"file": "x"}]
    lineages: list[Any] = [*({"file": file} for file in odd), {}, [], [{"file": "x"}], "file", 7, True, None]
    named = {" Spring  fair\n": " Spring  fair\n", "é" * 101: "é" * 100}
    expected = {}
    for number, (lineage, name) in enumerate(
        [(each, None) for each in lineages] + [({"file": file}, name) for file, name in named.items()]
    ):
        expected[f"upload-{number}"] = f"upload-{number}" if name is None else name
        edge.tells(put(f"upload-{number}", 0, lineage=lineage))
    assert {each["upload_id"]: each["upload_name"] for each in listed(people.admin)} == expected


def test_an_upload_without_lineage_or_with_an_id_of_another_form_is_taken(people: People, edge: Edge) -> None:
    bare = put("batch-7", 0)
    del bare["lineage"]
    edge.tells(bare, put("upl_17723664001_abc", 0), put("upl_177236640012x_abc", 0))
    assert {(each["upload_name"], each["created_at"]) for each in listed(people.admin)} == {
        ("batch-7", "2026-03-01T12:00:00.000Z"),
        ("Spring fair", "2026-03-01T12:00:00.000Z"),
    }


def test_fields_are_those_that_the_records_have(people: People, edge: Edge, upload_id: str) -> None:
    def record(*names: str) -> bytes:
        return msgspec.json.encode(dict.fromkeys(names, "x"))

    def fields() -> list[str]:
        found: list[str] = one(people.admin, upload_id, edge.box)["fields"]
        return found

    edge.tells(put(upload_id, 0, record=record("a", "b")), put(upload_id, 1, record=record("b", "a")))
    edge.tells(put(upload_id, 2, record=b"{}"), put(upload_id, 3, record=record("c", "b")))
    assert fields() == ["a", "b", "c"]
    edge.tells(put(upload_id, 0, 2, record=record("a", 'd"\n', "e\u0301")))
    assert fields() == ["a", "b", "c", 'd"\n', "e\u0301"]
    # However many there are, a list stays one that can be read.
    edge.tells(*(put(upload_id, 10 + n, record=record(*(f"n{n}-{m}" for m in range(100)))) for n in range(4)))
    assert len(fields()) == 256
    upload_id = prefixed("upl", MADE_MS)
    edge.tells(put(upload_id, 0, record=record("x" * 201, "a", "y" * 1_000_000, "z" * 200)))
    edge.tells(put(upload_id, 1, record=record("x" * 201, "a")))
    assert fields() == ["a", "z" * 200]


def test_what_is_damaged_is_left_out_and_the_rest_is_read(
    people: People, box: BoxProcess, edge: Edge, upload_id: str
) -> None:
    edge.tells(*(put(upload_id, index) for index in range(3)))
    connection = connect_writer(box.data / DATABASE)
    spoilt = "CAST(REPLACE(CAST(record AS TEXT), 'test1', 'test7') AS BLOB)"
    damage = f"UPDATE audience_records SET record = {spoilt}"
    connection.execute(f"{damage} WHERE object_id = ? AND origin = ?", (f"{upload_id}/1", edge.box))
    connection.close()
    for params in ({}, {"limit": 5}):
        whole = one(people.admin, upload_id, edge.box, **params)
        assert whole["damaged"] == [1]
        assert (whole["records"][1], whole["results"][1]) == (None, None)
        sound = [each["business_email"] for each in whole["records"][::2]]
        assert sound == ["test0@example.com", "test2@example.com"]
        assert None not in whole["results"][::2]


def test_the_doctor_counts_the_records_of_each_upload(
    people: People, box: BoxProcess, edge: Edge, upload_id: str
) -> None:
    edge.tells(put(upload_id, 0), put(upload_id, 1), put(upload_id, 0, 2), gone(upload_id, 1, 2))

    def wrong() -> set[str]:
        with box.client(Role.ADMIN) as operator:
            text = operator.get("/v1/doctor").raise_for_status().text
        return {name for name in ("wrong uploads", "missing uploads") if f"{name}: " in text}

    assert wrong() == set()
    connection = connect_writer(box.data / DATABASE)
    for change, told in (("+ 1", {"wrong uploads", "missing uploads"}), ("- 1", set())):
        damage = f"UPDATE audience_uploads SET stored = stored {change} WHERE origin = ?"
        connection.execute(damage, (edge.box,))
        assert wrong() == told
    connection.close()


def test_an_address_can_be_erased_here_too(people: People, edge: Edge, upload_id: str) -> None:
    address, other = "carla@example.com", "ben@example.com"
    note = b'{"email":"%s","note":"ask %s"}' % (other.encode(), address.encode())
    told = msgspec.json.encode(found(_email=address))
    named = {"file": f"Those of {address}"}
    edge.tells(
        put(upload_id, 0, record=b'{"email":"%s"}' % address.encode(), result=told, lineage=named),
        put(upload_id, 1, record=note, lineage=named),
        put(upload_id, 2, record=b'{"%s":"x"}' % address.encode(), lineage=named),
        put(upload_id, 3, lineage=named),
    )
    reply = people.admin.post("/v1/erasures", json={"email": address})
    path = f"/v1/erasures/{reply.raise_for_status().json()['erasure_id']}"
    until(lambda: people.admin.get(path).json()["state"] == "done", "it is erased")
    whole = one(people.admin, upload_id, edge.box)
    assert address not in str(whole) + str(listed(people.admin))
    assert whole["rows_received"] == len(whole["records"]) == 3
    assert "damaged" not in whole
    assert whole["records"][0]["email"] == other
    assert whole["records"][2] == {"business_email": "test3@example.com"}
    assert whole["upload_name"].startswith("Those of ")
    edge.tells(*(gone(upload_id, index, 2) for index in range(4)))
    assert listed(people.admin) == []


def test_its_twins_are_whole_and_their_names_harmless(people: People, edge: Edge, upload_id: str) -> None:
    record = b'{"email":"=1+1@example.com","n": 1.0e3}'
    name = 'a"; filename=x.exe\r\nSet-Cookie: a=b\0/../\u202e'
    edge.tells(put(upload_id, 1), put(upload_id, 0, record=record, lineage={"file": name}))
    params = {"all": "true", "box": edge.box}
    table = people.admin.get(f"{PATH}/{upload_id}.csv", params=params)
    lines = people.admin.get(f"{PATH}/{upload_id}.ndjson", params=params)
    for reply in (table, lines):
        assert reply.status_code == 200
        assert "set-cookie" not in reply.headers
        assert reply.headers["Content-Disposition"].startswith("attachment")
    rows = list(csv.DictReader(table.content.decode("utf-8-sig").splitlines()))
    assert [(each["email"], each["business_email"], each["_index"]) for each in rows] == [
        ("'=1+1@example.com", "", "0"),
        ("", "test1@example.com", "1"),
    ]
    first, second = lines.text.splitlines()
    assert '"n": 1.0e3' in first or '"n":1.0e3' in first
    assert msgspec.json.decode(second)["_email"] == "test1@example.com"
    for ending in ("csv", "ndjson"):
        reply = people.anna.get(f"{PATH}/{upload_id}.{ending}", params={"box": edge.box})
        refused(reply, 403, "Access denied")


def test_it_is_deleted_at_its_own_box_alone(people: People, edge: Edge, upload_id: str) -> None:
    edge.tells(put(upload_id, 0))
    path, there = f"{PATH}/{upload_id}", {"box": edge.box}
    for client in (people.anna, people.admin):
        refused(client.delete(path, params=there), 403, "Access denied")
    sentence = f"This upload is of the box {edge.box}: delete it there."
    refused(people.admin.delete(path, params={**there, "all": "true"}), 403, sentence)
    refused(people.admin.delete(path, params={"all": "true"}), 404, "Batch upload not found")
    assert counts(people.admin) == {(edge.box, "Spring fair"): 1}


def test_it_is_filtered_as_others_are(people: People, edge: Edge, upload_id: str) -> None:
    edge.tells(
        *(
            put(upload_id, 10 * n, record=b'{"email":"a","n":%d}' % n, result=msgspec.json.encode(found(n)))
            for n in range(30)
        )
    )
    number = {"field": "n", "op": ">", "value": 9}
    wanted = {"all": [number, {"field": "_email", "op": "contains", "value": "test2"}]}
    part = one(people.admin, upload_id, edge.box, filter=msgspec.json.encode(wanted).decode())
    assert [each["n"] for each in part["records"]] == list(range(20, 30))
    assert [each["_email"] for each in part["results"]] == [f"test{n}@example.com" for n in range(20, 30)]
    assert part["total"] == 10


LARGE = {"all": [{"field": "n", "op": ">=", "value": 2}]}


def numbered(upload_id: str, count: int) -> list[Json]:
    """Lines of records that have a number."""
    return [put(upload_id, n, record=b'{"email":"a","n":%d}' % n) for n in range(count)]


def segments(client: httpx2.Client, **params: str) -> dict[str, Json]:
    """By id; the total has to be right."""
    reply = client.get(SEGMENTS, params={"all": "true", **params}).raise_for_status().json()
    assert reply["total"] == len(reply["segments"])
    return {each["segment_id"]: each for each in reply["segments"]}


def test_segments_of_another_box_are_read_with_their_records(
    people: People, edge: Edge, upload_id: str
) -> None:
    frozen = {"name": "Three of them", "frozen": True, "filter": LARGE}
    edge.tells(*numbered(upload_id, 5), segment("seg_1", upload_id, record={"filter": LARGE}))
    edge.tells(segment("seg_2", upload_id, record=frozen, result={"count": 3, "rows": [4, 0, 2, 9, 1 << 40]}))
    edge.tells(segment("seg_3", upload_id, owner=None), segment("seg_4", "upl_unheard"))
    there = segments(people.admin)
    assert {(each["segment_id"], each["box"], each.get("count")) for each in there.values()} == {
        ("seg_1", edge.box, 3),
        ("seg_2", edge.box, 3),
        ("seg_3", edge.box, 5),
        ("seg_4", edge.box, None),
    }
    assert there["seg_1"]["filter"] == LARGE
    assert set(segments(people.admin, upload_id=upload_id, box=edge.box)) == {"seg_1", "seg_2", "seg_3"}
    params = {"all": "true", "box": edge.box}
    for name, numbers in {"seg_1": [2, 3, 4], "seg_2": [0, 2, 4], "seg_3": [0, 1, 2, 3, 4]}.items():
        whole = people.admin.get(f"{SEGMENTS}/{name}", params=params).raise_for_status().json()
        assert [each["n"] for each in whole["records"]] == whole["indexes"] == numbers
        assert len(whole["results"]) == len(numbers)
        lines = people.admin.get(f"{SEGMENTS}/{name}.ndjson", params=params).raise_for_status().text
        assert [msgspec.json.decode(each)["n"] for each in lines.splitlines()] == numbers
    assert people.admin.get(f"{SEGMENTS}/seg_4", params=params).status_code == 404
    # What comes later counts, and what went is passed over.
    edge.tells(gone(upload_id, 4, 2), segment("seg_1", upload_id, 2, record={"name": "All", "filter": None}))
    edge.tells(segment("seg_1", upload_id, 1), segment_gone("seg_3", 2), segment("seg_3", upload_id, 1))
    there = segments(people.admin)
    assert {name: (each["name"], each.get("count")) for name, each in there.items()} == {
        "seg_1": ("All", 4),
        "seg_2": ("Three of them", 2),
        "seg_4": ("Large", None),
    }


def test_segments_of_other_boxes_are_the_administrators_to_read(
    people: People, edge: Edge, upload_id: str
) -> None:
    own = post(people.anna, [person(1)])
    wait_processed(people.anna, own)
    (anna,) = (each["owner"] for each in listed(people.admin))
    edge.tells(put(upload_id, 0, owner=anna), segment("seg_1", upload_id, owner=anna))
    path, there = f"{SEGMENTS}/seg_1", {"box": edge.box}
    for client in (people.anna, people.boris, people.stranger):
        assert client.get(SEGMENTS).json()["segments"] == []
        refused(client.get(SEGMENTS, params={"all": "true"}), 403, "all=true needs the role admin.")
        refused(client.get(path, params=there), 403, "Access denied")
        refused(client.get(path), 404, "Segment not found")
        refused(client.get(f"{path}.csv", params=there), 403, "Access denied")
    every = {**there, "all": "true"}
    for reply, verb in (
        (people.admin.delete(path, params=every), "delete"),
        (people.admin.patch(path, params=every, json={"name": "x"}), "change"),
    ):
        refused(reply, 403, f"This segment is of the box {edge.box}: {verb} it there.")
    reply = people.admin.post(f"{PATH}/{upload_id}/segments", params=every, json={"name": "x"})
    refused(reply, 403, f"This upload is of the box {edge.box}: make its segments there.")
    assert set(segments(people.admin)) == {"seg_1"}


def test_a_segment_that_is_none_is_rejected_alone_and_an_odd_one_can_be_read(
    people: People, edge: Edge, upload_id: str
) -> None:
    records: dict[str, list[Any]] = {
        "name": [None, "", 7, [], "x" * 201],
        "upload_id": [None, 7, "x" * 201],
        "frozen": [None, 1, "true"],
    }
    results: dict[str, list[Any]] = {
        "rows": [[-1], ["1"], [1.5], {}, "1", 7, [None]],
        "count": ["1", None, []],
    }
    wrong: list[tuple[Json, Json]] = [
        *(({name: value}, {}) for name, values in records.items() for value in values),
        *(({}, {name: value}) for name, values in results.items() for value in values),
    ]
    lines = [segment(f"seg_{n}", upload_id, record=pair[0], result=pair[1]) for n, pair in enumerate(wrong)]
    odd: dict[str, Json] = {
        "seg_a": {"filter": {"all": [{"field": "n", "op": "unheard", "value": 1}]}},
        "seg_b": {"filter": [[[[]]]]},
        "seg_c": {"filter": {"any": [{"all": [{"any": []}]}]}},
        "seg_d": {"filter": {"all": [{"field": "x" * 10_000, "op": "=", "value": 10**400}]}},
        'seg_"e"\r\n': {"name": 'a"\r\nSet-Cookie: a=b\0\u202e'},
    }
    odd_lines = [segment(name, upload_id, record=record) for name, record in odd.items()]
    huge = segment("seg_f", upload_id, record={"frozen": True}, result={"rows": [0, 1 << 24, 1 << 62]})
    answer = edge.send(*numbered(upload_id, 3), *lines, *odd_lines, huge)
    assert rejected(answer) == list(range(4, len(lines) + 4))
    there = segments(people.admin)
    assert set(there) == {*odd, "seg_f"}
    for name in ("seg_a", "seg_b", "seg_c", "seg_d", "seg_f"):
        for ending in ("", ".csv", ".ndjson"):
            params = {"all": "true", "box": edge.box}
            reply = people.admin.get(f"{SEGMENTS}/{name}{ending}", params=params)
            assert (reply.status_code, name) == (200, name), reply.text
    assert there["seg_f"]["count"] == 1
