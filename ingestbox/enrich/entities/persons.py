"""Persons: by titles, by given names and surnames of the lists, by the words that announce them."""

from __future__ import annotations

from typing import Final

from ingestbox.enrich.entities import cues
from ingestbox.enrich.entities import gazetteer as lists
from ingestbox.enrich.entities.found import Found
from ingestbox.enrich.entities.gazetteer import ACRONYMS, word_set
from ingestbox.enrich.entities.reader import SYLLABLE, Reader
from ingestbox.enrich.entities.scan import Scan

_WEAK_TITLES_VI: Final = word_set("con em bạn a c ad viên phòng vấn lý gặp ba me trưởng")
_THEN: Final = word_set("from at . , in and about who on yesterday today last he she")
_IN_PLACE: Final = frozenset(["in", "near", "around", "outside", "visiting"])
_IN_PLACE_VI: Final = frozenset(["ở", "tại", "o", "tai"])
_PLACING: Final = frozenset({"ở", "tại", "vào"})
"""After these a name that could be a person's is a place's ("vào Chu Lai")."""
TITLES_LOW: Final = frozenset({"anh", "chị", "cô", "chú"})
"""After these a Vietnamese given name is one in lower case too ("anh tuấn")."""
_ANNOUNCING: Final = (
    cues.INTRODUCES
    | cues.JOINS
    | word_set("to with for ask tell asked thank told met is name especially gặp tên gap ten")
    | frozenset(",\n:")
)


