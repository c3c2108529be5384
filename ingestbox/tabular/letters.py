"""How likely letters are in a language: what tells one code page from another.

For each language the letters outside ASCII, the most frequent first, and a few short words that any text
has. Ranks stand for frequencies (Zipf), which is close enough: code pages differ in which letters there are
at all.
"""

from __future__ import annotations

import math
import re
import unicodedata
from functools import cache

import msgspec

OTHER_SHARE = 0.02
"""Of letters outside ASCII, those that a language's own list does not have: names, loan words."""
ALPHABET = 120
"""As many other letters share `OTHER_SHARE`."""


class Language(msgspec.Struct, frozen=True):
    """A language's letters outside ASCII, by falling frequency, and some of its shortest words."""

    letters: str
    words: str = ""


LANGUAGES: dict[str, Language] = {
    "fr": Language("éèàêçôùâîûëïœ", "le la les de des et est un une pas que pour très dans sur avec"),
    "de": Language("üäößé", "der die das und ist nicht ein eine mit zu von für auf ich sehr war"),
    "es": Language("óíáéñúü", "el la los de que y en un una es no por con muy para se"),
    "pt": Language("ãéçáóíêõâúàôü", "o a os as de que e em um uma não com para do da muito foi é"),
    "it": Language("èàùòéìî", "il la di che e un una non per con è sono del molto"),
    "nl": Language("ëéèïöü", "de het een en van is niet dat op met voor zijn zeer"),
    "sv": Language("äåöé", "och att det är en ett inte som för på med av mycket"),
    "da": Language("åøæé", "og det er en et ikke som for på med af til jeg meget"),
    "fi": Language("äöåé", "ja on ei se että oli hyvin kun mutta olen"),
    "is": Language("íáðéóöúþæý", "og að er ekki í á það sem við mjög"),
    "en": Language("éèïñçöüêáô", "the and of to is was not for with very it my in"),
    "pl": Language("łęążśćóńź", "i w nie na z się jest do to że jak ale bardzo"),
    "cs": Language("íáéěýžčšřůúťňďó", "a je se na v to že s z do jsem ale velmi"),
    "sk": Language("áíéčýžšúľťôňďäóĺŕ", "a je sa na v to že s z do som ale veľmi"),
    "hu": Language("áéöóőíüúű", "a az és nem is hogy egy ez volt nagyon de"),
    "ro": Language("ăîâșțşţ", "și şi de la nu cu o un este pe în foarte"),
    "hr": Language("čšžćđ", "i je u na da se nije za su s vrlo sam"),
    "tr": Language("ıüşiçğöİâ", "bir ve çok bu için de da ile ama değil iyi"),
    "lt": Language("ėąšųįžčęū", "ir yra ne kad su iš labai buvo"),
    "lv": Language("āīēšņļžķģčū", "un ir ne ka ar no ļoti bija"),
    "et": Language("äõüöšž", "ja on ei see et oli väga"),
    "ru": Language("оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё", "и в не на я что с это как очень"),
    "uk": Language("оаниіветрсклумдпязьбгйчхїцжшюєщфґ", "і в не на я що з це як дуже"),
    "el": Language("αοιετσνηυρπκμλςίόάγέήδώχθύφβξζψ", "και το να η ο δεν είναι με για πολύ"),
    "vi": Language(
        "đàáôưêâạảơăãộấếòóờầềữậợốồệìíèéùúểọởủịừứẩổặắụỏằẫẻẹỉớựễõũỹỳýẽĩửỗẳẵỡỵỷ",
        "và là không có của cho được rất này tôi với",
    ),
}

_VIETNAMESE = re.compile(
    "(?:ngh|ng|nh|ch|gh|gi|kh|ph|qu|th|tr|[bcdđghklmnpqrstvx])?(?:[aeiouyăâêôơư]{1,3})(?:ch|ng|nh|[cmnpt])?"
)


@cache
def chances(language: str) -> dict[str, float]:
    """The logarithm of each letter's share of the letters outside ASCII."""
    letters = LANGUAGES[language].letters
    # Ranks of a long alphabet fall more slowly.
    slow = 2 if len(letters) < 20 else 8
    weights = [1 / (rank + slow) for rank in range(len(letters))]
    whole = sum(weights) / (1 - OTHER_SHARE)
    return {letter: math.log(weight / whole) for letter, weight in zip(letters, weights, strict=True)}


@cache
def words(language: str) -> frozenset[str]:
    """Short words of the language."""
    return frozenset(LANGUAGES[language].words.split())


OTHER = math.log(OTHER_SHARE / ALPHABET)


def is_vietnamese(word: str) -> bool:
    """Whether a word can be a Vietnamese syllable: vowels with at most one tone, known consonants around."""
    tones = 0
    plain = []
    for char in unicodedata.normalize("NFD", word.lower()):
        if char in "\u0300\u0301\u0303\u0309\u0323":
            tones += 1
        else:
            plain.append(char)
    return tones <= 1 and _VIETNAMESE.fullmatch(unicodedata.normalize("NFC", "".join(plain))) is not None
