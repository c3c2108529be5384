"""An article's text without what is around it: markup, menus, buttons, notices (contract: knowledge,
Processing 1). What was sent is never touched."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from ingestbox.enrich import boilerplate, markup
from ingestbox.enrich.folding import UNSEEN, nfc

RULES: Final = f"cleaning/1 {markup.RULES} {boilerplate.RULES}"
"""Version of the rules and lists, for lineage: it changes whenever an answer can."""

_LEAST: Final = 0.1
_PARAGRAPHS: Final = re.compile(r"\n{3,}")
_CONTROLS: Final = re.compile("[\x00-\x08\x0e-\x1f\x7f]")


class Cleaned(msgspec.Struct, frozen=True):
    """A text as it is read on; `removed` counts the characters that went, by why: `markup` (tags, and what
    is in scripts), `navigation` (elements of a page that are not the article), `boilerplate`, `unseen`
    (characters that take no room) and `white_space`; letters that were composed count nowhere. `spared`
    says that navigation or boilerplate stays because next to nothing would have stayed without it."""

    text: str
    removed: dict[str, int]
    spared: bool = False


def clean(content: str) -> Cleaned:
    """The text of an article: composed (NFC), paragraphs apart by an empty line, no two blanks together.

    Never empty unless `content` is blank. Linear in its length.
    """
    page = markup.plain(content)
    seen = _CONTROLS.sub("", UNSEEN.sub("", page.text))
    tidy = _tidied(nfc(seen))
    kept = boilerplate.without(tidy)
    spared = page.spared
    if len(kept) < _LEAST * len(tidy):
        kept, spared = tidy, True
    text = _tidied(kept)
    removed = {
        "markup": len(content) - len(page.text) - page.left_out,
        "navigation": page.left_out,
        "unseen": len(page.text) - len(seen),
        "white_space": len(seen) - len(tidy),
        "boilerplate": len(tidy) - len(text),
    }
    return Cleaned(text, {why: count for why, count in removed.items() if count > 0}, spared)


def _tidied(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n\n")
    text = "\n".join([" ".join(line.split()) for line in text.split("\n")])
    return (_PARAGRAPHS.sub("\n\n", text) if "\n\n\n" in text else text).strip()
