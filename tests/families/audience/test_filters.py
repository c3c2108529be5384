"""Filters of an upload's records, at the door."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from ingestbox.families.audience.filters import MAX_CONDITIONS
from ingestbox.families.audience.segments.shapes import SEGMENTS
from ingestbox.families.audience.shapes import PATH
from ingestbox.model import Role
from tests.families.audience.support import person, post, read, refused, wait_processed
from tests.harness import BoxProcess
from tests.web.v1.support import held

INJECTION = """'); DROP TABLE records; -- " ? :condition ?1 %_ \\ {0} $.a $."a" [0] * /* */ \u0000x"""

RECORDS: list[dict[str, Any]] = [
    person(0, country="DE", employees=250, tags=["vip", "Köln"], active=True),
    person(1, country=" de ", employees="1e3", city="Ko\u0308ln", active="TRUE"),
    person(2, country="FR", employees=" 40 ", tags=[], about={"a": 1}),
    person(3, country="", employees="1,000", tags=[["vip"], {"vip": 1}], note="100% _sure_"),
    person(4, country=None, employees="n/a", phone="007", since="2025-01-15"),
    person(
        5,
        employees=7.5,
        note="a.b's",
        **{"a.b": 1, 'q"uote': "x", "$": 2, "ключ": "да", INJECTION: INJECTION},
    ),
    {"domain": "Straße.example", "employees": 9007199254740993, "_domain": "mine.example", "name": "STRASSE"},
]

BUSY = "Records of the upload are still being processed: what is frozen or forwarded waits for them."

NOT_FILLED = [3, 4, 5, 6]
"""Those without a country."""


class Sent:
    """An upload with RECORDS, and one of somebody else's beside it."""

    def __init__(self, client: httpx2.Client) -> None:
        self.client = client
        self.id = post(client, RECORDS)
        wait_processed(client, self.id)

    def found(self, wanted: Any) -> list[int]:
        upload = read(self.client, self.id, filter=json.dumps(wanted))
        assert upload["total"] == len(upload["records"])
        assert "total_is" not in upload
        indexes: list[int] = upload["indexes"]
        return indexes


@pytest.fixture(scope="module")
def sent(box: BoxProcess) -> Any:
    headers = {"Authorization": f"Bearer {box.token(Role.UPLOADER, subject='filterer', workspace='filters')}"}
    with httpx2.Client(
        base_url=box.url, headers=headers, timeout=30, trust_env=False, verify=False
    ) as client:
        yield Sent(client)


@pytest.mark.parametrize(
    ("field", "op", "value", "indexes"),
    [
        ("country", "=", "de", [0, 1]),
        ("country", "=", " De\t", [0, 1]),
        ("country", "!=", "de", [2, *NOT_FILLED]),
        ("country", "exists", True, [0, 1, 2]),
        ("country", "exists", False, NOT_FILLED),
        ("country", "exists", "false", NOT_FILLED),
        ("country", "contains", "E", [0, 1]),
        ("country", "<", "e", [0, 1]),
        ("employees", "=", 250, [0]),
        ("employees", "=", "250.0", [0]),
        ("employees", "=", 1000, [1]),
        ("employees", ">", 40, [0, 1, 6]),
        ("employees", ">=", "40", [0, 1, 2, 6]),
        ("employees", "<", 41, [2, 5]),
        ("employees", "<=", 7.5, [5]),
        ("employees", "=", "1,000", [3]),
        ("employees", "!=", 250, [1, 2, 3, 4, 5, 6]),
        ("employees", ">", "m", [4]),
        ("employees", "<", "m", [3]),
        ("employees", "contains", "50", [0]),
        ("employees", "starts_with", "7.", [5]),
        ("employees", "=", 9007199254740992, []),
        ("employees", "=", 9007199254740993, [6]),
        ("phone", "=", 7, []),
        ("phone", "=", "007", [4]),
        ("since", ">", "2025-01-01", [4]),
        ("since", ">", "2025-01-15", []),
        ("tags", "=", "VIP", [0]),
        ("tags", "contains", "ol", []),
        ("tags", "contains", "öL", [0]),
        ("tags", "!=", "vip", [1, 2, 3, 4, 5, 6]),
        ("tags", "exists", True, [0, 3]),
        ("about", "exists", True, [2]),
        ("about", "=", "1", []),
        ("city", "=", "KÖLN", [1]),
        ("city", "ends_with", "öln", [1]),
        ("active", "=", True, [0, 1]),
        ("active", "=", "true", [0, 1]),
        ("active", "!=", False, [0, 1, 2, 3, 4, 5, 6]),
        ("note", "contains", "%", [3]),
        ("note", "contains", "_", [3]),
        ("note", "=", "1%", []),
        ("note", "ends_with", "'S", [5]),
        ("name", "=", "straße", [6]),
        ("a.b", "=", 1, [5]),
        ('q"uote', "=", "X", [5]),
        ("$", "=", 2, [5]),
        ("$.a", "exists", True, []),
        ("ключ", "=", "ДА", [5]),
        (INJECTION, "=", INJECTION, [5]),
        (INJECTION, "contains", INJECTION[:20], [5]),
        ("_domain", "=", "EXAMPLE.com", [0, 1, 2, 3, 4, 5]),
        ("_domain", "=", "mine.example", []),
        ("record._domain", "=", "mine.example", [6]),
        ("_email_valid", "=", True, [0, 1, 2, 3, 4, 5]),
        ("_free_mail", "=", False, [0, 1, 2, 3, 4, 5, 6]),
        ("_completeness", ">=", 0, [0, 1, 2, 3, 4, 5, 6]),
        ("_duplicate_of", "exists", False, [0, 1, 2, 3, 4, 5, 6]),
        ("_email", "starts_with", "TEST3", [3]),
    ],
)
def test_what_passes(sent: Sent, field: str, op: str, value: Any, indexes: list[int]) -> None:
    one = {"field": field, "op": op, "value": value}
    assert sent.found(one) == indexes
    assert sent.found({"all": [one]}) == indexes


