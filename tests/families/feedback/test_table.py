"""A file's columns, and its rows as records."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ingestbox.families.feedback.decode import check_record
from ingestbox.families.feedback.table import plan, rows
from ingestbox.family import Intake
from ingestbox.sheet import Plan
from ingestbox.tabular import Row

STEM = "0123456789abcdef"


def roles(*header: str, preview: list[list[str]] | None = None) -> dict[str, list[str]]:
    """Which columns hold which field; the others are left out."""
    planned = plan(header, preview or [])
    assert planned.refusal is None, planned.refusal
    found: dict[str, list[str]] = {}
    for each in planned.columns:
        if each.field is not None:
            assert 0 < each.confidence <= 1
            found.setdefault(each.field, []).append(each.column)
    texts = [name for field in ("summary", "description", "comments") for name in found.get(field, [])]
    assert sorted(texts) == sorted(planned.text_columns)
    return found


def made(planned: Plan, *cells: str, number: int = 1, line: int = 2) -> Intake:
    (record,) = rows(bytes(planned.how), STEM, [Row(number, line, list(cells))])
    return record


def record(header: str, *cells: str, number: int = 1) -> dict[str, Any]:
    """The record that a row becomes; `header` names its columns, separated by commas."""
    intake = made(plan(header.split(","), [list(cells)]), *cells, number=number)
    assert intake.fault is None, intake.fault
    assert check_record(intake.payload).faults == []
    assert check_record(intake.payload).key == intake.key
    found: dict[str, Any] = json.loads(intake.payload)
    return found


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (
            ["id", "summary", "description"],
            {"id": ["id"], "summary": ["summary"], "description": ["description"]},
        ),
        (
            ["Ticket ID", "Subject", "Message"],
            {"id": ["Ticket ID"], "summary": ["Subject"], "description": ["Message"]},
        ),
        (["text"], {"description": ["text"]}),
        (["feedback"], {"description": ["feedback"]}),
        (["content"], {"description": ["content"]}),
        (["Comment"], {"description": ["Comment"]}),
        (["Customer_Feedback", "rating"], {"description": ["Customer_Feedback"]}),
        (["user comment", "comment author", "comment date"], {"description": ["user comment"]}),
        (["message_id", "message"], {"id": ["message_id"], "description": ["message"]}),
        (["reviewText", "title"], {"description": ["reviewText"], "summary": ["title"]}),
        (["context", "text"], {"description": ["text"]}),
        (["context"], {"description": ["context"]}),
        (["content_type", "summary"], {"summary": ["summary"]}),
        (
            ["description", "comment 1", "comment 2", "feedback"],
            {"description": ["description"], "comments": ["comment 1", "comment 2", "feedback"]},
        ),
        (["mã", "tiêu đề", "nội dung"], {"id": ["mã"], "summary": ["tiêu đề"], "description": ["nội dung"]}),
        (["Ma phan hoi", "Noi dung"], {"id": ["Ma phan hoi"], "description": ["Noi dung"]}),
        (["noidung", "nhanxet"], {"description": ["noidung"], "comments": ["nhanxet"]}),
        (["Mô tả chi tiết", "Bình luận"], {"description": ["Mô tả chi tiết"], "comments": ["Bình luận"]}),
        (["Ý kiến khách hàng", "Ngày góp ý"], {"description": ["Ý kiến khách hàng"]}),
        (
            ["Tóm tắt", "Phản hồi", "Góp ý"],
            {"summary": ["Tóm tắt"], "description": ["Phản hồi"], "comments": ["Góp ý"]},
        ),
        (["Đánh giá", "Nhận xét"], {"description": ["Đánh giá"], "comments": ["Nhận xét"]}),
        (
            ["código", "assunto", "mensagem"],
            {"id": ["código"], "summary": ["assunto"], "description": ["mensagem"]},
        ),
        (
            ["Descrição", "Comentário", "Autor do comentário"],
            {"description": ["Descrição"], "comments": ["Comentário"]},
        ),
        (["conteudo", "resumo"], {"description": ["conteudo"], "summary": ["resumo"]}),
        # NFD, as macOS writes it.
        (["no\u0302\u0323i dung"], {"description": ["no\u0302\u0323i dung"]}),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_what_columns_are_taken_for(header: list[str], wanted: dict[str, list[str]]) -> None:
    assert roles(*header) == wanted


def test_a_column_of_numbers_is_no_text_beside_one() -> None:
    preview = [["5", "hàng tốt"], ["4,5", "chậm"], ["", "ổn"]]
    assert roles("Đánh giá", "Nội dung", preview=preview) == {"description": ["Nội dung"]}
    assert roles("Đánh giá", preview=[["5"], ["4"]]) == {"description": ["Đánh giá"]}


def test_an_id_that_tells_somebody_else_is_not_the_records() -> None:
    assert "id" not in roles("customer_id", "order_id", "text", preview=[["1", "2", "a"], ["3", "4", "b"]])
    assert "id" not in roles("stt", "text")


def test_an_unknown_id_counts_only_if_it_tells_rows_apart() -> None:
    assert roles("crm_id", "text", preview=[["a", "x"], ["b", "y"]])["id"] == ["crm_id"]
    assert "id" not in roles("crm_id", "text", preview=[["a", "x"], ["a", "y"]])
    assert "id" not in roles("crm_id", "text", preview=[["a", "x"], ["", "y"]])


def test_without_a_text_column_it_says_which_there_are_and_what_would_do() -> None:
    refusal = plan(["id", "name", "price"], []).refusal
    assert refusal is not None
    assert (refusal.code, refusal.field) == ("text_column_required", "file")
    assert "`id`, `name`, `price`" in refusal.message
    assert "description, summary, comment" in refusal.message


def test_a_row_is_a_record_with_its_other_columns() -> None:
    assert record(
        "id,subject,body text,comment,region,price", " 007 ", "Late", " It came late. ", "ok", "", "5"
    ) == {
        "id": "007",
        "summary": "Late",
        "description": " It came late. ",
        "comments": ["ok"],
        "region": "",
        "price": "5",
    }


def test_a_blank_id_is_made_of_the_file_and_the_row() -> None:
    assert record("id,text", "  ", "good", number=12)["id"] == f"{STEM}-12"
    assert record("text", "good", number=3)["id"] == f"{STEM}-3"


def test_blank_comments_are_no_comments() -> None:
    assert record("text,comment,comment 2", "a", " ", "b")["comments"] == ["b"]
    assert "comments" not in record("text,comment", "a", "")


def test_a_row_with_nothing_but_a_comment_has_it_as_its_description() -> None:
    found = record("id,description,comment,comment 2", "1", " ", "late", "again")
    assert (found["description"], found["comments"]) == ("late", ["again"])


def test_a_column_cannot_take_the_place_of_a_field() -> None:
    planned = plan(["id", "text", "comments", "_row"], [["1", "good", "17", "x"], ["2", "bad", "3", "y"]])
    found = json.loads(made(planned, "1", "good", "17", "x").payload)
    assert found == {"id": "1", "description": "good", "comments (2)": "17", "_row (2)": "x"}


@pytest.mark.parametrize(
    ("cells", "code", "field"),
    [(("1", " ", "\t"), "text_required", "summary"), (("x" * 101, "good", ""), "id_length", "id")],
)
def test_a_row_that_is_not_valid_keeps_its_cells_and_its_line(
    cells: tuple[str, ...], code: str, field: str
) -> None:
    intake = made(plan(["id", "text", "comment"], []), *cells, number=7, line=9)
    assert intake.fault is not None
    assert (intake.fault.code, intake.fault.field) == (code, field)
    found = json.loads(intake.payload)
    assert found["_row"] == {"line": 9, "row": 7}
    assert (found["id"], found["description"]) == (cells[0], cells[1])
    assert [fault.code for fault in check_record(intake.payload).faults] == [code]
