"""What the calls that change something have in common: their bodies, If-Match, who asks, and why not."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ingestbox import strictjson
from ingestbox.errors import Fault, IngestError
from ingestbox.families.contacts.fields import NUL
from ingestbox.family import Ask
from ingestbox.model import Role
from ingestbox.route import Parameter
from ingestbox.store.audit import Act
from ingestbox.store.review import Blocked

EDITORS = frozenset({Role.EDITOR})

IF_MATCH = Parameter("If-Match", "The ETag as it was read: 412 if it is another one now.", place="header")

_TAG = re.compile(r'(W/)?"([^"]*)"')


def act(ask: Ask, workspace: str) -> Act:
    """The caller, for the trail of the workspace in which something is changed."""
    return Act(ask.caller.subject, workspace, ask.request_id, ask.box.now_ms())


def marks(headers: Mapping[str, str]) -> frozenset[str] | None:
    """What If-Match names, one of which has to be there still; None without it, and for `*`.

    A weak tag never matches (RFC 9110, 13.1.1).
    """
    given = headers.get("if-match")
    if given is None or given.strip() == "*":
        return None
    return frozenset(tag for weak, tag in _TAG.findall(given) if not weak)


def etag(mark: str) -> tuple[tuple[str, str], ...]:
    """The header that names a state."""
    return (("ETag", f'"{mark}"'),)


def refuse(blocked: Blocked, headers: Mapping[str, str]) -> IngestError:
    """Why nothing was changed. What changed under a caller who said what it was is a failed precondition."""
    if blocked.code == "record_changed" and "if-match" in headers:
        return IngestError("precondition_failed")
    return IngestError(blocked.code, blocked.detail)


def members(body: bytes) -> Mapping[str, object]:
    """The members of a body. Raises IngestError: malformed_json, validation_failed."""
    found = strictjson.decode(body)
    if not isinstance(found, dict):
        raise wrong("", "The body must be an object.")
    return found


def wrong(field: str, sentence: str) -> IngestError:
    """What is wrong with a body."""
    fault = Fault("validation_failed", sentence, field=field or None)
    return IngestError("validation_failed", sentence, faults=(fault,))


def text_of(given: Mapping[str, object], name: str) -> str | None:
    """A text, or None where there is none, or null. Raises IngestError `validation_failed`."""
    found = given.get(name)
    if not isinstance(found, str | None):
        raise wrong(name, f"{name} must be a text or null.")
    if found and NUL in found:
        raise wrong(name, f"{name} must not hold the character U+0000.")
    return found
