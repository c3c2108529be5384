"""Names beside a noun that says what they are: "Bệnh viện Bạch Mai", "quận 1", "Golden Dragon Restaurant"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ingestbox.enrich.entities import cues
from ingestbox.enrich.entities import gazetteer as lists
from ingestbox.enrich.entities.found import Found
from ingestbox.enrich.entities.gazetteer import ACRONYMS, word_set
from ingestbox.enrich.entities.reader import Reader

_CAPITAL_AFTER: Final = word_set("q quan phuong duong biển ga núi cầu hồ phố")
_ADJECTIVES: Final = word_set(
    "best great first american british french german good asian chinese european royal "
    "indian italian thai japanese"
)
_NUMBERED_STREETS: Final = word_set("street st avenue ave road rd boulevard blvd lane drive way court")
_OF: Final = word_set("university bank ministry department institute college museum church school bureau")
_BUILT: Final = frozenset({"chung cư", "khu đô thị", "kđt", "tòa nhà", "khu dân cư"})
"""Heads of places that are named after the firm that built them."""
_WITHIN: Final = word_set("biển hồ cầu chùa đảo ga núi phố sông làng chợ")
"""Heads that are as often words inside the name of a shop."""
_BEGINS: Final = lists.CAPITALISED | lists.NAME | lists.FIGURE | lists.HEAD | lists.MIXED
"""Without one of these no name follows a head noun."""
_HALVES: Final = word_set(
    "khoa tế thông tải dục tạo chính phòng thương dựng trường hội sự nghệ pháp giao hoạch tư an dân sinh"
)


def headed(at: Reader, i: int) -> Iterator[tuple[Found, int]]:
    """A Vietnamese head noun at word `i` and the name after it."""
    scan = at.scan
    if i and not scan.gap(i) and scan.words[i - 1].isalnum():
        return
    most = 0
    for k in cues.HEAD_LENGTHS.get(scan.lows[i], ()):
        head = " ".join(scan.lows[i : i + k]) if k > 1 else scan.lows[i]
        if head in cues.HEADS:
            most, kind = cues.HEADS[head]
            break
    if not most:
        return
    j = i + k
    if j < scan.n and scan.words[j] == "." and kind == "place" and len(head) <= 2:
        j += 1
    if j >= scan.n or scan.gap(j) > 2 or scan.taken[j] or not scan.flags[j] & _BEGINS:
        return
    if kind == "place":
        if (
            head in _WITHIN
            and scan.capital(i)
            and not at.loud[i]
            and scan.capital(i - 1)
            and scan.gap(i) == 1
        ):
            return  # "Nhà hàng Hải Sản Biển Xanh"
        if (
            scan.words[j].isdigit()
            and head in ("quận", "phường", "q", "quan", "phuong", "quốc lộ", "huyện")
            and len(scan.words[j]) < 3
        ):
            if scan.lower(j + 1) not in ("%", "h"):
                yield at.span(i, j + 1, "LOCATION", 7), j + 1
            return
        if head in _CAPITAL_AFTER and not scan.capital(j):
            return
        hit = at.known(j)
        if hit and hit[1].label == "LOCATION":
            end = hit[0]
        elif (hit and hit[1].label == "ORGANIZATION" and head not in _BUILT) or at.loud[j]:
            return
        else:
            end = at.run(j, most)
        if end > j and (head not in ("q", "quan", "phuong", "tp") or (head == "tp" and scan.capital(i))):
            if (
                head in ("hồ", "cầu", "chùa", "biển", "đảo", "ga", "núi", "phố", "sông")
                and scan.capital(i)
                and not scan.opens(i)
                and scan.lower(j) in ("chí",)
            ):
                return
            start = i if head not in ("đường", "phố") or not (scan.capital(i) and scan.opens(i)) else j
            yield at.span(start, end, "LOCATION", 7), end
        return
    hit = at.known(j)
    if kind == "app":
        if hit and hit[1].label != "LOCATION":
            end = hit[0]
            if at.capital(end) and scan.gap(end) == 1 and not at.loud[j] and not at.bits(end) & lists.STOP:
                end += 1
            yield at.span(j, end, "PRODUCT", 7), end
        elif at.capital(j) and not at.loud[j] and scan.lows[j] not in ACRONYMS:
            end = at.run(j, most)
            yield at.span(j, end, "PRODUCT", 5), end
        return
    if kind == "inside" and at.loud[j] and not hit:
        return
    end = at.run(j, most)
    brand = hit if hit and hit[1].label == "ORGANIZATION" and hit[0] >= end else None
    if kind == "inside":
        placed = False
        if end == j and scan.words[j].isdigit() and head in ("bệnh viện", "bv"):
            end = j + 1
        if head in ("ubnd", "ủy ban nhân dân", "trung tâm y tế", "cục", "chi cục", "công an"):
            for place, stop in headed(at, j):
                if place.label == "LOCATION":
                    end = max(end, stop)
                    placed = True
        if head in (
            "sở",
            "cục",
            "bộ",
            "viện",
            "trung tâm",
            "trường",
            "bệnh viện",
            "chi cục",
            "đại học",
            "trường đại học",
            "tổng cục",
        ):
            end = _lower_tail(at, j, end, most)
        for k in (end, end - 1):
            if (
                j < k < scan.n
                and (more := at.known(k))
                and more[1].label == "LOCATION"
                and more[0] > end
                and scan.gap(k) < 2
            ):
                end = more[0]
                break
        if brand and not scan.capital(i) and head in ("công ty", "tập đoàn", "cty", "nhà thuốc", "cong ty"):
            return
        if end == j and brand:
            end = brand[0]
        if end > j and (
            scan.capital(j) or scan.words[j].isdigit() or scan.words[end - 1][0].isupper() or placed
        ):
            if (
                head in ("bộ", "sở", "cục", "trường", "viện", "thế giới", "điện máy", "hội đồng", "trung tâm")
                and end - j == 1
                and not scan.capital(i)
            ):
                return
            yield at.span(i, end, "ORGANIZATION", 7), end
        return
    if brand or (hit and hit[1].label == "ORGANIZATION"):
        end = max(hit[0], end) if hit and scan.capital(i) and kind == "written" else hit[0] if hit else end
        if kind == "written" and scan.capital(i) and not at.loud[i]:
            yield at.span(i, end, "ORGANIZATION", 7), end
        return
    if end == j or at.loud[j] or at.bits(j) & lists.STOP or scan.lows[j] in ACRONYMS:
        return
    if hit and hit[1].label == "LOCATION" and hit[0] >= end:
        return
    yield at.span(i if kind == "written" else j, end, "ORGANIZATION", 6), end


def _lower_tail(at: Reader, j: int, end: int, most: int) -> int:
    """Through the lower-case words of an office's name up to its last capital ("Sở Giao thông Vận tải")."""
    scan = at.scan
    if end == j or not scan.words[j][0].isupper():
        return end
    last = end
    k = end
    while k < scan.n and k < j + most and scan.words[k].isalpha() and scan.gap(k) == 1 and not scan.taken[k]:
        if scan.words[k][0].isupper():
            last = k + 1
        elif (
            k > last + 1
            or (at.bits(k) & lists.STOP and scan.lows[k] != "và")
            or (scan.lows[k] == "và" and at.bits(k + 1) & lists.HEAD)
        ):
            break
        k += 1
    # "Giao thông", "Bách khoa": the second half of a word is not capitalised.
    if last < scan.n and scan.lows[last] in _HALVES and scan.gap(last) == 1:
        last += 1
    return last


