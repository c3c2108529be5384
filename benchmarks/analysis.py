"""The existing comparisons of single parts, as rows of the table: sentiment, and the bell."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import uvloop
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # type: ignore[import-untyped]

from benchmarks import bell, boxes, sentiment, texts
from benchmarks.report import Options, Row, alternate
from ingestbox.enrich.english import sentiment as ours

FEEDBACK = 1_000

T = TypeVar("T")


def scores(options: Options) -> list[Row]:
    """Texts a second, VADER's analyser against ours, which does more with each."""
    analyser = SentimentIntensityAnalyzer()
    rated = [word for word in analyser.lexicon if word.isalpha()]
    corpora = {
        name: sentiment.make_texts(random.Random(60), rated, share)
        for name, share in sentiment.SHARES.items()
    }
    corpora["the feedback of these benchmarks"] = [
        str(record["description"]) for record in texts.tickets(1, FEEDBACK)
    ]
    rows = []
    for name, corpus in corpora.items():
        floor, rates = alternate(
            options.rounds,
            lambda _, corpus=corpus: sentiment.rate(analyser.polarity_scores, corpus),  # type: ignore[misc]
            lambda _, corpus=corpus: sentiment.rate(ours, corpus),  # type: ignore[misc]
        )
        rows.append(
            Row(
                name=f"English sentiment, {name}",
                unit="texts/s",
                rounds=rates,
                floor_name="VADER's own analyser",
                floor_rounds=floor,
                bound=8.0,
                on="one process; no box",
            )
        )
    return rows


def bells(options: Options) -> list[Row]:
    """Milliseconds from the bell to the start of work."""

    def box(_: int) -> float:
        with boxes.scratch() as folder:
            return 1_000 * median(_run(bell.bell(Path(folder)))[0])

    floor, rounds = alternate(options.rounds, lambda _: 1_000 * median(_run(bell.floor())), box)
    return [
        Row(
            name="from the bell to the start of work",
            unit="ms",
            rounds=rounds,
            floor_name="a bare hand-over to a thread",
            floor_rounds=floor,
            on="Huey's file without fsync; it holds no truth",
        )
    ]


def _run(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)
