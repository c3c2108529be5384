"""Names of columns, and which of them hold which field."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestbox.tabular import header, match

NAMES: dict[str, tuple[Sequence[str], list[str]]] = {
    "as they are": (["id", "text"], ["id", "text"]),
    "trimmed": ([" id ", "\ttext\n"], ["id", "text"]),
    "invisible": (["\ufeffid", "te\u200bxt", "\u00a0who\u00a0"], ["id", "text", "who"]),
    "twice": (["comment", "comment", "comment"], ["comment", "comment_2", "comment_3"]),
    "twice, by case": (["Text", "text"], ["Text", "text_2"]),
    "empty": (["a", "", "b", " "], ["a", "column_2", "b", "column_4"]),
    "made names taken": (["a", "a_2", "a"], ["a", "a_2", "a_3"]),
    "empty name taken": (["column_2", ""], ["column_2", "column_2_2"]),
    "blanks within": (["first \n  name"], ["first name"]),
}


@pytest.mark.parametrize("case", NAMES)
def test_names(case: str) -> None:
    given_names, expected = NAMES[case]
    assert header.names(given_names)[0] == expected


@given(st.lists(st.text(max_size=4), max_size=12))
def test_names_are_unique_whatever_stands_there(given_names: list[str]) -> None:
    unique, _, _ = header.names(given_names)
    assert len(unique) == len(given_names)
    assert len({name.casefold() for name in unique}) == len(unique)
    assert all(unique)


def test_very_many_columns_of_one_name_take_no_longer_than_others() -> None:
    """Searching from 2 for each of them took most of a minute."""
    began = time.process_time()
    unique, twice, _ = header.names(["Email", "email_3"] + ["email"] * 16_382)
    assert time.process_time() - began < 5
    assert unique[:5] == ["Email", "email_3", "email_2", "email_4", "email_5"]
    assert (unique[-1], len(twice)) == ("email_16384", 16_382)


@pytest.mark.parametrize(
    "cell",
    ["12", "-3,5", "1.234,50 €", "50%", "2024-01-31", "31/01/2024", "10:30", "a@b.com", "https://x", "TRUE"],
)
def test_data_is_no_name(cell: str) -> None:
    assert header.is_datum(cell)


@pytest.mark.parametrize("cell", ["id", "Q1", "2nd comment", "nội dung", "text", ""])
def test_names_are_no_data(cell: str) -> None:
    assert not header.is_datum(cell)


ALIASES: Mapping[str, Sequence[str]] = {
    "id": ["id", "ticket id", "key", "mã"],
    "email": ["email", "e-mail", "e_mail", "email_address", "mail"],
    "first_name": ["first_name", "firstname", "first name", "nome", "fname", "given name"],
    "last_name": ["last_name", "lastname", "sobrenome", "surname", "family name"],
    "text": ["text", "description", "feedback", "nội dung", "mô tả", "descrição"],
}

COLUMNS: dict[str, tuple[str, float]] = {
    "E-Mail": ("email", 1.0),
    "e mail": ("email", 1.0),
    "EMAIL_ADDRESS": ("email", 1.0),
    "FirstName": ("first_name", 1.0),
    "first-name": ("first_name", 1.0),
    "FIRST NAME": ("first_name", 1.0),
    "Noi dung": ("text", 1.0),
    "Nội dung": ("text", 1.0),
    "No\u0323\u0302i dung": ("text", 1.0),
    "NỘI_DUNG": ("text", 1.0),
    "descricao": ("text", 1.0),
    "Ma": ("id", 1.0),
    "Customer feedback": ("text", 0.6),
    "feedback (free text)": ("text", 0.6),
    "customerEmail": ("email", 0.6),
    "Ticket ID no.": ("id", 0.6),
    "Desciption": ("text", 0.5),
    "sobernome": ("last_name", 0.5),
}


@pytest.mark.parametrize("column", COLUMNS)
def test_column(column: str) -> None:
    field, least = COLUMNS[column]
    (found,) = match([column], ALIASES)
    assert (found.column, found.field) == (column, field)
    assert found.confidence >= least
    assert (found.confidence == 1.0) == (least == 1.0)


@pytest.mark.parametrize("column", ["", "paid", "texture", "idea", "males", "name", "score", "hidden"])
def test_another_word_is_no_match(column: str) -> None:
    assert match([column], ALIASES)[0].field is None


def test_the_best_column_wins_and_each_field_is_there_once() -> None:
    header_row = ["old email", "email", "Text", "text comment", "id"]
    found = match(header_row, ALIASES)
    assert [each.field for each in found] == [None, "email", "text", None, "id"]
    assert found == match(header_row, ALIASES)


def test_equal_columns_go_by_place() -> None:
    assert [each.field for each in match(["my text", "new text"], ALIASES)] == ["text", None]


@given(st.lists(st.text(max_size=30), max_size=8))
def test_any_header_can_be_matched(names: list[str]) -> None:
    found = match(names, ALIASES)
    assert [each.column for each in found] == names
    fields = [each.field for each in found if each.field]
    assert len(fields) == len(set(fields))
