"""Objects that are the same thing: the first of them, and its duplicates (`family.Distinct`).

Which one is the first is decided where an object is put, in the one transaction that does so: the first that
is there, as long as it is. What follows when it goes, or becomes another thing, is in `store.departed`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from ingestbox.family import Distinct
from ingestbox.model import Outcome, Put, delivery_digest
from ingestbox.store.unit import Tx

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose objects are told apart."""

    family: str
    workspace: str
    owner: str


def tell_apart(
    tx: Tx, rule: Distinct, whose: Whose, outcomes: Sequence[Outcome], payloads: Mapping[int, bytes]
) -> list[Outcome]:
    """The outcomes with `rule.member` in the result of each object of the kind: the id of the first object
    that is the same thing, or null. `payloads` are the records by index, of which the digest is."""
    matches = {each.put.id: each.put.match for each in outcomes if each.put and each.put.kind == rule.kind}
    if not matches:
        return list(outcomes)
    asked = {"workspace": whose.workspace, "owner": whose.owner}
    wanted = msgspec.json.encode(sorted(set(matches.values()))).decode()
    firsts: dict[str, str] = dict(tx.all(f"{whose.family}.firsts_{rule.kind}", {**asked, "matches": wanted}))
    # One that becomes another thing with this very chunk is the first until then: its duplicates that are put
    # now name it still, and are told anew.
    moving = [first for match, first in firsts.items() if matches.get(first, match) != match]
    place = {"family": whose.family, "kind": rule.kind, **asked}
    tx.many("distinct.depart", [{**place, "object_id": first} for first in moving])
    return [_named(rule, each, firsts, payloads) for each in outcomes]


def _named(
    rule: Distinct, outcome: Outcome, firsts: dict[str, str], payloads: Mapping[int, bytes]
) -> Outcome:
    put = outcome.put
    if put is None or put.kind != rule.kind:
        return outcome
    first = firsts.setdefault(put.match, put.id)
    other = None if first == put.id else first
    # Spliced in: decoding and encoding the result again would take the writer longer than the insert.
    member = b",%s:%s}" % (msgspec.json.encode(rule.member), msgspec.json.encode(other))
    result = put.result[:-1] + member
    told = put.told
    if told is not None and told[1] is not None:
        told = told[0], told[1][:-1] + member
    named = msgspec.structs.replace(
        put,
        result=result,
        digest=delivery_digest(payloads.get(outcome.index, b""), result),
        columns={**put.columns, "match": put.match, "duplicate_of": other},
        told=told,
    )
    return msgspec.structs.replace(outcome, put=named)


def told_anew(
    tx: Tx, rule: Distinct, whose: Whose, puts: Mapping[int, Put], payloads: Mapping[int, bytes]
) -> dict[int, Put]:
    """Objects that were told apart before, by index, with what is so now. Raises msgspec.DecodeError for a
    result that is no object."""
    bare = [
        Outcome(index, msgspec.structs.replace(put, result=_without(rule, put.result)))
        for index, put in puts.items()
    ]
    named = tell_apart(tx, rule, whose, bare, payloads)
    return {each.index: each.put for each in named if each.put is not None}


def _without(rule: Distinct, result: bytes) -> bytes:
    members = _members.decode(result)
    members.pop(rule.member, None)
    return msgspec.json.encode(members)
