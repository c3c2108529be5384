"""What an upstream's answer means (contract: forwarding, What an answer means); pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import msgspec

from ingestbox.forward.backoff import retry_after
from ingestbox.forward.batch import LaneBatch
from ingestbox.forward.sink import Decision, Delivered, Gap, Pause, Refused, Retry, TooLarge
from ingestbox.forward.words import MOST_MESSAGE, clean, coded, said
from ingestbox.store.lanes import Parked

ANSWER_BYTES = 65_536
ANSWER_BYTES_A_LINE = 512
"""The part of a 2xx answer that is read: this much, and this much more for each line of the batch, which is
room for every one of them to be rejected with a reason."""

Meaning = Literal["delivered", "retry", "pause", "halve", "bisect"]
"""What to do after an answer; `halve` for its size, `bisect` for what is in it."""

_RETRIED = frozenset({408, 425, 429})
_BISECTED = frozenset({400, 409, 422})
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


def overrides(words: Sequence[str]) -> dict[int, Meaning]:
    """A lane's own meanings, of `lane.answers`: "404 retry". Of two for a status the last one counts."""
    found: dict[int, Meaning] = {}
    for word in words:
        status, _, name = word.partition(" ")
        (meaning,) = [each for each in get_args(Meaning) if each == name]
        found[int(status)] = meaning
    return found


def meaning(status: int, headers: Mapping[str, str], own: Mapping[int, Meaning] | None = None) -> Meaning:
    """What an answer of this status means; `own` are the lane's overrides.

    What is not in the table pauses: an upstream that is gone, wants money or another media type is not
    helped by another try, and nothing is dropped. `headers` has lower-case names or ignores case.
    """
    if own and (set_by_lane := own.get(status)) is not None:
        return set_by_lane
    if 200 <= status < 300:
        return "delivered"
    if status in _RETRIED or status >= 500 or (status == 409 and "retry-after" in headers):
        return "retry"
    if status == 413:
        return "halve"
    return "bisect" if status in _BISECTED else "pause"


def refusal(
    status: int,
    headers: Mapping[str, str],
    now_ms: int,
    *,
    body: bytes = b"",
    own: Mapping[int, Meaning] | None = None,
) -> Decision:
    """What to do after an answer by which the batch is not delivered, or by an override is.

    `body` is the beginning of the answer's (`words.REFUSAL_BYTES` of it are enough; none is needed where it
    means neither `bisect` nor `halve`): its words go with a line that is refused alone.
    """
    match meaning(status, headers, own):
        case "delivered":
            return Delivered()
        case "retry":
            wait = retry_after(headers.get("retry-after"), date=headers.get("date"), now_ms=now_ms)
            return Retry(f"http: {status}", after=wait)
        case "halve":
            _, message = said(body)
            return TooLarge(clean(f"http: {status} {message}", MOST_MESSAGE))
        case "bisect":
            code, message = said(body)
            return Refused(code or f"http_{status}", message or f"The upstream answered {status}.")
        case "pause":
            if 300 <= status < 400:
                return Pause(f"redirect: {status}")
            _, message = said(body)
            return Pause(f"{_PAUSED.get(status, 'refused')}: {status}", clean(message, MOST_MESSAGE))


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
        each.seq: Parked(
            each.seq,
            coded(each.code) or "rejected",
            clean(each.message or (each.code if "@" in each.code else ""), MOST_MESSAGE),
        )
        for each in answer.rejected
        if each.seq in batch.open
    }
    missing = tuple(Gap(after, first) for after, first in answer.missing if 0 <= after < first - 1)
    return Delivered(tuple(rejected.values()), missing)
