"""What is found out about a record, beside it (contract: audience, Processing)."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import httpx2
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestbox.families.audience.completeness import CALLED, DOMAIN, EMAIL, FACTS, completeness
from ingestbox.families.audience.facts import content, facts_of
from ingestbox.families.audience.process import match as stored_match
from ingestbox.families.audience.process import process, project
from ingestbox.families.audience.shapes import Result
from ingestbox.model import Chunk, Item
from tests.families.audience.support import post, wait_processed

Json = dict[str, Any]

WHOLE: Json = {
    "business_email": "Anna Lee <Anna.Lee@ACME.com>",
    "first_name": "Anna",
    "last_name": "Lee",
    "company": "Acme",
    "job_title": "CTO",
    "phone": "+84 90 123 45 67",
    "country": "VN",
    "linkedin_url": "https://linkedin.example/anna",
}


def facts(**record: object) -> Json:
    return facts_of(record)[0]


def match(record: Json) -> str:
    return facts_of(record)[1]


def test_results_stand_beside_what_was_sent(anna: httpx2.Client) -> None:
    sent = [
        WHOLE,
        {"email": "bob@gmail.com", "Note": [1.50, {"a": None}]},
        {"email": "cy@anything.mailinator.com"},
        {"domain": "https://www.Acme.com/about"},
        {"business_email": "typing error@acme", "personal_email": "Di@Example.com", "domain": "Acme Inc."},
        {"business_email": "not one"},
        {"email": " ANNA.LEE@acme.com "},
    ]
    upload = wait_processed(anna, post(anna, sent))
    assert upload["records"] == sent
    first = f"{upload['upload_id']}/0"
    expected: list[tuple[object, ...]] = [
        ("anna.lee@acme.com", True, "acme.com", False, False, 1.0, None),
        ("bob@gmail.com", True, None, True, False, 0.3, None),
        ("cy@anything.mailinator.com", True, None, False, True, 0.3, None),
        (None, None, "acme.com", False, False, 0.1, None),
        ("di@example.com", True, None, False, False, 0.3, None),
        ("not one", False, None, False, False, 0.0, None),
        ("anna.lee@acme.com", True, "acme.com", False, False, 0.4, first),
    ]
    assert [tuple(result.values()) for result in upload["results"]] == expected
    assert all(
        list(result) == [f"_{name}" for name in Result.__struct_fields__] for result in upload["results"]
    )


@pytest.mark.parametrize(
    ("record", "email"),
    [
        ({"business_email": "b@x.com", "email": "e@x.com", "personal_email": "p@x.com"}, "b@x.com"),
        ({"email": "e@x.com", "personal_email": "p@x.com"}, "e@x.com"),
        ({"business_email": " ", "email": None, "personal_email": "p@x.com"}, "p@x.com"),
        ({"business_email": "b at x", "email": "e@x.com"}, "e@x.com"),
        ({"business_email": "b at x", "email": "e at x"}, "b at x"),
        ({"business_email": 7, "domain": "x.com"}, None),
    ],
)
def test_the_first_valid_address_is_taken(record: Json, email: str | None) -> None:
    assert facts(**record)["_email"] == email


@pytest.mark.parametrize(
    ("record", "domain"),
    [
        ({"domain": "a.com", "company_domain": "b.com", "business_email": "x@c.com"}, "a.com"),
        ({"domain": "no domain", "company_domain": "b.com", "business_email": "x@c.com"}, "b.com"),
        ({"domain": "", "business_email": "x@c.com", "email": "y@d.com"}, "c.com"),
        ({"business_email": "x@gmail.com", "email": "y@d.com"}, "d.com"),
        ({"business_email": "x@mailinator.com"}, None),
        ({"personal_email": "anna@anna-lee.com"}, None),
        ({"business_email": "x@bücher.example"}, "bücher.example"),
        ({"domain": "gmail.com"}, "gmail.com"),
    ],
)
def test_the_organisations_domain(record: Json, domain: str | None) -> None:
    assert facts(**record)["_domain"] == domain


def test_shares_of_completeness_are_whole() -> None:
    parts = FACTS["first"] + FACTS["last"]
    assert parts == FACTS["name"]
    assert EMAIL + DOMAIN + sum(FACTS.values()) - parts == 100
    assert FACTS.keys() == CALLED.keys()
    said = msgspec.json.schema(Result)["$defs"]["Result"]["properties"]["_completeness"]["description"]
    for share in {EMAIL, DOMAIN, *FACTS.values()}:
        assert f"{share / 100:.2f}" in said


@pytest.mark.parametrize(
    ("record", "share"),
    [
        ({}, 0),
        ({"firstName": "A"}, 0.08),
        ({"First Name": "A", "LAST-NAME": "B"}, 0.15),
        ({"full_name": "A B", "first_name": "A", "last name": "B"}, 0.15),
        ({"Họ và tên": "A"}, 0.15),
        ({"HO VA TEN": "A"}, 0.15),
        ({"company": "A", "organization": "B"}, 0.15),
        ({"phone": 84901234567}, 0.1),
        ({"phone": None, "mobile": " ", "tel": "N/A", "cell": "-"}, 0),
        ({"title": [], "role": {}, "position": False}, 0),
        ({"city": "Huế", "country": "VN"}, 0.05),
        ({"website": "x" * 10_000_000}, 0.05),
        ({"x" * 10_000_000: "y"}, 0),
    ],
)
def test_completeness(record: Json, share: float) -> None:
    assert completeness(record, email=False, domain=False) == share
    assert completeness(record, email=True, domain=True) == round(share + 0.4, 2)


def test_what_has_the_same_address_matches_and_nothing_else_is_looked_at() -> None:
    assert match({"email": "A@x.com", "n": 1}) == match({"business_email": "a@X.com"}) == "e:a@x.com"
    assert match({"email": "a at x"}) != match({"email": "b at x"})
    assert match({"domain": "e:a@x.com"}).startswith("c:")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": "x", "b": "y"}, {"b": "y", "a": "x"}),
        ({"a": "Acme  Ltd "}, {"a": "acme\nltd"}),
        ({"A ": "x"}, {"a": "x"}),
        ({"a": "x", "b": None, "c": " ", "d": [], "e": {}, "f": [None, " "]}, {"a": "x"}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": 7}, {"a": "7"}),
        ({"a": True}, {"a": "true"}),
        ({"a": "\u00e9"}, {"a": "e\u0301"}),
        ({"a": {"x": 1, "y": "Z"}}, {"a": {"y": "z", "x": 1, "w": None}}),
        ({"a": -0.0}, {"a": 0}),
    ],
)
def test_the_same_content(one: Json, other: Json) -> None:
    assert content(one) == content(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": "x"}, {"b": "x"}),
        ({"a": "x"}, {"a": "y"}),
        ({"a": ["x", "y"]}, {"a": ["y", "x"]}),
        ({"a": ["x", "y"]}, {"a": "x y"}),
        ({"a": {"x": "y"}}, {"a": ["{", ["x", "y"]]}),
        ({"a": ["[", "x"]}, {"a": [["x"]]}),
        ({"a": "x", "b": "x"}, {"a": "x"}),
        ({"a": 1.5}, {"a": 1}),
        ({"a": "007"}, {"a": 7}),
        ({"a": "bb"}, {"ab": "b"}),
    ],
)
def test_other_content(one: Json, other: Json) -> None:
    assert content(one) != content(other)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["email", "business_email", "personal_email", "domain", "company_domain", "phone", "x"]
        ),
        JSON
        | st.sampled_from(["a@b.com", "A <a@b.com>", "https://b.com", "mailto:", "@", "<>", "xn--a.xn--b"]),
    )
)
def test_whatever_a_record_holds_its_result_is_whole_and_can_be_put_again(record: Json) -> None:
    payload = msgspec.json.encode(record)
    (outcome,) = process(Chunk("audience", [Item(3, "k", payload)], 1, "upl_1"))
    put = outcome.put
    assert put is not None
    assert (put.id, put.kind) == ("upl_1/3", "record")
    assert len(put.match) <= 400
    result = put.result[:-1] + b',"_duplicate_of":null}'
    msgspec.json.decode(result, type=Result)
    assert project("record", payload, result) == {**put.columns, "match": "", "duplicate_of": None}
    assert stored_match(payload) == put.match
    assert len(msgspec.json.decode(result)["_email"] or "") <= 320


@pytest.mark.parametrize(
    "member",
    [
        *(
            {"_email": 7},
            {"_email_valid": "yes"},
            {"_domain": ["x"]},
            {"_free_mail": None},
            {"_disposable": 1},
        ),
        *({"_completeness": 1.5}, {"_completeness": "0.5"}, {"_duplicate_of": 7}),
    ],
)
def test_what_nobody_could_be_shown_is_refused(member: Json) -> None:
    result = {**facts_of({"email": "a@b.com"})[0], "_duplicate_of": "upl_1/0"}
    columns = project("record", b'{"email":"a@b.com"}', msgspec.json.encode(result))
    assert (columns["email"], columns["duplicate_of"]) == ("a@b.com", "upl_1/0")
    with pytest.raises(msgspec.ValidationError):
        project("record", b"{}", msgspec.json.encode({**result, **member}))
    for name in member:
        left = {each: value for each, value in result.items() if each != name}
        if name != "_duplicate_of":
            with pytest.raises(msgspec.ValidationError):
                project("record", b"{}", msgspec.json.encode(left))


@pytest.mark.parametrize("record", [b"[]", b"7", b'"x"', b"null", b"", b"{", b'{"a":NaN}'])
def test_what_is_no_record_is_refused(record: bytes) -> None:
    result = msgspec.json.encode({**facts_of({})[0], "_duplicate_of": None})
    with pytest.raises(msgspec.DecodeError):
        project("record", record, result)


def test_a_child_stays_light() -> None:
    code = (
        "import sys, ingestbox.families.audience.process as p\n"
        "from ingestbox.model import Chunk, Item\n"
        'record = b\'{"email":"a@b.com","domain":"https://b.com"}\'\n'
        "p.process(Chunk('audience', [Item(0, 'k', record)], 1, 'u'))\n"
        "print(*{'idna', 'email_validator', 'starlette', 'asyncio', 'ssl'} & sys.modules.keys())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
