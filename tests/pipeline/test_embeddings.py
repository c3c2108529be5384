"""Vectors by a server that speaks as OpenAI's do: real HTTP, answers that fit and answers that do not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ingestbox.config.settings import EmbeddingsStep, Enrich
from ingestbox.enrich.embedding import hashed
from ingestbox.enrich.embedding.vector import packed, unpacked
from ingestbox.errors import StartupError
from ingestbox.pipeline.endpoints import Endpoint, endpoints
from ingestbox.pipeline.remote import Remote
from tests.families.knowledge.embedder import Embedder, numbers

TEXTS = ["bệnh viện", "thuốc", "vàng"]


@pytest.fixture(scope="module")
def running_server() -> Iterator[Embedder]:
    made = Embedder()
    yield made
    made.close()


@pytest.fixture
def server(running_server: Embedder) -> Embedder:
    running_server.reply = running_server.good
    running_server.asked.clear()
    return running_server


def given(server: Embedder, **more: Any) -> tuple[Endpoint, ...]:
    return endpoints(Enrich(embeddings=EmbeddingsStep(url=server.url, model="m", **more)))


def ask(server: Embedder, texts: list[str], **more: Any) -> Any:
    steps = Remote(given(server, **more))
    try:
        steps.allow(10)
        return steps.embeddings(texts)
    finally:
        steps.close()


def test_vectors_are_those_of_the_texts_in_their_order_and_of_length_one(server: Embedder) -> None:
    answers = ask(server, TEXTS, batch=2, token="t")
    assert list(answers.by) == ["http/m"] * 3
    assert [each.model for each in answers.found] == ["http/m"] * 3
    assert [each.numbers for each in answers.found] == [packed(numbers(text, 48)) for text in TEXTS]
    asked = sorted((each["input"] for each in server.asked), key=len)
    assert asked == [["vàng"], ["bệnh viện", "thuốc"]]
    assert {json.dumps(each["model"]) for each in server.asked} == {'"m"'}
    assert unpacked(answers.found[0].numbers)


def data(*vectors: Any) -> dict[str, Any]:
    return {"data": [{"index": place, "embedding": vector} for place, vector in enumerate(vectors)]}


@pytest.mark.parametrize(
    "answer",
    [
        (500, data([1, 2], [1, 2], [1, 2])),
        (200, b"not json"),
        (200, b"\xff"),
        (200, []),
        (200, {"data": None}),
        (200, data([1, 2], [1, 2])),
        (200, data([1, 2], [1, 2], [1, 2], [1, 2])),
        (200, data([1, 2], [1, 2], [1, 2, 3])),
        (200, data([1, 2], [1, 2], [0, 0])),
        (200, data([1, 2], [1, 2], ["1", 2])),
        (200, data([1, 2], [1, 2], [None, 2])),
        (200, data([1, 2], [1, 2], [1e300, 2])),
        (200, data([1], [1], [1])),
        (200, data([1.0] * 5000, [1.0] * 5000, [1.0] * 5000)),
        (200, b'{"data": [' + b'{"index": 0, "embedding": [1, NaN]}, ' * 3 + b"]}"),
        (200, {"data": [{"index": 0, "embedding": [1, 2]}] * 3}),
        (200, {"data": [{"embedding": [1, 2]}] * 3}),
        (200, b" " * 1_000_000),
    ],
)
def test_an_answer_that_does_not_fit_is_none(server: Embedder, answer: tuple[int, Any]) -> None:
    server.reply = lambda _: answer
    answers = ask(server, TEXTS)
    assert list(answers.by) == [hashed.MODEL] * 3
    assert [each.numbers for each in answers.found] == [hashed.embed(text) for text in TEXTS]


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://h", "http://h/v1/embeddings"),
        ("http://h/", "http://h/v1/embeddings"),
        ("http://h/v1", "http://h/v1/embeddings"),
        ("http://h/api/v1/", "http://h/api/v1/embeddings"),
        ("http://h/x/embeddings?a=b", "http://h/x/embeddings?a=b"),
    ],
)
def test_the_address_may_be_given_in_part(url: str, asked: str) -> None:
    (endpoint,) = endpoints(Enrich(embeddings=EmbeddingsStep(url=url, model="m")))
    assert (endpoint.step, endpoint.url, endpoint.model) == ("embeddings", asked, "m")


def test_a_server_needs_a_model_and_no_file() -> None:
    with pytest.raises(StartupError, match="no model"):
        endpoints(Enrich(embeddings=EmbeddingsStep(url="http://h")))
    with pytest.raises(StartupError, match="both"):
        endpoints(Enrich(embeddings=EmbeddingsStep(url="http://h", model="m", model_path="/x")))
