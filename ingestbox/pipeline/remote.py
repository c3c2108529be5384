"""Steps of the analysis that a server does: a child asks it in batches, with the box's own steps behind it.

Whatever goes wrong (no answer in time, another status than 200, an answer that does not fit the texts), the
box does these texts itself, and leaves the server alone for a while. A child may wait here; it computes
nothing meanwhile. What is said on the wire: docs/enrichment.md.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final, TypeVar

import httpx2
import msgspec

import ingestbox
from ingestbox.enrich.embedding.vector import Vector
from ingestbox.enrich.facts import Entity, Language, LanguageCode, Sentiment, Step
from ingestbox.enrich.steps import BUILT_IN, Answers, Steps
from ingestbox.pipeline.answered import Unfit, read, read_embeddings
from ingestbox.pipeline.breaker import Breaker
from ingestbox.pipeline.endpoints import Endpoint
from ingestbox.pipeline.servers import Served

AT_ONCE: Final = 4
"""Requests to one server at a time."""

BATCH_CHARACTERS: Final = 1_000_000
"""A request has at most this many characters of text, of one text at least."""

TEXT_BYTES: Final = 65_536
"""An answer may have this many bytes for each text, and as many besides."""

VECTOR_BYTES: Final = 131_072
"""The same where the answer has vectors."""

KEEPALIVE_SECONDS: Final = 3.0
"""Shorter than the 5 s after which common servers close, so that no request meets a closing connection."""

LEAST_SECONDS: Final = 0.2
"""With less time left for servers than this, none is asked."""

T = TypeVar("T")

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


class _Asked(msgspec.Struct, frozen=True, omit_defaults=True):
    text: str
    language: LanguageCode | None = None


class _Question(msgspec.Struct, frozen=True):
    step: Step
    texts: Sequence[_Asked]


class _Failed(Exception):  # noqa: N818 - says what happened
    """The server did not answer as it should; the message is the reason, a word or two."""


@functools.lru_cache(maxsize=1)
def steps(endpoints: tuple[Endpoint, ...], here: Steps = BUILT_IN) -> Remote:
    """The steps with these servers, and `here` for what none does; the same ones, with their connections and
    breakers, as long as the endpoints are the same."""
    return Remote(endpoints, here=here)


class Remote:
    """The steps (`enrich.steps.Steps`), some of which a server does. For one thread."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        monotonic: Callable[[], float] = time.monotonic,
        here: Steps = BUILT_IN,
    ) -> None:
        """`here` does what no server does."""
        self._here = here
        self._monotonic = monotonic
        self._runner = asyncio.Runner()
        self._lines = {endpoint.step: _Line(endpoint, monotonic) for endpoint in endpoints}
        self._until = 0.0

    def allow(self, seconds: float) -> None:
        """From now on servers may be asked for this long altogether; afterwards the box does every step."""
        self._until = self._monotonic() + seconds

    def served(self) -> list[Served]:
        """What became of the texts since this was asked last, for each server that was to have any."""
        return [served for line in self._lines.values() if (served := line.served()) is not None]

    def close(self) -> None:
        """Closes the connections."""
        for line in self._lines.values():
            self._runner.run(line.close())
        self._runner.close()

    def languages(self, texts: Sequence[str]) -> Answers[Language]:
        """See `Steps`."""
        return self._done("language", texts, None, lambda some, _: BUILT_IN.languages(some))

    def sentiments(self, texts: Sequence[str], languages: Sequence[LanguageCode]) -> Answers[Sentiment]:
        """See `Steps`."""
        return self._done("sentiment", texts, languages, BUILT_IN.sentiments)

    def entities(self, texts: Sequence[str], languages: Sequence[LanguageCode]) -> Answers[list[Entity]]:
        """See `Steps`."""
        return self._done("entities", texts, languages, BUILT_IN.entities)

    def keywords(self, texts: Sequence[str], languages: Sequence[LanguageCode]) -> Answers[list[str]]:
        """See `Steps`."""
        return self._done("keywords", texts, languages, BUILT_IN.keywords)

    def embeddings(self, texts: Sequence[str]) -> Answers[Vector]:
        """See `Steps`."""
        return self._done("embeddings", texts, None, lambda some, _: self._here.embeddings(some))

    def _done(
        self,
        step: Step,
        texts: Sequence[str],
        languages: Sequence[LanguageCode] | None,
        here: Callable[[Sequence[str], Sequence[LanguageCode]], Answers[T]],
    ) -> Answers[T]:
        """The server's answers, batch by batch; what it has not answered is done here."""
        codes = languages or ()
        line = self._lines.get(step)
        if line is None:
            return here(texts, codes)
        batches = list(_batches(texts, line.endpoint.batch))
        questions = [
            [_Asked(text, code) for text, code in zip(texts[part], languages[part], strict=True)]
            if languages is not None
            else [_Asked(text) for text in texts[part]]
            for part in batches
        ]
        answered: list[Answers[Any] | None] = self._runner.run(line.ask(questions, self._until))
        found: list[T] = []
        by: list[str] = []
        for part, answers in zip(batches, answered, strict=True):
            done = here(texts[part], codes[part]) if answers is None else answers
            line.count(len(done.found), answers is not None)
            found += done.found
            by += done.by
        return Answers(found, by)


