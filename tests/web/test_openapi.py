"""The document: valid, whole, and true to the types and limits that it is made from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from ingestbox import __version__
from ingestbox.config import Limits, Rates, Server, Settings
from ingestbox.errors import CATALOGUE, Fault, IngestError
from ingestbox.route import Reply, Route
from ingestbox.web.binding import BoundRoute
from ingestbox.web.openapi import Documentation
from ingestbox.web.openapi.errors import refusals
from ingestbox.web.replies import Problem, problem
from tests.table import describe, described, faults, name_of, operation_of, references, resolved

META = Path(__file__).with_name("openapi-3.1.json")
"""The OpenAPI Initiative's own schema of 3.1 documents (Apache-2.0)."""

ROUTES, DOCUMENT = described()


def test_the_document_is_valid_openapi() -> None:
    meta = json.loads(META.read_text("utf-8"))
    wrong = [each.message for each in jsonschema_rs.validator_for(meta).iter_errors(DOCUMENT)]
    assert not wrong, wrong
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert DOCUMENT["info"]["version"] == __version__


def test_every_schema_in_it_is_a_valid_json_schema() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        jsonschema_rs.meta.validate(schema)
        assert schema.get("description"), f"{name} has no docstring"


def test_makers_of_clients_can_read_it() -> None:
    """Some make names of files and classes of the components' names, and know no schema but objects."""
    for kind in ("schemas", "parameters", "headers", "securitySchemes"):
        for name in DOCUMENT["components"][kind]:
            assert name.isalnum(), f"{name} is the name of two types"

    def look(value: Any, place: str) -> None:
        if isinstance(value, dict):
            assert value.get("items") is not False, place
            for key, each in value.items():
                look(each, f"{place}/{key}")

    look(DOCUMENT["components"]["schemas"], "")


@pytest.mark.parametrize(
    ("given", "good"),
    [
        ({"ids": ["1"]}, True),
        ({"filter": {}}, True),
        ({"filter": {}, "cursor": "c"}, True),
        ({}, False),
        ({"ids": ["1"], "cursor": "c"}, False),
        ({"ids": ["1"], "filter": {}}, False),
        ({"ids": ["1"], "filter": {}, "cursor": "c"}, False),
    ],
)
def test_many_issues_are_named_in_one_way(given: dict[str, object], good: bool) -> None:
    media = DOCUMENT["paths"]["/v1/issues/bulk"]["post"]["requestBody"]["content"]["application/json"]
    assert (faults({"action": "discard", **given}, media["schema"], DOCUMENT) == []) is good


def test_every_reference_leads_somewhere_and_every_component_is_used() -> None:
    used = set(references(DOCUMENT))
    for reference in used:
        assert reference.startswith("#/components/")
        assert resolved({"$ref": reference}, DOCUMENT) is not None, reference
    there = {
        f"#/components/{kind}/{name}"
        for kind, components in DOCUMENT["components"].items()
        for name in components
        if kind != "securitySchemes"
    }
    assert used == there


def test_operations_have_names_of_their_own_and_known_tags() -> None:
    operations = [each for methods in DOCUMENT["paths"].values() for each in methods.values()]
    assert len(operations) == len(ROUTES)
    assert len({each["operationId"] for each in operations}) == len(operations)
    tags = [each["name"] for each in DOCUMENT["tags"]]
    assert len(set(tags)) == len(tags)
    assert {tag for each in operations for tag in each["tags"]} == set(tags)


@pytest.mark.parametrize("bound", ROUTES, ids=name_of)
def test_the_errors_of_a_route_are_those_of_the_catalogue_in_its_shape(bound: BoundRoute) -> None:
    responses = operation_of(bound, DOCUMENT)["responses"]
    told: set[tuple[int, str]] = set()
    for status, reference in responses.items():
        response = resolved(reference, DOCUMENT)
        assert "X-Request-ID" in response["headers"]
        for media_type, media in response.get("content", {}).items():
            for code, example in media.get("examples", {}).items():
                value = resolved(example, DOCUMENT)["value"]
                assert value["code"] == code
                assert f"`{code}`" in response["description"]
                assert faults(value, media["schema"], DOCUMENT) == [], (status, media_type)
                assert faults({**value, "code": "another"}, media["schema"], DOCUMENT) != []
                told.add((int(status), code))
    assert told == set(refusals(bound))
    assert {code for _, code in told} >= set(bound.route.errors)
    assert ((429, "overloaded") in told) is bound.route.takes_records


