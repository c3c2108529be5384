"""What full text finds a contact by. Light: child processes import it."""

from __future__ import annotations

from typing import Final

from ingestbox.enrich.folding import fold, nfc
from ingestbox.enrich.searched import FACET, entry, folded, written

OWNER: Final = "o"
WORKSPACE: Final = "w"
COMPANY: Final = "c"
IMPORT: Final = "i"
MADE_BY: Final = "m"
EVERY: Final = "x"
"""What begins the words that are no words: those of an owner, a workspace, a company, the import that a
contact was last made of, the one that made it (if it is the same); and that of every contact."""

MOST_KEY: Final = 200
"""Characters of a company by which it is compared."""


def company_key(company: str) -> str:
    """What companies are compared by, as one word: case, diacritics and punctuation do not matter.

    >>> company_key("Müller & Söhne GmbH"), company_key(""), company_key("***")
    ('muller_sohne_gmbh', '', '_2a2a2a')
    """
    words = folded(written(company[: 4 * MOST_KEY]))
    if words:
        return "_".join(words)[:MOST_KEY].rstrip("_")
    bare = fold(nfc(company.strip()))[:MOST_KEY].encode("utf-8", "replace").hex()
    return f"_{bare}"[:MOST_KEY] if bare else ""


def words(email: str, first_name: str, last_name: str, company: str) -> dict[str, str]:
    """The values `title` and `body` of `put_contact` (`enrich.searched.entry`)."""
    title, body = entry([[email, first_name, last_name], [company]])
    key = company_key(company)
    return {"title": f"{title} {FACET}{COMPANY}{key}" if key else title, "body": body}
