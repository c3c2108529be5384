"""The words and phrases that Vietnamese feedback is judged by, read from the tables beside this module.

Every table is text: a strength, a kind or a class, a colon, and the words it is for. A later line overrides
an earlier one. All of it was written for this analyser.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ingestbox.enrich.folding import fold
from ingestbox.enrich.tones import place_all

_DATA: Final = Path(__file__).parent

(
    WORD,
    ASPECT,
    END,
    NOT,
    LACK,
    RID,
    DEGREE,
    BUT,
    THOUGH,
    AND,
    THOUGHT,
    PAST,
    NOW,
    RIVAL,
    WISH,
    REQUEST,
    IF,
    THANKS,
    MID,
    NONE,
    PARTICLE,
    NEVER,
    DOUBT,
    DENIAL,
    HEARSAY,
    SPAN,
    HINT,
    KEEP,
    CONDITION,
) = range(29)
"""What an entry does. WORD judges; ASPECT judges by what it is said of; END judges where a predicate ends."""

_KINDS: Final = {
    "not": NOT,
    "lack": LACK,
    "rid": RID,
    "but": BUT,
    "though": THOUGH,
    "and": AND,
    "thought": THOUGHT,
    "past": PAST,
    "now": NOW,
    "rival": RIVAL,
    "wish": WISH,
    "request": REQUEST,
    "if": IF,
    "thanks": THANKS,
    "mid": MID,
    "none": NONE,
    "particle": PARTICLE,
    "never": NEVER,
    "doubt": DOUBT,
    "denial": DENIAL,
    "hearsay": HEARSAY,
    "span": SPAN,
    "hint": HINT,
    "keep": KEEP,
    "condition": CONDITION,
}


class Entry:
    """A word or phrase: what it does, how strongly, and the class of things it names, if any."""

    __slots__ = ("ironic", "kind", "noun", "post", "pre", "table", "value")

    def __init__(self, kind: int, value: float = 0.0) -> None:
        """Make an entry of `kind` with its `value`; its other properties come while the tables are read."""
        self.kind = kind
        self.value = value
        self.noun = ""
        self.pre = 0.0
        self.post = 0.0
        self.ironic = False
        self.table: dict[str, float] | None = None

    def naming(self, noun: str) -> Entry:
        """A copy that names a thing of the class `noun`."""
        copy = Entry(self.kind, self.value)
        copy.noun = noun
        copy.pre = self.pre
        copy.post = self.post
        copy.ironic = self.ironic
        copy.table = self.table
        return copy


class Node(dict[str, "Node"]):
    """A place in a tree of phrases: the syllables that may follow, and the entry that ends here."""

    __slots__ = ("entry",)

    def __init__(self) -> None:
        """Make a place where nothing ends yet."""
        super().__init__()
        self.entry: Entry | None = None


class Lexicon:
    """Phrases by their first syllable; their trees grow as the first syllables are met in texts."""

    def __init__(self, entries: dict[str, Entry]) -> None:
        """Hold `entries`, phrases (syllables parted by blanks) to what they do."""
        self._entries: Final = entries
        self.syllables: Final = frozenset(" ".join(entries).split(" "))
        self._starting: Final[dict[str, list[str]]] = {}
        for phrase in entries:
            first, _, rest = phrase.partition(" ")
            if first in self._starting:
                self._starting[first].append(rest)
            else:
                self._starting[first] = [rest]

    def node(self, first: str) -> Node | None:
        """A new tree of the phrases that start with the syllable `first`, if there are any."""
        if first not in self._starting:
            return None
        root = Node()
        for rest in self._starting[first]:
            node = root
            for syllable in rest.split(" ") if rest else ():
                child = node.get(syllable)
                if child is None:
                    child = node[syllable] = Node()
                node = child
            node.entry = self._entries[f"{first} {rest}" if rest else first]
        return root


def _lines(name: str) -> Iterator[tuple[str, str]]:
    for line in place_all((_DATA / name).read_text(encoding="utf-8")).split("\n"):
        if line and not line.startswith("#"):
            head, _, rest = line.partition(": ")
            yield head, rest


def _read_entries() -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for name in (
        "words_more.txt",
        "words_domains.txt",
        "words_slang.txt",
        "words_general.txt",
        "words_plain.txt",
    ):
        for head, rest in _lines(name):
            entries.update(dict.fromkeys(rest.split(", "), Entry(WORD, float(head))))
    _read_aspects(entries)
    for head, rest in _lines("grammar.txt"):
        name, _, number = head.partition(" ")
        if name in ("pre", "post", "irony"):
            for phrase in rest.split(", "):
                _add_degree(entries, phrase, name, float(number))
        else:
            entry = Entry(_KINDS[name], float(number))
            for phrase in rest.split(", "):
                known = entries.get(phrase)
                entries[phrase] = entry.naming(known.noun) if known and known.noun else entry
    return entries


def _read_aspects(entries: dict[str, Entry]) -> None:
    for head, rest in _lines("aspects.txt"):
        kind, _, name = head.partition(" ")
        if kind == "class":
            plain = Entry(NONE).naming(name)
            for phrase in rest.split(", "):
                known = entries.get(phrase)
                entries[phrase] = known.naming(name) if known else plain
            continue
        if kind == "end":
            entry = Entry(END, float(rest))
        else:
            default, *pairs = rest.split(", ")
            entry = Entry(ASPECT, float(default))
            entry.table = {noun: float(value) for noun, _, value in (pair.partition(" ") for pair in pairs)}
        known = entries.get(name)
        entries[name] = entry.naming(known.noun) if known and known.noun else entry


def _add_degree(entries: dict[str, Entry], phrase: str, name: str, number: float) -> None:
    """Add a word of degree; a judgement that may also stand as one after another keeps its own meaning."""
    known = entries.get(phrase)
    if known is None:
        known = Entry(DEGREE)
    elif known.kind != DEGREE and (name == "pre" or known.kind == NONE):
        known = Entry(DEGREE).naming(known.noun)
    else:
        known = known.naming(known.noun)
    entries[phrase] = known
    if name == "pre":
        known.pre = number
    else:
        known.post = number
        known.ironic = known.ironic or name == "irony"


def _read_spellings() -> dict[str, str]:
    return {spelling: word for word, rest in _lines("spellings.txt") for spelling in rest.split(", ")}


ENTRIES: Final = _read_entries()
"""Phrase (syllables parted by blanks, tones placed by `place_tones`) to entry."""

SPELLINGS: Final = _read_spellings()
"""Chat spelling to the word that is meant."""

SIGNS: Final = {sign: float(head) for head, rest in _lines("emoji.txt") for sign in rest.split(" ")}
"""Emoji, emoticon or the name of one to its strength."""


def marked() -> Lexicon:
    """All phrases as they are written with diacritics, spellings of several syllables included."""
    longer = {
        spelling: ENTRIES[word]
        for spelling, word in SPELLINGS.items()
        if " " in spelling and word in ENTRIES and spelling not in ENTRIES
    }
    return Lexicon({**ENTRIES, **longer})


def bare() -> Lexicon:
    """The phrases as they are written without diacritics.

    Two phrases that become one keep their meaning if they agree in kind and sign. A single syllable is in it
    only if ``bare.txt`` names it, as most stand for several words.
    """
    table = dict(_lines("bare.txt"))
    dropped = frozenset(table["drop"].split(", "))
    chosen: dict[str, Entry | None] = {}
    keys = fold("\n".join(ENTRIES)).split("\n")
    for key, (phrase, entry) in zip(keys, ENTRIES.items(), strict=True):
        if key not in chosen or key == phrase:
            if (" " in key or key == phrase) and key not in dropped:
                chosen[key] = entry
            continue
        known = chosen[key]
        if known is not None and not _agree(known, entry):
            # The plainer reading wins over a judgement; two judgements that differ cancel each other.
            chosen[key] = entry if entry.kind == NONE else known if known.kind == NONE else None
    for pair in table["read"].split(" "):
        key, _, word = pair.partition("=")
        chosen[key] = ENTRIES.get(word)
    return Lexicon({key: entry for key, entry in chosen.items() if entry is not None})


def _agree(one: Entry, other: Entry) -> bool:
    return one.kind == other.kind and (one.value >= 0) == (other.value >= 0)
