"""What schemathesis cannot make up from the document alone; it loads this file by its path."""

from __future__ import annotations

import base64
import hashlib
import itertools
from typing import Any

import schemathesis
from schemathesis import Case, HookContext
from schemathesis.generation import GenerationMode
from schemathesis.transport import SerializationContext
from schemathesis.transport.asgi import ASGI_TRANSPORT
from schemathesis.transport.requests import REQUESTS_TRANSPORT
from schemathesis.transport.wsgi import WSGI_TRANSPORT

BULK = "/v1/issues/bulk"
SYNC = "/v1/sync/batches"

JSON_WITHIN = {
    "columns": '["email", "_domain"]',
    "filter": '{"any": [{"field": "email", "op": "exists", "value": true}]}',
}

_number = itertools.count(1)


TEXTS = ("application/x-ndjson", "application/ndjson", "application/jsonl", "text/csv")


@REQUESTS_TRANSPORT.serializer(*TEXTS)
@ASGI_TRANSPORT.serializer(*TEXTS)
@WSGI_TRANSPORT.serializer(*TEXTS)
def lines(context: SerializationContext, value: Any) -> dict[str, Any]:
    """A text of lines, or a table, is sent as it is."""
    return {"data": encoded(value)}


def encoded(value: Any) -> bytes:
    """What is made up for a text, as bytes."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Puts right what the box has to refuse although each value is of its type."""
    if case.operation.path == SYNC and case.headers and "Content-Digest" in case.headers:
        # Otherwise the answer is always that the body was damaged on its way.
        digest = hashlib.sha256(encoded(case.body)).digest()
        case.headers["Content-Digest"] = f"sha-256=:{base64.b64encode(digest).decode()}:"
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    query: dict[str, Any] = case.query or {}
    headers: Any = case.headers or {}
    # Cursors come from the box, lanes (with the state that something has in one) from its settings.
    query.pop("cursor", None)
    if case.operation.path == BULK and isinstance(case.body, dict):
        case.body.pop("cursor", None)
    if case.operation.path == "/v1/deliveries":
        query.pop("lane", None)
        query.pop("state", None)
    # A period ends no earlier than it begins, and is not endless.
    if "start_date" in query:
        query["end_date"] = max(query["start_date"], query.get("end_date", ""))
        if query["start_date"][:4] != query["end_date"][:4]:
            query["start_date"] = query["end_date"]
    # What is searched has a letter, and few words.
    if "q" in query:
        query["q"] = f"a{str(query['q'])[:20]}"
    # What is JSON inside a parameter is of its own form, and boxes are those that have sent something.
    if case.operation.path.startswith("/api/audience/"):
        query.pop("box", None)
        for name, value in JSON_WITHIN.items():
            if name in query:
                query[name] = value
    # An id is one of a kind of object, which then has to be named too.
    if "object" not in query:
        query.pop("object_id", None)
    # The body is not compressed, and what is to be changed has another version.
    headers.pop("Content-Encoding", None)
    headers.pop("If-Match", None)
    # The same key again is for the same content only.
    if "Idempotency-Key" in headers:
        headers["Idempotency-Key"] = f"key-{next(_number)}"
