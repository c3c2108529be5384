"""Steps of the analysis that a server does: real servers that answer well, badly, late or not at all."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

from ingestbox.config.settings import Enrich, EntitiesStep, SentimentStep
from ingestbox.enrich.facts import Entity, Language, Sentiment, Step
from ingestbox.enrich.steps import BUILT_IN, builtin
from ingestbox.errors import StartupError
from ingestbox.pipeline import remote
from ingestbox.pipeline.breaker import REST_SECONDS
from ingestbox.pipeline.endpoints import Endpoint, endpoints
from ingestbox.pipeline.remote import Remote
from ingestbox.pipeline.servers import Served

TEXTS = ["I love it!", "This is terrible.", "Hà Nội is a city"]
LANGUAGES: Any = ["en", "en", "en"]
TOKEN = "very-secret-token"


class Server:
    """A server whose answer is `reply(request)`: a status and a body, or None to say nothing."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.reply: Callable[[dict[str, Any]], tuple[int, bytes] | None] = positive
        self.let_go = threading.Event()
        self.drip = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append(body)
                outer.headers.append({name.lower(): value for name, value in self.headers.items()})
                reply = outer.reply(body)
                if reply is None:
                    self._say_nothing()
                    return
                self.send_response(reply[0])
                self.send_header("Content-Length", str(len(reply[1])))
                if reply[0] in (302, 307):
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(reply[1])

            def _say_nothing(self) -> None:
                """Until it is let go; with `drip` a header's byte now and then, so that no read times out."""
                self.close_connection = True
                try:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
                    while not outer.let_go.wait(0.05):
                        if outer.drip:
                            self.wfile.write(b"x")
                except OSError:
                    pass

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/analyse"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def results(
    each: Callable[[dict[str, Any]], Any], **more: Any
) -> Callable[[dict[str, Any]], tuple[int, bytes]]:
    return lambda asked: (
        200,
        json.dumps({"results": [each(one) for one in asked["texts"]], **more}).encode(),
    )