def person(at: Reader, i: int) -> Found | None:
    """A person's name that begins with word `i`."""
    scan = at.scan
    if scan.taken[i] or scan.words[i].isdigit() or (i and not scan.gap(i) and scan.words[i - 1].isalnum()):
        return None
    bits = at.bits(i)
    capital = at.capital(i)
    if bits & lists.TITLE and (scan.lows[i] in cues.TITLES_EN or scan.lows[i] in ("ông", "bà", "chị")):
        return None
    if not capital:
        if (
            at.language == "vi"
            and bits & lists.GIVEN_VI
            and scan.lower(i - 1) in TITLES_LOW
            and not bits & lists.STOP
        ) and not (
            scan.lower(i + 1)
            and f"{scan.lows[i]} {scan.lower(i + 1)}"
            in ("phương pháp", "linh hoạt", "tùng tùng", "hương vị", "linh động")
        ):
            return at.span(i, i + 1, "PERSON", 4)
        return None
    titled = at.titled(i)
    if not (bits & lists.PERSONAL or titled or at.bits(i + 1) & lists.SURNAME or _announced(at, i)):
        return None
    hit = at.known(i)
    loud = at.loud[i]
    if (bits & lists.ANY_SURNAME_VI and at.language != "en") or bits & lists.SURNAME_VI:
        end = _syllables(at, i + 1, 3) if not bits & lists.ANY_GIVEN or at.language == "vi" else i + 1
        strong = bits & lists.SURNAME_VI or (
            not loud and any(at.bits(k) & lists.GIVEN_VI for k in range(i + 1, end))
        )
        if (hit and hit[0] >= end and hit[1].section != "streets") or (
            hit and hit[0] >= end and not at.titled(i)
        ):
            end = i
        if (
            end > i + 1
            and strong
            and (titled or scan.lower(i - 1) not in _PLACING)
            and not (loud and not any(at.bits(k) & lists.ANY_GIVEN_VI for k in range(i + 1, end)))
        ) and not (
            end == i + 2
            and not at.bits(i + 1) & (lists.ANY_GIVEN_VI | lists.ANY_SURNAME_VI)
            and not at.titled(i)
        ):
            return at.span(i, end, "PERSON", 6)
    if (
        titled
        and not loud
        and not (hit and hit[1].label != "LOCATION" and not bits & lists.PERSONAL)
        and not (
            hit
            and hit[1].section in ("countries", "vietnam", "districts", "shops", "telecoms", "banks", "lines")
            and not bits & lists.PERSONAL
        )
    ):
        before = scan.lower(i - 1) if scan.lower(i - 1) != "." else scan.lower(i - 2)
        vi = before in cues.TITLES_VI or before in cues.JOBS_VI
        sure = bits & lists.PERSONAL
        if (
            vi
            and (sure or (before not in _WEAK_TITLES_VI and SYLLABLE.match(scan.lows[i])))
            and (
                ((sure and not scan.words[i].isupper()) or scan.lows[i] not in ACRONYMS)
                and not (bits & lists.STOP and not sure)
                and not (before in ("anh",) and scan.lows[i] in ("quốc", "ngữ"))
            )
        ):
            end = max(i + 1, _syllables(at, i + 1, 3))
            return at.span(i, end, "PERSON", 6)
        if not vi and not (bits & lists.STOP and not sure) and scan.lows[i] not in ACRONYMS:
            end = _full(at, i)
            return at.span(i, end, "PERSON", 6)
    if hit and hit[0] > i + 1:
        return None
    if loud:
        if (
            bits & lists.GIVEN
            and at.bits(i + 1) & lists.SURNAME
            and at.capital(i + 1)
            and at.language != "vi"
        ):
            return at.span(i, i + 2, "PERSON", 5)
        return None
    cued = _cued(at, i)
    if bits & lists.ANY_GIVEN and at.language != "vi":
        end = _full(at, i)
        if end > i + 1:
            if not (scan.opens(i) and bits & lists.GIVEN_WEAK and not at.bits(end - 1) & lists.SURNAME):
                return at.span(i, end, "PERSON", 6)
            return None
        following = scan.lower(i + 1)
        if bits & lists.GIVEN and not (
            hit
            and hit[1].label == "LOCATION"
            and not cued
            and scan.lower(i - 1) in _IN_PLACE | {"to", "from", "at"}
        ):
            if not (at.capital(i + 1) and at.bits(i + 1) & lists.ORG_TAIL):
                return at.span(i, end, "PERSON", 6)
            return None
        if (
            cued
            or (
                following in ("at", "from", "in")
                and scan.lower(i + 2) in ("the", "support", "customer", "your", "reception", "sales")
                and not scan.opens(i)
            )
            or (not scan.opens(i) and following in cues.DOES - {"and", "is", "was", "did", "who"} and not hit)
        ):
            return at.span(i, end, "PERSON", 6)
    if bits & lists.ANY_GIVEN_VI and at.language != "en":
        end = _syllables(at, i, 3)
        inside = not scan.opens(i)
        names = all(at.bits(k) & (lists.ANY_GIVEN_VI | lists.ANY_SURNAME_VI) for k in range(i, end))
        if (
            end - i >= 2
            and names
            and not hit
            and (inside or any(at.bits(k) & lists.GIVEN_VI for k in range(i, end)))
        ):
            return at.span(i, end, "PERSON", 5)
        if (
            end - i == 1
            and not hit
            and not at.capital(i - 1)
            and not (inside and at.capital(i + 1) and scan.gap(i + 1) == 1)
        ):
            if (
                inside
                and (bits & lists.GIVEN_VI or cued or scan.lower(i - 1) in ("bảo", "nhờ", "của"))
                and scan.lower(i - 1)
                not in _IN_PLACE_VI
                | {"-", "đi", "món", "từ", "đến", "về", "hàng", "hiệu", "người", "nước", "tiếng"}
            ):
                return at.span(i, end, "PERSON", 5)
            if (
                not inside
                and scan.lower(i + 1) in ("với", "và")
                and at.capital(i + 2)
                and at.bits(i + 2) & lists.ANY_GIVEN_VI
            ):
                return at.span(i, end, "PERSON", 5)
    if (
        at.bits(i + 1) & lists.SURNAME
        and at.capital(i + 1)
        and scan.gap(i + 1) == 1
        and at.language != "vi"
        and not hit
        and scan.words[i].isalpha()
    ) and (
        not bits & (lists.STOP | lists.ORG_TAIL | lists.PLACE_TAIL | lists.TITLE)
        and scan.lows[i] not in ACRONYMS
        and not at.bits(i + 1) & (lists.STOP | lists.NAME | lists.ORG_TAIL)
        and len(scan.words[i]) > 1
    ):
        end = _full(at, i)
        if not at.bits(end) & (lists.ORG_TAIL | lists.PLACE_TAIL) or not at.capital(end):
            return at.span(i, end, "PERSON", 4)
    if (
        cued
        and not hit
        and not bits & (lists.STOP | lists.ORG_TAIL | lists.PLACE_TAIL)
        and scan.lows[i] not in ACRONYMS
        and len(scan.words[i]) > 1
        and scan.words[i].isalpha()
    ):
        end = _full(at, i)
        return at.span(i, end, "PERSON", 5)
    return None


def spoken_to(scan: Scan, i: int) -> bool:
    """Whether a given name in lower case is one by what stands before it ("talked to jessica")."""
    one, two = scan.lows[i - 1], scan.lows[i - 2]
    return one in ("named", "called") or (one in ("to", "with") and two in cues.SPEAKS)


