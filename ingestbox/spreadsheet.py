"""Files for spreadsheets: cells that none of them takes for formulas, lines of CSV, and a download's name.

A cell that begins with `=`, `+`, `-`, `@`, a tab or a newline gets an apostrophe before it, a telephone
number such as `+84 905 123 456` too: a spreadsheet would otherwise calculate with it, and save it without its
plus. One that already begins with apostrophes before such a character gets one more, so that taking one away
gives back every cell exactly. Light: child processes import it.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import AsyncIterator, Iterable, Sequence
from urllib.parse import quote

from ingestbox.route import Reply

CSV = "text/csv; charset=utf-8"

MOST_NAME, MOST_STEM = 150, 120
"""Characters of a download's name, and of the name of the file that it begins with."""

_MARK = "'"
# Blanks before it do not keep every spreadsheet from calculating; so for the wide forms of East Asia.
_RISKY = re.compile(r"'*[ \u00a0\u3000]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_GUARDED = re.compile(r"'" + _RISKY.pattern)


def guarded(cell: str) -> str:
    """The cell as it goes out.

    >>> guarded("+84 905 123 456"), guarded("'=A1"), guarded("O'Neill")
    ("'+84 905 123 456", "''=A1", "O'Neill")
    """
    return _MARK + cell if _RISKY.match(cell) else cell


def unguarded(cell: str) -> str:
    """The cell as it was: the inverse of `guarded`.

    >>> unguarded("'+84 905 123 456"), unguarded("''=A1"), unguarded("'quoted'")
    ('+84 905 123 456', "'=A1", "'quoted'")
    """
    return cell[1:] if _GUARDED.match(cell) else cell


def text_of(lines: Iterable[Sequence[str]], delimiter: str = ",") -> bytes:
    """Lines of a file (RFC 4180), each cell guarded."""
    made = io.StringIO()
    writer = csv.writer(made, delimiter=delimiter, lineterminator="\r\n")
    writer.writerows([guarded(cell) for cell in line] for line in lines)
    return made.getvalue().encode("utf-8", "replace")


def disposition(name: str) -> str:
    """The Content-Disposition of a download: for old clients in ASCII, for all others as it is (RFC 6266)."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = _cut(re.sub(r"[^A-Za-z0-9._ -]+", "_", plain).strip(" .")) or "export.csv"
    encoded = quote(_cut(name).encode("utf-8", "replace"), safe="")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"


def download(name: str, body: AsyncIterator[bytes]) -> Reply:
    """An answer that a browser keeps as a file of this name."""
    return Reply(body, headers=(("Content-Type", CSV), ("Content-Disposition", disposition(name))))


def name_of(file: str, what: str) -> str:
    """What a download that was made of a file is called."""
    stem = file.rpartition(".")[0] or file
    return f"{stem[:MOST_STEM]}-{what}.csv"


def _cut(name: str) -> str:
    """Of a long name the beginning, and its ending: without that it could not be uploaded."""
    stem, dot, ending = name.rpartition(".")
    return name if len(name) <= MOST_NAME else stem[: MOST_NAME - len(dot + ending)] + dot + ending
