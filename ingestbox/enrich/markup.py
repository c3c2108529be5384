"""From HTML to the text that a reader of the page would see.

A scanner of its own, and no tree: parsers that build one take quadratic time for pages that nobody wrote by
hand (200,000 nested elements, as many attributes), and the hash of a text must not change with their
versions. Every character is looked at a bounded number of times.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from ingestbox.enrich.wordlists import words

RULES: Final = "markup/1"
"""Version of the rules, which changes whenever an answer can."""

_RAW: Final = frozenset(words("script style template textarea iframe noembed noframes xmp"))
"""Elements whose content is no text; it ends where they are closed, whatever stands in it."""

_ALWAYS: Final = frozenset(
    words("nav footer select button svg canvas audio video object dialog menu noscript")
)
"""Elements that are left out with all that is in them."""

_MOSTLY: Final = frozenset(words("header aside form"))
"""Elements that are left out unless most of the text is in them: whole pages stand in a form."""

_OUT: Final = _ALWAYS | _MOSTLY

_PARAGRAPHS: Final = frozenset(
    words(
        "address article aside blockquote body center details dialog dd div dl dt fieldset figcaption figure "
        "footer form h1 h2 h3 h4 h5 h6 header hgroup hr html main nav ol p pre section summary table ul title"
    )
)
"""Elements before and after which a paragraph ends."""

_LINES: Final = frozenset(words("br li option tr caption thead tbody tfoot"))
"""Elements before and after which a line ends."""

_CELLS: Final = frozenset(words("td th"))

_INLINE: Final = frozenset(
    words(
        "a abbr b bdi bdo big cite code data del dfn em font i img input ins kbd label link mark meta "
        "picture q s samp small source span strike strong sub sup time tt u var wbr head "
        "base col colgroup param"
    )
)
_KNOWN: Final = _RAW | _OUT | _PARAGRAPHS | _LINES | _CELLS | _INLINE
_NAMES: Final = "|".join(sorted(_KNOWN))

_TAG: Final = re.compile(r"<(?:(/?)([A-Za-z][A-Za-z0-9:_-]{0,63})(?=[\s/>])|!--|[!?])")
_STOP: Final = re.compile("[<>\"']")
_BLANKS: Final = re.compile(r"\s+")
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,8};?|#[xX][0-9a-fA-F]{1,8};?|[A-Za-z][A-Za-z0-9]{1,31};)")
_SIGN: Final = re.compile(
    rf"<!doctype\s+html|</(?:{_NAMES})\s*>|<(?:br|hr)\s*/?>"
    rf"|<(?:{_NAMES})(?:\s+[a-z-]+\s*=\s*[\"'][^\"'<>]*[\"'])+\s*/?>",
    re.IGNORECASE,
)
_LEAST: Final = 0.1
"""What has to stay of the text at least; otherwise nothing is left out of it."""


class Plain(NamedTuple):
    """The text of a page, with its paragraphs and lines apart; the characters of it that were left out with
    navigation and the like; and whether those were spared, for too little would have stayed."""

    text: str
    left_out: int
    spared: bool


def is_html(content: str) -> bool:
    """Whether a text is HTML: it closes an element of HTML, breaks a line, or has attributes. `a < b`, `<3`
    and `<name@example.com>` are none of these."""
    return "<" in content and _SIGN.search(content) is not None


def plain(content: str) -> Plain:
    """The text of HTML: scripts and styles, navigation, forms and the like left out, entities decoded.

    Text that is no HTML comes back as it is. Never empty where `content` has any text. Linear in its length.
    """
    if not is_html(content):
        return Plain(content, 0, False)
    pieces, spans = _scan(content)
    whole = sum(map(_weight, pieces))
    if not whole:
        return Plain(content, 0, True)
    kept = _without(pieces, spans, whole)
    weight = sum(map(_weight, kept))
    if weight < _LEAST * whole:
        return Plain("".join(pieces), 0, True)
    return Plain("".join(kept), whole - weight, False)


def _weight(piece: str) -> int:
    return 0 if piece.isspace() else len(piece)


class _Span(NamedTuple):
    """An element that may be left out: its name, and its pieces."""

    name: str
    first: int
    beyond: int


def _without(pieces: list[str], spans: list[_Span], whole: int) -> list[str]:
    sums = [0]
    for piece in pieces:
        sums.append(sums[-1] + _weight(piece))
    kept: list[str] = []
    place = 0
    for span in sorted(spans, key=lambda span: (span.first, -span.beyond)):
        if span.first < place:  # inside of one that is left out
            continue
        if span.name in _MOSTLY and sums[span.beyond] - sums[span.first] > whole / 2:
            continue
        kept += pieces[place : span.first]
        kept.append("\n\n")
        place = span.beyond
    kept += pieces[place:]
    return kept


def _scan(content: str) -> tuple[list[str], list[_Span]]:
    """The text in pieces, and which of them lie in elements that may be left out.

    An element that is never closed is not left out.
    """
    pieces: list[str] = []
    spans: list[_Span] = []
    opened: list[tuple[str, int]] = []
    depth: dict[str, int] = {}
    begins = True  # a line
    for text, closes, name in _tokens(content):
        if text:
            pieces.append(text)
            begins = begins and text == " "
        if name in _PARAGRAPHS:
            pieces.append("\n\n")
            begins = True
        elif name == "br" or (name in _LINES and not begins):
            pieces.append("\n")
            begins = True
        elif name in _CELLS:
            pieces.append(" ")
        if name not in _OUT:
            continue
        if not closes:
            opened.append((name, len(pieces)))
            depth[name] = depth.get(name, 0) + 1
        elif depth.get(name):
            while True:
                each, first = opened.pop()
                depth[each] -= 1
                if each == name:
                    spans.append(_Span(name, first, len(pieces)))
                    break
    return pieces, spans


def _tokens(content: str) -> Iterator[tuple[str, bool, str]]:
    """Text, and the tag behind it: whether it closes, and its name in lower case."""
    missing: set[str] = set()  # what does not come any more, so that it is looked for once
    place = 0  # the text from here on has not been given out
    found = _TAG.search(content)
    while found is not None:
        start = found.start()
        name = (found[2] or "").lower()
        if name:
            end, resume = _end_of_tag(content, found.end(), missing)
        else:
            closing = "-->" if found[0] == "<!--" else ">"
            end = _find(content, closing, found.end(), missing)
            resume = found.end()
        if end < 0:  # no tag after all
            found = _TAG.search(content, resume)
            continue
        yield _text(content[place:start]), bool(found[1]), name
        place = end
        if name in _RAW and not found[1] and content[end - 2] != "/":
            place = _raw_end(content, name, end)
        found = _TAG.search(content, place)
    if place < len(content):
        yield _text(content[place:]), False, ""


def _find(content: str, what: str, start: int, missing: set[str]) -> int:
    """Where the next `what` ends; -1 if there is none."""
    if what in missing:
        return -1
    found = content.find(what, start)
    if found < 0:
        missing.add(what)
        return -1
    return found + len(what)


def _end_of_tag(content: str, place: int, missing: set[str]) -> tuple[int, int]:
    """Where a tag ends whose name ends at `place`, -1 if it does not; and from where on to look for tags
    then: what was looked at here is not looked at again."""
    while (stop := _STOP.search(content, place)) is not None:
        place = stop.end()
        if stop[0] == ">":
            return place, place
        if stop[0] == "<":
            return -1, stop.start()
        # A value begins behind an equals sign; any other quotation mark is a slip, and no reason to read on.
        if content[stop.start() - 1] == "=" or content[stop.start() - 1].isspace():
            closed = _find(content, stop[0], place, missing)
            if closed > 0:
                place = closed
    return -1, len(content)


def _raw_end(content: str, name: str, place: int) -> int:
    """Where the tag begins that closes the element `name`; without one, the end of everything."""
    found = re.compile(rf"</{name}[\s/>]", re.IGNORECASE).search(content, place)
    return len(content) if found is None else found.start()


class _Entities(dict[str, str]):
    """What stands for each entity, found once; bounded, for there are a million numbers."""

    def __missing__(self, entity: str) -> str:
        text = html.unescape(entity)
        if len(self) < 4096:
            self[entity] = text
        return text


_entities: Final = _Entities()


def _text(piece: str) -> str:
    """A piece of text as it is read: white space of the source is one blank, entities are what they stand
    for."""
    if not piece:
        return ""
    piece = _BLANKS.sub(" ", piece)
    if "&" not in piece:
        return piece
    return _ENTITY.sub(lambda found: _entities[found[0]], piece)
