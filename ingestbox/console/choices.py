"""Which decisions about many issues make sense for what is wrong with them, and how a form says one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from ingestbox.family import Family
from ingestbox.rules import MOST_MEMBERS
from ingestbox.store.parked import REFUSED

Kind = Literal["keep", "set", "clean", "discard", "retry", "accept", "give_up", "send_again", "let_go"]


class Choice(NamedTuple):
    """A kind of decision; those about rows that wait for each other take an editor."""

    kind: Kind
    needs_editor: bool


def kinds_for(
    families: Sequence[Family | None], codes: Collection[str], *, held: bool = False
) -> list[Choice]:
    """What can be decided about issues with these codes, the likeliest first.

    Of copies one is kept, or all are given up: setting a value makes a copy of none of them something else,
    and what exists already stays so. What an upstream refused is sent again, or given up for a reason.

    `held`: something came of some of the records, which can be forwarded as it is.
    """
    stagings = [family.staging for family in families if family is not None]
    staged = [each for each in stagings if each is not None]
    if all(code == REFUSED for code in codes):
        return [Choice("send_again", bool(staged)), Choice("let_go", bool(staged))]
    if not staged or len(staged) < len(families):
        first: list[Choice] = [Choice("accept", False)] if held else []
        return [*first, Choice("retry", False), Choice("let_go" if REFUSED in codes else "give_up", False)]
    repeated = {each.repeated[0] for each in staged}
    existing = {each.existing[0] for each in staged}
    kinds: tuple[Kind, ...] = ("discard",)
    if all(code in repeated for code in codes):
        kinds = ("keep", "discard")
    elif not any(code in repeated | existing for code in codes):
        kinds = ("set", "clean", "discard")
    return [Choice(kind, True) for kind in kinds]


def decided(given: Sequence[tuple[str, str]]) -> dict[str, Any] | None:
    """The decision that a form says, as `/v1/issues/bulk` takes it; None when none is chosen. Whether its
    values are right is found there."""
    values = dict(given)
    match values.get("kind"):
        case "keep":
            return {"rule": {"keep": "most_complete"}}
        case "discard":
            return {"rule": {"discard": "all"}}
        case "set":
            field, value = values.get("field", ""), values.get("value", "")
            return {"rule": {"set": {"field": field, "value": value, "only_blank": "only_blank" in values}}}
        case "clean":
            how = [name for name in ("trim", "lower") if name in values]
            return {"rule": {"clean": how, "fields": [value for name, value in given if name == "fields"]}}
        case "retry":
            return {"action": "retry"}
        case "accept":
            return {"action": "accept"}
        case "send_again":
            return {"action": "retry"}
        case "let_go":
            return {"action": "discard", "comment": values.get("reason", "").strip()}
        case "give_up":
            return {"action": "discard"}
        case _:
            return None


def is_unsaid(decision: Mapping[str, Any]) -> bool:
    """Whether a tidying up says not what or where, or more than a rule has room for: what a form with ticks
    cannot ask of its reader before it is sent."""
    rule = decision.get("rule", {})
    return "clean" in rule and not (rule["clean"] and 0 < len(rule["fields"]) <= MOST_MEMBERS)
