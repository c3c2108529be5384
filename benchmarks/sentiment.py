"""Sixty-word English texts with few and with many words that VADER rates, and how fast they are judged."""

import random
from collections.abc import Callable
from time import perf_counter

TEXTS = 500
WORDS = 60
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
