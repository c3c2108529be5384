"""Which column is what: names in six languages, false friends, what a person says, what is remembered."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestbox.families.contacts.aliases import BESIDE, EXACT, LIKELY, WHOLE
from ingestbox.families.contacts.columns import find, is_whole_name, said, signature
from ingestbox.families.contacts.fields import FIELDS
from ingestbox.families.mapped import UnclearError


def found(header: str | Sequence[str], preview: Sequence[Sequence[str]] = ()) -> dict[str, str]:
    names = header.split(",") if isinstance(header, str) else header
    return {field: names[place] for field, place in find(names, preview).places.items()}


def columns(*names: str | None) -> dict[str, str]:
    """Names of columns in the order of FIELDS; None: there is none."""
    return {field: name for field, name in zip(FIELDS, names, strict=True) if name is not None}


CONTRACT = {
    "email": ("email", "e-mail", "e_mail", "email_address", "mail"),
    "first_name": ("first_name", "firstname", "first name", "nome", "fname", "given name"),
    "last_name": ("last_name", "lastname", "last name", "sobrenome", "lname", "surname", "family name"),
    "company": ("company", "empresa", "organization", "organisation", "org", "company_name"),
}


def spellings(name: str) -> set[str]:
    """The ways in which a name may stand in a header."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    ways = {name, name.upper(), name.title(), bare, unicodedata.normalize("NFD", name), f"  {name}\t"}
    return ways | {way.replace(" ", mark).replace("_", mark) for way in ways for mark in ("_", "-", " ", "")}


@pytest.mark.parametrize(("field", "alias"), [(field, name) for field in FIELDS for name in CONTRACT[field]])
def test_every_name_of_the_contract_is_known_however_it_is_written(field: str, alias: str) -> None:
    for name in spellings(alias):
        (choice,) = find([name]).chosen
        assert (choice.field, choice.confidence) == (field, 1.0), name


@pytest.mark.parametrize("field", FIELDS)
def test_every_alias_is_known_with_its_marks_and_without(field: str) -> None:
    for alias in EXACT[field]:
        for name in spellings(alias):
            (choice,) = find([name]).chosen
            assert (choice.field, choice.confidence) == (field, 1.0), name


def test_no_name_means_two_things() -> None:
    names = [
        ("".join(name.split()), field)
        for table in (EXACT, LIKELY)
        for field in FIELDS
        for name in table[field]
    ]
    for name, field in names:
        assert {other for each, other in names if each.casefold() == name.casefold()} == {field}, name
        assert not is_whole_name(name), name


HEADERS = {
    # English
    "Email,First Name,Last Name,Company": ("Email", "First Name", "Last Name", "Company"),
    "FirstName,LastName,EmailAddress,Organisation": (
        "EmailAddress",
        "FirstName",
        "LastName",
        "Organisation",
    ),
    "First Name,Last Name,URL,Email Address,Company,Position,Connected On": (
        "Email Address",
        "First Name",
        "Last Name",
        "Company",
    ),
    "name,surname,e-mail,employer": ("e-mail", "name", "surname", "employer"),
    "Customer email,Customer first name,Customer last name,Customer company": (
        "Customer email",
        "Customer first name",
        "Customer last name",
        "Customer company",
    ),
    # Portuguese
    "Nome,Sobrenome,E-mail,Empresa": ("E-mail", "Nome", "Sobrenome", "Empresa"),
    "Primeiro Nome,Último Nome,Endereço de E-mail,Organização": (
        "Endereço de E-mail",
        "Primeiro Nome",
        "Último Nome",
        "Organização",
    ),
    "nome,apelido,correio eletronico,nome da empresa": (
        "correio eletronico",
        "nome",
        "apelido",
        "nome da empresa",
    ),
    # Spanish
    "Nombre,Apellidos,Correo electrónico,Empresa": ("Correo electrónico", "Nombre", "Apellidos", "Empresa"),
    "CORREO,NOMBRES,PRIMER APELLIDO,SEGUNDO APELLIDO,RAZON SOCIAL": (
        "CORREO",
        "NOMBRES",
        "PRIMER APELLIDO",
        "RAZON SOCIAL",
    ),
    # French
    "Prénom,Nom,Courriel,Société": ("Courriel", "Prénom", "Nom", "Société"),
    "NOM,PRENOM,ADRESSE E-MAIL,NOM DE L'ENTREPRISE": (
        "ADRESSE E-MAIL",
        "PRENOM",
        "NOM",
        "NOM DE L'ENTREPRISE",
    ),
    # German
    "Vorname,Nachname,E-Mail-Adresse,Firma": ("E-Mail-Adresse", "Vorname", "Nachname", "Firma"),
    "Firma,Name,Vorname,E-Mail": ("E-Mail", "Vorname", "Name", "Firma"),
    "Unternehmen,Familienname,Rufname,Mailadresse": (
        "Mailadresse",
        "Rufname",
        "Familienname",
        "Unternehmen",
    ),
    # Vietnamese
    "Họ,Tên,Email,Công ty": ("Email", "Tên", "Họ", "Công ty"),
    "STT,Họ đệm,Tên,Địa chỉ email,Tên công ty,Số điện thoại": (
        "Địa chỉ email",
        "Tên",
        "Họ đệm",
        "Tên công ty",
    ),
    "ho va ten dem,ten,thu dien tu,doanh nghiep": ("thu dien tu", "ten", "ho va ten dem", "doanh nghiep"),
}


