"""Domain names as they are compared, and whose they are: of free mail services, of throw-away ones.

The lists are data of others; README.md says whose. They are read with the first question: 3 ms, 2 MB.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Final

from ingestbox.enrich.folding import UNSEEN, nfc

MAX_CHARACTERS: Final = 253
"""The longest domain name (RFC 1035, 2.3.4; without the dot at its end)."""

MAX_GIVEN: Final = 2_048
"""Of what may be an address of the web; what is longer is none."""

_FOLDER: Final = Path(__file__).parent
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME: Final = re.compile(rf"(?:{_LABEL}\.)+(?:[a-z]{{2,63}}|xn--[a-z0-9-]{{1,58}}[a-z0-9])")
_SCHEME: Final = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//|mailto:", re.IGNORECASE)
_END: Final = re.compile(r"[/?#\\]")
_PORT: Final = re.compile(r":[0-9]{0,5}")


def domain_in(text: str) -> str | None:
    """The domain of an address of the web, of an e-mail address, or given as such, in its one form: lower
    case, in its own letters (Unicode, NFC) where it is international, without `www.` and the dot at its end.
    None for what is no domain name of two labels at least, as `Acme`, `localhost` or `10.0.0.1`.

    >>> domain_in(" https://www.Acme.com:8443/about?x=1 "), domain_in("ACME.com."), domain_in("a@acme.com")
    ('acme.com', 'acme.com', 'acme.com')
    >>> domain_in("xn--bcher-kva.example"), domain_in("BÜCHER.example"), domain_in("Acme Inc.")
    ('bücher.example', 'bücher.example', None)
    """
    if len(text) > MAX_GIVEN:
        return None
    name = text.strip()
    if not name.isascii():
        name = UNSEEN.sub("", name).strip()
    if (scheme := _SCHEME.match(name)) is not None:
        name = name[scheme.end() :]
    name = _END.split(name, maxsplit=1)[0].rpartition("@")[2]
    host, colon, port = name.partition(":")
    if colon and _PORT.fullmatch(colon + port) is None:
        return None
    found = canonical(host)
    if found is not None and found.startswith("www.") and found.count(".") > 1:
        return found[4:]
    return found


def canonical(name: str) -> str | None:
    """The one form of a domain name; None for what is none.

    The labels are those of a host (RFC 1123, 2.1), international ones those of IDNA 2008 after the mapping of
    UTS 46; the last one is no number.
    """
    low = name.lower().removesuffix(".")
    if low.isascii() and "xn--" not in low:
        return low if len(low) <= MAX_CHARACTERS and _NAME.fullmatch(low) is not None else None
    return _international(name)


@functools.lru_cache(maxsize=4_096)
def _international(name: str) -> str | None:
    if len(name) > MAX_CHARACTERS:
        return None
    import idna  # 3 ms, which most children have no use for

    try:
        plain = idna.encode(nfc(name), uts46=True, transitional=False).decode().removesuffix(".")
        if len(plain) > MAX_CHARACTERS or _NAME.fullmatch(plain) is None:
            return None
        return nfc(idna.decode(plain))
    except (idna.IDNAError, UnicodeError, ValueError):
        return None


def is_free(domain: str) -> bool:
    """Whether a domain, in its one form, is that of a free mail service. One below it is not: it may be
    anybody's."""
    return domain in _listed("free", "free_more")


def is_disposable(domain: str) -> bool:
    """Whether a domain, in its one form, is that of a throw-away mail service, or lies below one.

    >>> is_disposable("mailinator.com"), is_disposable("any.thing.mailinator.com"), is_disposable("acme.com")
    (True, True, False)
    """
    listed = _listed("disposable")
    while domain:
        if domain in listed:
            return True
        domain = domain.partition(".")[2]
    return False


@functools.cache
def _listed(*names: str) -> frozenset[str]:
    """The domains of some lists; lines at the beginning that begin with `#` are for people."""
    found: list[str] = []
    for name in names:
        text = (_FOLDER / f"{name}.txt").read_text("utf-8")
        while text.startswith("#"):
            text = text.partition("\n")[2]
        found += text.split()
    return frozenset(found)
