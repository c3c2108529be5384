"""Pages and robots.txt of strangers are read in a child process: what hangs or ends it there hurts nobody."""

from __future__ import annotations

import codecs
import math
import re
from typing import Any

import msgspec

MOST_FOUND = 1_000
MOST_SAMPLE = 200

LEAST_TEXT = 100
"""Characters; a page with less has no content of its own, or makes it by a script."""

_LANGUAGE_TEXT = 20_000
_HEAD_BYTES = 4_096
_META = re.compile(rb"<meta[^>]{1,500}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_HEADER = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_SPACE = re.compile(r"\s+")
_NO_TEXT = ["script", "style", "noscript", "template", "svg"]


class Page(msgspec.Struct, frozen=True):
    """A page as it came, and the selectors that are tried on it: lists of texts by their kind."""

    body: bytes
    content_type: str
    selectors: dict[str, list[str]]


class Chosen(msgspec.Struct, frozen=True):
    """What selectors of one kind choose; `invalid` is the first that is none."""

    found: int
    sample: str
    invalid: str | None


class Findings(msgspec.Struct, frozen=True):
    """What there is on a page. `characters` of text; `robots` is what the page itself says to crawlers;
    `language` is that of its text, if there is enough."""

    chosen: dict[str, Chosen]
    characters: int
    robots: str
    language: str | None


class RobotsText(msgspec.Struct, frozen=True):
    """A robots.txt, and what is asked of it."""

    text: bytes
    url: str
    agent: str


class Permission(msgspec.Struct, frozen=True):
    """Whether a page may be fetched, and the seconds between two of them, if it says so."""

    allowed: bool
    delay: float | None


def look(data: bytes) -> bytes:
    """The Findings of a Page; both are msgpack."""
    from selectolax.lexbor import LexborHTMLParser

    page = msgspec.msgpack.decode(data, type=Page)
    tree = LexborHTMLParser(decoded(page.body, page.content_type))
    chosen = {kind: _choose(tree, lists) for kind, lists in page.selectors.items()}
    said = [each.attributes.get("content") or "" for each in tree.css('meta[name="robots" i]')[:10]]
    tree.strip_tags(_NO_TEXT)
    text = _plain(tree.body.text(deep=True, separator=" ")) if tree.body is not None else ""
    return msgspec.msgpack.encode(Findings(chosen, len(text), ",".join(said)[:500], _language(text)))


def permission(data: bytes) -> bytes:
    """The Permission of a RobotsText (RFC 9309); both are msgpack."""
    from protego import Protego

    asked = msgspec.msgpack.decode(data, type=RobotsText)
    robots = Protego.parse(asked.text.decode("utf-8", "replace").removeprefix("\ufeff"))
    delays = [robots.crawl_delay(asked.agent)]
    if (rate := robots.request_rate(asked.agent)) is not None and rate.requests:
        delays.append(rate.seconds / rate.requests)
    known = [float(each) for each in delays if each is not None and math.isfinite(each) and each > 0]
    allowed = bool(robots.can_fetch(asked.url, asked.agent))
    return msgspec.msgpack.encode(Permission(allowed, min(max(known), 86_400.0) if known else None))


def decoded(body: bytes, content_type: str) -> str:
    """The text of a page: by its mark, its header, what it says itself; otherwise UTF-8. It never fails."""
    for mark, name in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace")
    header, meta = _HEADER.search(content_type), _META.search(body[:_HEAD_BYTES])
    for label in (header[1] if header else "", meta[1].decode("ascii") if meta else ""):
        codec = _codec(label) if label else None
        if codec is not None:
            return body.decode(codec, "replace")
    return body.decode("utf-8", "replace")


def _codec(label: str) -> str | None:
    """The name of a text encoding of the web. Those that decode to other things, or run, are none."""
    try:
        name = codecs.lookup(label).name
    except LookupError:
        return None
    if name in ("iso8859-1", "ascii"):
        return "cp1252"  # WHATWG Encoding, section 4.2
    usual = (
        "utf-8",
        "utf-16",
        "cp125",
        "iso8859-",
        "gb",
        "big5",
        "euc",
        "shift_jis",
        "iso2022_jp",
        "koi8",
        "tis",
    )
    return name if name.startswith(usual) else None


def _choose(tree: Any, lists: list[str]) -> Chosen:
    from selectolax.lexbor import SelectolaxError

    found, sample = 0, ""
    for selector in lists:
        try:
            nodes = tree.css(selector)
        except (SelectolaxError, ValueError):
            return Chosen(0, "", selector)
        found = min(found + len(nodes), MOST_FOUND)
        for node in nodes[:10]:
            if not sample:
                sample = _told(node)
    return Chosen(found, sample, None)


def _told(node: Any) -> str:
    """What an element says, or what it has in the attributes where dates and authors are kept."""
    said = _plain(node.text(deep=True, separator=" "))
    attributes = node.attributes
    return str(said or attributes.get("content") or attributes.get("datetime") or "")[:MOST_SAMPLE]


def _plain(text: str) -> str:
    return _SPACE.sub(" ", text).strip()


def _language(text: str) -> str | None:
    from ingestbox.enrich.language import language

    return language(text[:_LANGUAGE_TEXT]).code if len(text) >= LEAST_TEXT else None