@pytest.mark.parametrize(("header", "wanted"), HEADERS.items())
def test_headers_of_the_six_languages(header: str, wanted: tuple[str, ...]) -> None:
    assert found(header) == columns(*wanted)


FALSE_FRIENDS = {
    "company email,email,company": ("email", None, None, "company"),
    "company email,first name,last name": ("company email", "first name", "last name", None),
    "company id,company size,company website,company phone": (None, None, None, None),
    "email status,email opt in,email type,email bounced": (None, None, None, None),
    "work email,email": ("email", None, None, None),
    "Mail,Email": ("Email", None, None, None),
    "personal email,work email": ("work email", None, None, None),
    "name,email,company": ("email", None, None, "company"),
    "Full Name,email": ("email", None, None, None),
    "Họ và tên,Email,Công ty": ("Email", None, None, "Công ty"),
    "Tên,Email,Công ty": ("Email", None, None, "Công ty"),
    "nome completo,email,empresa": ("email", None, None, "empresa"),
    "Nom et prénom,courriel": ("courriel", None, None, None),
    "Nombre completo,Correo": ("Correo", None, None, None),
    "Vor- und Nachname,E-Mail": ("E-Mail", None, None, None),
    "Name,E-Mail,Firma": ("E-Mail", None, None, "Firma"),
    "Name,Given Name,Family Name,E-mail 1 - Type,E-mail 1 - Value,Organization 1 - Name": (
        "E-mail 1 - Value",
        "Given Name",
        "Family Name",
        "Organization 1 - Name",
    ),
    "Firma,Nombre,Apellidos,Empresa,Correo": ("Correo", "Nombre", "Apellidos", "Empresa"),
    "username,nickname,middle name,second name": (None, None, None, None),
    "Spouse first name,First name,Manager email,Assistant email": (None, "First name", None, None),
    "Tên công ty,Địa chỉ công ty,Điện thoại công ty": (None, None, None, "Tên công ty"),
    "Tipo de empresa,Telefone da empresa,CNPJ da empresa": (None, None, None, None),
    "Apelido,Sobrenome,Nome": (None, "Nome", "Sobrenome", None),
    "Parent company,Company": (None, None, None, "Company"),
    "First login,Last login,Last modified": (None, None, None, None),
    "phone,city,notes": (None, None, None, None),
}


@pytest.mark.parametrize(("header", "wanted"), FALSE_FRIENDS.items())
def test_false_friends(header: str, wanted: tuple[str | None, ...]) -> None:
    assert found(header) == columns(*wanted)


def test_misspelt_names_are_guesses() -> None:
    names = ["emial", "frist name", "lastnmae", "compnay"]
    chosen = find(names).chosen
    assert {each.field: names[each.place] for each in chosen} == columns(*names)
    assert all(0.5 <= each.confidence < 0.8 for each in chosen)


def test_a_name_for_all_of_it_beside_one_for_half_is_no_certain_thing() -> None:
    for name, field, other, sure in BESIDE:
        (choice,) = [each for each in find([name, other]).chosen if each.place == 0]
        assert (choice.field, choice.confidence) == (field, sure)
        assert sure < 1.0


def test_what_a_person_says_of_the_other_half_counts() -> None:
    assert find(["Name", "Vorname"], (), {1: "last_name"}).places == {"last_name": 1}


def test_a_sentence_is_no_name() -> None:
    name = "please write your private email here and we will write back soon"
    assert found(name) == {}
    assert found(name.partition(" here")[0]) != {}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_name_is_never_half_of_one(name: str) -> None:
    assert find([name, "email", "company"]).places.keys() == {"email", "company"}