def always(result: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda _: result


positive = results(lambda _: {"sentiment": "positive", "confidence": 0.75})


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


Ask = Callable[..., Remote]


@pytest.fixture
def ask(server: Server, clock: Clock) -> Iterator[Ask]:
    made: list[Remote] = []

    def build(
        step: Step = "sentiment", *, timeout: float = 20.0, batch: int = 64, allowed: float = 30.0
    ) -> Remote:
        steps = Remote([Endpoint(step, server.url, TOKEN, timeout, batch)], clock)
        steps.allow(allowed)
        made.append(steps)
        return steps

    yield build
    server.let_go.set()
    for each in made:
        each.close()


def test_a_server_is_asked_about_all_texts_in_order(server: Server, ask: Ask) -> None:
    answers = ask().sentiments(TEXTS, LANGUAGES)
    assert answers.found == [Sentiment("positive", 0.75)] * 3
    assert answers.by == ["http"] * 3
    (asked,) = server.asked
    texts = [{"text": text, "language": "en"} for text in TEXTS]
    assert asked == {"step": "sentiment", "texts": texts}
    assert server.headers[0]["authorization"] == f"Bearer {TOKEN}"
    assert server.headers[0]["content-type"] == "application/json"


def test_other_steps_are_done_here(server: Server, ask: Ask) -> None:
    steps = ask()
    assert steps.languages(TEXTS) == BUILT_IN.languages(TEXTS)
    assert steps.entities(TEXTS, LANGUAGES) == BUILT_IN.entities(TEXTS, LANGUAGES)
    assert steps.keywords(TEXTS, LANGUAGES) == BUILT_IN.keywords(TEXTS, LANGUAGES)
    assert steps.sentiments([], []).found == []
    assert server.asked == []


def test_each_step_has_its_own_results(server: Server, ask: Ask) -> None:
    server.reply = results(lambda _: {"language": "vi", "confidence": 1})
    assert ask("language").languages(TEXTS).found == [Language("vi", 1.0)] * 3
    assert all(set(text) == {"text"} for text in server.asked[0]["texts"])
    server.reply = results(lambda _: {"keywords": ["giao hàng"], "more": 1}, version="acme-3")
    answers = ask("keywords").keywords(TEXTS, LANGUAGES)
    assert answers.found == [["giao hàng"]] * 3
    assert answers.by == ["http/acme-3"] * 3
    last = {"label": "PERSON", "start": 4, "end": 6}
    first = {"label": "LOCATION", "start": 0, "end": 3, "text": "e\u0301a"}
    server.reply = results(lambda _: {"entities": [last, first]})
    (found,) = ask("entities").entities(["e\u0301a 😀b"], ["vi"]).found
    assert found == [Entity("e\u0301a", "LOCATION", 0, 3), Entity("😀b", "PERSON", 4, 6)]


def test_many_texts_go_in_batches_and_come_back_in_order(server: Server, ask: Ask) -> None:
    texts = [f"text {number}" for number in range(250)]
    server.reply = results(lambda one: {"sentiment": "neutral", "confidence": int(one["text"][5:]) / 1000})
    answers = ask(batch=10).sentiments(texts, ["en"] * 250)
    assert [found.confidence for found in answers.found] == [number / 1000 for number in range(250)]
    assert sorted(len(asked["texts"]) for asked in server.asked) == [10] * 25
    long = ["x" * (remote.BATCH_CHARACTERS // 2)] * 3
    server.asked.clear()
    server.reply = positive
    ask().sentiments(long, LANGUAGES)
    assert sorted(len(asked["texts"]) for asked in server.asked) == [1, 2]


WRONG_SENTIMENTS = [
    {"sentiment": "angry", "confidence": 0.5},
    {"sentiment": "positive", "confidence": 1.5},
    {"sentiment": "positive", "confidence": -0.1},
    {"sentiment": "positive", "confidence": None},
    {"sentiment": "positive", "confidence": "0.5"},
    {"sentiment": "positive"},
    {"confidence": 0.5},
    None,
    "positive",
]
GOOD = {"sentiment": "positive", "confidence": 0.5}


@pytest.mark.parametrize(
    "reply",
    [
        *[results(always(wrong)) for wrong in WRONG_SENTIMENTS],
        results(lambda _: GOOD, version="a b"),
        results(lambda _: GOOD, version="x" * 65),
        results(lambda _: GOOD, version=3),
        lambda asked: (200, json.dumps({"results": [GOOD] * (len(asked["texts"]) - 1)}).encode()),
        lambda asked: (200, json.dumps({"results": [GOOD] * (len(asked["texts"]) + 1)}).encode()),
        lambda _: (200, b'{"results":[{"sentiment":"positive","confidence":NaN},{},{}]}'),
        lambda _: (200, b'{"results":' + b"[" * 100_000),
        lambda _: (200, b'{"results":null}'),
        lambda _: (200, b"[]"),
        lambda _: (200, b""),
        lambda _: (200, b"\xff\xfe"),
        lambda asked: (200, b" " * (remote.TEXT_BYTES * 4) + positive(asked)[1]),
        lambda _: (204, b""),
        lambda asked: (201, positive(asked)[1]),
        lambda asked: (302, positive(asked)[1]),
        lambda asked: (307, positive(asked)[1]),
        lambda _: (400, b"{}"),
        lambda _: (401, b"{}"),
        lambda _: (500, b"oops"),
    ],
)
def test_an_answer_that_does_not_fit_is_not_taken(
    server: Server, ask: Ask, reply: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server.reply = reply
    with caplog.at_level(logging.INFO):
        assert ask().sentiments(TEXTS, LANGUAGES) == BUILT_IN.sentiments(TEXTS, LANGUAGES)
    assert len(server.asked) == 1
    (record,) = [each for each in caplog.records if each.name == remote.__name__]
    assert record.levelno == logging.WARNING
    said = json.dumps(record.__dict__, default=str)
    assert TOKEN not in said
    assert not any(text in said for text in TEXTS)


@pytest.mark.parametrize(
    "entities",
    [
        [{"label": "PERSON", "start": 0, "end": 17}],
        [{"label": "PERSON", "start": 16, "end": 17}],
        [{"label": "PERSON", "start": 2, "end": 2}],
        [{"label": "PERSON", "start": 3, "end": 2}],
        [{"label": "PERSON", "start": -1, "end": 2}],
        [{"label": "PERSON", "start": 0, "end": 2, "text": "Ha"}],
        [{"label": "ANIMAL", "start": 0, "end": 2}],
        [{"label": "PERSON", "start": 0, "end": 3}, {"label": "PERSON", "start": 2, "end": 4}],
    ],
)
def test_entities_that_are_not_in_the_text_are_not_taken(server: Server, ask: Ask, entities: Any) -> None:
    server.reply = results(lambda _: {"entities": entities})
    text = TEXTS[2:]
    assert ask("entities").entities(text, ["en"]).by == [builtin()["entities"]]
    assert len(server.asked) == 1


@pytest.mark.parametrize("keywords", [[""], [" "], ["x" * 201], ["x"] * 101, [1], "x"])
def test_keywords_that_are_none_are_not_taken(server: Server, ask: Ask, keywords: Any) -> None:
    server.reply = results(lambda _: {"keywords": keywords})
    assert ask("keywords").keywords(TEXTS, LANGUAGES).by == [builtin()["keywords"]] * 3
    assert len(server.asked) == 1


def test_only_the_batch_that_failed_is_done_here(server: Server, ask: Ask) -> None:
    def reply(asked: dict[str, Any]) -> tuple[int, bytes]:
        return (500, b"") if asked["texts"][0]["text"] == "2" else positive(asked)

    server.reply = reply
    answers = ask(batch=1).sentiments(["0", "1", "2"], LANGUAGES)
    assert answers.by == ["http", "http", builtin()["sentiment"]]


@pytest.mark.parametrize("drip", [False, True])
def test_a_server_that_says_nothing_costs_one_time_out(server: Server, ask: Ask, drip: bool) -> None:
    server.reply = lambda _: None
    server.drip = drip
    steps = ask(timeout=0.3, batch=1)
    began = time.monotonic()
    for _ in range(20):
        assert steps.sentiments(TEXTS, LANGUAGES).by == [builtin()["sentiment"]] * 3
    assert time.monotonic() - began < 5.0  # and not 20 × 0.3 s
    assert len(server.asked) <= 3  # those that were on their way together


def test_a_server_that_was_away_is_tried_once_and_taken_back(
    server: Server, ask: Ask, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    steps = ask(batch=1, allowed=10_000)
    here, there = [builtin()["sentiment"]] * 3, ["http"] * 3

    def by() -> list[str]:
        return list(steps.sentiments(TEXTS, LANGUAGES).by)

    with caplog.at_level(logging.INFO, remote.__name__):
        assert by() == there
        server.reply = lambda _: (503, b"")
        assert by() == here
        server.reply = positive
        server.asked.clear()
        clock.now += REST_SECONDS - 1
        assert by() == here
        assert server.asked == []
        clock.now += 1
        server.reply = lambda _: (503, b"")
        assert by() == here
        assert len(server.asked) == 1  # one alone
        assert by() == here
        assert len(server.asked) == 1
        server.reply = positive
        clock.now += REST_SECONDS
        assert by() == there
        assert by() == there
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_servers_have_no_more_time_than_they_are_allowed(server: Server, ask: Ask, clock: Clock) -> None:
    steps = ask(allowed=5)
    clock.now += 4
    assert steps.sentiments(TEXTS, LANGUAGES).by == ["http"] * 3
    clock.now += 1
    assert steps.sentiments(TEXTS, LANGUAGES).by == [builtin()["sentiment"]] * 3
    steps.allow(5)  # the next chunk; nothing was the server's fault
    assert steps.sentiments(TEXTS, LANGUAGES).by == ["http"] * 3
    server.reply = lambda _: None
    steps.allow(0.3)
    began = time.monotonic()
    assert steps.sentiments(TEXTS, LANGUAGES).by == [builtin()["sentiment"]] * 3
    assert time.monotonic() - began < 5.0


def test_nobody_there(ask: Ask, server: Server) -> None:
    steps = ask()
    server.close()
    assert steps.sentiments(TEXTS, LANGUAGES).by == [builtin()["sentiment"]] * 3


@contextlib.contextmanager
def wire(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server of bytes: each connection gets what `answer` sends, and is closed."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5)
                connection.recv(65_536)
                answer(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


OK = b"HTTP/1.1 200 OK\r\n"
FINE = b'{"results":[{"sentiment":"positive","confidence":0.5}]}'


def endless(connection: socket.socket) -> None:
    connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"10000\r\n" + b" " * 65_536 + b"\r\n")


def said(answer: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(answer)


@pytest.mark.parametrize(
    ("answer", "scheme"),
    [
        (said(b""), "http"),
        (said(b"\x00\xff garbage\r\n\r\n" * 1_000), "http"),
        (said(b"HTTP/1.1 200"), "http"),
        (said(OK + b"Content-Length: 500\r\n\r\n" + FINE), "http"),
        (said(OK + b"Content-Length: 5\r\n\r\n" + FINE), "http"),
        (said(OK + b"Content-Length: -1\r\n\r\n" + FINE), "http"),
        (said(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + FINE), "http"),
        (said(OK + b"X: " + b"x" * 1_000_000 + b"\r\n\r\n" + FINE), "http"),
        (said(OK + b"Content-Encoding: gzip\r\n\r\n" + FINE), "http"),
        (endless, "http"),
        (said(OK + b"\r\n" + FINE), "https"),
    ],
    ids=[
        *("nothing", "garbage", "half a line", "cut short", "too long", "negative", "chunks", "header"),
        *("encoded", "endless", "no TLS"),
    ],
)
def test_whatever_is_on_the_wire_is_done_here(
    answer: Callable[[socket.socket], None], scheme: str, clock: Clock
) -> None:
    with wire(answer) as address:
        steps = Remote([Endpoint("sentiment", f"{scheme}://{address}/", TOKEN, 20.0, 64)], clock)
        steps.allow(30.0)
        assert steps.sentiments(TEXTS[:1], ["en"]) == BUILT_IN.sentiments(TEXTS[:1], ["en"])
        (served,) = steps.served()
        assert (served.answered, served.left) == (0, 1)
        assert served.failing and len(served.failing) < 40
        assert steps.served() == []
        steps.close()


def test_of_a_key_that_is_said_twice_the_last_counts(server: Server, ask: Ask) -> None:
    twice = b'{"results":[],"results":[{"sentiment":"negative","sentiment":"positive","confidence":0.5}]}'
    server.reply = lambda _: (200, twice)
    assert ask().sentiments(TEXTS[:1], ["en"]).found == [Sentiment("positive", 0.5)]


def test_text_that_is_none_is_not_taken_from_a_server(server: Server, ask: Ask) -> None:
    server.reply = lambda _: (200, b'{"results":[{"keywords":["\\ud800"]}]}')
    assert ask("keywords").keywords(TEXTS[:1], ["en"]).by == [builtin()["keywords"]]


def test_what_became_of_the_texts_is_told(server: Server, ask: Ask, clock: Clock) -> None:
    steps = ask(batch=1, allowed=10_000)
    assert steps.served() == []
    steps.sentiments(TEXTS, LANGUAGES)
    assert steps.served() == [Served("sentiment", 3, 0, None)]
    server.reply = lambda asked: (500, b"") if asked["texts"][0]["text"] == TEXTS[2] else positive(asked)
    steps.sentiments(TEXTS, LANGUAGES)
    ((_, answered, left, failing),) = map(msgspec.structs.astuple, steps.served())
    assert (answered, left) == (2, 1)
    assert failing in ("status 500", None)  # of several at once the last says how it is
    server.reply = lambda _: (500, b"")
    clock.now += REST_SECONDS
    steps.sentiments(TEXTS, LANGUAGES)
    assert steps.served() == [Served("sentiment", 0, 3, "status 500")]
    steps.sentiments(TEXTS, LANGUAGES)  # it is left alone, and fails all the same
    assert steps.served() == [Served("sentiment", 0, 3, "status 500")]
    server.reply = positive
    clock.now += REST_SECONDS
    steps.sentiments(TEXTS, LANGUAGES)
    assert steps.served() == [Served("sentiment", 3, 0, None)]


def test_what_json_cannot_say_is_done_here(server: Server, ask: Ask) -> None:
    steps = ask(batch=1)
    assert steps.sentiments(["\ud800", "fine"], ["en", "en"]).by == [builtin()["sentiment"], "http"]


def test_only_what_is_set_is_an_endpoint() -> None:
    assert endpoints(Enrich()) == ()
    given = SentimentStep(url="http://x/", token="t", timeout_seconds=3, batch=5)
    assert endpoints(Enrich(sentiment=given)) == (Endpoint("sentiment", "http://x/", "t", 3, 5),)


@pytest.mark.parametrize(
    ("url", "token"),
    [("http://", ""), ("http:///x", ""), ("http://[::1/", ""), ("http://x y/", ""), ("http://x:99999/", "")]
    + [("http://x/", token) for token in ("a b", "a\nb", "ä")],
)
def test_an_endpoint_that_cannot_be_asked_is_refused_at_the_start(url: str, token: str) -> None:
    with pytest.raises(StartupError) as caught:
        endpoints(Enrich(entities=EntitiesStep(url=url, token=token)))
    assert "[enrich.entities]" in str(caught.value)
    assert not token or token not in str(caught.value)
