"""What an upstream's answer means (contract: forwarding, What an answer means); pure.

Until single records can be bisected out of a batch, an answer that refuses the batch (400, 409, 413, 422 and
the like) pauses the lane: it is probed, and nothing is dropped. One case cannot wait, because any client can
bring it about: a line over the batch's size goes alone, and a 413 is about that line.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ingestbox.forward.backoff import retry_after
from ingestbox.forward.batch import LaneBatch
from ingestbox.forward.sink import Decision, Delivered, Gap, Pause, Retry
from ingestbox.store.lanes import Parked

ANSWER_BYTES = 65_536
ANSWER_BYTES_A_LINE = 512
"""The part of a 2xx answer that is read: this much, and this much more for each line of the batch, which is
room for every one of them to be rejected with a reason."""

MOST_CODE, MOST_MESSAGE = 64, 500
"""Characters kept of what an upstream says about a line."""

_RETRIED = frozenset({408, 425, 429})
_PAUSED = {401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "method_not_allowed"}


class _Rejected(msgspec.Struct):
    seq: int
    code: str = "rejected"
    message: str = ""


class _Answer(msgspec.Struct):
    rejected: list[_Rejected] = []
    missing: list[tuple[int, int]] = []


_decoder = msgspec.json.Decoder(_Answer)


def cap(lines: int) -> int:
    """The most bytes of a 2xx answer that are read, for a batch of so many lines."""
    return ANSWER_BYTES + ANSWER_BYTES_A_LINE * lines


def refusal(status: int, headers: Mapping[str, str], now_ms: int) -> Retry | Pause:
    """What to do after an answer that is not 2xx. `headers` has lower-case names or ignores case."""
    asked = headers.get("retry-after")
    if status in _RETRIED or status >= 500 or (status == 409 and asked is not None):
        wait = retry_after(asked, date=headers.get("date"), now_ms=now_ms)
        return Retry(f"http: {status}", after=wait)
    if 300 <= status < 400:
        return Pause(f"redirect: {status}")
    return Pause(f"{_PAUSED.get(status, 'refused')}: {status}")


def oversized(batch: LaneBatch, size: int) -> Delivered | None:
    """What a 413 means for a batch that may have `size` bytes before compression.

    A single line over it is parked, or it would stop the lane for good; None for any other batch.
    """
    if len(batch.lines) != 1 or len(batch.lines[0]) < size or batch.seqs[0] not in batch.open:
        return None
    message = f"The upstream takes no line of {len(batch.lines[0])} bytes (413)."
    return Delivered((Parked(batch.seqs[0], "payload_too_large", message),))


def delivered(batch: LaneBatch, body: bytes, *, framed: bool) -> Decision:
    """What a 2xx answer says about the lines of a batch.

    A body that is not ours (another receiver's "ok") says nothing. `framed` is whether the answer's end was
    marked by a length or a last chunk; without that a JSON body that stops in mid-value was cut.
    """
    try:
        answer = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        cut = not framed and body.lstrip()[:1] == b"{" and "truncated" in str(error)
        return Retry("cut") if cut else Delivered()
    rejected = {
        each.seq: Parked(each.seq, each.code[:MOST_CODE], each.message[:MOST_MESSAGE])
        for each in answer.rejected
        if each.seq in batch.open
    }
    missing = tuple(Gap(after, first) for after, first in answer.missing if 0 <= after < first - 1)
    return Delivered(tuple(rejected.values()), missing)
