"""What the sender of a file says of it: `?encoding=`, `?delimiter=`, `?mapping=`. What is not said is found
out."""

from __future__ import annotations

from collections.abc import Mapping

from ingestbox import strictjson
from ingestbox.errors import IngestError
from ingestbox.route import Parameter
from ingestbox.tabular import NotTabular
from ingestbox.tabular.encoding import named

_NAMES = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|", "space": " ", "none": ""}

PARAMETERS = (
    Parameter(
        "encoding",
        "The file's encoding, if it is known: `utf-8`, `windows-1258`, `shift_jis`, `utf-16` … Rows that are "
        "not in it wait as issues. Without it, it is found out. A workbook carries its own.",
    ),
    Parameter(
        "delimiter",
        "What stands between two cells, if it is known: `comma`, `semicolon`, `tab`, `pipe`, `space`, `none` "
        "for a file of one column, or another character of ASCII itself. Without it, it is found out.",
    ),
)


def encoding(query: Mapping[str, str]) -> str | None:
    """The encoding that is said, as the codec is called; None without one.

    Raises IngestError `bad_parameter`.
    """
    given = query.get("encoding", "").strip()
    if not given:
        return None
    try:
        named(given)
    except NotTabular as problem:
        raise IngestError("bad_parameter", f"encoding: {problem.sentence}") from None
    return given


def delimiter(query: Mapping[str, str]) -> str | None:
    """The delimiter that is said: empty for a file of one column, None without one.

    Raises IngestError `bad_parameter`.
    """
    given = query.get("delimiter", "")
    if not given:
        return None
    mark = _NAMES.get(given.lower(), given)
    if mark and (len(mark) > 1 or not mark.isascii() or mark.isalnum() or mark in "\"'\\\r\n\0"):
        named_ones = ", ".join(name for name in _NAMES if name.isalpha())
        raise IngestError(
            "bad_parameter",
            f"delimiter: write {named_ones}, or one character of ASCII that is no letter, digit or quote.",
        )
    return mark


def mapping(query: Mapping[str, str]) -> object:
    """What is said of the columns, as JSON that `mapped.said` reads; None without.

    Raises IngestError `bad_parameter`.
    """
    given = query.get("mapping", "")
    if not given.strip():
        return None
    try:
        return strictjson.decode(given.encode("utf-8", "surrogatepass"), "mapping")
    except IngestError as problem:
        raise IngestError("bad_parameter", problem.detail) from None
