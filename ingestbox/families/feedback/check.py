"""What is wrong with a record, whatever it came as (contract: feedback, Body). Light: children import it."""

from __future__ import annotations

from ingestbox.errors import Fault

MAX_ID_CHARACTERS = 100


def check(value: object, index: int | None) -> tuple[str, list[Fault]]:
    """A record's key (empty when it has none) and everything that is wrong with it."""
    if not isinstance(value, dict):
        return "", [Fault("wrong_type", "a record must be an object", index)]
    faults: list[Fault] = []
    key = _key(value, index, faults)
    has_text = False
    for field in ("summary", "description"):
        text = value.get(field)
        if isinstance(text, str):
            has_text = has_text or not _blank(text)
        elif text is not None:
            faults.append(Fault("wrong_type", f"{field} must be a string or null", index, field))
            has_text = True  # one fault is enough: the text is there, only of the wrong type
    if not has_text:
        faults.append(Fault("text_required", "summary or description required", index, "summary"))
    comments = value.get("comments")
    if comments is not None:
        _check_comments(comments, index, faults)
    return key, faults


def _blank(text: str) -> bool:
    return not text or text.isspace()


def _key(value: dict[str, object], index: int | None, faults: list[Fault]) -> str:
    given = value.get("id")
    if isinstance(given, int) and not isinstance(given, bool):
        given = str(given)
    if given is None:
        faults.append(Fault("id_required", "id is required", index, "id"))
    elif not isinstance(given, str):
        faults.append(Fault("wrong_type", "id must be a string or an integer", index, "id"))
    elif not 1 <= len(given) <= MAX_ID_CHARACTERS:
        faults.append(
            Fault(
                "id_length",
                f"id must have 1 to {MAX_ID_CHARACTERS} characters, not {len(given)}",
                index,
                "id",
            )
        )
    else:
        return given
    return ""


def _check_comments(comments: object, index: int | None, faults: list[Fault]) -> None:
    if not isinstance(comments, list):
        faults.append(Fault("wrong_type", "comments must be a list of strings or null", index, "comments"))
        return
    faults.extend(
        Fault("wrong_type", "a comment must be a string", index, f"comments[{number}]")
        for number, comment in enumerate(comments)
        if comment is not None and not isinstance(comment, str)
    )