def test_all_and_any_and_one_in_another(sent: Sent) -> None:
    german = {"field": "country", "op": "=", "value": "DE"}
    large = {"field": "employees", "op": ">", "value": 500}
    french = {"field": "country", "op": "=", "value": "FR"}
    assert sent.found({"all": [german, large]}) == [1]
    assert sent.found({"any": [german, large]}) == [0, 1, 6]
    assert sent.found({"all": [large, {"any": [german, french]}]}) == [1]
    assert sent.found({"any": [french, {"all": [german, large]}]}) == [1, 2]
    assert sent.found({"all": [{"all": [german]}, {"any": [{"field": "tags", "op": "exists"}]}]}) == [0]


def test_everything_is_still_there_afterwards(sent: Sent) -> None:
    sent.found({"field": INJECTION, "op": "=", "value": INJECTION})
    upload = read(sent.client, sent.id)
    assert upload["records"] == RECORDS
    assert "total" not in upload


def test_pages_of_what_passes(sent: Sent) -> None:
    wanted = json.dumps({"field": "employees", "op": "exists", "value": True})
    met: list[int] = []
    params = {"filter": wanted, "limit": "3"}
    while True:
        page = read(sent.client, sent.id, **params)
        assert page["total"] == 7
        met += page["indexes"]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert met == list(range(7))


def test_twins_have_what_passes(sent: Sent) -> None:
    params = {"filter": '{"field":"country","op":"=","value":"de"}', "columns": '["_index"]'}
    path = f"{PATH}/{sent.id}"
    assert sent.client.get(f"{path}.csv", params=params).content.decode("utf-8-sig").split() == [
        "_index",
        "0",
        "1",
    ]
    lines = sent.client.get(f"{path}.ndjson", params=params).text.splitlines()
    assert [json.loads(line) for line in lines] == [{"_index": 0}, {"_index": 1}]


def test_of_members_with_one_name_the_last_counts(sent: Sent) -> None:
    body = b'{"upload_name":"twice","records":[{"email":"a@b.example","x":"1","x":"two","\\u0078":"3"}]}'
    reply = sent.client.post(PATH, content=body, headers={"Content-Type": "application/json"})
    upload_id = reply.raise_for_status().json()["upload_id"]
    for value, total in (("1", 0), ("two", 0), ("3", 1)):
        wanted = {"field": "x", "op": "=", "value": value}
        assert read(sent.client, upload_id, filter=json.dumps(wanted))["total"] == total


