"""Which of the encodings from before Unicode a text is in, by its letters.

Each candidate decodes the sample, and what comes out is compared with what languages written in it look
like: how frequent the letters outside ASCII are, whether signs stand inside words, whether capitals do,
whether words are words. Where no candidate gives sense, charset-normalizer is asked, which knows more of
them.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

import charset_normalizer
import msgspec

from ingestbox.tabular import eastasian, letters
from ingestbox.tabular.shapes import Choice

MAX_CHARS = 6_000
"""As many characters outside ASCII are looked at."""
SENSE, NONSENSE = -4.5, -6.5
"""Mean logarithms above which text is in a language that is known here, and below which it is not."""
DOUBLE_SENSE, DOUBLE_NONSENSE = -7.8, -9.5
"""The same where characters are many."""
UNSURE = 0.6
"""Below this confidence, a guess is to be called one."""
MAX_FALLBACK = 0.55

_WESTERN = ("en", "fr", "de", "es", "pt", "it", "nl", "sv", "da", "fi", "is")
_CENTRAL = ("pl", "cs", "sk", "hu", "ro", "hr", "de")
CODE_PAGES: dict[str, tuple[str, ...]] = {
    # Earlier ones are preferred where the text is the same.
    "cp1252": _WESTERN,
    "cp1250": _CENTRAL,
    "cp1258": ("vi",),
    "iso8859_15": _WESTERN,
    "iso8859_2": _CENTRAL,
    "cp1254": ("tr",),
    "cp1257": ("lt", "lv", "et"),
    "cp850": _WESTERN,
    "mac_roman": _WESTERN,
    "cp852": _CENTRAL,
    "cp1251": ("ru", "uk"),
    "koi8_r": ("ru",),
    "cp866": ("ru",),
    "cp1253": ("el",),
}
DOUBLE_BYTES: dict[str, tuple[str, str]] = {
    # Codec, the vendor's superset of it, script.
    "shift_jis": ("cp932", "ja"),
    "euc_jp": ("euc_jis_2004", "ja"),
    "gb18030": ("gb18030", "zh-hans"),
    "big5": ("cp950", "zh-hant"),
    "euc_kr": ("cp949", "ko"),
}
RARITY = {
    "cp850": 8.0,
    "mac_roman": 8.0,
    "cp852": 8.0,
    "cp866": 4.0,
    "koi8_r": 2.0,
    "iso8859_2": 2.0,
    "iso8859_15": 1.0,
}
"""How much less likely an encoding is to begin with, as a logarithm."""

_OUTSIDE = re.compile(r"[^\x00-\x7f]")
_WORD = re.compile(r"[^\W\d_]+")
_TYPOGRAPHIC = frozenset("“”‘’„‚–—…•«»°€£¥©®™§½¼\u00a0·ºª²³×¿¡₫¹›‹\u00ad")
_INSIDE_WORDS = frozenset("’‘–—·\u00ad")
_TYPOGRAPHIC_CHANCE = math.log(0.02)
_SIGN_CHANCE = math.log(0.001)
_SIGN_INSIDE = math.log(1e-5)
_CONTROL = math.log(1e-7)
_LONE_MARK = math.log(1e-5)
_CAPITAL_INSIDE = math.log(0.01)
_AMONG_LATIN = math.log(0.01)
_NOT_LATIN = frozenset({"cp1251", "koi8_r", "cp866", "cp1253"})
_KNOWN_WORD = 0.7
_SYLLABLE, _NO_SYLLABLE = 1.0, -4.0


class _Judged(msgspec.Struct, frozen=True):
    codec: str
    text: str
    total: float
    sense: float
    """How much it reads like a language at all (0 to 1)."""


def guess(sample: bytes) -> list[Choice]:
    """The encodings that the sample can be in, the likeliest first; of those that give one text, one.

    The sample is lines with bytes outside ASCII that are not UTF-8. A confidence is how likely the guess is
    right.
    """
    if b"\x1b$" in sample and sample.isascii():
        return [Choice("iso2022_jp", 0.97)]
    judged: dict[str, _Judged] = {}
    for codec in CODE_PAGES:
        text = _decode(sample, codec)
        if text is not None and text not in judged:
            judged[text] = _code_page(codec, text)
    for codec, (superset, script) in DOUBLE_BYTES.items():
        for name in (codec, superset):
            text = _decode(sample, name)
            if text is not None:
                if text not in judged:
                    judged[text] = _double_byte(name, text, script)
                break
    ranked = sorted(judged.values(), key=lambda each: -each.total)
    if not ranked or ranked[0].sense <= 0:
        return _asked(sample, ranked)
    best = ranked[0].total
    # Letters of one text depend on each other, so that evidence counts half.
    weights = [math.exp(max(-60.0, (each.total - best) / 2)) for each in ranked]
    whole = sum(weights)
    return [
        Choice(each.codec, round(min(0.99, weight / whole * (0.5 + 0.5 * each.sense)), 3))
        for each, weight in zip(ranked, weights, strict=True)
    ][:6]


def _decode(sample: bytes, codec: str) -> str | None:
    try:
        text = sample.decode(codec)
    except UnicodeDecodeError:
        return None
    return unicodedata.normalize("NFC", text) if codec == "cp1258" else text


def _code_page(codec: str, text: str) -> _Judged:
    """The likelihood of the text under the language that fits it best."""
    found: Counter[str] = Counter()
    context = 0.0
    signs = 0
    for count, hit in enumerate(_OUTSIDE.finditer(text)):
        if count == MAX_CHARS:
            break
        char, at = hit[0], hit.start()
        before, after = text[at - 1 : at], text[at + 1 : at + 2]
        if char.isalpha() and char not in "ºª":
            found[char.lower()] += 1
            if char.isupper() and before.islower():
                context += _CAPITAL_INSIDE
            if codec in _NOT_LATIN and (_is_latin(before) or _is_latin(after)):
                context += _AMONG_LATIN
            continue
        signs += 1
        inside = before.isalpha() and after.isalpha()
        if unicodedata.combining(char):
            context += _LONE_MARK
        elif "\x80" <= char <= "\x9f":
            context += _CONTROL
        elif char in _TYPOGRAPHIC and (not inside or char in _INSIDE_WORDS):
            context += _TYPOGRAPHIC_CHANCE
        else:
            context += _SIGN_INSIDE if inside else _SIGN_CHANCE
    number = sum(found.values()) + signs
    tokens = Counter(word.lower() for word in _WORD.findall(text[: 20 * MAX_CHARS]))
    best = max(_fit(language, found, tokens, number) for language in CODE_PAGES[codec])
    total = best + context - RARITY.get(codec, 0.0)
    return _Judged(codec, text, total, _sense((best + context) / max(1, number), SENSE, NONSENSE))


def _is_latin(char: str) -> bool:
    return char.isascii() and char.isalpha()


def _fit(language: str, found: Counter[str], tokens: Counter[str], number: int) -> float:
    chances = letters.chances(language)
    total = sum(count * chances.get(char, letters.OTHER) for char, count in found.items())
    known = letters.words(language)
    hits = sum(count for word, count in tokens.items() if word in known)
    total += _KNOWN_WORD * min(hits, 2 * number)
    if language == "vi":
        for word, count in tokens.items():
            if not word.isascii():
                total += count * (_SYLLABLE if letters.is_vietnamese(word) else _NO_SYLLABLE)
    return total


def _double_byte(codec: str, text: str, script: str) -> _Judged:
    total = 0.0
    number = 0
    for hit in _OUTSIDE.finditer(text):
        if number == MAX_CHARS:
            break
        number += 1
        char, at = hit[0], hit.start()
        before, after = text[at - 1 : at], text[at + 1 : at + 2]
        if eastasian.is_half_width(char):
            beside = (before and eastasian.is_half_width(before)) or (
                after and eastasian.is_half_width(after)
            )
            total += eastasian.HALF_WIDTH_RUN if beside else eastasian.RARE
        else:
            total += eastasian.chance(script, char)
        if _is_latin(before) and _is_latin(after):
            total += _AMONG_LATIN
    return _Judged(codec, text, total, _sense(total / max(1, number), DOUBLE_SENSE, DOUBLE_NONSENSE))


def _sense(mean: float, good: float, bad: float) -> float:
    return max(0.0, min(1.0, (mean - bad) / (good - bad)))


def _asked(sample: bytes, ranked: Sequence[_Judged]) -> list[Choice]:
    """What charset-normalizer says, which is never called sure."""
    found: list[Choice] = []
    for match in list(charset_normalizer.from_bytes(sample[: 32 << 10]))[:3]:
        if not match.encoding.startswith(("ascii", "utf")):
            sense = MAX_FALLBACK * (1 - min(1.0, match.chaos)) * (0.6 + 0.4 * match.coherence)
            found.append(Choice(match.encoding, round(sense, 3)))
    names = {choice.encoding for choice in found}
    found += [Choice(each.codec, 0.2) for each in ranked if each.codec not in names]
    return sorted(found, key=lambda choice: -choice.confidence)[:6] or [Choice("cp1252", 0.1)]
