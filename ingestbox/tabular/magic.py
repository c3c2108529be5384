"""Files that are no tables, by how they begin."""

from __future__ import annotations

import re

from ingestbox.tabular.problem import NotTabular

KINDS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel file of the old form, or one with a password"),
    (b"%PDF-", "a PDF document"),
    (b"\x1f\x8b", "compressed (gzip)"),
    (b"\x28\xb5\x2f\xfd", "compressed (zstd)"),
    (b"BZh", "compressed (bzip2)"),
    (b"\xfd7zXZ\x00", "compressed (xz)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"SQLite format 3\x00", "a SQLite database"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90\x00", "a program"),
    (b"PAR1", "a Parquet file"),
    (b"{\\rtf", "a text document (RTF)"),
)
_MARKUP = re.compile(rb"\s*<(?:!doctype|html|\?xml|table|svg)[\s>]", re.IGNORECASE)
_JSON = re.compile(rb"\s*(?:\[\s*)?\{\s*\"[^\"\r\n]{0,200}\"\s*:")
CONTROL_SHARE = 0.02
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\x0b\x0c\x1a\x1b")) + b"\x7f"


def refuse(head: bytes) -> None:
    """Says what a file is that begins like no table.

    Raises:
        NotTabular: it begins with the mark of another kind of file.
    """
    for mark, kind in KINDS:
        if head.startswith(mark):
            raise NotTabular("binary_file", f"The file is {kind}, and no table.")
    text = head.removeprefix(b"\xef\xbb\xbf")
    if _MARKUP.match(text):
        raise NotTabular("not_a_table", "The file is a web page or XML, and no table.", 1)
    if _JSON.match(text):
        raise NotTabular("not_a_table", "The file is JSON, and no table.", 1)


def refuse_controls(head: bytes) -> None:
    """Refuses what has control characters as no text has.

    Raises:
        NotTabular: there are many.
    """
    controls = len(head) - len(head.translate(None, _CONTROLS))
    if controls > CONTROL_SHARE * len(head) and b"\0" not in head:
        raise NotTabular("binary_file", "The file has many control characters: it is no text.")
