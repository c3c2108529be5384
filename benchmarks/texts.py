"""Feedback as customers write it, from a seed: English, sixty words on average, with its own rare words."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator

import msgspec

OPENINGS = """
    I ordered the {product} for my {person} and it arrived {time}.
    We have been using the {product} at work {time} now.
    My {person} recommended the {product} to me {time}.
    This is the {nth} time that I write about order {code}.
    After {days} days of waiting, the {product} from order {code} finally came.
    Hello, I called your {team} about the {product} {time}.
""".strip().splitlines()

PRAISE = """
    The quality is excellent and it works better than I had hoped!
    Delivery was quick, the packaging was neat, and {name} from the {team} was really friendly.
    I love how easy it was to set up, even my {person} could do it without help.
    It is worth every cent, and I would gladly buy the {product} again.
    The new version is much faster and the screen looks beautiful :)
    Thank you {name} for the kind and honest answer about the {part}.
""".strip().splitlines()

BLAME = """
    The {part} was broken when I opened the box, and nobody at the {team} cared.
    I am very disappointed, the {product} stopped working after {days} days!
    Support was slow and rude, and I still have no refund for order {code}.
    The instructions are confusing and the {part} feels cheap.
    It's NOT what the page had promised, and the {part} makes a terrible noise.
    I waited {days} days for an answer and then {name} closed my ticket without a word.
""".strip().splitlines()

PLAIN = """
    The {part} is a little larger than on the picture, but that does not matter to us.
    I have sent a photo of the {part} to the {team} {time}.
    It came with two cables, a manual in {days} languages and a spare {part}.
    We use it mostly in the evening, in the kitchen and sometimes outside.
    Could you tell me whether the {product} also works with the older {part}?
    The invoice for order {code} names {name} as the contact in your {team}.
""".strip().splitlines()

WORDS = {
    "product": [
        "kettle",
        "lamp",
        "router",
        "printer",
        "tablet",
        "phone",
        "heater",
        "vacuum",
        "speaker",
        "camera",
    ],
    "person": ["mother", "son", "neighbour", "colleague", "boss", "sister", "husband", "grandfather"],
    "part": ["lid", "cable", "battery", "screen", "handle", "filter", "motor", "remote", "charger", "hinge"],
    "team": ["support", "sales team", "service desk", "warehouse", "workshop"],
    "time": ["yesterday", "last week", "two months ago", "in March", "on Tuesday", "this morning"],
    "nth": ["second", "third", "fourth", "fifth"],
    "name": ["Anna", "Linh", "Peter", "Maria", "Tuan", "Olga", "James", "Carmen", "Yusuf", "Ingrid"],
}
SUMMARIES = """
    Great {product}, quick delivery
    The {part} of my {product} is broken
    Question about order {code}
    No answer from the {team}
    Very happy with the {product}!
    Refund for order {code}
    {product} too loud
""".strip().splitlines()

POOL = 1_000
"""Sentences of each kind that texts are made of."""
SENTENCES = (3, 4)
"""After the opening; with it a description has about sixty words."""


def tickets(seed: int, count: int, *, first: int = 0, words: int = 60) -> Iterator[dict[str, object]]:
    """`count` records with the ids `T-<first>`, …; equal arguments give equal records.

    A description has about `words` words: it is as many sentences longer as it takes.
    """
    openings, summaries, *moods = _pools(seed)
    plain = moods[-1]
    rng = random.Random(f"{seed} {first}")
    longer = max(0, words - 60) // 14
    for number in range(first, first + count):
        mood = rng.choice(moods)
        parts = [rng.choice(openings)]
        parts += (
            rng.choice(mood if rng.random() < 0.7 else plain) for _ in range(rng.choice(SENTENCES) + longer)
        )
        parts.append(f"My customer number is {rng.randrange(10**7)}.")
        yield {
            "id": f"T-{number}",
            "summary": rng.choice(summaries),
            "description": " ".join(parts),
            "channel": rng.choice(("mail", "phone", "web")),
        }


def batch(seed: int, count: int, *, first: int = 0, words: int = 60) -> bytes:
    """A body for `POST /api/data-ingest` with these records."""
    return msgspec.json.encode({"records": list(tickets(seed, count, first=first, words=words))})


@functools.cache
def _pools(seed: int) -> tuple[list[str], ...]:
    """Openings, summaries, praise, blame and plain sentences, filled in."""
    rng = random.Random(seed)
    kinds = (OPENINGS, SUMMARIES, PRAISE, BLAME, PLAIN)
    return tuple([_filled(rng.choice(kind), rng) for _ in range(POOL)] for kind in kinds)


def _filled(sentence: str, rng: random.Random) -> str:
    if "{" not in sentence:
        return sentence.strip()
    return sentence.strip().format(
        **{name: rng.choice(words) for name, words in WORDS.items()},
        days=rng.randint(2, 30),
        code=f"{rng.choice('ABDKMX')}{rng.randint(10_000, 999_999)}",
    )