def test_the_second_best_columns_are_told() -> None:
    names = ["work email", "email", "personal email", "company email"]
    told = find(names)
    assert [names[each.place] for each in told.chosen] == ["email"]
    assert [names[each.place] for each in told.others] == ["work email", "personal email", "company email"]


def test_of_columns_for_addresses_one_with_addresses_is_taken() -> None:
    rows = [["yes", "a@b.de"], ["", "c@d.de"]]
    assert found("Mail,Work email", rows) == {"email": "Work email"}
    # Without any it stays with the better name, whatever its cells hold.
    assert found("Mail,Work email", [["yes", "no"]]) == {"email": "Mail"}
    assert found("Email,Work email", [["", "a@b.de"]]) == {"email": "Email"}


HEADER = ["Email", "first name", "LAST", "Org", "Notes"]


@pytest.mark.parametrize(
    "mapping",
    [
        [{"column": "Notes", "field": "company"}, {"column": "Org", "field": None, "confidence": 1.0}],
        {"Notes": "company", "Org": None},
        {"notes": "company", "ORG ": None},
        {"company": "Notes"},
        ["email", "first_name", "last_name", None, "company"],
    ],
)
def test_a_mapping_can_be_said_in_four_ways(mapping: object) -> None:
    fixed = said(mapping, HEADER)
    assert fixed[4] == "company"
    assert find(HEADER, (), fixed).places == {"email": 0, "first_name": 1, "last_name": 2, "company": 4}


def test_a_column_can_be_said_to_be_none() -> None:
    assert find(HEADER, (), said({"Org": None}, HEADER)).places.keys() == {"email", "first_name", "last_name"}


@pytest.mark.parametrize(
    ("mapping", "why"),
    [
        (5, "an object or a list"),
        ("email", "an object or a list"),
        ([5], "needs `column` and `field`"),
        ([{"column": "Org"}], "needs `column` and `field`"),
        ({"Nope": "email"}, "no column `Nope`"),
        ({"Org": "phone"}, "no field `phone`"),
        ({"Org": 5}, "no field"),
        ({"Org": {}}, "no field"),
        ([{"column": None, "field": "email"}], "no column"),
        ({"company": "Nope"}, "no column `company`"),
        ({"Org": "company", "Notes": "company"}, "two columns"),
        ([{"column": "Org", "field": "company"}, {"column": "org", "field": None}], "twice"),
        ({"Org": "x" * 5_000}, "no field"),
        (["email"], "has 1 fields, and the file 5 columns"),
        ([None] * 6, "has 6 fields"),
        (["email", "email", None, None, None], "two columns"),
        ([None, None, None, None, "phone"], "no field `phone`"),
    ],
)
def test_a_mapping_that_cannot_be_followed_is_told_why(mapping: object, why: str) -> None:
    with pytest.raises(UnclearError, match=why) as caught:
        said(mapping, HEADER)
    assert len(str(caught.value)) < 400


def test_a_mapping_that_reads_both_ways_is_followed_only_if_both_say_the_same() -> None:
    header = ["email", "company", "first_name", "last_name"]
    swapped = {"email": "company", "company": "email"}
    assert said(swapped, header) == {0: "company", 1: "email"}
    assert said({"email": "email"}, header) == {0: "email"}
    with pytest.raises(UnclearError, match="list of objects"):
        said({"email": "company"}, header)


def test_a_column_is_named_as_it_stands_when_others_are_alike() -> None:
    header = ["e-mail", "e mail", "x"]
    assert said({"e mail": "email"}, header) == {1: "email"}
    with pytest.raises(UnclearError, match="several columns"):
        said({"E_MAIL": "email"}, header)


def test_a_header_is_known_again_whatever_its_case_but_not_in_another_order() -> None:
    assert signature(["E-Mail", " First name", "Org"]) == signature(["email", "first_name", "ORG"])
    assert signature(["a", "b"]) != signature(["b", "a"])
    assert signature(["ab", "c"]) != signature(["a", "bc"])
    assert signature(["名前"]) != signature(["会社"])


NAMES = st.text(max_size=30) | st.sampled_from([name for names in EXACT.values() for name in names])


@given(st.lists(NAMES, min_size=1, max_size=12))
def test_no_header_gives_a_field_two_columns_or_a_column_two_fields(header: list[str]) -> None:
    told = find(header)
    assert len({each.place for each in told.chosen}) == len(told.chosen) == len(told.places)
    assert all(0.5 <= each.confidence <= 1.0 for each in (*told.chosen, *told.others))
    assert not {each.place for each in told.chosen} & {each.place for each in told.others}
    signature(header)