def _batches(texts: Sequence[str], most: int) -> Iterator[slice]:
    start = size = 0
    for place, text in enumerate(texts):
        if place > start and (place - start == most or size + len(text) > BATCH_CHARACTERS):
            yield slice(start, place)
            start, size = place, 0
        size += len(text)
    if start < len(texts):
        yield slice(start, len(texts))


class _Line:
    """One server: its client, and whether it is to be asked at all."""

    def __init__(self, endpoint: Endpoint, monotonic: Callable[[], float]) -> None:
        self.endpoint = endpoint
        self._monotonic = monotonic
        self._breaker = Breaker(monotonic)
        self._client: httpx2.AsyncClient | None = None
        self._answered = self._left = 0
        self._failing: str | None = None
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"ingestbox/{ingestbox.__version__}",
        }
        if endpoint.token:
            self._headers["Authorization"] = f"Bearer {endpoint.token}"

    async def ask(self, questions: Sequence[Sequence[_Asked]], until: float) -> list[Answers[Any] | None]:
        """What the server says to each question; None for one that the box has to answer."""
        answered: list[Answers[Any] | None] = []
        if questions and self._breaker.tries:  # one alone, to see whether it is back
            answered.append(await self._answer(questions[0], until))
        room = asyncio.Semaphore(AT_ONCE)

        async def one(question: Sequence[_Asked]) -> Answers[Any] | None:
            async with room:
                return await self._answer(question, until)

        return answered + list(await asyncio.gather(*map(one, questions[len(answered) :])))

    def count(self, texts: int, answered: bool) -> None:
        """Who did so many texts."""
        if answered:
            self._answered += texts
        else:
            self._left += texts

    def served(self) -> Served | None:
        """The counts since this was asked last; None without any."""
        if not self._answered and not self._left:
            return None
        served = Served(self.endpoint.step, self._answered, self._left, self._failing)
        self._answered = self._left = 0
        return served

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _answer(self, question: Sequence[_Asked], until: float) -> Answers[Any] | None:
        left = until - self._monotonic()
        if left < LEAST_SECONDS or not self._breaker.admits:
            return None
        try:
            body = _encode(_asked(self.endpoint, question))
        except UnicodeEncodeError:  # half a character, of which JSON knows nothing
            return None
        try:
            async with asyncio.timeout(min(self.endpoint.timeout, left)):
                content = await self._post_again(body, len(question))
            answers = _read(self.endpoint, content, question)
        except (TimeoutError, httpx2.TimeoutException):
            self._failed("timeout")
        except (_Failed, Unfit) as failure:
            self._failed(str(failure))
        except Exception as error:  # noqa: BLE001 - whatever it is, the box can do the step
            self._failed(type(error).__name__)
        else:
            self._failing = None
            if self._breaker.close():
                _log.info("A server of the analysis answers again.", extra={"step": self.endpoint.step})
            return answers
        return None

    def _failed(self, reason: str) -> None:
        self._failing = reason
        if self._breaker.open():
            _log.warning(
                "A server of the analysis does not answer as it should; the box does its step itself.",
                extra={"step": self.endpoint.step, "reason": reason},
            )

    async def _post_again(self, body: bytes, texts: int) -> bytes:
        """A connection that was kept may be closed by now; another is tried once."""
        try:
            return await self._post(body, texts)
        except (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError):
            return await self._post(body, texts)

    async def _post(self, body: bytes, texts: int) -> bytes:
        each = VECTOR_BYTES if self.endpoint.step == "embeddings" else TEXT_BYTES
        limit = each * (texts + 1)
        client = self._client = self._client or _client()
        async with client.stream(
            "POST", self.endpoint.url, content=body, headers=self._headers, timeout=self.endpoint.timeout
        ) as response:
            if response.status_code != 200:
                raise _Failed(f"status {response.status_code}")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise _Failed("encoded")
            content = bytearray()
            async for part in response.aiter_raw():
                content += part
                if len(content) > limit:
                    raise _Failed("too large")
            return bytes(content)


def _asked(endpoint: Endpoint, question: Sequence[_Asked]) -> object:
    """What is posted; of embeddings as OpenAI's servers take it."""
    if endpoint.step == "embeddings":
        texts = [each.text for each in question]
        return {"model": endpoint.model, "input": texts, "encoding_format": "float"}
    return _Question(endpoint.step, question)


def _read(endpoint: Endpoint, content: bytes, question: Sequence[_Asked]) -> Answers[Any]:
    if endpoint.step == "embeddings":
        return read_embeddings(content, endpoint.model, len(question))
    return read(endpoint.step, content, [each.text for each in question])


def _client() -> httpx2.AsyncClient:
    """To the operator's URL and nowhere else: no redirects, no proxies of the environment, no cookies."""
    return httpx2.AsyncClient(
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        trust_env=False,
        follow_redirects=False,
        http2=False,
        limits=httpx2.Limits(
            max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE, keepalive_expiry=KEEPALIVE_SECONDS
        ),
    )
