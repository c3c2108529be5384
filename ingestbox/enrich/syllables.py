"""How Vietnamese syllables are built: which spellings can be one, with their marks and without.

Source: the orthography of Vietnamese (onset, rhyme, tone). A syllable that nobody uses may pass; one that
cannot be written does not.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Final

from ingestbox.enrich.folding import fold
from ingestbox.enrich.wordlists import words

_TONES: Final = dict.fromkeys(map(ord, "\u0300\u0301\u0303\u0309\u0323"))
"""Grave, acute, tilde, hook and dot below, as combining characters."""

# Rhymes by their first letter: k, gh and ngh stand before e, ê, i and y, and c, g, ng before the others.
_FRONT: Final = words(
    "e ec em en eng eo ep et ê êch êm ên ênh êp êt êu "
    "i ia ich iêc iêm iên iêng iêp iêt iêu im in inh ip it iu y"
)
_BACK: Final = words(
    "a ac ach ai am an ang anh ao ap at au ay ăc ăm ăn ăng ăp ăt âc âm ân âng âp ât âu ây "
    "o oa oac oach oai oam oan oang oanh oao oap oat oay oăc oăm oăn oăng oăt oc oe oem oen oeo oet oi om "
    "on ong ooc oong op ot ô ôc ôi ôm ôn ông ôp ôt ơ ơi ơm ơn ơp ơt "
    "u ua uân uâng uât uây uc uê uêch uênh ui um un ung uôc uôi uôm uôn uông uôt uơ up ut uy uya uych uyên "
    "uyêt uynh uyt uyu ư ưa ưc ưi ưng ươc ươi ươm ươn ương ươp ươt ươu ưt ưu"
)
_BARE: Final = words("y yêm yên yêng yêt yêu")
"""Only these and the others above stand without an onset."""
_Q: Final = words(
    "a ac ach ai am an ang anh ao ap at ay au ăc ăm ăn ăng ăp ăt ân âng ât ây âu e en eo et eng ê êch ên ênh "
    "êt i it y ych ynh yt yên yêt yu ơ ơn o ôc"
)
_GI: Final = [rhyme for rhyme in (*_BACK, *_FRONT) if rhyme[0] not in "iy"]

_EITHER: Final = words("b ch d đ h kh l m n nh p ph r s t th tr v x")


_WHOLE: Final = [*_FRONT, *_BACK, *_BARE, "gi", "gin", "gip", "giêng", "giêt", "giêc"]


def _spellings(form: Callable[[str], str]) -> frozenset[str]:
    """Every syllable, of onsets and rhymes as `form` makes them."""
    found = set(map(form, _WHOLE))
    for onsets, rhymes in (
        (_EITHER, (*_FRONT, *_BACK)),
        (("c", "g", "ng"), _BACK),
        (("k", "gh", "ngh"), _FRONT),
        (("qu",), _Q),
        (("gi",), _GI),
    ):
        ends = set(map(form, rhymes))
        for onset in map(form, onsets):
            found.update([onset + end for end in ends])
    return frozenset(found)


_MARKED: Final = _spellings(str)
_PLAIN: Final = _spellings(fold)


def is_syllable(word: str) -> bool:
    """Whether `word`, composed (NFC) and in lower case, can be a syllable as it is marked."""
    if word.isascii():
        return word in _MARKED
    if len(word) > 8:
        return False
    toneless = unicodedata.normalize("NFD", word).translate(_TONES)
    return unicodedata.normalize("NFC", toneless) in _MARKED


def is_plain_syllable(word: str) -> bool:
    """Whether `word`, in lower-case ASCII, can be a syllable that was written without its marks."""
    return word in _PLAIN
