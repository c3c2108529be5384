"""Records that look like people's words, each different from every other."""

from __future__ import annotations

from random import Random

_TEXT = (
    "the delivery was late again and nobody answered my mail great support thank you love it terrible slow "
    "broken refund please help works perfectly now not happy with price tiệc giao hàng chậm muito obrigado "
    "não funciona 👍 😡 — “fine” <b>bold</b> O'Brien 100% \\ / ; -- naïve"
)
_WORDS = _TEXT.split()


def words(random: Random, count: int) -> str:
    """`count` words."""
    return " ".join(random.choices(_WORDS, k=count))


def record(random: Random, record_id: str, *, length: int = 40) -> dict[str, object]:
    """A ticket of about `length` words; the same id comes with other content each time."""
    return {
        "id": record_id,
        "summary": words(random, 6),
        "description": words(random, length),
        "comments": [words(random, 8) for _ in range(random.randrange(3))],
        "nonce": random.getrandbits(52),
        "channel": {"name": random.choice(["mail", "shop", "phone"]), "queue": random.randrange(9)},
    }
