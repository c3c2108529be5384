"""How values look on a page, whatever is in them. What came from outside is shown as text, and as all of it.

Characters that nobody sees but that change what a line seems to say (control characters, marks that turn the
direction of writing: Unicode Technical Report 36) are shown by their numbers.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from markupsafe import Markup, escape

from ingestbox import amounts

UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]"
)
"""Characters without a look of their own; tab and line feed are none of them."""

CLIPPED = 240
"""Characters of a text that a list shows."""


def text(value: object, limit: int | None = None) -> Markup:
    """A value as inert text, in a direction of its own; cut after `limit` characters, if one is given."""
    whole = "" if value is None else str(value)
    cut = limit is not None and len(whole) > limit
    shown = inert(whole[:limit] if cut else whole)
    return Markup('<bdi class="text">{}{}</bdi>').format(shown, "…" if cut else "")


def inert(value: str) -> Markup:
    """A part of such a text, in the direction of what is around it."""
    return Markup(UNSEEN.sub(_named, str(escape(value))))  # noqa: S704 (it is escaped)


def label(value: object, limit: int = 80) -> str:
    """A value as a title or a label has it, where there are no elements: cut when it is long."""
    whole = "" if value is None else str(value)
    shown = UNSEEN.sub(lambda found: f"U+{ord(found[0]):04X}", whole[:limit])
    return shown + ("…" if len(whole) > limit else "")


def clip(value: object) -> Markup:
    """A value as a list shows it: cut when it is long."""
    return text(value, CLIPPED)


def number(value: float) -> str:
    """A number with its thousands separated."""
    return f"{value:,}"


def percent(value: float) -> str:
    """A share from 0 to 1, in per cent; never 100 % before it is whole, nor 0 % when there is something."""
    if 0 < value < 0.01:
        return "<1 %"
    return f"{int(value * 100)} %"


def when(value: str | None) -> Markup:
    """A moment (ISO 8601, UTC) as an element that the browser puts into the reader's zone; without scripts it
    says UTC."""
    if not value:
        return Markup('<span class="none">–</span>')
    moment = datetime.fromisoformat(value).astimezone(UTC)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        value, f"{moment:%Y-%m-%d %H:%M:%S} UTC", f"{moment:%Y-%m-%d %H:%M} UTC"
    )


def moment(value: object) -> Markup:
    """The same of what may be none: then it is a text."""
    try:
        return when(str(value))
    except (ValueError, OverflowError):
        return text(value)


def link(value: object) -> Markup:
    """An address elsewhere, to be followed if it is one of the web's; else it is a text like any other. The
    other site is not told where its visitor comes from."""
    try:
        parts = urlsplit(str(value))
        web = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        web = False
    if not web:
        return clip(value)
    return Markup('<a href="{}" rel="noopener noreferrer external">{}</a>').format(str(value), clip(value))


def segment(value: object) -> str:
    """A value as one segment of a path."""
    return quote(str(value), safe="")


def _named(found: re.Match[str]) -> str:
    return f'<span class="unseen">U+{ord(found[0]):04X}</span>'


FILTERS = {
    "text": text,
    "clip": clip,
    "label": label,
    "number": number,
    "percent": percent,
    "size": amounts.size,
    "age": amounts.age,
    "when": when,
    "moment": moment,
    "inert": inert,
    "link": link,
    "segment": segment,
}
"""The filters of templates, by name."""
