"""Dates, times of day and spans of time in English words, also those that begin with a month or a day."""

from __future__ import annotations

from typing import Final

from ingestbox.enrich.entities.expressions import (
    AMPM,
    DAY_WORDS,
    ENDS,
    HOLIDAYS,
    LONG,
    LONG_WORDS,
    MONTH,
    MONTH_WORDS,
    MONTHS,
    NTH,
    SEASON,
    SEASONS,
    SHORT,
    SHORT_WORDS,
    SINCE,
    TO,
    WEEKDAY,
    YEAR,
)
from ingestbox.enrich.entities.gazetteer import word_set
from ingestbox.enrich.entities.numerals import END, ENGLISH_NUMBER, ENGLISH_ONES, O, S
from ingestbox.enrich.entities.rule import Rule, not_vietnamese, on
from ingestbox.enrich.entities.scan import Scan
from ingestbox.enrich.facts import LanguageCode

_SEASON_AFTER: Final = word_set("in during since this last every until next")
_FROM: Final = word_set(
    "in since until till from by of between and to last next this early late mid end during before after "
    "through around every for ending summer"
)


def _capital(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    return scan.words[i][0].isupper()


def _month_alone(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    """ "May", "March" and short forms only by their company."""
    if language == "vi" or (
        not scan.words[i][0].isupper()
        and scan.lower(i) in ("may", "march", "mar", "dec", "sept", "sep", "jan", "jun")
    ):
        return False
    before = scan.lower(i - 1)
    if scan.lower(i) in ("may", "march", "mar", "august", "april", "june"):
        return before in _FROM or before in ("-", "–", "/")
    return True


def _season(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    if scan.lower(i + 1) == "-":
        return False
    if found[-1].isdigit() or " " in found:
        return scan.lower(i + 1) != "-"
    return scan.lower(i - 1) in _SEASON_AFTER and scan.lower(i + 1) not in (
        "season",
        "collection",
        "jacket",
        "clothes",
        "sale",
        "menu",
    )


def _plural(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    return scan.lower(i - 1) in ("for", "in", "took", "takes", "of", "lasted", "waited", "waiting", "after")


def _short_day(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    if language == "vi" and not scan.low.isascii():
        return False
    word = scan.lows[i]
    if len(word) > 5:
        return True
    return scan.words[i][0].isupper() and not (
        word in ("sun", "sat", "wed", "mon", "fri", "thu", "tue") and scan.opens(i) and " " not in found
    )


def _spelled(found: str) -> bool:
    return (" " in found or "-" in found) and not (found[:2] == "a " and "-" in found)


def _short_span(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    return _spelled(found) and found.split()[-1] not in ("second", "min", "sec")


def _long_span(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    """ "A day" is as often a rate, "a night" a word of hotels."""
    if found in ("a day", "a night"):
        return scan.lower(i - 1) in ("for", "in", "after", "took", "takes", "within", "lasted")
    if found in ("a day ago", "a day later", "a day earlier"):
        return True
    return _spelled(found) and not found.startswith(("a night", "half night", "a quarter", "a season", "an"))


def _part(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    return found not in _OFTEN


def _hour_word(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    """ "at nine", "until nine"."""
    return (
        language != "vi" and scan.lower(i - 1) in ("at", "until", "till", "by") and scan.lower(i + 1) in ENDS
    )


_OFTEN: Final = frozenset(
    f"{often} {part}" for often in ("each", "every") for part in ("night", "morning", "evening", "afternoon")
)
_PART: Final = "(?:morning|afternoon|evening|night)"
_PART_WORDS: Final = ["morning", "afternoon", "evening", "night"]
_IN_PART: Final = rf"{S}in{S}the{S}(?:morning|afternoon|evening)"
_SEVERAL: Final = (
    rf"(?:few|several|couple(?:{S}of)?|half{S}an?|{ENGLISH_NUMBER}(?:{TO}{ENGLISH_NUMBER})?)(?:{S}|-)"
)
_MANY: Final = _SEVERAL.replace("several", "several|many")
_HOURS: Final = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
_DAY_OF_MONTH: Final = rf"(?:{MONTH}{S}{NTH}|{NTH}{S}(?:of{S})?{MONTH})"

_COUNTS: Final = frozenset(
    [
        *["few", "several", "couple"],
        *ENGLISH_ONES.split("|"),
        *(f"{i:0{w}}" for w in (1, 2, 3) for i in range(10**w)),
    ]
)
_FEASTS: Final = (
    "christmas xmas easter thanksgiving halloween hanukkah ramadan diwali tet eid valentine valentines "
    "mother mothers father fathers singles women womens fourth st"
)
_FEASTS_2: Final = (
    "lunar chinese new labor labour memorial independence veterans black cyber boxing good prime national "
    "bank"
)
_HOLIDAY_WORDS: Final = word_set(f"{_FEASTS} {_FEASTS_2} 4")


def _holiday(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    return scan.words[i][0].isupper() or len(found) > 8


on(
    " ".join(MONTH_WORDS),
    Rule("DATE", rf"{MONTH}{S}{NTH}(?:{TO}(?:{MONTH}{S})?{NTH})?(?:,?{S}{YEAR})?", not_vietnamese, 8),
    Rule("DATE", rf"{MONTH}(?:{S}of)?,?{S}{YEAR}", not_vietnamese, 8),
    Rule("DATE", rf"{MONTH}-[0-9]{{2,4}}", _capital, after={"-", "."}),
    Rule("DATE", MONTH, _month_alone, 6),
)
on(
    " ".join(DAY_WORDS),
    Rule("TIME", rf"{WEEKDAY}{S}{_PART}s?", _short_day, 8),
    Rule("DATE", rf"{WEEKDAY},?{S}(?:the{S})?{_DAY_OF_MONTH}(?:,?{S}{YEAR})?", None, 8),
    Rule("DATE", rf"{WEEKDAY}(?:{TO}{WEEKDAY})", _short_day),
    Rule("DATE", WEEKDAY, _short_day),
)
on(
    "last next this past previous coming every following each",
    Rule("TIME", rf"(?:last|this|next|every|each){S}{_PART}", _part, 8, after=_PART_WORDS),
    Rule(
        "TIME",
        rf"(?:last|past|next|previous){S}(?:few{S}|couple{S}of{S}"
        rf"|(?:[0-9]{{1,3}}|{ENGLISH_NUMBER})(?:(?:{O}-{O}|{S}to{S})[0-9]{{1,3}})?{S})?{SHORT}",
        after=_COUNTS | set(SHORT_WORDS),
    ),
    Rule(
        "TIME",
        rf"(?:last|next|this|every|each){S}{WEEKDAY}{S}{_PART}",
        None,
        8,
        after=set(DAY_WORDS),
    ),
    Rule(
        "DATE",
        rf"(?:last|next|this|past|previous|coming|every|each|following){S}(?:other{S})?"
        rf"(?:{WEEKDAY}|{SEASON}|(?:{MONTHS})(?:{S}{NTH})?|{HOLIDAYS})(?:{S}{YEAR})?",
        lambda scan, i, found, _: found[-5:] not in ("s sun", "s sat"),
        after={"other", *DAY_WORDS, *SEASONS, *MONTHS.split("|"), *_HOLIDAY_WORDS},
    ),
    Rule(
        "DATE",
        rf"(?:last|past|next|previous|coming){S}(?:few{S}|several{S}|couple{S}(?:of{S})?"
        rf"|(?:[0-9]{{1,3}}|{ENGLISH_NUMBER}){S}){LONG}",
        after=_COUNTS,
    ),
    Rule(
        "DATE",
        rf"(?:last|next|this|past|previous|coming|following){S}"
        rf"(?:week|month|year|weekend|quarter|decade|century|semester|day)(?:{S}end)?",
        lambda scan, i, found, _: found != "this day",
        after=set(LONG_WORDS),
    ),
)
on(
    "today yesterday tomorrow tonight noon midnight midday weekend weekends",
    Rule("TIME", rf"(?:yesterday|tomorrow){S}{_PART}", None, 8, after=_PART_WORDS),
    Rule("TIME", r"(?:tonight|noon|midnight|midday)"),
    Rule("DATE", r"(?:today|yesterday|tomorrow|weekends?)"),
)
on(
    "morning afternoon evening",
    Rule(
        "TIME", r"(?:morning|afternoon|evening)", lambda scan, i, found, _: scan.lower(i - 1) == "yesterday"
    ),
)
on(
    "early mid late",
    Rule(
        "DATE",
        rf"(?:early|mid|late)[ -]{{1,2}}(?:(?:{MONTHS})(?:,?{S}{YEAR})?|{YEAR}|{SEASON}(?:{S}{YEAR})?"
        rf"|(?:next|last|this){S}(?:week|month|year)|(?:1[89]|20)?[0-9]0'?s)",
        None,
        8,
    ),
)
on(
    "end beginning start middle",
    Rule(
        "DATE",
        rf"(?:end|beginning|start|middle){S}of{S}"
        rf"(?:(?:this|last|next|the){S}(?:week|month|year|quarter)|(?:{MONTHS})(?:,?{S}{YEAR})?"
        rf"|{YEAR}|month(?=[ ]{{0,2}}(?:[.,!?;]|$)))",
        None,
        8,
    ),
    after={"of"},
)
on(
    " ".join(SEASONS),
    Rule(
        "DATE",
        rf"{SEASON}(?:{S}of)?(?:{S}{YEAR})?",
        lambda scan, i, found, language: not found.endswith("of") and _season(scan, i, found, language),
    ),
)
on(
    "half quarter ten twenty five",
    Rule(
        "TIME",
        rf"(?:half|(?:a{S})?quarter|(?:ten|twenty|five|twenty-five)(?:{S}minutes)?){S}(?:past|to|after|before){S}"
        rf"(?:{_HOURS}|noon|midnight|[1-9]|1[0-2])(?:{O}{AMPM}|{_IN_PART})?",
        lambda scan, i, found, _: not (" to " in found and found.startswith(("five", "ten", "twenty"))),
        8,
        after={"past", "to", "after", "before", "minutes", "-"},
    ),
    Rule("TIME", rf"half{S}an?{S}hour(?:{S}(?:ago|later))?", None, 8, after={"a", "an"}),
)
on(
    ENGLISH_ONES.replace("|", " ") + " several many few couple a an",
    Rule(
        "TIME",
        rf"(?:(?:a|an){S})?(?:{_SEVERAL})?(?:(?:full|whole|more|good|long|solid){S})?{SHORT}"
        rf"(?:{S}and{S}a{S}half)?(?:{S}(?:ago|later|earlier){END})?",
        _short_span,
        8,
    ),
    Rule(
        "DATE",
        rf"(?:(?:a|an){S})?(?:{_MANY})?(?:(?:full|whole|more|good|long|solid|business|working){S})?{LONG}"
        rf"(?:{S}and{S}a{S}half)?(?:[ -]{{1,2}}{SINCE}{END})?",
        _long_span,
    ),
    counted=True,
)
on(
    ENGLISH_ONES.replace("|", " "),
    Rule("TIME", rf"(?:{ENGLISH_ONES}){S}(?:o'?clock|a\.m\.?|p\.m\.?|am|pm)", None, 8),
    Rule("TIME", rf"(?:{_HOURS}){_IN_PART}", None, 8),
    after={"o", "oclock", "a", "p", "am", "pm", "in"},
)
on(_HOURS.replace("|", " "), Rule("TIME", rf"(?:{_HOURS})", _hour_word, 6, after=ENDS))
on(
    "weeks months years days hours",
    Rule("DATE", r"(?:weeks|months|years|days)", _plural, 5),
    Rule("TIME", "hours", _plural, 5),
)
on(
    _FEASTS,
    Rule("DATE", HOLIDAYS, _holiday, 8),
)
on(
    _FEASTS_2,
    Rule("DATE", HOLIDAYS, _holiday, 8),
    after={"new", "year", "years", "day", "friday", "monday", "holiday"},
)
