"""Writes docs/configuration.md anew below its mark, from the settings' own descriptions. Run: make docs."""

from __future__ import annotations

from pathlib import Path

from ingestbox.config import reference

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
MARK = "<!-- From here on written by `make docs`. -->\n\n"


def page() -> str:
    """The page as it has to be: the text above the mark as it is, the reference below."""
    head, _, _ = PAGE.read_text("utf-8").partition(MARK)
    return head + MARK + reference()


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
