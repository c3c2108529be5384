"""What an upstream's answer means, as a table."""

from __future__ import annotations

import msgspec
import pytest

from ingestbox.forward import answers
from ingestbox.forward.batch import LaneBatch
from ingestbox.forward.sink import Decision, Delivered, Gap, Pause, Refused, Retry, TooLarge
from ingestbox.forward.words import MOST_CODE, MOST_MESSAGE, REFUSAL_BYTES, clean, said
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
        (409, {}, Refused("http_409", "The upstream answered 409.")),
        (301, {"location": "http://elsewhere/"}, Pause("redirect: 301")),
        (304, {}, Pause("redirect: 304")),
        (308, {}, Pause("redirect: 308")),
        (400, {}, Refused("http_400", "The upstream answered 400.")),
        (400, {"retry-after": "1"}, Refused("http_400", "The upstream answered 400.")),
        (401, {}, Pause("unauthorized: 401")),
        (401, {"retry-after": "1"}, Pause("unauthorized: 401")),
        (403, {}, Pause("forbidden: 403")),
        (404, {}, Pause("not_found: 404")),
        (405, {}, Pause("method_not_allowed: 405")),
        (402, {}, Pause("refused: 402")),
        (406, {}, Pause("refused: 406")),
        (410, {}, Pause("refused: 410")),
        (413, {}, TooLarge("http: 413")),
        (415, {}, Pause("refused: 415")),
        (422, {}, Refused("http_422", "The upstream answered 422.")),
        (431, {}, Pause("refused: 431")),
        (451, {}, Pause("refused: 451")),
        (600, {}, Retry("http: 600")),
    ],
)
def test_an_answer_means_what_the_table_says(
    status: int, headers: dict[str, str], decision: Decision
) -> None:
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


@pytest.mark.parametrize(
    ("word", "status", "decision"),
    [
        ("404 retry", 404, Retry("http: 404", after=9.0)),
        ("422 delivered", 422, Delivered()),
        ("400 pause", 400, Pause("refused: 400")),
        ("503 bisect", 503, Refused("http_503", "full of words")),
        ("500 halve", 500, TooLarge("http: 500 full of words")),
        ("202 retry", 202, Retry("http: 202", after=9.0)),
        ("301 retry", 301, Retry("http: 301", after=9.0)),
    ],
)
def test_a_lane_may_give_an_answer_another_meaning(word: str, status: int, decision: Decision) -> None:
    own = answers.overrides(["499 pause", "404 pause", word])
    found = answers.refusal(status, {"retry-after": "9"}, NOW_MS, body=b"full of words", own=own)
    assert found == decision


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"code":"record_invalid","detail":"No e-mail.","title":"T"}', ("record_invalid", "No e-mail.")),
        (b'{"type":"about:blank","title":"Bad Request","status":400}', ("", "Bad Request")),
        (b'{"message":"no","code":4711}', ("4711", "no")),
        (b'{"error":{"code":"E1","message":"no such field"}}', ("E1", "no such field")),
        (b'{"error":"invalid_request","error_description":"why"}', ("", "why")),
        (b'{"error":"nope"}', ("", "nope")),
        (b'{"errors":[{"code":"c","detail":"d"},{"code":"e"}]}', ("c", "d")),
        (b'{"code":"validation_failed","errors":["one","two"]}', ("validation_failed", "one")),
        (b'"just a text"', ("", "just a text")),
        (b'{"code":true,"message":null,"detail":{"a":1}}', ("", "")),
        (b"[1,2]", ("", "")),
        (b"", ("", "")),
        (b"duplicate key 'x'", ("", "duplicate key 'x'")),
        (b"<html><head><title>400 Bad</title></head>\r\n<p>Bad</p>", ("", "400 Bad Bad")),
        (b"\xff\xfe\x00nul \x1b[31mred\x07", ("", "nul [31mred")),
        (b'{"code":"a\\u202eb\\nc","detail":"d\\u0000e"}', ("a b c", "d e")),
        (b"[" * 20_000, ("", "[" * 500)),
        (b'{"detail":"' + b"x" * 20_000 + b'"}', ("", '{"detail":"' + "x" * 489)),
    ],
)
def test_the_words_of_a_refusal_are_found_and_can_be_shown(body: bytes, words: tuple[str, str]) -> None:
    assert said(body) == words
    assert said(body[:REFUSAL_BYTES]) == words
    decision = answers.refusal(422, {}, NOW_MS, body=body)
    assert decision == Refused(words[0] or "http_422", words[1] or "The upstream answered 422.")


def test_what_is_said_of_a_line_can_be_shown() -> None:
    body = msgspec.json.encode({"rejected": [{"seq": 1, "code": "a\x1bb", "message": "m\u202e\n\nn"}]})
    assert answers.delivered(batch(1), body, framed=True) == Delivered((Parked(1, "a b", "m n"),))


def test_long_words_of_an_upstream_are_clipped() -> None:
    said = {"rejected": [{"seq": 1, "code": "c" * 9_999, "message": "m" * 9_999}]}
    decision = answers.delivered(batch(1), msgspec.json.encode(said), framed=True)
    assert isinstance(decision, Delivered)
    (parked,) = decision.rejected
    assert (len(parked.code), len(parked.message)) == (MOST_CODE, MOST_MESSAGE)


def test_words_that_are_clipped_end_with_a_whole_one() -> None:
    """Of an address that was cut no erasure would find the rest."""
    assert clean("who is anna@x.example", 20) == "who is"
    assert clean("who is anna@x.example", 21) == "who is anna@x.example"
    assert clean("who is anna@x.example too", 21) == "who is anna@x.example"
    assert clean(" " * 70 + "who is anna@x.example", 20) == "who is"


def test_a_code_that_may_name_a_person_is_words() -> None:
    """Codes stand in logs and in reasons."""
    anna = "dup anna@x.example"
    assert said(msgspec.json.encode({"reason": anna})) == ("", anna)
    assert said(msgspec.json.encode({"code": anna, "message": "no"})) == ("", "no")
    for message, kept in (("", anna), ("no", "no")):
        body = msgspec.json.encode({"rejected": [{"seq": 1, "code": anna, "message": message}]})
        decision = answers.delivered(batch(1), body, framed=True)
        assert decision == Delivered((Parked(1, "rejected", kept),))


def test_an_unframed_body_that_stops_in_mid_value_was_cut() -> None:
    half = b'{"rejected":[{"seq":2,"co'
    assert answers.delivered(batch(1, 2), half, framed=False) == Retry("cut")
    assert answers.delivered(batch(1, 2), b"{broken", framed=False) == Delivered()
    assert answers.delivered(batch(1, 2), b"", framed=False) == Delivered()


def test_there_is_room_for_every_line_to_be_rejected() -> None:
    said = {"rejected": [{"seq": 2**62, "code": "workspace_forbidden", "message": "m" * 300}] * 500}
    assert len(msgspec.json.encode(said)) < answers.cap(500)
