"""A file of feedback: which of its columns hold the id and the texts, and its rows as records.

- A text column is one whose name contains one of the words below, in English, Vietnamese or Portuguese, with
  or without diacritics. A name that says it is about a text rather than one (`message_id`, `comment_count`),
  that has the word only inside another (`context`), or whose first cells are all numbers (`Đánh giá` with
  stars) is taken for one only when there is no other.
- The best column for a title becomes `summary`, the best for a body `description`; every column of comments,
  and every further text, becomes a comment of its own: so each text keeps its own sentiment, and offsets into
  a text are those of its cell, which would not be so for texts that are joined.
- A row whose title and body are blank has its first comment as its `description`: it is a text all the same.
- The id comes from a column that is called so; where there is none, or the cell is blank, it is made of the
  file's hash and the row's number, so that the same file sent again replaces its own tickets.
- All other columns stay as members of the record, under their own names.

Runs in a child process, so it stays light.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ingestbox.errors import Fault
from ingestbox.families.feedback.check import check
from ingestbox.families.mapped import UnclearError, said
from ingestbox.family import Intake
from ingestbox.sheet import Column, Plan
from ingestbox.tabular import Row
from ingestbox.tabular.match import words_of

COMMENT = (
    *("comment", "comments", "review", "reviews", "comentario", "comentarios"),
    *("binh luan", "nhan xet", "danh gia"),
)
SUMMARY = ("summary", "title", "subject", "tom tat", "tieu de", "chu de", "resumo", "assunto", "titulo")
DESCRIPTION = (
    *("description", "descricao", "mo ta", "noi dung", "content", "conteudo", "text", "texto", "message"),
    *("mensagem", "feedback", "phan hoi", "gop y", "y kien"),
)
"""Words in the names of text columns, as `words_of` folds them; of descriptions the better come first."""

WHAT_WOULD_DO = "description, summary, comment, feedback, message, content or text"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_AFTER = _words(
    """
    id ids uuid key date time datetime timestamp at on count counts number num no total type kind status state
    url link language lang locale length size score rating stars rank by author user name email phone code
    category source channel format encoding version
    """
)
"""Words that after another one say that a column is about it: `comment author`."""

_BEFORE = _words(
    """
    id number no num total count date time type kind status language ngay gio thoi gian so luong loai ma nguoi
    diem sao ten data hora tipo autor autora quantidade numero nota
    """
)
"""Words that before another one say so: `date of comment`, `ngày góp ý`, `autor do comentário`."""

_OWN_IDS = _words(
    """
    uuid guid ticketid ticketuuid feedbackid recordid reviewid issueid caseid messageid commentid responseid
    surveyid requestid complaintid conversationid externalid rowid postid issuekey key ticket ticketnumber
    ticketno ticketkey casenumber caseno issuenumber reference ref maphanhoi magopy madanhgia maphieu
    mayeucau makhieunai masoticket maticket maso ma iddofeedback iddamensagem idfeedback idticket protocolo
    codigo
    """
)
"""Names of columns that tell one record from another, their words joined."""

_OTHERS_IDS = _words(
    """
    customer client user account product item store shop branch order employee agent staff author session
    device company organization org team project parent group category campaign location region
    """
)
"""`customer_id` tells a customer, not a record."""

_NUMBER = re.compile(r"[\s\d.,/%+\-★☆*]+")
_RESERVED = frozenset({"id", "summary", "description", "comments", "_row"})


FIELDS = ("id", "summary", "description", "comments")
SEVERAL = ("comments",)
"""What a column can be said to be; of these there may be more than one."""

_KIND_OF = {"summary": "summary", "description": "description", "comments": "comment"}


class Wishes(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is wished of a file's columns: `mapping` as its sender says it (`mapped.said`). With `shown`
    nothing is to be stored: that there is no text is told, and no reason to refuse the file."""

    mapping: Any = None
    shown: bool = False


