"""An upload as a file: every column there is, no two mixed up, no cell a formula."""

from __future__ import annotations

import csv
import io
import json
from typing import Any
from urllib.parse import unquote

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestbox.families.audience.fields import RESULTS
from ingestbox.families.audience.members import column_of, member_of
from ingestbox.families.audience.shapes import PATH
from ingestbox.spreadsheet import unguarded
from tests.families.audience.support import person, post, refused, send, wait_processed

Json = dict[str, Any]

MANY = 2_300
"""More than two reads take."""


def table(client: httpx2.Client, upload_id: str, **params: str) -> list[list[str]]:
    reply = client.get(f"{PATH}/{upload_id}.csv", params=params)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert reply.content.startswith(b"\xef\xbb\xbf")
    text = reply.content[3:].decode()
    return [[unguarded(cell) for cell in row] for row in csv.reader(io.StringIO(text, newline=""))]


def objects(client: httpx2.Client, upload_id: str, **params: str) -> list[Json]:
    reply = client.get(f"{PATH}/{upload_id}.ndjson", params=params)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/x-ndjson")
    assert reply.content.endswith(b"\n")
    return [json.loads(line) for line in reply.content[:-1].split(b"\n")]


def processed(client: httpx2.Client, records: list[Json], name: str = "leads", **body: object) -> str:
    upload_id = post(client, records, name, body=body)
    wait_processed(client, upload_id)
    return upload_id


def test_all_columns_are_there_in_their_order(anna: httpx2.Client) -> None:
    records: list[Json] = [
        {"business_email": "ann@acme.example", "n": 1.50, "note": 'a,b\n"c"', "late": None},
        {"domain": "x.example", "tags": ["a", {"b": "é"}], "ok": True, "": "unnamed"},
    ]
    upload_id = processed(anna, records, fields=["note", "never", "business_email", "note"])
    header, first, second = table(anna, upload_id)
    own = ["note", "never", "business_email", "n", "late", "domain", "tags", "ok", ""]
    assert header == [*own, "_index", *RESULTS]
    assert first[:9] == ['a,b\n"c"', "", "ann@acme.example", "1.5", "", "", "", "", ""]
    assert second[:9] == ["", "", "", "", "", "x.example", '["a",{"b":"é"}]', "true", "unnamed"]
    told = dict(zip(header[9:], first[9:], strict=True))
    assert (told["_index"], told["_email"], told["_email_valid"]) == ("0", "ann@acme.example", "true")
    assert told["_duplicate_of"] == ""
    one, two = objects(anna, upload_id)
    assert list(one) == [*records[0], "_index", *RESULTS]
    assert {name: one[name] for name in records[0]} == records[0]
    assert (two["_index"], two["_email"], two["ok"]) == (1, None, True)


def test_a_formula_stays_text(anna: httpx2.Client) -> None:
    upload_id = processed(anna, [{"domain": "x.example", "n": "=1+1", "=head": "@x", "m": -5}])
    lines = anna.get(f"{PATH}/{upload_id}.csv").text.splitlines()
    assert lines[0].startswith("\ufeffdomain,n,'=head,m,")
    assert lines[1].startswith("x.example,'=1+1,'@x,'-5,")


def test_a_records_own_member_is_never_taken_for_a_result(anna: httpx2.Client) -> None:
    record = {"email": "a@x.example", "_email": "mine", "record._email": "deep", "_index": 9, "record.x": 1}
    upload_id = processed(anna, [record])
    header, row = table(anna, upload_id)
    cells = dict(zip(header, row, strict=True))
    assert len(cells) == len(header)
    wanted = {"record._email": "mine", "record.record._email": "deep", "record._index": "9", "record.x": "1"}
    assert {name: cells[name] for name in wanted} == wanted
    assert (cells["_email"], cells["_index"]) == ("a@x.example", "0")
    (told,) = objects(anna, upload_id)
    assert (told["_email"], told["record._email"], told["record._index"]) == ("a@x.example", "mine", 9)
    columns = json.dumps(["record._email", "_email", "record.record._email"])
    assert table(anna, upload_id, columns=columns)[1] == ["mine", "a@x.example", "deep"]


