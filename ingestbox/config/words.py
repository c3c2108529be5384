"""Settings in plain words: what a value has to be, and how a value is shown."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import inspect

MOST_SHOWN = 60
"""Characters of a wrong value that a message repeats."""

# The path of a webhook's address is a secret at many services.
_SECRET = re.compile(r"(^|_)(secrets?|tokens?|passwords?|api_keys?|webhook_url)$")
# A password that should have been written with %2F and the like still is one: after `name:` and no port.
_CREDENTIALS = re.compile(
    r"(?<=//)(?:[^/?#]+|[^\[:/?#]+:(?!\d{1,5}(?:[/?#]|$)).*)(?=@)|(?<=[?#]).+", re.DOTALL
)
MASK = "********"


def is_secret(key: str) -> bool:
    """Whether a setting of this name holds what nobody should read over a shoulder."""
    return _SECRET.search(key) is not None


def masked(key: str, value: object) -> object:
    """The value as it may be shown: secrets, and within an address a name, a password and what follows the
    path, as stars.

    Stars stand only for something: an empty secret is shown empty.
    """
    if is_secret(key):
        if isinstance(value, list):
            return [MASK for _ in value]
        return MASK if value else value
    if isinstance(value, str):
        return _CREDENTIALS.sub(MASK, value)
    if isinstance(value, list):
        return [masked(key, each) for each in value]
    if isinstance(value, Mapping):
        return {name: masked(str(name), each) for name, each in value.items()}
    return value


def shown(key: str, value: object) -> str:
    """A wrong value, as a message names it; never a secret."""
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, Mapping):
        return "a section"
    if isinstance(value, list):
        return "a list"
    if value is None or value == "":
        return "an empty text"
    if is_secret(key):
        return "what it is set to"
    text = str(masked(key, str(value))).replace("\n", "\\n")
    return f"`{text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + '…'}`"


def expected(kind: inspect.Type) -> str:
    """What a value of this type has to be, as a phrase: `a whole number from 0 to 65535`."""
    if isinstance(kind, inspect.Metadata):
        return expected(kind.type)
    if isinstance(kind, inspect.IntType):
        return f"a whole number{_range(kind)}"
    if isinstance(kind, inspect.FloatType):
        return f"a number{_range(kind)}"
    if isinstance(kind, inspect.BoolType):
        return "true or false"
    if isinstance(kind, inspect.LiteralType):
        return f"one of {', '.join(str(value) for value in kind.values if value != '')}"
    if isinstance(kind, inspect.StrType):
        return _text(kind)
    if isinstance(kind, inspect.ListType):
        return f"a list, each entry {expected(kind.item_type)}"
    if isinstance(kind, inspect.DictType):
        return f"a section of names, each with {expected(kind.value_type)}"
    if isinstance(kind, inspect.StructType):
        return "a section"
    if isinstance(kind, inspect.UnionType):
        return " or ".join(expected(each) for each in kind.types if not isinstance(each, inspect.NoneType))
    return "something else"


def pattern(kind: inspect.Type) -> str | None:
    """The regular expression that a text has to match, if there is one."""
    if isinstance(kind, inspect.Metadata):
        return pattern(kind.type)
    return kind.pattern if isinstance(kind, inspect.StrType) else None


def suggestion(word: str, names: Iterable[str]) -> str:
    """` Did you mean …?` for a word that is near one of the names, else nothing."""
    near = difflib.get_close_matches(word, list(names), n=1)
    return f" Did you mean `{near[0]}`?" if near else ""


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them, sorted."""
    return ", ".join(sorted(names))


def _range(kind: Any) -> str:
    least, most = kind.ge, kind.le
    if least is not None and most is not None:
        return f" from {least:g} to {most:g}" if most < 1e6 else f" from {least} to {most}"
    words = []
    if kind.gt is not None:
        words.append(f"over {kind.gt:g}")
    if least is not None:
        words.append(f"of {least:g} or more")
    if kind.lt is not None:
        words.append(f"below {kind.lt:g}")
    if most is not None:
        words.append(f"at most {most:g}" if words else f"of at most {most:g}")
    return " " + " and ".join(words) if words else ""


def _text(kind: inspect.StrType) -> str:
    if kind.min_length and kind.max_length:
        return f"text of {kind.min_length} to {kind.max_length} characters"
    if kind.max_length:
        return f"text of at most {kind.max_length} characters"
    if kind.min_length == 1:
        return "text that is not empty"
    return f"text of {kind.min_length} characters or more" if kind.min_length else "text"