def suffixed(at: Reader, i: int) -> Found | None:
    """A name that ends with word `i` ("Bank", "Street"), or stands around "of" after it."""
    scan = at.scan
    if not at.capital(i) or at.loud[i]:
        return None
    bits = at.bits(i)
    start = i
    while start > 0 and i - start < 5:
        k = start - 1
        if scan.gap(start) > 2 or scan.taken[k]:
            break
        if at.capital(k) and scan.words[k][-1].isalpha() and (len(scan.words[k]) > 1):
            if at.bits(k) & lists.STOP and not (scan.lows[k] in _ADJECTIVES and k > 0 and not scan.opens(k)):
                break
            start = k
        elif (
            scan.words[k] in ("'", "&", "-", ".")
            and k > 0
            and at.capital(k - 1)
            and not (scan.words[k] == "." and len(scan.words[k - 1]) > 3)
        ):
            start = k - 1
        elif scan.lows[k] == "s" and k > 1 and scan.words[k - 1] == "'" and at.capital(k - 2):
            start = k - 2
        else:
            break
    if bits & lists.PLACE_TAIL and (not bits & lists.ORG_TAIL):
        if k_digit := (
            start > 0
            and scan.words[start - 1].isdigit()
            and len(scan.words[start - 1]) < 6
            and scan.gap(start) == 1
            and not scan.taken[start - 1]
        ):
            if scan.lows[i] in _NUMBERED_STREETS:
                start -= int(k_digit)
        elif (
            start > 1 and scan.lows[start - 1] in ("st", "nd", "rd", "th") and scan.words[start - 2].isdigit()
        ):
            start -= 2
        if (start < i and scan.lows[i] not in ("st", "way", "court")) or start < i - 1:
            return at.span(start, i + 1, "LOCATION", 6)
        return None
    if start < i:
        end = i + 1
        if scan.lower(end) in ("of", "for") and at.capital(end + 1):
            end = at.run(end + 1, 3)
        elif scan.words[end : end + 1] == ["&"] and at.capital(end + 1):
            end += 2
        elif scan.lower(end) == "." and scan.lows[i] in ("inc", "ltd", "co", "corp"):
            end += 0
        rank = 5 if scan.lows[i] in cues.ORG_TAILS_WEAK else 6
        if not (
            rank == 5 and scan.opens(start) and i - start < 2 and not at.bits(start) & lists.NAME
        ) and not (i - start == 1 and (scan.lows[start] in ACRONYMS or scan.lows[start] in cues.NUMBERED)):
            return at.span(start, end, "ORGANIZATION", rank)
    elif scan.lower(i + 1) == "of" and at.capital(i + 2) and scan.lows[i] in _OF:
        end = at.run(i + 2, 3)
        return at.span(i, end, "ORGANIZATION", 7)
    return None


def placed(at: Reader, i: int) -> Found | None:
    """A place that begins with its noun, as in "Lake Como" or "Port Arthur"; no part of a longer name."""
    scan = at.scan
    if not at.capital(i) or at.loud[i] or at.capital(i + 1) is False or scan.gap(i + 1) != 1:
        return None
    if i and at.capital(i - 1) and scan.gap(i) == 1 and not scan.opens(i):
        return None
    end = at.run(i + 1, 2)
    if at.bits(i + 1) & (lists.STOP | lists.ORG_TAIL) or at.bits(end - 1) & (lists.ORG_TAIL | lists.STOP):
        return None
    return at.span(i, end, "LOCATION", 5)
