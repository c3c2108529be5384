"""Persons, organisations, places and products: by the lists, by the words around them, by how they are written."""  # noqa: E501

from __future__ import annotations

from ingestbox.enrich.entities import gazetteer as lists
from ingestbox.enrich.entities.found import Found
from ingestbox.enrich.entities.gazetteer import NAMES, SECOND
from ingestbox.enrich.entities.guesses import guessed, modelled
from ingestbox.enrich.entities.heads import headed, suffixed
from ingestbox.enrich.entities.listed import gazetteer
from ingestbox.enrich.entities.persons import person
from ingestbox.enrich.entities.reader import Reader
from ingestbox.enrich.entities.scan import Scan
from ingestbox.enrich.facts import LanguageCode


def names(scan: Scan, language: LanguageCode) -> list[Found]:
    """The candidates of a text."""
    found: list[Found] = []
    at = Reader(scan, language)
    flags, taken = scan.flags, scan.taken
    plain = language == "other"
    vietnamese = language == "vi"
    begins = lists.NAME | lists.MIXED | lists.HEAD | (lists.GIVEN_VI if vietnamese else 0)
    skip = 0
    for i in [i for i, bits in enumerate(flags) if bits & begins]:
        if taken[i]:
            continue
        bits = flags[i]
        if bits & lists.NAME and i >= skip and _may_begin(scan, i):
            for each, end in gazetteer(at, i):
                found.append(each)
                skip = end
        if plain:
            continue
        if bits & lists.HEAD:
            found.extend([each for each, _ in headed(at, i)])
        if not bits & lists.MIXED:
            if vietnamese and bits & lists.GIVEN_VI:
                found.extend(person(at, i))
            continue
        if bits & (lists.ORG_TAIL | lists.PLACE_TAIL):
            found.extend(suffixed(at, i))
        if bits & (lists.STOP | lists.PERSONAL) == lists.STOP:
            continue
        found.extend(person(at, i))
        if i >= skip:
            found.extend(modelled(at, i))
            found.extend(guessed(at, i))
    return found


def _may_begin(scan: Scan, i: int) -> bool:
    """Whether word `i` is a name, or the word after it is the second of one that begins so."""
    low = scan.lows[i]
    return low in NAMES or (i + 1 < scan.n and scan.lows[i + 1] in SECOND[low])