SHAPES = {
    (bound.error_type or Problem).__name__: (bound.error_type or Problem, bound.error_body or problem)
    for bound in ROUTES
}


@pytest.mark.parametrize("shape", SHAPES)
def test_what_a_shape_of_errors_gives_is_of_its_type(shape: str) -> None:
    kind, body = SHAPES[shape]
    many = [Fault("invalid", "no", 0, "id"), Fault("invalid", "no")]
    for error in (*(IngestError(code) for code in CATALOGUE), IngestError("validation_failed", faults=many)):
        sent = json.loads(msgspec.json.encode(body(error, "id")))
        read = msgspec.convert(sent, kind, strict=True)
        assert json.loads(msgspec.json.encode(read)) == sent  # no member that the type does not have


def test_limits_rates_and_prefix_are_those_of_the_settings() -> None:
    settings = Settings(
        server=Server(prefix="/ingest"),
        limits=Limits(feedback_json_mb=3, control_kb=7),
        rates=Rates(requests=0, intake=120, login=0),
    )
    _, document = describe(settings)
    paths = document["paths"]
    assert document["servers"][0]["url"] == "/ingest"
    body = paths["/api/data-ingest"]["post"]["requestBody"]
    assert (body["x-limit-bytes"], "3 MB" in body["description"]) == (3 * 1_048_576, True)
    assert paths["/v1/keys"]["post"]["requestBody"]["x-limit-bytes"] == 7 * 1024
    assert "At most 120 a minute" in paths["/api/data-ingest"]["post"]["description"]
    assert "At most" not in paths["/api/jobs"]["get"]["description"]
    assert DOCUMENT["servers"][0]["url"] == "/"


def test_roles_and_credentials_are_told() -> None:
    ingest = DOCUMENT["paths"]["/api/data-ingest"]["post"]
    assert ingest["security"] == [{"bearer": []}, {"apiKey": []}]
    assert ingest["x-roles"] == ["admin", "analyst", "ingest"]
    assert "`admin`, `analyst` or `ingest`" in ingest["description"]
    assert DOCUMENT["paths"]["/health"]["get"]["security"] == []
    assert {} in DOCUMENT["paths"]["/metrics"]["get"]["security"]
    assert set(DOCUMENT["components"]["securitySchemes"]) == {"bearer", "apiKey"}


def documented(*routes: Route) -> dict[str, Any]:
    bound = [BoundRoute(route) for route in routes]
    made = Documentation(bound, limits=Limits(), rates=Rates(), prefix="")
    document: dict[str, Any] = json.loads(made.document)
    return document


async def nothing(_: object) -> Reply:
    return Reply(None)


def test_no_document_is_made_of_a_route_that_names_an_error_that_there_is_not() -> None:
    with pytest.raises(KeyError, match="no_such_code"):
        documented(Route("GET", "/v1/things", nothing, "Things", errors=("no_such_code",)))


def test_a_path_that_may_hold_slashes_is_told_as_one_parameter() -> None:
    document = documented(
        Route("GET", "/v1/things/{name:path}", nothing, "One"),
        Route("GET", "/v1/other/{name}", nothing, "One"),
    )
    (wide,) = [each for each in document["paths"]["/v1/things/{name}"]["get"]["parameters"] if "in" in each]
    (narrow,) = [each for each in document["paths"]["/v1/other/{name}"]["get"]["parameters"] if "in" in each]
    assert "pattern" not in wide["schema"]
    assert narrow["schema"]["pattern"] == "^[^/]+$"
    assert wide["required"] is narrow["required"] is True
