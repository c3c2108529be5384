"""What a person should know about a file, in sentences."""

from __future__ import annotations

from collections.abc import Mapping

from ingestbox.tabular import legacy
from ingestbox.tabular.dialect import Dialect
from ingestbox.tabular.encoding import Encoding
from ingestbox.tabular.rows import Tally
from ingestbox.tabular.shapes import Notice

UNSURE_DIALECT = 0.5
"""Below this confidence, delimiter and quotes are to be looked at."""
UNLIKE_HEADER = 0.25
"""Below this, what stands where a header should be looks like data."""

TALLIES = {
    "missing_cells": "Rows with fewer cells than the header; the missing ones are empty.",
    "stray_quote": "Rows with quotes inside quoted cells that are not doubled; they are taken as text.",
    "second_encoding": "Rows in another encoding than the rest of the file; each was read in its own.",
}
"""By the codes under which rows are counted."""


def of_encoding(found: Encoding) -> list[Notice]:
    """What is assumed about the encoding."""
    notices = []
    if found.evidence == "detected" and found.name != "utf-8":
        notices.append(Notice("encoding_detected", f"The encoding was guessed by the letters: {found.name}."))
    if found.confidence < legacy.UNSURE:
        notices.append(
            Notice(
                "encoding_uncertain",
                "The encoding is uncertain: look at the first rows, and give the right one.",
            )
        )
    if "cp1258" in (found.name, found.second):
        notices.append(Notice("composed", "Letters and tone marks are put together (Unicode NFC)."))
    if found.odd_lines:
        name, second = found.name, found.second
        rest = f"they are read as {second}" if second else "rows with them are refused"
        notices.append(
            Notice("mixed_encodings", f"Lines that are not {name}; {rest}.", found.odd_lines, found.odd_at)
        )
    if found.twice:
        notices.append(
            Notice(
                "encoded_twice",
                "Text that seems to be encoded twice, such as Ã© for é; it is left as it is.",
                found.twice,
                found.twice_at,
            )
        )
    return notices


def of_dialect(way: Dialect, twice: list[str], made: list[str], line: int) -> list[Notice]:
    """What is assumed about delimiter and header, which stands on `line` (0: there is none)."""
    notices = []
    if way.named:
        notices.append(
            Notice("delimiter_named", f"The file itself says that cells end with {way.delimiter!r}.")
        )
    if way.confidence < UNSURE_DIALECT:
        notices.append(
            Notice("dialect_uncertain", "How cells are divided is uncertain: look at the first rows.")
        )
    if not line:
        return [*notices, Notice("header_made", "The file has no header; its columns are numbered.")]
    if way.preamble:
        notices.append(Notice("preamble", "Rows above the header are left out.", way.preamble))
    if way.likeness < UNLIKE_HEADER:
        notices.append(Notice("header_unlikely", "The header looks like data; it may be missing.", 1, [line]))
    if twice:
        names = ", ".join(repr(name) for name in twice[:10])
        notices.append(
            Notice("duplicate_columns", f"Columns with the same name got a number: {names}.", len(twice))
        )
    if made:
        notices.append(
            Notice("unnamed_columns", "Columns without a name are called by their place.", len(made))
        )
    return notices


def of_rows(tallies: Mapping[str, Tally]) -> list[Notice]:
    """What was met in the rows."""
    return [Notice(code, TALLIES[code], tally.count, tally.lines) for code, tally in tallies.items()]
