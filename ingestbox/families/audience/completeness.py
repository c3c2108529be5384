"""How complete a record is: which facts it has of those that a campaign needs. Light: children import it.

Each fact has its share of 1. It is there if a member that is called so is filled in; a name in two parts is
half there with one of them. Names of members are compared without case, blanks, signs and diacritics, so that
`first_name`, `firstName`, `First Name` and `first-name` are one.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Final

from ingestbox.enrich.folding import fold

EMAIL, DOMAIN = 30, 10
"""Hundredths for an address that is valid, and for a domain, whether given or derived."""

FACTS: Final = {
    "name": 15,
    "first": 8,
    "last": 7,
    "company": 15,
    "title": 10,
    "phone": 10,
    "place": 5,
    "web": 5,
}
"""Hundredths of each other fact; `first` and `last` are parts of `name`."""

CALLED: Final = {
    "name": "name full_name contact_name display_name họ_tên họ_và_tên",
    "first": "first_name given_name forename tên",
    "last": "last_name surname family_name họ",
    "company": "company company_name organization organisation employer account_name business_name công_ty",
    "title": "title job_title position role function seniority occupation chức_vụ chức_danh",
    "phone": "phone phone_number mobile mobile_phone work_phone telephone tel cell điện_thoại số_điện_thoại",
    "place": "country city state region province location address zip postal_code street địa_chỉ thành_phố",
    "web": "linkedin linkedin_url linkedin_profile website url web twitter facebook profile profile_url",
}
"""What members are called that tell a fact."""

NOTHING: Final = frozenset({"-", "--", "?", "n/a", "na", "nil", "none", "null", "unknown", "undefined"})
"""Texts that people and programs write where they have nothing."""

LONGEST: Final = max(map(len, NOTHING))


def completeness(record: Mapping[str, Any], *, email: bool, domain: bool) -> float:
    """From 0 to 1, in hundredths. `email` says whether there is a valid address, `domain` whether a domain is
    known."""
    found = set()
    for name, value in record.items():
        fact = _fact(name)
        if fact is not None and fact not in found and _says_something(value):
            found.add(fact)
    if "name" in found:
        found -= {"first", "last"}
    return (EMAIL * email + DOMAIN * domain + sum([FACTS[fact] for fact in found])) / 100


def _says_something(value: object) -> bool:
    if isinstance(value, str):
        text = value.strip()
        return bool(text) and (len(text) > LONGEST or text.lower() not in NOTHING)
    if isinstance(value, bool) or value is None:
        return False
    return value != [] and value != {}


@functools.lru_cache(maxsize=4_096)
def _fact(name: str) -> str | None:
    """Which fact a member tells; records of one upload have the same few names."""
    return _NAMES.get(_plain(name)) if len(name) <= 100 else None


def _plain(name: str) -> str:
    return "".join(each for each in fold(name) if each.isalnum())


_NAMES: Final = {_plain(name): fact for fact, names in CALLED.items() for name in names.split()}