@pytest.mark.parametrize(
    ("wanted", "faults"),
    [
        (
            {"all": [{"field": "a"}, {"op": "==", "field": "a", "value": 1}, 7, {"all": [], "x": 1}]},
            ["all[0].op", "all[1].op", "all[2]", "all[3]"],
        ),
        (
            {"any": [{"field": 1, "op": "="}, {"field": "", "op": "exists", "value": 1, "not": 1}]},
            ["any[0].field", "any[0].value", "any[1].not", "any[1].field", "any[1].value"],
        ),
        ({"all": [{"any": [{"all": [{"field": "a", "op": "exists"}]}]}]}, ["all[0].any[0]"]),
        ({"all": [{"any": [{"field": "_index", "op": "=", "value": 1}]}]}, ["all[0].any[0].field"]),
        ({"all": [{"field": "a", "op": "=", "value": None}]}, ["all[0].value"]),
        ({"all": [{"field": "a", "op": "=", "value": " \u3000"}]}, ["all[0].value"]),
        ({"all": [{"field": "a", "op": ">", "value": True}]}, ["all[0].value"]),
        ({"all": [{"field": "a", "op": "contains", "value": [1]}]}, ["all[0].value"]),
        ({"all": [{"field": "a", "op": "=", "value": "x" * 501}]}, ["all[0].value"]),
        ({"all": [{"field": "x" * 201, "op": "exists"}]}, ["all[0].field"]),
        ({"all": [{"field": "a", "op": "exists"}] * (MAX_CONDITIONS + 1)}, ["all"]),
        ({"all": []}, ["all"]),
        ({"all": {}}, ["all"]),
        ({"all": [], "any": []}, ["filter"]),
        ({"field": "a", "op": ["="], "value": 1}, ["op"]),
        ([], ["filter"]),
        ({}, ["filter"]),
    ],
)
def test_everything_that_is_wrong_is_told_with_its_place(sent: Sent, wanted: Any, faults: list[str]) -> None:
    reply = sent.client.get(f"{PATH}/{sent.id}", params={"filter": json.dumps(wanted)})
    body = refused(reply, 400, reply.json()["message"])
    assert body["code"] == "bad_parameter"
    assert [fault["field"] for fault in body["errors"]] == faults
    assert all(fault["message"].startswith(fault["field"]) for fault in body["errors"])


@pytest.mark.parametrize(
    "text", ["", "{", "nope", '{"all":NaN}', "[" * 100, '{"all":[' + " " * 30_000 + "]}"]
)
def test_what_is_no_json_is_refused(sent: Sent, text: str) -> None:
    for path in (f"{PATH}/{sent.id}", f"{PATH}/{sent.id}.csv", f"{PATH}/{sent.id}.ndjson"):
        reply = sent.client.get(path, params={"filter": text})
        assert reply.status_code in (400, 431), reply.text
        if reply.status_code == 400:
            assert reply.json()["code"] == "bad_parameter"


def test_the_most_conditions_that_there_may_be(sent: Sent) -> None:
    one = {"field": "country", "op": "=", "value": "fr"}
    assert sent.found({"any": [one] * MAX_CONDITIONS}) == [2]


def test_without_a_result_what_is_found_out_is_missing(own_box: BoxProcess) -> None:
    """Of a record that is pending nothing is found out; one that waits on an issue is not listed."""
    own_box.start()
    with own_box.client() as client:
        wait_processed(client, post(client, [person(9)]))
        with held(own_box):
            upload_id = post(client, [person(0), {"x": 1}], params={"mode": "partial"})
            assert read(client, upload_id)["results"] == [None]
            assert total(client, upload_id, "_email", "exists", False) == 1
            assert total(client, upload_id, "_email", "!=", "somebody") == 1
            assert total(client, upload_id, "_email", "exists", True) == 0
            assert total(client, upload_id, "x", "exists", True) == 0
            path = f"{PATH}/{upload_id}/segments"
            refused(client.post(path, json={"name": "a", "frozen": True}), 409, BUSY)
            rule = client.post(path, json={"name": "a"}).raise_for_status().json()["segment"]
            later = client.patch(f"{SEGMENTS}/{rule['segment_id']}", json={"forward": True})
            refused(later, 409, BUSY)
            assert later.headers["Retry-After"] == "2"
        wait_processed(client, upload_id)
        assert total(client, upload_id, "_email", "exists", True) == 1


def total(client: httpx2.Client, upload_id: str, field: str, op: str, value: Any) -> int:
    found: int = read(client, upload_id, filter=json.dumps({"field": field, "op": op, "value": value}))[
        "total"
    ]
    return found
