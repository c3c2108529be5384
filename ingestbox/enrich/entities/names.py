"""Persons, organisations, places and products: by the lists, by the words around them, by how they are written."""  # noqa: E501

from __future__ import annotations

from ingestbox.enrich.entities import gazetteer as lists
from ingestbox.enrich.entities.cues import PLACE_HEADS
from ingestbox.enrich.entities.found import Found
from ingestbox.enrich.entities.gazetteer import SECOND
from ingestbox.enrich.entities.guesses import guessed, modelled
from ingestbox.enrich.entities.heads import headed, placed, suffixed
from ingestbox.enrich.entities.listed import gazetteer
from ingestbox.enrich.entities.persons import TITLES_LOW, person, spoken_to
from ingestbox.enrich.entities.reader import Reader
from ingestbox.enrich.entities.scan import Scan
from ingestbox.enrich.facts import LanguageCode


def names(scan: Scan, language: LanguageCode) -> list[Found]:
    """The candidates of a text."""
    found: list[Found] = []
    candidates: list[Found | None] = []
    at = Reader(scan, language)
    flags, lows, taken = scan.flags, scan.lows, scan.taken
    plain = language == "other"
    vietnamese = language == "vi"
    begins = lists.NAME | lists.MIXED | lists.HEAD | (lists.GIVEN_VI if vietnamese else lists.GIVEN)
    figures = any(map(lists.FIGURE.__and__, flags))
    part = lists.NAME | lists.HEAD | lists.ORG_TAIL | lists.PLACE_TAIL | lists.PERSONAL | lists.STOP
    skip = 0
    for i in scan.marked:
        bits = flags[i]
        if not bits & begins or taken[i] or bits & part == lists.STOP:
            continue
        if (
            bits & lists.NAME
            and i >= skip
            and (
                bits & (lists.SINGLE if bits & lists.MIXED else lists.ALONE)
                or (i + 1 < scan.n and lows[i + 1] in SECOND[lows[i]])
            )
        ):
            for each, end in gazetteer(at, i):
                found.append(each)
                skip = end
        if plain:
            continue
        if bits & lists.HEAD:
            found.extend([each for each, _ in headed(at, i)])
        if not bits & lists.MIXED:
            if not vietnamese and bits & lists.GIVEN and i > 1 and spoken_to(scan, i):
                candidates.append(at.span(i, i + 1, "PERSON", 4))
            if vietnamese and bits & lists.GIVEN_VI and i and lows[i - 1] in TITLES_LOW:
                candidates.append(person(at, i))
            continue
        if not vietnamese and lows[i] in PLACE_HEADS:
            candidates.append(placed(at, i))
        if bits & (lists.ORG_TAIL | lists.PLACE_TAIL):
            candidates.append(suffixed(at, i))
        if bits & (lists.STOP | lists.PERSONAL) == lists.STOP:
            continue
        candidates.append(person(at, i))
        if i >= skip:
            if figures:
                candidates.append(modelled(at, i))
            candidates.append(guessed(at, i))
    found += [each for each in candidates if each is not None]
    return found
