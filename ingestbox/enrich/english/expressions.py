"""Expressions of several words: ``expressions.txt`` as places that words lead to.

An expression is a row of elements, each a word with these additions:

- ``a|b`` either; ``a?`` may be left out (``a|b?`` both may);
- ``+work`` any form of a verb; ``can_not`` two words as one; ``CANT`` all the forms of "cannot";
- ``NOT``, ``NUM``, ``UNITS`` … any word of a class (see ``classes``);
- ``..`` up to `GAP` words.

Fillers such as "really" may stand anywhere inside an expression. The longest expression wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ingestbox.enrich.english import inflect
from ingestbox.enrich.english.kinds import Meaning
from ingestbox.enrich.english.tables import lists

GAP: Final = 4
"""Most words that ``..`` stands for."""


class Node:
    """A place in an expression: where each next word leads, and what it means if it ends here."""

    __slots__ = ("elements", "gap", "meaning", "next")

    def __init__(self) -> None:
        self.elements: Final[dict[str, Node]] = {}
        self.next: Final[dict[str, Node | tuple[Node, ...]]] = {}
        self.gap: Node | None = None
        self.meaning: Meaning | None = None

    def after(self, key: str) -> Node | None:
        """Return the place that the word or class `key` leads to from here, if it leads anywhere."""
        node = self.next.get(key)
        if type(node) is tuple:
            # Several expressions go on with it. They become one place when they are first asked for.
            node = self.next[key] = merged(node)
        return node  # type: ignore[return-value]

    def add(self, elements: list[str], meaning: Meaning) -> None:
        """Add an expression's further `elements`."""
        places = [self]
        for element in elements:
            reached = [node.step(element.rstrip("?")) for node in places]
            places = [*places, *reached] if element[-1] == "?" else reached
        for node in places:
            node.meaning = meaning

    def step(self, element: str) -> Node:
        """Return the place after `element`, which is made if there is none yet."""
        node = self.elements.get(element)
        if node is None:
            node = self.elements[element] = Node()
            if element == "..":
                self.gap = node
            else:
                for word, second in words_of(element):
                    if second:
                        self.step(word).lead(second, node)
                    else:
                        self.lead(word, node)
        return node

    def lead(self, key: str, node: Node) -> None:
        """Let the word or class `key` lead to `node`, beside where it may lead already."""
        there = self.next.get(key)
        if there is None:
            self.next[key] = node
        elif type(there) is tuple:
            self.next[key] = (*there, node)
        else:
            self.next[key] = (there, node)  # type: ignore[assignment]


def merged(nodes: tuple[Node, ...]) -> Node:
    """Return one place that is all of `nodes` at once."""
    if len(nodes) == 1:
        return nodes[0]
    whole = Node()
    gaps = []
    for node in nodes:
        if node.meaning is not None:
            whole.meaning = node.meaning
        if node.gap is not None:
            gaps.append(node.gap)
        for key, there in node.next.items():
            for each in there if type(there) is tuple else (there,):
                whole.lead(key, each)  # type: ignore[arg-type]
    if gaps:
        whole.gap = merged(tuple(gaps))
    return whole


def words_of(element: str) -> Iterator[tuple[str, str]]:
    """Yield the words that `element` stands for, each with the word that has to follow it or ""."""
    for word in ALIASES.get(element, element).split("|"):
        if word == "+be":
            yield "BE", ""
        elif word[0] == "+":
            for form in inflect.verb(word[1:]):
                yield form, ""
        else:
            first, _, second = word.partition("_")
            yield first, second


ALIASES: Final = {
    # Its forms are not regular.
    "+be": "BE",
    "CANT": "can't|cant|cannot|couldn't|couldnt|could_not|can_not",
}
"""Elements that stand for others."""

VOCABULARY: Final[set[str]] = set()
"""Every word and class that an expression holds."""

_BEGINNING_WITH: Final[dict[str, list[tuple[Meaning, str]]]] = {}
"""The expressions that begin with a word or a class, without it."""

_starts: Final[dict[str, Node]] = {}


def start(key: str) -> Node | None:
    """Return the place after the word or class `key` at the beginning of an expression, if one begins so.

    It is built when it is first asked for: most words of the tables are in few texts.
    """
    node = _starts.get(key)
    if node is None and key in _BEGINNING_WITH:
        node = Node()
        for meaning, rest in _BEGINNING_WITH[key]:
            node.add(rest.split(), meaning)
        _starts[key] = node
    return node


_IN_ELEMENTS: Final = re.compile(r"[^\s|?_]+")


def _load_expressions() -> None:
    for meaning, _, line in lists("expressions.txt"):
        VOCABULARY.update(_IN_ELEMENTS.findall(line))
        rest = line
        while True:
            first, _, rest = rest.partition(" ")
            for word, second in words_of(first.rstrip("?")):
                _BEGINNING_WITH.setdefault(word, []).append((meaning, f"{second} {rest}" if second else rest))
            if first[-1] != "?":
                break
    for element in [each for each in VOCABULARY if each[0] == "+" or each in ALIASES]:
        VOCABULARY.update(word for pair in words_of(element) for word in pair)


_load_expressions()
