"""Sentiment scores per second: VADER's own analyser (the floor) against ours, on the same sixty-word texts.

Run as ``python -m benchmarks.sentiment``. Needs the test dependency vaderSentiment. Prints medians of five
rounds and the ratio of the medians, for texts with few and with many rated words. "Nothing remembered" is
ours with its memory of spellings emptied before each text, which no run of real texts comes near.
"""

import random
from collections.abc import Callable
from statistics import median
from time import perf_counter

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # type: ignore[import-untyped]

from ingestbox.enrich import tokens, valence

TEXTS = 500
WORDS = 60
ROUNDS = 5
SHARES = {"one word in eight rated": 0.12, "two words in five rated": 0.40}


def words_of(text: str) -> list[str]:
    """Return the words of `text`."""
    return text.split()


COMMON = words_of("""
    the of and to a in is it you that was for on are with as I his they be at one have this from by had word
    what all were we when your can said there use an each which she do how their if will up other about out
    many then them these some her would make him into time has look two more write go see number way people
""")
DEGREE = words_of("very really so extremely barely kinda somewhat not never isn't don't without least but")


def make_texts(rng: random.Random, rated: list[str], share: float) -> list[str]:
    """Return texts with this `share` of `rated` words, and one word in twelve that changes its neighbours."""

    def word() -> str:
        draw = rng.random()
        if draw < share:
            chosen = rng.choice(rated)
        elif draw < share + 0.08:
            chosen = rng.choice(DEGREE)
        elif draw < share + 0.40:
            chosen = rng.choice(COMMON)
        else:
            # As in any language, few spellings are frequent and most are rare.
            chosen = f"item{int(rng.paretovariate(0.7)) % 20_000}"
        if rng.random() < 0.03:
            chosen = chosen.upper()
        return chosen + (rng.choice(",.!?") if rng.random() < 0.12 else "")

    return [" ".join(word() for _ in range(WORDS)) for _ in range(TEXTS)]


def rate(score: Callable[[str], object], texts: list[str]) -> float:
    """Return how many of `texts` are scored per second."""
    start = perf_counter()
    for text in texts:
        score(text)
    return len(texts) / (perf_counter() - start)


def score_afresh(text: str) -> object:
    """Score `text` as if none of its spellings had been met before."""
    tokens.forget()
    return valence.scores(text)


def compare(analyser: SentimentIntensityAnalyzer, texts: list[str]) -> None:
    """Check that the scores of `texts` agree, then measure and print."""
    for text in texts:
        if analyser.polarity_scores(text) != valence.scores(text)._asdict():
            raise SystemExit(f"scores differ: {text!r}")
    floor: list[float] = []
    ours: list[float] = []
    for _ in range(ROUNDS):
        floor.append(rate(analyser.polarity_scores, texts))
        ours.append(rate(valence.scores, texts))
    # Apart, or each round of ours would start with an empty memory.
    afresh = median(rate(score_afresh, texts) for _ in range(ROUNDS))
    base = median(floor)
    print(f"  floor: VADER             {base:8,.0f}")
    print(f"  ours                     {median(ours):8,.0f}  {median(ours) / base:5.1f} x")
    print(f"  ours, nothing remembered {afresh:8,.0f}  {afresh / base:5.1f} x")


def main() -> None:
    """Compare on texts with few and with many rated words."""
    analyser = SentimentIntensityAnalyzer()
    rated = [word for word in analyser.lexicon if word.isalpha()]
    print(f"texts of {WORDS} words per second, medians of {ROUNDS} rounds over {TEXTS} texts")
    for name, share in SHARES.items():
        print(name)
        compare(analyser, make_texts(random.Random(60), rated, share))


if __name__ == "__main__":
    main()
