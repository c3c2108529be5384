"""Single words, what each says, and how else some are written."""

from __future__ import annotations

from typing import Final

from ingestbox.enrich.english import inflect
from ingestbox.enrich.english.kinds import Meaning
from ingestbox.enrich.english.tables import lines, lists

_FORMS: Final = {"verbs": inflect.verb, "nouns": inflect.noun, "adjectives": inflect.adjective}


def _load() -> dict[str, Meaning]:
    words: dict[str, Meaning] = {}
    for meaning, form, line in lists("words.txt"):
        for word in line.split():
            words.update(dict.fromkeys((word,) if form == "word" else _FORMS[form](word), meaning))
    return words


WORDS: Final = _load()
"""Every single word that says something; of two entries the later one counts."""

SPELLINGS: Final = {
    written: word for word, *spellings in map(str.split, lines("spellings.txt")) for written in spellings
}
"""Short forms and frequent misspellings, each with the word that is meant."""
