"""The names of the lists where they stand in a text, with what belongs to them.

A maker's name is an ORGANIZATION by itself ("from Samsung") and the beginning of a PRODUCT where a line, a model or
a device follows ("Samsung TV", "Dell XPS 13"). An app or a service one uses is a PRODUCT ("Zalo", "Google Maps"), the
firm that runs it and shops one deals with are ORGANIZATIONs ("Shopee", "Netflix"); "app" before or after turns a firm
into a PRODUCT. A generic noun belongs to a place ("đường Lê Lợi", "Main Street"), to hospitals, schools and offices.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ingestbox.enrich.entities import cues
from ingestbox.enrich.entities import gazetteer as lists
from ingestbox.enrich.entities.found import Found
from ingestbox.enrich.entities.gazetteer import NAMES, word_set
from ingestbox.enrich.entities.reader import MODEL, Reader

_STREETS_BEFORE: Final = word_set("đường phố số ở tại trên ngõ hẻm góc gần ngã")


def gazetteer(at: Reader, i: int) -> Iterator[tuple[Found, int]]:
    """A name of the lists at word `i`, with what belongs to it; and the word after it."""
    hit = at.known(i)
    if hit is None:
        # "galaxy s24": the model's code says as much as a capital.
        line = NAMES.get(at.scan.lows[i])
        if line is not None and line.section == "lines" and i + 1 < at.scan.n and line.case == lists.CAPITAL:
            tail = at.model_tail(i + 1)
            if tail > i + 2 and at.scan.gap(i + 1) == 1 and any(map(str.isdigit, at.scan.words[i + 2])):
                yield at.span(i, tail, "PRODUCT", 6), tail
        return
    end, name = hit
    scan = at.scan
    label = name.label
    before = scan.lower(i - 1)
    rank = 6
    if name.section == "streets":
        if at.titled(i) or (
            before not in _STREETS_BEFORE
            and not before.isdigit()
            and at.language == "vi"
            and scan.lower(end) in cues.DOES
        ):
            return
        if (
            before.isdigit()
            and not scan.taken[i - 1]
            and scan.gap(i) == 1
            and scan.lower(i - 2) not in ("tháng", "quận", "phường")
        ):
            i -= 1
    elif name.section == "makers":
        tail = _product_tail(at, i, end)
        if tail > end:
            end, label, rank = tail, "PRODUCT", 7
    elif name.section == "lines":
        end = at.model_tail(end)
        rank = 7
    elif name.section == "systems":
        end = at.model_tail(end)
    elif (
        name.section in ("vietnam", "cities", "regions")
        and end < scan.n
        and scan.lower(end) in ("city", "province")
        and at.capital(end)
    ):
        end += 1
    if name.section in ("regions", "cities") and before in cues.GOODS_VI and at.language == "vi":
        label = "ORGANIZATION"  # "tủ đông Alaska"
    if label == "ORGANIZATION":
        if scan.lower(end) in ("app", "apps") or (
            (before == "app" or (before == "dụng" and scan.lower(i - 2) == "ứng"))
            and name.section in ("shops", "banks", "tech")
        ):
            label = "PRODUCT"
            if before in ("app", "dụng") and at.capital(end) and scan.gap(end) == 1 and not at.loud[i]:
                end += 1
        elif end < scan.n and scan.gap(end) == 1 and (more := at.known(end)) and more[1].label == "PRODUCT":
            end, label, rank = at.model_tail(more[0]), "PRODUCT", 7
        else:
            while at.capital(end) and at.bits(end) & lists.ORG_TAIL and scan.gap(end) == 1 and not at.loud[i]:
                end += 1
    if (
        label == "LOCATION"
        and at.capital(end)
        and scan.gap(end) == 1
        and not at.loud[i]
        and at.bits(end) & (lists.ORG_TAIL | lists.PLACE_TAIL)
    ):
        label = "ORGANIZATION" if at.bits(end) & lists.ORG_TAIL else "LOCATION"
        end += 1
        while at.capital(end) and at.bits(end) & lists.ORG_TAIL and scan.gap(end) == 1:
            label = "ORGANIZATION"
            end += 1
    if scan.lows[end - 1] == "washington" and scan.lows[end : end + 4] == [",", "d", ".", "c"]:
        end += 4 + (scan.lower(end + 4) == ".")
    yield at.span(i, end, label, rank), end


def _product_tail(at: Reader, i: int, end: int) -> int:
    """The word after the product that a maker's name begins, or `end` if it begins none."""
    scan = at.scan
    if end >= scan.n or scan.gap(end) != 1 or scan.taken[end]:
        return end
    hit = at.known(end)
    if hit and hit[1].section in ("lines", "systems"):
        return at.model_tail(hit[0])
    low = scan.lows[end]
    line = NAMES.get(low)
    if line is not None and line.section == "lines" and len(low) > 2 and not at.bits(end) & lists.STOP:
        tail = at.model_tail(end + 1)
        if tail > end + 1 or scan.capital(end):
            return tail
    if low in cues.DEVICES and at.language != "vi":
        return end + 1
    if end + 1 < scan.n and f"{low} {scan.lows[end + 1]}" in cues.DEVICES_2:
        return end + 2
    j = end
    while (
        j < end + 3
        and at.capital(j)
        and scan.gap(j) == 1
        and not at.bits(j) & (lists.STOP | lists.ORG_TAIL)
        and scan.words[j].isalpha()
        and not at.loud[j]
    ):
        if MODEL.match(scan.text, scan.starts[j]):
            break
        j += 1
    tail = at.model_tail(j)
    if tail > j and (
        j > end
        or any(char.isalpha() for char in scan.text[scan.starts[end] : scan.ends[tail - 1]])
        or low in cues.MODELS
    ):
        return tail
    if j > end and scan.lows[j - 1] in cues.DEVICES:
        return j
    return end