class How(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which column is what, by its place; `names` are what the other columns' members are called. `missing`
    is told with `Wishes.shown` alone."""

    names: list[str]
    id: int | None = None
    summary: int | None = None
    description: int | None = None
    comments: list[int] = []
    missing: list[str] = []


_hows = msgspec.json.Decoder(How)
_wishes = msgspec.json.Decoder(Wishes | None)
_encode = msgspec.json.Encoder().encode


def plan(header: Sequence[str], preview: Sequence[Sequence[str]], wishes: bytes = b"null") -> Plan:
    """What each column is, from the names and the first rows (contract: feedback, CSV upload). `wishes` is
    JSON of Wishes, or null: what is said of a column there is not found out."""
    wished = _wishes.decode(wishes) or Wishes()
    try:
        fixed = {} if wished.mapping is None else said(wished.mapping, header, FIELDS, SEVERAL)
    except UnclearError as unclear:
        return Plan(refusal=Fault("bad_parameter", str(unclear), field="mapping"))
    key, sure = _id_column(header, preview, fixed)
    texts = _texts(header, preview, key, fixed)
    if not texts and not wished.shown:
        shown = ", ".join(f"`{name[:60]}`" for name in header[:30]) + (", …" if len(header) > 30 else "")
        sentence = f"No column has a name for text. There are {shown}; {WHAT_WOULD_DO} would do."
        return Plan(refusal=Fault("text_column_required", sentence, field="file"))
    how = _roles(header, key, texts, fixed)
    if not texts:
        how = msgspec.structs.replace(how, missing=["description"])
    roles: dict[int, tuple[str, float]] = {place: ("comments", texts[place].sure) for place in how.comments}
    if key is not None:
        roles[key] = ("id", sure)
    for field, place in (("summary", how.summary), ("description", how.description)):
        if place is not None:
            roles[place] = (field, texts[place].sure)
    return Plan(
        how=msgspec.Raw(_encode(how)),
        columns=[Column(name, *roles.get(place, (None, 0.0))) for place, name in enumerate(header)],
        text_columns=[header[place] for place in sorted(texts)],
    )


def rows(how: bytes, stem: str, found: Sequence[Row]) -> list[Intake]:
    """An Intake for each row, in order, with what is wrong with it."""
    columns = _hows.decode(how)
    return [_intake(columns, stem, row) for row in found]


def _intake(how: How, stem: str, row: Row) -> Intake:
    record = _record(how, stem, row)
    key, faults = check(record, None)
    if not faults:
        return Intake(key, _encode(record))
    record["_row"] = {"line": row.line, "row": row.number}
    return Intake(key, _encode(record), faults[0])


def _record(how: How, stem: str, row: Row) -> dict[str, object]:
    cells = row.cells
    given = "" if how.id is None else cells[how.id].strip()
    record: dict[str, object] = {"id": given or f"{stem}-{row.number}"}
    comments = [cells[place] for place in how.comments if not _blank(cells[place])]
    texts = {
        field: cells[place]
        for field, place in (("summary", how.summary), ("description", how.description))
        if place is not None
    }
    if comments and all(_blank(text) for text in texts.values()):
        texts["description"] = comments.pop(0)
    record |= texts
    if comments:
        record["comments"] = comments
    for name, cell in zip(how.names, cells, strict=True):
        if name:
            record[name] = cell
    return record


def _blank(text: str) -> bool:
    return not text or text.isspace()


def _texts(
    header: Sequence[str], preview: Sequence[Sequence[str]], key: int | None, fixed: Mapping[int, str | None]
) -> dict[int, _Rank]:
    """The text columns: those that a person named, and by their names those of which nothing is said; the
    doubtful ones only when there are no others."""
    named = {place: _Rank(_KIND_OF[field], -1, 1.0) for place, field in fixed.items() if field in _KIND_OF}
    free = [place for place in range(len(header)) if place != key and place not in fixed]
    ranks = {place: _text_rank(header[place]) for place in free}
    found = {place: rank for place, rank in ranks.items() if rank is not None}
    strong = {
        place: rank for place, rank in found.items() if rank.sure >= 0.6 and not _is_numbers(preview, place)
    }
    return {**strong, **named} or found


class _Rank(msgspec.Struct, frozen=True):
    """A text column: what for, how good its name is for that (the lower the better), and how sure it is."""

    kind: str
    place: int
    sure: float


_KINDS = (("comment", COMMENT), ("summary", SUMMARY), ("description", DESCRIPTION))


def _text_rank(name: str) -> _Rank | None:
    words = words_of(name)
    joined = "".join(words)
    for loose in (False, True):
        for kind, aliases in _KINDS:
            for place, alias in enumerate(aliases):
                sure = _likeness(words, joined, tuple(alias.split()), loose=loose)
                if sure:
                    return _Rank(kind, place, sure)
    return None


def _likeness(words: tuple[str, ...], joined: str, alias: tuple[str, ...], *, loose: bool) -> float:
    """How sure it is that a name with these words is that of a text (0: it is not); `loose`: wherever in the
    name the alias is."""
    whole = "".join(alias)
    if loose:
        return 0.4 if whole in joined else 0.0
    if joined == whole:
        return 1.0
    size = len(alias)
    starts = [at for at in range(len(words)) if words[at : at + size] == alias]
    if not starts:
        if whole not in words:
            return 0.0
        starts, size = [words.index(whole)], 1
    about = _BEFORE & set(words[: starts[0]]) or _AFTER & set(words[starts[0] + size :])
    return 0.5 if about else 0.8


def _roles(
    header: Sequence[str], key: int | None, texts: Mapping[int, _Rank], fixed: Mapping[int, str | None]
) -> How:
    def best(kind: str) -> int | None:
        of_kind = [(-rank.sure, rank.place, place) for place, rank in texts.items() if rank.kind == kind]
        return min(of_kind)[2] if of_kind else None

    summary, description = best("summary"), best("description")
    if description is None:
        others = [place for place in sorted(texts) if place != summary and place not in fixed]
        description = others[0] if others else None
    comments = [place for place in sorted(texts) if place not in (summary, description)]
    used = {key, summary, description, *comments}
    return How(_member_names(header, used), key, summary, description, comments)


def _member_names(header: Sequence[str], used: set[int | None]) -> list[str]:
    """What the columns' members are called; empty for those that are used otherwise."""
    names: list[str] = []
    taken = _RESERVED | {name for place, name in enumerate(header) if place not in used}
    for place, name in enumerate(header):
        if place in used:
            names.append("")
            continue
        made, number = name, 2
        while made in _RESERVED or (made != name and made in taken):
            made = f"{name} ({number})"
            number += 1
        names.append(made)
    return names


def _id_column(
    header: Sequence[str], preview: Sequence[Sequence[str]], fixed: Mapping[int, str | None]
) -> tuple[int | None, float]:
    """The column that tells records apart, and how sure that is; one that a person named, or none of those of
    which they said something else."""
    for place, field in fixed.items():
        if field == "id":
            return place, 1.0
    names = [(place, words_of(name)) for place, name in enumerate(header) if place not in fixed]
    for place, words in names:
        if words == ("id",):
            return place, 1.0
    for place, words in names:
        if "".join(words) in _OWN_IDS:
            return place, 0.8
    for place, words in names:
        # Only where it does what an id does: of rows with the same id the last one alone would stay.
        if (
            words[-1:] in (("id",), ("uuid",))
            and not _OTHERS_IDS & set(words)
            and _tells_apart(preview, place)
        ):
            return place, 0.6
    return None, 0.0


def _tells_apart(preview: Sequence[Sequence[str]], place: int) -> bool:
    cells = [row[place].strip() for row in preview]
    return all(cells) and len(set(cells)) == len(cells)


def _is_numbers(preview: Sequence[Sequence[str]], place: int) -> bool:
    cells = [row[place] for row in preview if not _blank(row[place])]
    return bool(cells) and all(_NUMBER.fullmatch(cell) for cell in cells)
