"""Another box, played by hand: it sends lines of audience records to a central box, as a lane does."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Sequence
from typing import Any

import httpx2
import msgspec

from ingestbox.model import Role, delivery_digest
from tests.harness import PATIENCE, BoxProcess

Json = dict[str, Any]

_boxes = itertools.count(1)


def found(number: int = 0, **members: object) -> Json:
    """What was found out about a record."""
    return {
        "_email": f"test{number}@example.com",
        "_email_valid": True,
        "_domain": "example.com",
        "_free_mail": False,
        "_disposable": False,
        "_completeness": 0.5,
        "_duplicate_of": None,
        **members,
    }


def put(
    upload_id: str,
    index: int | str,
    version: int = 1,
    *,
    record: bytes | None = None,
    result: bytes | None = None,
    **members: Any,
) -> Json:
    """The line of a record, to be numbered by `Edge.send`; `members` replace what it says otherwise."""
    if record is None:
        record = b'{"business_email":"test%s@example.com"}' % str(index).encode()
    if result is None:
        result = msgspec.json.encode(found(version))
    return {
        "op": "put",
        "version": version,
        "workspace": "default",
        "family": "audience",
        "kind": "record",
        "id": f"{upload_id}/{index}",
        "owner": "local:somebody",
        "job_id": upload_id,
        "at": "2026-03-01T12:00:00.000Z",
        "hash": delivery_digest(record, result),
        "record": msgspec.Raw(record),
        "result": msgspec.Raw(result),
        "lineage": {"file": "Spring fair", "row": 1, "rules": "1"},
        **members,
    }


def gone(upload_id: str, index: int, version: int, **members: Any) -> Json:
    """The line of a record's end."""
    return _end(put(upload_id, index, version), **members)


def segment(
    segment_id: str,
    upload_id: str,
    version: int = 1,
    *,
    record: Json | None = None,
    result: Json | None = None,
    **members: Any,
) -> Json:
    """The line of a segment; `record` and `result` change what is in them."""
    said = {"name": "Large", "upload_id": upload_id, "filter": None, "frozen": False, **(record or {})}
    came = {"count": 1, **(result or {})}
    line = put(upload_id, 0, version, record=msgspec.json.encode(said), result=msgspec.json.encode(came))
    return {**line, "kind": "segment", "id": segment_id, **members}


def segment_gone(segment_id: str, version: int) -> Json:
    """The line of a segment's end."""
    return _end(segment(segment_id, "", version))


def _end(line: Json, **members: Any) -> Json:
    kept = {name: value for name, value in line.items() if name not in ("record", "result", "lineage")}
    return {**kept, "op": "delete", "hash": delivery_digest(b"", b""), **members}


class Edge:
    """A box that sends to `central`, with a key for one workspace, or for every one (`*`)."""

    def __init__(self, central: BoxProcess, workspace: str) -> None:
        self.box = f"b-edge-{next(_boxes)}"
        self.epoch = "e1"
        self.workspace = workspace
        self._seq = 0
        token = central.token(Role.FORWARDER, subject="edge", workspace=workspace)
        self._client = httpx2.Client(
            base_url=central.url,
            headers={"Authorization": f"Bearer {token}", "Connection": "close"},
            timeout=PATIENCE,
            trust_env=False,
            verify=False,
        )

    def send(self, *lines: Json) -> Json:
        """Sends them as the next ones; the answer."""
        first = self._seq + 1
        self._seq += len(lines)
        return self.again(first, *lines)

    def again(self, first: int, *lines: Json) -> Json:
        """Sends them under numbers from `first` on; the answer."""
        place = {"box": self.box, "epoch": self.epoch}
        own = {} if self.workspace == "*" else {"workspace": self.workspace}
        body = b"".join(
            msgspec.json.encode({**place, "seq": seq, **line, **own}) + b"\n"
            for seq, line in enumerate(lines, start=first)
        )
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        reply = self._client.post(
            "/v1/sync/batches",
            content=body,
            headers={
                "Content-Type": "application/x-ndjson",
                "Content-Digest": f"sha-256=:{digest}:",
                "Ingestbox-Box": self.box,
                "Ingestbox-Epoch": self.epoch,
                "Ingestbox-After": str(first - 1),
                "Ingestbox-Seq": f"{first}-{first + len(lines) - 1}",
            },
        )
        assert reply.status_code == 200, reply.text
        answer: Json = reply.json()
        return answer

    def tells(self, *lines: Json) -> None:
        """Sends them, and every one is applied."""
        answer = self.send(*lines)
        assert (answer["accepted"], answer["rejected"]) == (len(lines), []), answer


def rejected(answer: Json, code: str = "record_invalid") -> Sequence[int]:
    """The seqs that were rejected, all with this code."""
    assert {each["code"] for each in answer["rejected"]} <= {code}, answer
    return [each["seq"] for each in answer["rejected"]]
