"""One route as an operation of the document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from ingestbox.config import MIB, Limits, Rates
from ingestbox.model import Role
from ingestbox.route import Answer, Parameter
from ingestbox.web.binding import BoundRoute, bytes_of
from ingestbox.web.inflate import ENCODINGS
from ingestbox.web.openapi import errors
from ingestbox.web.openapi.schemas import Schemas
from ingestbox.web.replies import Problem

NO_BODY = frozenset({204, 304})
FORM = "application/x-www-form-urlencoded"
FILE_FORM = "multipart/form-data"
LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
EVENTS = "text/event-stream"
"""These are text that holds one value of the declared type after another."""

_PLACEHOLDER = re.compile(r"\{(\w+)(?::(\w+))?\}")
_WORDS = re.compile(r"[A-Za-z0-9]+")


def path_of(bound: BoundRoute) -> str:
    """The path as OpenAPI writes it: `/api/tickets/{ticket_id}` for `/api/tickets/{ticket_id:path}`."""
    return _PLACEHOLDER.sub(r"{\1}", bound.route.path)


def tag_of(bound: BoundRoute) -> str:
    """The heading of the route: its family, the resource of `/v1` that it is of, or `service`."""
    if bound.tag:
        return bound.tag
    parts = bound.route.path.split("/")
    return parts[2] if parts[1] == "v1" and len(parts) > 2 else "service"


def types_of(bound: BoundRoute) -> Iterator[Any]:
    """Every type that the route's operation needs a schema of."""
    route = bound.route
    yield from (parameter.type for parameter in route.parameters)
    if route.body is not None:
        yield route.body
    yield from (other.type for other in route.bodies.values() if other.type is not None)
    yield from (answer.type for answer in route.answers if answer.type is not None)
    yield errors.error_type(bound)
    yield Problem


def operation(bound: BoundRoute, schemas: Schemas, limits: Limits, rates: Rates) -> dict[str, Any]:
    """The operation object. Raises KeyError or TypeError for a route that declares what there is not."""
    route = bound.route
    made: dict[str, Any] = {
        "operationId": "_".join(_WORDS.findall(f"{route.method.lower()} {path_of(bound)}")),
        "tags": [tag_of(bound)],
        "summary": route.summary.rstrip("."),
        "description": _description(bound, rates),
    }
    parameters = [*_path_parameters(bound, schemas), *_own_parameters(bound, schemas), *_common(bound)]
    made["parameters"] = parameters
    if route.body_limit is not None:
        made["requestBody"] = _body(bound, schemas, limits)
    made["responses"] = _responses(bound, schemas)
    made["security"] = _security(bound)
    if route.roles:
        made["x-roles"] = sorted({*route.roles, Role.ADMIN})
    return made


def asks_itself(bound: BoundRoute) -> bool:
    """Whether the route is open to the door, and its handler asks some callers who they are."""
    return bound.public and "not_authenticated" in bound.route.errors


def _security(bound: BoundRoute) -> list[dict[str, list[str]]]:
    either: list[dict[str, list[str]]] = [{"bearer": []}, {"apiKey": []}]
    if asks_itself(bound):
        return [{}, *either]
    return [] if bound.public else either


def _description(bound: BoundRoute, rates: Rates) -> str:
    route = bound.route
    parts = [route.description] if route.description else []
    if bound.public:
        parts.extend([] if asks_itself(bound) else ["Needs no credentials."])
    elif route.roles:
        parts.append(f"Roles: {_any_of(sorted({*route.roles, Role.ADMIN}))}.")
    else:
        parts.append("Any role.")
    allowance = getattr(rates, route.rate) if errors.is_counted(bound) else 0
    if allowance:
        parts.append(f"At most {allowance:,} a minute for each {'address' if bound.public else 'caller'}.")
    return "\n\n".join(parts)


