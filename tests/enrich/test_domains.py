"""Domains as they are compared, and whether one gives addresses to anybody, or for a while."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestbox.enrich import domains
from ingestbox.enrich.domains import canonical, domain_in, is_disposable, is_free

FOLDER = Path(domains.__file__).parent


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("acme.com", "acme.com"),
        ("ACME.com.", "acme.com"),
        ("https://www.Acme.com/about?x=1#top", "acme.com"),
        ("http://anna:secret@acme.com:8443/x", "acme.com"),
        ("//cdn.acme.com", "cdn.acme.com"),
        ("acme.com:443", "acme.com"),
        ("acme.com/path", "acme.com"),
        ("https://acme.com?by=anna@other.com", "acme.com"),
        ("user@acme.com", "acme.com"),
        ("mailto:user@acme.com?subject=Hi", "acme.com"),
        (" \u200bacme.com\u00a0", "acme.com"),
        ("www.com", "www.com"),
        ("www.acme.co.uk", "acme.co.uk"),
        ("shop.acme.com", "shop.acme.com"),
        ("Bücher.example", "bücher.example"),
        ("XN--BCHER-KVA.example", "bücher.example"),
        ("bu\u0308cher.example", "bücher.example"),
        ("straße.de", "straße.de"),
        ("例子。中国", "例子.中国"),
        ("1.com", "1.com"),
        ("a" * 63 + ".com", "a" * 63 + ".com"),
    ],
)
def test_it_has_one_form(text: str, domain: str) -> None:
    assert domain_in(text) == domain


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "Acme", "Acme Inc.", "localhost", "10.0.0.1", "[::1]", "http://[::1]:80/", "acme .com"),
        *(
            "-acme.com",
            "acme-.com",
            "a..com",
            ".com",
            "acme.c",
            "acme.c1",
            "acme.com:port",
            "_dmarc.acme.com",
        ),
        *(
            "a" * 64 + ".com",
            "a." * 127 + "com",
            "xn--zz--.com",
            "http://",
            "@",
            "acme.com:1:2",
            "\ud800.com",
        ),
        "x" * 5_000_000,
    ],
)
def test_what_is_none(text: str) -> None:
    assert domain_in(text) is None


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80) | st.from_regex(r"(https?://)?(www\.)?[a-zé-]{1,9}\.[a-z]{2,4}(:\d+)?(/.*)?"))
def test_the_form_of_a_form_is_itself(text: str) -> None:
    found = domain_in(text)
    if found is not None and not found.startswith("www."):
        assert domain_in(found) == canonical(found) == found


@pytest.mark.parametrize(
    ("domain", "free", "disposable"),
    [
        ("gmail.com", True, False),
        ("yahoo.com.vn", True, False),
        ("tutanota.com", True, False),
        ("hcm.vnn.vn", True, False),
        ("hr.gmail.com", False, False),
        ("mailinator.com", False, True),
        ("anything.at.mailinator.com", False, True),
        ("my-mailinator.com", False, False),
        ("acme.com", False, False),
        ("example.com", False, False),
        ("com", False, False),
        ("", False, False),
    ],
)
def test_whose_it_is(domain: str, free: bool, disposable: bool) -> None:
    assert (is_free(domain), is_disposable(domain)) == (free, disposable)


def listed(name: str) -> list[str]:
    return [line for line in (FOLDER / name).read_text("utf-8").splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("name", ["free.txt", "free_more.txt", "disposable.txt"])
def test_a_list_has_domains_in_their_one_form_once_each(name: str) -> None:
    found = listed(name)
    assert found == sorted(set(found))
    assert [each for each in found if canonical(each) != each] == []
    assert len(found) > (4_000 if name != "free_more.txt" else 5)


def test_no_service_is_both() -> None:
    free = {*listed("free.txt"), *listed("free_more.txt")}
    assert not {domain for domain in free if is_disposable(domain)}
    assert not {"com", "co.uk", "com.vn", "net"} & {*free, *listed("disposable.txt")}


def test_each_list_says_where_it_is_from() -> None:
    text = (FOLDER / "README.md").read_text("utf-8")
    assert len(re.findall(r"\b[0-9a-f]{40}\b", text)) == 3
    for licence in FOLDER.glob("LICENSE*"):
        assert f"`{licence.name}`" in text


def test_a_child_has_them_quickly() -> None:
    """They are read with the first question, and take little."""
    code = (
        "import resource, time\n"
        "from ingestbox.enrich import domains\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "start = time.process_time()\n"
        "assert domains.is_free('gmail.com') and domains.is_disposable('mailinator.com')\n"
        "taken = time.process_time() - start\n"
        "more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before\n"
        "import sys\n"
        "assert 'idna' not in sys.modules and 'email_validator' not in sys.modules\n"
        "print(taken * 1000, more)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    milliseconds, kilobytes = map(float, done.stdout.split())
    assert milliseconds < 50
    assert kilobytes < 6_000
