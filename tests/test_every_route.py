"""Every route of the real table: documented, guarded, and answering in its family's shape."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import msgspec
import pytest

from ingestbox.errors import CATALOGUE
from ingestbox.model import Role
from ingestbox.web.binding import BoundRoute
from ingestbox.web.policy.cors import EXPOSED
from ingestbox.web.replies import Problem
from tests.harness import PATIENCE, BoxProcess, running
from tests.table import (
    PUBLIC,
    RATED,
    described,
    faults,
    name_of,
    operation_of,
    resolved,
    template_of,
    undocumented,
)

ROUTES, DOCUMENT = described()
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    with running(tmp_path_factory.mktemp("box"), config=RATED) as started:
        yield started


every_route = pytest.mark.parametrize("bound", ROUTES, ids=name_of)


def path_of(bound: BoundRoute, value: str = "1") -> str:
    """The path with each placeholder filled."""
    return re.sub(r"\{[^}]*\}", value, bound.route.path)


def anonymous(box: BoxProcess, **options: Any) -> httpx2.Client:
    return httpx2.Client(base_url=box.url, timeout=PATIENCE, trust_env=False, verify=False, **options)


def check_error(reply: httpx2.Response, bound: BoundRoute, code: str) -> None:
    """The answer is this error, as the document has it and as the family's type does."""
    media_type = "application/json" if bound.error_body else "application/problem+json"
    assert reply.headers["content-type"] == media_type
    body = msgspec.json.decode(reply.content, type=bound.error_type or Problem, strict=True)
    assert body.code == code
    assert body.request_id == reply.headers["x-request-id"]
    response = resolved(operation_of(bound, DOCUMENT)["responses"][str(reply.status_code)], DOCUMENT)
    assert faults(reply.json(), response["content"][media_type]["schema"], DOCUMENT) == []
    assert undocumented(reply.headers, response) == set()


@every_route
def test_it_is_documented(bound: BoundRoute) -> None:
    route = bound.route
    assert re.fullmatch(r"[A-Z][^.\n]{5,99}", route.summary), route.summary
    assert route.description == "" or route.description.endswith((".", "`")), route.description
    assert route.answers, "say what it answers"
    for answer in route.answers:
        assert answer.description.endswith("."), answer.description
        json = answer.media_type.endswith(("/json", "+json"))
        assert answer.type is not None or answer.status in (204, 304) or not json
    assert set(route.errors) <= set(CATALOGUE)
    described_names = [(each.place, each.name.lower()) for each in route.parameters]
    assert len(set(described_names)) == len(described_names)
    placeholders = set(re.findall(r"\{(\w+)", route.path))
    assert {name for place, name in described_names if place == "path"} <= placeholders
    for parameter in route.parameters:
        assert parameter.description.rstrip("`").endswith("."), parameter.description


@every_route
def test_a_page_from_elsewhere_may_read_its_headers(bound: BoundRoute) -> None:
    """A download's name too. What tells a browser how to show a page is for the browser alone."""
    for answer in bound.route.answers:
        if answer.media_type == "text/html":
            continue
        assert {name.lower() for name in answer.headers} <= {name.lower() for name in EXPOSED}


@every_route
def test_a_body_has_a_type_and_an_example_that_it_takes(bound: BoundRoute) -> None:
    route = bound.route
    if route.body_limit is None:
        assert (route.body, route.example) == (None, None)
        return
    assert route.method in ("POST", "PUT", "PATCH")
    assert route.body is not None
    assert route.example is not None
    operation = operation_of(bound, DOCUMENT)
    assert set(route.bodies) <= set(route.media_types)
    for media_type, media in operation["requestBody"]["content"].items():
        other = route.bodies.get(media_type)
        kind = other.type if other else route.body
        if kind is None:
            assert isinstance(media["example"], str)
            assert media["schema"]["type"] == "string"
            continue
        if isinstance(media["example"], str):  # lines, each of the type
            lines = [json.loads(line) for line in media["example"].splitlines()]
            schema = media["schema"]["contentSchema"]
        else:
            lines, schema = [media["example"]], media["schema"]
        assert lines
        for line in lines:
            assert faults(line, schema, DOCUMENT) == [], media_type
            msgspec.convert(line, kind, strict=True)


def test_what_needs_no_credentials_is_on_the_list() -> None:
    assert {(each.route.method, each.route.path) for each in ROUTES if each.public} == PUBLIC


@every_route
def test_without_credentials_it_is_refused(box: BoxProcess, bound: BoundRoute) -> None:
    if bound.public:
        return
    for headers in ({}, {"Authorization": "Bearer a.b.c"}, {"X-API-Key": "ibk_wrong"}):
        with anonymous(box, headers=headers) as client:
            reply = client.request(bound.route.method, path_of(bound))
        assert reply.status_code == 401
        assert reply.headers["www-authenticate"] == "Bearer"
        check_error(reply, bound, "token_invalid" if headers else "not_authenticated")


@every_route
def test_without_one_of_its_roles_it_is_refused(box: BoxProcess, bound: BoundRoute) -> None:
    others = set(Role) - bound.route.roles - {Role.ADMIN}
    if bound.public or not bound.route.roles:
        return
    assert others, "a role that it does not admit"
    with box.client(*sorted(others)) as client:
        reply = client.request(bound.route.method, path_of(bound))
    assert reply.status_code == 403
    check_error(reply, bound, "forbidden")


@every_route
def test_methods_that_its_path_does_not_have_are_refused(box: BoxProcess, bound: BoundRoute) -> None:
    known = {method.upper() for method in DOCUMENT["paths"][template_of(bound)]}
    known |= {"HEAD"} if "GET" in known else set()
    with box.client() as client:
        for method in {*METHODS, "TRACE", "PURGE"} - known:
            reply = client.request(method, path_of(bound))
            assert reply.status_code == 405, method
            assert set(reply.headers["allow"].replace(" ", "").split(",")) - {"OPTIONS"} == known
            assert reply.json()["code"] == "method_not_allowed"