@given(st.text(alphabet=st.sampled_from("recod._mailx")) | st.sampled_from(["record._email", "_index"]))
def test_every_member_has_a_column_of_its_own(member: str) -> None:
    assert member_of(column_of(member)) == member
    assert column_of(member) not in (*RESULTS, "_index", "_record", "_damaged")


def test_columns_can_be_chosen(anna: httpx2.Client) -> None:
    upload_id = processed(anna, [person(1), {"domain": "x.example"}])
    columns = json.dumps(["_domain", "nobody", "first_name", "_domain"])
    assert table(anna, upload_id, columns=columns) == [
        ["_domain", "nobody", "first_name"],
        ["example.com", "", "Test"],
        ["x.example", "", ""],
    ]
    found = objects(anna, upload_id, columns=columns)
    assert found == [{"_domain": "example.com", "first_name": "Test"}, {"_domain": "x.example"}]
    assert [list(each) for each in found] == [["_domain", "first_name"], ["_domain"]]


@pytest.mark.parametrize(
    "columns", ["", "[]", "email", '{"a":1}', "[1]", json.dumps([str(n) for n in range(501)])]
)
@pytest.mark.parametrize("ending", ["csv", "ndjson"])
def test_other_columns_are_refused(anna: httpx2.Client, columns: str, ending: str) -> None:
    reply = anna.get(f"{PATH}/{post(anna, [person(1)])}.{ending}", params={"columns": columns})
    refused(reply, 400, 'columns must be a JSON list of 1 to 500 names, such as ["email"].')


def test_more_columns_than_there_may_be_are_kept_as_json(anna: httpx2.Client) -> None:
    wide = {f"m{number}": number for number in range(600)}
    upload_id = processed(anna, [person(1), {"domain": "x.example", **wide}])
    header, first, second = table(anna, upload_id)
    assert len(header) == 500 + 1 + 1 + len(RESULTS)
    place = header.index("_record")
    assert (place, first[place]) == (500, "")
    assert json.loads(second[place]) == {"domain": "x.example", **wide}
    assert second[header.index("m3")] == "3"


def test_what_is_not_processed_or_waits_is_left_out_or_blank(anna: httpx2.Client) -> None:
    reply = send(anna, [person(1), {"first_name": "Nobody"}, person(2)], params={"mode": "partial"})
    upload_id = reply.json()["upload_id"]
    wait_processed(anna, upload_id)
    header, *rows = table(anna, upload_id)
    assert [row[header.index("_index")] for row in rows] == ["0", "2"]
    assert [each["_index"] for each in objects(anna, upload_id)] == [0, 2]


def test_a_long_one_is_sent_while_it_is_read(anna: httpx2.Client) -> None:
    sent = [person(number, **({"late": 1} if number == MANY - 1 else {})) for number in range(MANY)]
    upload_id = processed(anna, sent)
    header, *rows = table(anna, upload_id)
    assert header[:4] == ["business_email", "first_name", "last_name", "late"]
    assert [row[2] for row in rows] == [each["last_name"] for each in sent]
    assert [row[3] for row in rows] == [""] * (MANY - 1) + ["1"]
    assert [each["last_name"] for each in objects(anna, upload_id)] == [each["last_name"] for each in sent]
    for ending in ("csv", "ndjson"):
        reply = anna.head(f"{PATH}/{upload_id}.{ending}")
        assert (reply.status_code, reply.content) == (200, b"")


@pytest.mark.parametrize(
    ("name", "plain", "whole"),
    [
        ("Leads v1.2", "Leads v1.2", "Leads v1.2"),
        ("leads.CSV", "leads", "leads"),
        ('Müller "A"/B\r\n', "Muller _A_B", 'Müller "A"/B'),
        ("名單", "csv", "名單"),
    ],
)
def test_a_file_is_called_like_its_upload(anna: httpx2.Client, name: str, plain: str, whole: str) -> None:
    upload_id = post(anna, [person(1)], name)
    said = anna.get(f"{PATH}/{upload_id}.csv").headers["content-disposition"]
    assert unquote(said.partition("UTF-8''")[2]) == f"{whole}.csv"
    assert f'filename="{plain}' in said
