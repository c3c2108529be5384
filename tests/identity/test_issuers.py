"""Any issuer of the settings: groups and roles, workspaces, who is told apart from whom."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ingestbox.identity import claims
from ingestbox.identity.tokens import mint
from ingestbox.model import Role
from tests.identity.gates import GENERIC, Gate, generic, refused, taken
from tests.identity.issuing import (
    Party,
    ec_key,
    ed_key,
    pem,
    rsa_key,
)
from tests.web.support import SECRET


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("https://box.example/roles", {"https://box.example/roles": ["staff"]}),
        ("https://box.example/app.roles", {"https://box.example/app": {"roles": ["staff"]}}),
        ("cognito:groups", {"cognito:groups": ["staff"]}),
        ("a.b.c", {"a": {"b": {"c": ["staff"]}}}),
        ("a.b.c", {"a.b": {"c": ["staff"]}}),
        ("a.b.c", {"a": {"b.c": ["staff"]}}),
        ("a.b.c", {"a.b.c": ["staff"], "a": {"b": {"c": ["other"]}}}),
        ("a.b.c", {"a": {"b": 7}, "a.b": {"c": ["staff"]}}),
        ("scope", {"scope": "openid staff email"}),
        ("group", {"group": "staff"}),
        ("groups", {"groups": {"staff": True, "other": False}}),
        ("groups", {"groups": [7, None, "staff"]}),
        ("is.staff", {"is": {"staff": True}}),
    ],
)
def test_groups_are_found_where_an_issuer_has_them(path: str, said: dict[str, Any]) -> None:
    entry = generic(roles_claims=["nowhere", path], roles={"staff": ["editor", "uploader"]}, default_roles=[])
    assert taken(entry, GENERIC.token(**said)).roles == {"editor", "uploader"}


@pytest.mark.parametrize(
    "said", [..., None, 7, [], {}, "", "other", ["admin", "editor"], {"staff": 1}, False, [[]]]
)
def test_groups_that_are_not_in_the_map_give_nothing_not_even_those_called_as_a_role(said: Any) -> None:
    entry = generic(roles_claims=["groups"], roles={"staff": ["editor"]}, default_roles=[])
    assert taken(entry, GENERIC.token(groups=said)).roles == set()
    usual = msgspec.structs.replace(entry, default_roles=["analyst"])
    assert taken(usual, GENERIC.token(groups=said)).roles == {"analyst"}


def test_default_roles_are_for_users_whose_groups_give_none() -> None:
    entry = generic(
        roles_claims=["groups"], roles={"staff": ["editor"]}, allowed_group="up", default_roles=["ingest"]
    )
    for groups, roles in (
        (["staff"], {"editor"}),
        (["up", "staff"], {"editor", "uploader"}),
        (["x"], {"ingest"}),
    ):
        assert taken(entry, GENERIC.token(groups=groups)).roles == roles


def test_a_group_whose_name_has_a_space_is_one_group() -> None:
    entry = generic(roles_claims=["group"], roles={"data staff": ["editor"]}, default_roles=[])
    assert taken(entry, GENERIC.token(group="data staff")).roles == {"editor"}


def test_the_same_sub_from_two_issuers_is_two_people() -> None:
    other = Party("https://other.example/", "EdDSA", ed_key(), extra={"roles": ...})
    second = generic(name="other", issuer=other.issuer, public_key=pem(ed_key()).decode())
    gate = Gate(generic(), second)
    assert gate.caller(GENERIC.token()).subject == "tenant:ann"
    assert gate.caller(other.token()).subject == "other:ann"
    own = mint(SECRET, subject="ann", roles=[Role.INGEST], ttl_seconds=60, clock=gate.clock)
    assert gate.caller(own).subject == "local:ann"
    assert gate.refusal(GENERIC.token(iss=other.issuer)) == "token_invalid"
    assert gate.refusal(other.token(iss=GENERIC.issuer)) == "token_invalid"


def test_two_of_one_iss_are_told_apart_by_audience_or_algorithm() -> None:
    by_audience = Gate(generic(), generic(name="second", audience=["reports"]))
    assert by_audience.caller(GENERIC.token()).subject == "tenant:ann"
    assert by_audience.caller(GENERIC.token(aud="reports")).subject == "second:ann"
    assert by_audience.caller(GENERIC.token(aud=["reports", "box"])).subject == "tenant:ann"  # the first
    assert by_audience.refusal(GENERIC.token(aud="other")) == "token_invalid"
    by_algorithm = Gate(generic(), generic(name="second", public_key=pem(ec_key()).decode()))
    curve = Party(GENERIC.issuer, "ES256", ec_key())
    assert by_algorithm.caller(GENERIC.token()).subject == "tenant:ann"
    assert by_algorithm.caller(curve.token()).subject == "second:ann"


def test_any_audience_has_to_be_asked_for() -> None:
    entry = generic(audience=["*"])
    good: list[Any] = ["box", "other", ["a", "b"], ...]
    for aud in good:
        assert taken(entry, GENERIC.token(aud=aud)).subject == "tenant:ann"
    wrong: list[Any] = [7, [], None]
    for aud in wrong:
        assert refused(entry, GENERIC.token(aud=aud))


def test_the_workspace_is_fixed_or_a_claim() -> None:
    assert taken(generic(), GENERIC.token(ws="north")).workspace == "default"
    assert taken(generic(workspace="south"), GENERIC.token(ws="north")).workspace == "south"
    claim = generic(workspace_claim="org.id")
    assert taken(claim, GENERIC.token(org={"id": "north"})).workspace == "north"
    assert refused(claim, GENERIC.token())  # nothing says whose rows these would be
    fallback = generic(workspace_claim="org.id", workspace="south")
    assert taken(fallback, GENERIC.token()).workspace == "south"
    for wrong in ("", 7, True, ["north"], "n" * 256, "a\nb", "*"):
        for entry in (claim, fallback):
            assert refused(entry, GENERIC.token(org={"id": wrong})), wrong


def test_user_id_and_email_are_found_by_their_claims() -> None:
    entry = generic(user_claim="identity.login", email_claim="identity.mail")
    caller = taken(entry, GENERIC.token(identity={"login": "ann", "mail": "ann@example.com"}, sub="x"))
    assert (caller.subject, caller.email) == ("tenant:ann", "ann@example.com")
    assert taken(entry, GENERIC.token(identity={"login": "ann", "mail": 7})).email == ""
    assert refused(entry, GENERIC.token(identity={"login": 7}))
    assert refused(entry, GENERIC.token())


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (rsa_key(), "RS256"),
        (rsa_key(), "RS384"),
        (rsa_key(), "RS512"),
        (ec_key(), "ES256"),
        (ec_key(0, "P-384"), "ES384"),
        (ed_key(), "EdDSA"),
    ],
)
def test_every_algorithm_verifies(key: Any, algorithm: Any) -> None:
    party = Party(GENERIC.issuer, algorithm, key, extra={"roles": ...})
    entry = generic(public_key=pem(key).decode(), algorithms=[algorithm])
    assert taken(entry, party.token()).subject == "tenant:ann"
    assert refused(entry, party.token()[:-6] + "AAAAAA")


def test_an_algorithm_that_is_not_in_the_list_is_refused_though_the_key_would_do() -> None:
    for algorithm in ("RS384", "RS512", "PS256"):
        party = Party(GENERIC.issuer, algorithm, rsa_key(), extra={"roles": ...})
        assert refused(generic(algorithms=["RS256"]), party.token()), algorithm


def test_a_certificate_will_do_for_a_key() -> None:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tenant")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(rsa_key().public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=1))
        .sign(rsa_key(), hashes.SHA256())
    )
    text = made.public_bytes(Encoding.PEM).decode()
    assert taken(generic(public_key=text), GENERIC.token()).subject == "tenant:ann"


def test_paths_that_lead_nowhere_find_nothing() -> None:
    for path in ("", ".", "a.", ".a", "a..b", "a.b.c.d", "x"):
        assert claims.find({"a": {"b": 1}}, path) is None
