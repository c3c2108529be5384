"""What an upstream's answer means, as a table."""

from __future__ import annotations

import msgspec
import pytest

from ingestbox.forward import answers
from ingestbox.forward.batch import LaneBatch
from ingestbox.forward.sink import Decision, Delivered, Gap, Pause, Retry
from ingestbox.store.lanes import Parked

NOW_MS = 784_111_777_000  # Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110


@pytest.mark.parametrize(
    ("status", "headers", "decision"),
    [
        (408, {}, Retry("http: 408")),
        (425, {}, Retry("http: 425")),
        (429, {"retry-after": "7"}, Retry("http: 429", after=7.0)),
        (500, {}, Retry("http: 500")),
        (501, {}, Retry("http: 501")),
        (503, {"retry-after": "Sun, 06 Nov 1994 08:50:37 GMT"}, Retry("http: 503", after=60.0)),
        (507, {}, Retry("http: 507")),
        (599, {}, Retry("http: 599")),
        (409, {"retry-after": "1"}, Retry("http: 409", after=1.0)),
        (409, {"retry-after": "soon"}, Retry("http: 409")),
        (409, {}, Pause("refused: 409")),
        (301, {"location": "http://elsewhere/"}, Pause("redirect: 301")),
        (304, {}, Pause("redirect: 304")),
        (308, {}, Pause("redirect: 308")),
        (400, {}, Pause("refused: 400")),
        (401, {}, Pause("unauthorized: 401")),
        (401, {"retry-after": "1"}, Pause("unauthorized: 401")),
        (403, {}, Pause("forbidden: 403")),
        (404, {}, Pause("not_found: 404")),
        (405, {}, Pause("method_not_allowed: 405")),
        (410, {}, Pause("refused: 410")),
        (413, {}, Pause("refused: 413")),
        (422, {}, Pause("refused: 422")),
    ],
)
def test_a_refusal_is_retried_or_pauses(status: int, headers: dict[str, str], decision: Decision) -> None:
    assert answers.refusal(status, headers, NOW_MS) == decision


def test_a_date_is_measured_by_the_upstreams_own_clock() -> None:
    headers = {"retry-after": "Sun, 06 Nov 1994 08:51:37 GMT", "date": "Sun, 06 Nov 1994 08:49:37 GMT"}
    four_hundred_days = 400 * 86_400_000
    for now in (NOW_MS, NOW_MS + four_hundred_days, NOW_MS - four_hundred_days):
        assert answers.refusal(503, headers, now) == Retry("http: 503", after=120.0)


def batch(*seqs: int) -> LaneBatch:
    return LaneBatch(
        box="b1",
        epoch="e1",
        lane="central",
        after=seqs[0] - 1,
        seqs=seqs,
        lines=tuple(b"{}" for _ in seqs),
        open=frozenset(seqs),
        damaged=(),
        more=False,
    )


@pytest.mark.parametrize(
    ("body", "decision"),
    [
        (b"", Delivered()),
        (b"ok", Delivered()),
        (b"\xff\xfe", Delivered()),
        (b"[]", Delivered()),
        (b"{}", Delivered()),
        (b'{"rejected":0}', Delivered()),  # another system's count
        (b"[" * 10_000, Delivered()),
        (b'{"rejected":[{"seq":2}]}', Delivered((Parked(2, "rejected", ""),))),
        (b'{"rejected":[{"seq":2,"code":"c","message":"m","x":1}]}', Delivered((Parked(2, "c", "m"),))),
        (b'{"rejected":[{"seq":9,"code":"c"}]}', Delivered()),  # not in this batch
        (b'{"rejected":[{"seq":2},{"seq":2,"code":"c"}]}', Delivered((Parked(2, "c", ""),))),
        (b'{"missing":[[3,7],[9,12]]}', Delivered(missing=(Gap(3, 7), Gap(9, 12)))),
        (b'{"missing":[[7,3],[3,4],[-1,9]]}', Delivered()),  # nothing lies between
    ],
)
def test_a_2xx_body_says_what_is_rejected_and_missing(body: bytes, decision: Decision) -> None:
    assert answers.delivered(batch(1, 2, 3), body, framed=True) == decision


def test_a_413_parks_a_line_that_goes_alone_for_its_size() -> None:
    large = msgspec.structs.replace(batch(1), lines=(b"x" * 1024,))
    decision = answers.oversized(large, 1024)
    assert decision is not None
    (parked,) = decision.rejected
    assert (parked.seq, parked.code) == (1, "payload_too_large")
    assert answers.oversized(large, 1025) is None
    assert answers.oversized(msgspec.structs.replace(batch(1, 2), lines=(b"x" * 1024,) * 2), 1024) is None
    assert answers.oversized(msgspec.structs.replace(large, open=frozenset()), 1024) is None  # a skip


def test_long_words_of_an_upstream_are_clipped() -> None:
    said = {"rejected": [{"seq": 1, "code": "c" * 9_999, "message": "m" * 9_999}]}
    decision = answers.delivered(batch(1), msgspec.json.encode(said), framed=True)
    assert isinstance(decision, Delivered)
    (parked,) = decision.rejected
    assert (len(parked.code), len(parked.message)) == (answers.MOST_CODE, answers.MOST_MESSAGE)


def test_an_unframed_body_that_stops_in_mid_value_was_cut() -> None:
    half = b'{"rejected":[{"seq":2,"co'
    assert answers.delivered(batch(1, 2), half, framed=False) == Retry("cut")
    assert answers.delivered(batch(1, 2), b"{broken", framed=False) == Delivered()
    assert answers.delivered(batch(1, 2), b"", framed=False) == Delivered()


def test_there_is_room_for_every_line_to_be_rejected() -> None:
    said = {"rejected": [{"seq": 2**62, "code": "workspace_forbidden", "message": "m" * 300}] * 500}
    assert len(msgspec.json.encode(said)) < answers.cap(500)
