"""Names of no list, by their company only."""

from __future__ import annotations

from typing import Final

from ingestbox.enrich.entities import cues
from ingestbox.enrich.entities import gazetteer as lists
from ingestbox.enrich.entities.found import Found
from ingestbox.enrich.entities.gazetteer import ACRONYMS, word_set
from ingestbox.enrich.entities.reader import SYLLABLE, Reader

_IN_PLACE: Final = frozenset(["in", "near", "around", "outside", "visiting"])
_IN_PLACE_VI: Final = frozenset(["ở", "tại", "o", "tai", "vào"])
_WORKS: Final = frozenset({"work", "works", "worked", "working"})
_HEADS_OF: Final = word_set(
    "executive ceo cfo president chairman chairwoman chair director founder owner manager head boss "
    "spokesman spokeswoman spokesperson subsidiary unit arm shares customers employees"
)
_WITH_ORG: Final = word_set("from by with at called contacted via through using contact")


def guessed(at: Reader, i: int) -> Found | None:
    """A capitalised word of no list, named by its company only."""
    scan = at.scan
    word = scan.words[i]
    if (
        not at.capital(i)
        or at.loud[i]
        or len(word) < 2
        or at.bits(i) & lists.STOP
        or scan.lows[i] in ACRONYMS
        or scan.lows[i] in cues.NUMBERED
        or (i and not scan.gap(i) and scan.words[i - 1].isalnum())
    ):
        return None
    before = scan.lower(i - 1)
    end = at.run(i, 4)
    if end < scan.n and not scan.gap(end) and scan.words[end][0].isdigit():
        return None
    following = scan.lower(end)
    if following in ("app", "apps") and (not scan.opens(i) or any(map(str.isupper, word[1:]))):
        return at.span(i, end, "PRODUCT", 3)
    if (
        following == "'"
        and scan.lower(end + 1) == "s"
        and scan.lower(end + 2) in cues.SUPPORT | {"website", "policy", "return", "refund", "online"}
    ) or (following in ("customer", "support") and not scan.opens(i)):
        return at.span(i, end, "ORGANIZATION", 4)
    if (
        following in cues.ACTS
        and at.language != "vi"
        and not at.bits(i) & (lists.TITLE | lists.PERSONAL)
        and not (end - i == 1 and at.bits(i) & (lists.ORG_TAIL | lists.PLACE_TAIL))
    ) or (
        before in cues.GOODS_VI
        and at.language == "vi"
        and not SYLLABLE.match(scan.lows[i])
        and not scan.opens(i)
    ):
        return at.span(i, end, "ORGANIZATION", 3)
    if (
        before == "the"
        and at.capital(i - 1)
        and not scan.opens(i - 1)
        and at.language != "vi"
        and scan.lower(i - 2) in _WITH_ORG
    ):
        return at.span(i - 1, end, "ORGANIZATION", 4)  # "at The Ivy"
    if before == "for" and scan.lower(i - 2) in _WORKS and not at.known(i):
        return at.span(i, end, "ORGANIZATION", 4)
    if before == "of" and scan.lower(i - 2) in _HEADS_OF and at.language != "vi" and not at.known(i):
        return at.span(i, end, "ORGANIZATION", 4)
    if (
        before == "at"
        and following == "'"
        and scan.lower(end + 1) == "s"
        and at.capital(end + 2)
        and at.language != "vi"
        and not at.bits(end + 2) & lists.STOP
    ):
        return at.span(i, at.run(end + 2, 3), "ORGANIZATION", 7)  # "at Nonna's Table"
    if (before in _IN_PLACE and at.language != "vi" and not word.isupper()) or (
        before in _IN_PLACE_VI and at.language == "vi" and not word.isupper() and SYLLABLE.match(scan.lows[i])
    ):
        return at.span(i, end, "LOCATION", 3)
    if (
        (before in _IN_PLACE_VI and at.language == "vi")
        or (before in _WITH_ORG and at.language != "vi" and not scan.opens(i))
        or (any(map(str.isupper, word[1:])) and not word.isupper() and len(word) > 3)
        or (
            before == "the"
            and end - i > 1
            and at.language != "vi"
            and scan.lower(i - 2) in ("at", "from", "by", "with")
        )
    ):
        return at.span(i, end, "ORGANIZATION", 3)
    return None


def modelled(at: Reader, i: int) -> Found | None:
    """A capitalised word of no list with a model's code after it ("Zenix A200")."""
    scan = at.scan
    if (
        not at.capital(i)
        or at.loud[i]
        or len(scan.words[i]) < 3
        or at.bits(i) & (lists.STOP | lists.ORG_TAIL | lists.PLACE_TAIL)
        or scan.lows[i] in cues.NUMBERED
        or scan.lows[i] in ACRONYMS
        or scan.lower(i - 1) in cues.NUMBERED
    ):
        return None
    j = at.run(i, 3)
    if j < scan.n and scan.words[j - 1].isupper() and not scan.gap(j) and j - i > 1:
        j -= 1
    if j < scan.n and scan.gap(j) == 1:
        tail = at.model_tail(j)
        text = scan.text[scan.starts[j] : scan.ends[tail - 1]] if tail > j else ""
        if (
            (
                text
                and any(map(str.isdigit, text))
                and (
                    any(map(str.isalpha, text))
                    or scan.lower(i - 1) in ("my", "new", "the", "con", "chiếc", "máy", "mua")
                )
                and scan.lows[j - 1] not in cues.NUMBERED
            )
            and not at.bits(i) & lists.PERSONAL
            and not scan.opens(i)
        ):
            return at.span(i, tail, "PRODUCT", 4)
    return None
