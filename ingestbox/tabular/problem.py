"""The one error of this room: a file that cannot be read as a table."""

from __future__ import annotations


class NotTabular(Exception):  # noqa: N818 - says what is wrong
    """A file cannot be read as a table.

    `code` is one of `CODES`; `sentence` says what is wrong and what helps; `line` is where (0: the whole
    file).
    """

    CODES = frozenset(
        {
            "file_empty",
            "binary_file",
            "nul_bytes",
            "not_a_table",
            "bad_given",
            "encoding_mismatch",
            "no_header",
            "too_many_columns",
            "workbook_unreadable",
            "workbook_too_large",
            "workbook_locked",
            "workbook_kind",
        }
    )

    def __init__(self, code: str, sentence: str, line: int = 0) -> None:
        if code not in self.CODES:
            raise ValueError(code)
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.line = line