def _any_of(names: list[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def _path_parameters(bound: BoundRoute, schemas: Schemas) -> Iterator[dict[str, Any]]:
    told = {each.name: each for each in bound.route.parameters if each.place == "path"}
    for name, convertor in _PLACEHOLDER.findall(bound.route.path):
        given = told.get(name)
        if given is not None and given.type is not str:
            schema = schemas.of(given.type)
        else:
            schema = {"type": "string", "minLength": 1}
            if convertor != "path":
                schema["pattern"] = "^[^/]+$"
        text = given.description if given else "Which one."
        yield {"name": name, "in": "path", "required": True, "description": text, "schema": schema}


def _own_parameters(bound: BoundRoute, schemas: Schemas) -> Iterator[dict[str, Any]]:
    for each in bound.route.parameters:
        if each.place != "path":
            yield _parameter(each, schemas)


def _parameter(parameter: Parameter, schemas: Schemas) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "schema": schemas.of(parameter.type),
    }
    if parameter.required:
        made["required"] = True
    return made


def _common(bound: BoundRoute) -> Iterator[dict[str, str]]:
    own = {each.name.lower() for each in bound.route.parameters if each.place == "header"}
    if bound.route.idempotent and "idempotency-key" not in own:
        yield {"$ref": "#/components/parameters/IdempotencyKey"}
    if bound.route.body_limit is not None and "content-encoding" not in own:
        yield {"$ref": "#/components/parameters/ContentEncoding"}
    yield {"$ref": "#/components/parameters/RequestId"}


def _body(bound: BoundRoute, schemas: Schemas, limits: Limits) -> dict[str, Any]:
    route = bound.route
    cap = bytes_of(route.body_limit, limits)
    assert cap is not None  # the route has a limit
    content = {}
    for media_type in route.media_types:
        if other := route.bodies.get(media_type):
            content[media_type] = _media(media_type, other.type, schemas)
            content[media_type]["schema"]["description"] = other.description
            content[media_type]["example"] = _builtins(other.example)
            continue
        content[media_type] = _media(media_type, route.body, schemas)
        if route.example is not None:
            content[media_type]["example"] = _builtins(route.example)
    size = f"{cap // MIB} MB" if cap % MIB == 0 else f"{cap // 1024} KB"
    return {
        "description": f"At most {size} ({cap:,} bytes), on the wire and after decompression; "
        f"`Content-Encoding` {_any_of([*ENCODINGS])} is taken.",
        "required": route.body is not None,
        "content": content,
        "x-limit-bytes": cap,
    }


def _responses(bound: BoundRoute, schemas: Schemas) -> dict[str, Any]:
    refused = errors.responses(bound, schemas)
    made: dict[int, dict[str, Any]] = {}
    for answer in bound.route.answers:
        _merge(made, answer.status, _response(bound, answer, schemas))
    for status, response in refused.items():
        _merge(made, status, response)
    return {str(status): made[status] for status in sorted(made)}


def _merge(made: dict[int, dict[str, Any]], status: int, response: dict[str, Any]) -> None:
    """Adds a response to those of its status: either of the two may come."""
    before = made.setdefault(status, response)
    if before is response:
        return
    before["description"] = f"{before['description']}\n\n{response['description']}"
    before["headers"] = {**before["headers"], **response["headers"]}
    for media_type, added in response.get("content", {}).items():
        known = before.setdefault("content", {}).setdefault(media_type, added)
        if known is not added:
            known["schema"] = {"anyOf": [known["schema"], added["schema"]]}
            if "examples" in added:
                known["examples"] = {**known.get("examples", {}), **added["examples"]}


def _response(bound: BoundRoute, answer: Answer, schemas: Schemas) -> dict[str, Any]:
    names = {"X-Request-ID": "RequestId"}
    if errors.tells_rate(bound):
        names |= errors.RATE_HEADERS
    if bound.route.idempotent and answer.status < 300:
        names["Idempotency-Replayed"] = "IdempotencyReplayed"
    headers: dict[str, Any] = {name: errors.header(each) for name, each in names.items()}
    for name, text in answer.headers.items():
        headers[name] = {"description": text, "required": True, "schema": {"type": "string"}}
    for name, text in answer.some.items():
        headers[name] = {"description": text, "schema": {"type": "string"}}
    made: dict[str, Any] = {"description": answer.description, "headers": headers}
    if answer.status not in NO_BODY:
        made["content"] = {answer.media_type: _media(answer.media_type, answer.type, schemas)}
    return made


def _media(media_type: str, kind: Any, schemas: Schemas) -> dict[str, Any]:
    schema: dict[str, Any] = {} if kind is None else schemas.of(kind)
    if media_type in (FORM, FILE_FORM) or (media_type.endswith("json") and media_type not in LINES):
        return {"schema": schema}
    if media_type == EVENTS:
        return {"schema": _event(schema)}
    text: dict[str, Any] = {"type": "string"}
    if kind is not None and media_type in LINES:
        text |= {"contentMediaType": media_type, "contentSchema": schema}
    return {"schema": text}


def _event(data: dict[str, Any]) -> dict[str, Any]:
    """One of a stream's events. Without a type: to some readers the stream is a string, to others objects."""
    text = {"type": "string"}
    held = {**text, "contentMediaType": errors.JSON, "contentSchema": data} if data else text
    return {
        "description": "Server-sent events (WHATWG HTML, 9.2), each with these fields.",
        "properties": {"id": text, "event": text, "data": held},
    }


def _builtins(value: Any) -> Any:
    return msgspec.to_builtins(value)
