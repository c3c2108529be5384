"""The real table of routes, and the document made from it, for tests that walk them."""

from __future__ import annotations

import asyncio
import functools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jsonschema_rs

from ingestbox.appliance import Appliance
from ingestbox.config import Settings
from ingestbox.web.binding import BoundRoute

PUBLIC = {
    ("GET", "/"),
    ("GET", "/health"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),  # of which the handler itself asks callers from elsewhere for a token
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/docs/assets/{name}"),
    ("GET", "/redoc"),
    ("POST", "/api/auth/login"),
}
"""What needs no credentials (contract: common, Identity); every other call does."""

OF_HTTP = {
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "transfer-encoding",
    "vary",
    "x-accel-buffering",  # for proxies
    "x-content-type-options",
}

RATED = "[rates]\nrequests = 100000\nintake = 100000\n"
"""Settings under which answers say everything that they can about rates, and none is refused."""

Description = tuple[Sequence[BoundRoute], dict[str, Any]]


def describe(settings: Settings) -> Description:
    """Every route of a box with these settings, and its document."""

    async def look() -> Description:
        async with Appliance.built(settings) as box:
            return box.routes, json.loads(box.document)

    return asyncio.run(look())


@functools.cache
def described() -> Description:
    """The same without any settings, made once; leave it as it is."""
    return describe(Settings())


@functools.cache
def pages() -> Sequence[BoundRoute]:
    """Every route of the console."""

    async def look() -> Sequence[BoundRoute]:
        async with Appliance.built(Settings()) as box:
            return box.pages

    return asyncio.run(look())


def name_of(bound: BoundRoute) -> str:
    return f"{bound.route.method} {bound.route.path}"


def template_of(bound: BoundRoute) -> str:
    """The path as the document has it."""
    return re.sub(r":\w+\}", "}", bound.route.path)


def operation_of(bound: BoundRoute, document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][template_of(bound)][bound.route.method.lower()]
    return found


def resolved(value: Any, document: dict[str, Any]) -> Any:
    """What a value stands for, if it is a reference into the document."""
    while isinstance(value, dict) and "$ref" in value:
        place: Any = document
        for part in value["$ref"].removeprefix("#/").split("/"):
            place = place[part]
        value = place
    return value


def undocumented(names: Iterable[str], response: dict[str, Any]) -> set[str]:
    """The fields of an answer that the document does not name for it; those of HTTP itself need no word."""
    return {name.lower() for name in names} - {name.lower() for name in response["headers"]} - OF_HTTP


def references(value: Any) -> Iterator[str]:
    """Every reference in a document."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def faults(value: Any, schema: dict[str, Any], document: dict[str, Any]) -> list[str]:
    """What is wrong with a value under a schema of the document."""
    found = _validator(json.dumps(reachable(schema, document))).iter_errors(value)
    return [f"{'/'.join(map(str, each.instance_path))}: {each.message}" for each in found]


def reachable(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """A schema with those of the document's components that it refers to; all of them take long to read."""
    components: dict[str, dict[str, Any]] = {}
    waiting = list(references(schema))
    while waiting:
        reference = waiting.pop()
        kind, name = reference.removeprefix("#/components/").split("/")
        if name not in components.setdefault(kind, {}):
            components[kind][name] = resolved({"$ref": reference}, {"components": document["components"]})
            waiting += references(components[kind][name])
    return {**schema, "components": components}


@functools.lru_cache(512)
def _validator(whole: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(json.loads(whole))
