"""Addresses: plain ones are taken without the library, and never otherwise than the library would."""

from __future__ import annotations

import pytest
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingestbox.enrich.mailbox import MAX_BYTES, MAX_SHOWN, SPECIAL, Mailbox, canonical, fault_in, is_plain


def library_takes(address: str) -> bool:
    try:
        validate_email(address, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True


ATEXT = "abzABZ059_!#$%&'*+-/=?^`{|}~"
LOCAL = st.text(ATEXT + ".", min_size=0, max_size=70) | st.text(max_size=20)
LABEL = st.text("abzABZ059-", min_size=0, max_size=65) | st.sampled_from(
    [*sorted(SPECIAL), "xn--bcher-kva", "ab--c", "a-", "-a", "_a", "bücher", "X" * 63, "X" * 64, "１", "。"]
)
TOP = (
    st.sampled_from(["com", "de", "c", "x1", "1x", "vn", "museum", "", "COM", *sorted(SPECIAL), "Test"])
    | LABEL
)
DOMAIN = st.builds(lambda labels, top: ".".join([*labels, top]), st.lists(LABEL, max_size=5), TOP)
ADDRESS = st.builds(lambda local, domain: f"{local}@{domain}", LOCAL, DOMAIN) | st.text(max_size=300)


@settings(max_examples=2_000, deadline=None)
@given(ADDRESS)
@example("a@example.com\n")
@example("a@" + "b" * 63 + ".com")
@example("a@" + "b" * 64 + ".com")
@example("a" * 242 + "@example.com")
@example("a" * 243 + "@example.com")
@example("a@" + "b." * 125 + "com")
@example("a@x.LOCAL")
@example("a@ab--c.com")
@example("a@b.c\u0338om")
def test_what_is_taken_without_the_library_is_what_it_takes(address: str) -> None:
    if is_plain(address):
        assert library_takes(address)
    assert (fault_in(address) is None) == library_takes(address)


@pytest.mark.parametrize(
    "address",
    ["anna@example.com", "a.b+c@mail.example.co.uk", "O'Hara_1@X-1.de", "x@1.example.org", "a@b.cd"],
)
def test_common_addresses_need_no_library(address: str) -> None:
    assert is_plain(address)
    assert library_takes(address)


def test_the_librarys_special_domains_are_known_here() -> None:
    assert {name.rpartition(".")[2] for name in SPECIAL_USE_DOMAIN_NAMES} <= SPECIAL


@pytest.mark.parametrize(
    "address",
    ["nguyễn@công-ty.vn", "jörg@bücher.example", "用户@例子.中国", "a@xn--bcher-kva.example", "a@b.c"],
)
def test_international_addresses_are_taken(address: str) -> None:
    assert not is_plain(address)
    assert fault_in(address) is None


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("anna.example.com", "@-sign"),
        ("@example.com", "before the @-sign"),
        ("anna@", "after the @-sign"),
        ("anna@example", "period"),
        ("an na@example.com", "SPACE"),
        ("anna@exa mple.com", "SPACE"),
        ("anna..lee@example.com", "two periods"),
        ("anna@@example.com", "'@'"),
        ("a@example.com;b@example.com", "';'"),
        ("Anna <anna@example.com>", "display name"),
        ('"anna lee"@example.com', "Quoting"),
        ("anna@[127.0.0.1]", "bracketed"),
        ("anna@10.0.0.1", "top-level"),
        ("anna@box.local", "special-use"),
        ("anna＠example.com", "full-width"),
        ("anna\u200b@example.com", "ZERO WIDTH SPACE"),
        ("\u0301anna@example.com", "COMBINING"),
        ("a" * 250 + "@example.com", f"{250 + 12 - MAX_BYTES} characters too many"),
        ("anna@-example.com", "hyphen"),
    ],
)
def test_a_bad_address_is_told_why(address: str, why: str) -> None:
    assert why in (fault_in(address) or "")


def test_an_address_of_megabytes_takes_no_time_to_refuse() -> None:
    assert "too long" in (fault_in("a" * 4_000_000 + "@example.com") or "")
    assert "too long" in (fault_in('"' * 4_000_000) or "")


def test_the_reason_holds_no_more_of_the_domain_than_its_characters() -> None:
    reason = fault_in("a@private-\u2260\u0301.example")
    assert reason is not None
    assert "private" not in reason


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("anna@example.com", "anna@example.com"),
        (" Anna@EXAMPLE.com\n", "anna@example.com"),
        ("Anna Lee <Anna@example.com>", "anna@example.com"),
        ('"Lee, Anna" <anna@example.com>', "anna@example.com"),
        ("<anna@example.com>", "anna@example.com"),
        ("mailto:anna@example.com?subject=Hi", "anna@example.com"),
        ("MAILTO:anna%40example.com", "anna@example.com"),
        ("\u200banna@exam\u00adple.com", "anna@example.com"),
        ("anna@example.com.", "anna@example.com"),
        ("Jörg@Bücher.example", "jörg@bücher.example"),
        ("jo\u0308rg@xn--bcher-kva.example", "jörg@bücher.example"),
        ("nguyễn@công-ty.vn", "nguyễn@công-ty.vn"),
        ("用户@例子.中国", "用户@例子.中国"),
    ],
)
def test_an_address_has_one_form(text: str, address: str) -> None:
    found = canonical(text)
    assert found == Mailbox(address, True, address.rpartition("@")[2])
    assert canonical(found.address) == found


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Anna", "anna"),
        ("anna@", "anna@"),
        ("@example.com", "@example.com"),
        ("anna@box.local", "anna@box.local"),
        ("anna lee@example.com", "anna lee@example.com"),
        ("a@example.com, b@example.com", "a@example.com, b@example.com"),
        ("anna@10.0.0.1", "anna@10.0.0.1"),
        ("a" * 250 + "@example.com", "a" * 250 + "@example.com"),
        ("A" * 5_000_000, "a" * MAX_SHOWN),
        ("A" * 1_000, "a" * MAX_SHOWN),
    ],
)
def test_what_is_none_stays_as_far_as_it_can_be_read(text: str, address: str) -> None:
    assert canonical(text) == Mailbox(address, False, None)


@settings(max_examples=300, deadline=None)
@given(ADDRESS)
def test_the_form_of_a_form_is_itself(address: str) -> None:
    found = canonical(address)
    again = canonical(found.address)
    assert not found.valid or (again == found and fault_in(found.address) is None)
    if is_plain(address):
        assert found == Mailbox(address.lower(), True, address.rpartition("@")[2].lower())