def _full(at: Reader, i: int) -> int:
    """The word after the full name of which word `i` is the first: initials, particles, surnames, "O'Brien"."""  # noqa: E501
    scan = at.scan
    j = i + 1
    while j < scan.n and j < i + 6:
        word = scan.words[j]
        if (
            word == "'"
            and not scan.gap(j)
            and scan.words[j - 1] in ("O", "D")
            and at.capital(j + 1)
            and not scan.gap(j + 1)
        ) or (word == "-" and not scan.gap(j) and at.capital(j + 1) and not scan.gap(j + 1)):
            j += 2
        elif (word == "." and not scan.gap(j) and len(scan.words[j - 1]) == 1 and at.capital(j + 1)) or (
            scan.lows[j] in ("van", "von", "de", "del", "da", "la", "bin", "al", "den", "der", "di", "dos")
            and scan.gap(j) == 1
            and (at.capital(j + 1) or at.capital(j + 2))
            and not word[0].isupper()
        ):
            j += 1
        elif (
            at.capital(j)
            and scan.gap(j) == 1
            and not at.loud[j]
            and not at.bits(j) & (lists.ORG_TAIL | lists.PLACE_TAIL)
        ):
            if (
                at.bits(j) & (lists.SURNAME | lists.ANY_GIVEN)
                or not (at.bits(j) & (lists.STOP | lists.NAME) or scan.lows[j] in ACRONYMS)
                or (word in ("O", "D") and scan.lower(j + 1) == "'")
                or (at.bits(j) & lists.NAME and not at.known(j))
            ):
                j += 1
            else:
                break
        else:
            break
    while j > i + 1 and not scan.words[j - 1][0].isupper():
        j -= 1
    return j


def _syllables(at: Reader, i: int, most: int) -> int:
    """The word after the capitalised Vietnamese syllables that begin at word `i`."""
    scan = at.scan
    j = i
    while (
        j < scan.n
        and j < i + most
        and at.capital(j)
        and (j == i or scan.gap(j) == 1)
        and (scan.gap(j) == 1 or j == i)
        and SYLLABLE.match(scan.lows[j])
    ):
        if (at.bits(j) & lists.STOP and not at.bits(j) & (lists.ANY_GIVEN_VI | lists.ANY_SURNAME_VI)) or (
            (hit := at.known(j)) and hit[1].label == "ORGANIZATION"
        ):
            break
        j += 1
    return j


def _announced(at: Reader, i: int) -> bool:
    """Whether the word before word `i` can announce a person: a quick look before `_cued`."""
    return bool(at.bits(i - 1) & lists.CUE) or at.scan.lower(i - 1) in _ANNOUNCING


def _cued(at: Reader, i: int) -> bool:
    """Whether the words before word `i` announce a person."""
    scan = at.scan
    one, two = scan.lower(i - 1), scan.lower(i - 2)
    if at.bits(i - 1) & lists.CUE and one != "thanks" and (True):
        return one in ("hi", "hello", "dear", "hey") and not at.bits(i) & lists.STOP
    if one in cues.INTRODUCES:
        return one == "named" or bool(at.bits(i) & lists.PERSONAL)
    if (one in ("to", "with") and two in cues.SPEAKS) or (
        one in ("to", "for") and two in ("thanks", "thank", "ask", "kudos")
    ):
        return (
            bool(at.bits(i) & lists.ANY_GIVEN)
            or (scan.capital(i + 1) and scan.gap(i + 1) == 1)
            or scan.lower(i + 1) in _THEN
        )
    if one in ("ask", "tell", "asked", "thank", "told", "met") and at.bits(i) & lists.ANY_GIVEN:
        return True
    if one in ("is", "name") and "name" in (two, scan.lower(i - 3)):
        return True
    if (
        one in (",", "\n")
        and two in ("regards", "sincerely", "wishes", "cheers", "thanks", "trọng", "thankfully")
    ) or (one in (":",) and two in ("person", "name", "tên", "hệ")):
        return True
    if (
        one == "\n"
        and two in (",",)
        and scan.lower(i - 3) in ("regards", "sincerely", "wishes", "cheers", "thanks", "trọng")
    ):
        return True
    if one in cues.JOINS and i > 1 and not scan.opens(i):
        return (
            bool(at.bits(i) & (lists.ANY_GIVEN | lists.ANY_GIVEN_VI))
            and bool(at.bits(i - 2) & lists.PERSONAL)
            and scan.capital(i - 2)
        )
    if (
        at.bits(i) & lists.ANY_GIVEN
        and scan.lower(i + 1) in cues.JOINS
        and at.bits(i + 2) & lists.ANY_GIVEN
        and scan.capital(i + 2)
        and not scan.opens(i)
    ):
        return True
    if one == "especially" or one in ("gặp", "tên", "gap", "ten"):
        return bool(at.bits(i) & lists.PERSONAL)
    return False
