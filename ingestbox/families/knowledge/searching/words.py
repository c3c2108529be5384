"""What full text is made of for a passage. Light and pure: children import it."""

from __future__ import annotations

from typing import NamedTuple

from ingestbox.enrich.searched import BREAK, both


class Words(NamedTuple):
    """A row of `knowledge_words`, words parted by blanks.

    `title` and `body` are those of the article's title and of the passage without their diacritics. `exact`
    are both as they are written, and empty where that is the same.
    """

    title: str
    body: str
    exact: str


def words_of(text: str, title: str) -> Words:
    """The words of a passage of an article with this title; linear in their length."""
    head, bare_head = both(title)
    tail, bare_tail = both(text)
    same = bare_head == head and bare_tail == tail
    return Words(" ".join(bare_head), " ".join(bare_tail), "" if same else " ".join([*head, BREAK, *tail]))
