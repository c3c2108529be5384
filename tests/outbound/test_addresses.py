"""Which addresses may be reached, in whichever spelling they are named."""

from __future__ import annotations

import ipaddress

import pytest

from ingestbox.errors import StartupError
from ingestbox.outbound.addresses import METADATA, SPECIAL, Reach
from ingestbox.outbound.fetched import FetchError
from ingestbox.outbound.names import host_of, led_to, place_of


def refused(reach: Reach, address: str, name: str | None = None, port: int = 443) -> str:
    """Why an address is refused; empty when it is not."""
    try:
        reach.check(ipaddress.ip_address(address), port, name)
    except FetchError as error:
        assert error.why == "refused"
        return error.told
    return ""


@pytest.mark.parametrize("special", SPECIAL, ids=lambda each: str(each.network))
def test_both_ends_of_every_special_network_are_refused(special: object) -> None:
    network = next(each for each in SPECIAL if each is special).network
    for address in (network[0], network[-1], network[network.num_addresses // 2]):
        assert refused(Reach(), str(address)), address
        assert refused(Reach(), str(address), "site.example"), address


@pytest.mark.parametrize(
    "address",
    [
        *("0.1.2.3", "10.1.2.3", "100.64.0.1", "100.127.255.254", "127.1.2.3", "169.254.1.1", "172.31.255.1"),
        *("192.0.0.8", "192.168.255.1", "198.19.255.1", "224.0.0.251", "239.1.1.1", "250.1.1.1"),
        *("255.255.255.255", "168.63.129.16", "100.100.100.200", "169.254.169.254", "192.0.0.192"),
        *("::1", "::", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1"),
        *("64:ff9b::808:808", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:808:808::1", "2001::1", "fc00::1"),
        *("2001:0:7f00:1::", "2001:db8::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "fec0::1", "ff02::1"),
        *("fe80::1%1", "2606:4700::1%1", "4000::1", "5f00::1", "100::1", "::ffff:0:7f00:1", "3fff::1"),
    ],
)
def test_what_is_not_global_is_refused(address: str) -> None:
    assert refused(Reach(), address)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
        ),
        *("128.0.0.0", "169.253.255.255", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255"),
        *("223.255.255.255", "2606:4700:4700::1111", "2001:200::1", "2003::1", "2a00:1450::1"),
    ],
)
def test_what_is_global_is_reached_at_the_ports_of_the_web_alone(address: str) -> None:
    assert refused(Reach(), address) == refused(Reach(), address, "site.example", 80) == ""
    for port in (22, 25, 6379, 65535):
        assert "Port" in refused(Reach(), address, port=port)


LOOPBACK = ipaddress.ip_address("127.0.0.1")


@pytest.mark.parametrize(
    "text",
    [
        *("127.0.0.1", "2130706433", "0x7f000001", "0X7F000001", "017700000001", "0x7f.1", "0177.0.0.1"),
        *("127.1", "127.0.1", "0x7f.0x0.0x0.0x1", "0177.0x0.0.1", "127.000.000.001", "00000177.0.0.1"),
        *("127.0.0.1.", "2130706433.", "127%2e0%2e0%2e1", "%31%32%37.0.0.1", "127.0.0.%31", "0x7f.1."),
        *(
            "１２７.０.０.１",
            "127。0。0。1",
            "127．0．0．1",
            "127｡0｡0｡1",
            "①②⑦.0.0.1",
            "𝟏𝟐𝟕.0.0.1",
            "０ｘ７ｆ.1",
        ),
        *("%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1",),
    ],
)
def test_every_spelling_of_an_address_is_that_address(text: str) -> None:
    assert host_of(text) == LOOPBACK
    place = place_of(f"http://{text}/x")
    assert (place.host, place.url) == (LOOPBACK, "http://127.0.0.1/x")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "[::1%25lo]",
            "[fe80::1%eth0]",
            "[::1",
            "[]",
            "[::1]x",
            "1.2.3.4.5",
            "256.0.0.1",
            "1.2.3.256",
            "08.1",
        ),
        *(
            "4294967296",
            "127.0.0.1%00.example",
            "1..2",
            "a..b",
            ".",
            "",
            "%",
            "a b",
            "a%20b",
            "a%2fb",
            "a%40b",
        ),
        *(
            "a%3a80",
            "%ff",
            "0x7g.1",
            "999999999999999999999999",
            "1.2.3.0x100",
            "-a",
            "a-",
            "xn--" + "a" * 300,
        ),
    ],
)
def test_what_is_no_host_is_none(text: str) -> None:
    with pytest.raises(FetchError) as refusal:
        host_of(text)
    assert refusal.value.why == "unknown"


@pytest.mark.parametrize(
    ("address", "what"),
    [
        *(
            ("64:ff9b::1", "NAT64"),
            ("64:ff9b:1::1", "local NAT64"),
            ("2002::1", "6to4"),
            ("2001::1", "Teredo"),
        ),
        *(("::ffff:1.1.1.1", "IPv4-mapped"), ("::1.1.1.1", "IPv4-compatible"), ("fc00::1", "unique local")),
        *(
            ("fec0::1", "site-local"),
            ("fe80::1", "link-local"),
            ("ff02::1", "multicast"),
            ("::1", "loopback"),
        ),
        *(("100.64.0.1", "carrier"), ("169.254.169.254", "clouds"), ("255.255.255.255", "broadcast")),
        *(("4000::1", "not global"), ("fe80::1%1", "one link")),
    ],
)
def test_it_is_told_what_an_address_is(address: str, what: str) -> None:
    assert what in refused(Reach(), address)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Example.VN.", "example.vn"),
        ("bệnhviện.vn", "xn--bnhvin-ik8be.vn"),
        ("ⓔxample.vn", "example.vn"),
        ("a_b.example", "a_b.example"),
        ("ex%61mple.vn", "example.vn"),
    ],
)
def test_a_name_is_written_in_one_way(text: str, name: str) -> None:
    assert host_of(text) == name


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST.", "ⓛocalhost", "x.localhost", "local%68ost"])
def test_names_that_mean_this_machine_are_refused(name: str) -> None:
    found = host_of(name)
    assert isinstance(found, str)
    with pytest.raises(FetchError) as refusal:
        Reach().check_name(found)
    assert refusal.value.why == "refused"
    Reach([found]).check_name(found)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "ftp://a.vn/",
            "file:///etc/passwd",
            "gopher://a.vn/",
            "//a.vn/",
            "a.vn",
            "http:/a.vn",
            "http:///x",
            "",
        ),
        *("http://a.vn:0/", "http://a.vn:65536/", "http://a.vn:x/", "http://a.vn\\@b.vn/", "http://a.vn/\n"),
        *("http://a.vn /", "\thttp://a.vn/", "http://a.vn/" + "x" * 3_000, "http://[::1]:80\\@evil/"),
    ],
)
def test_what_is_no_url_to_fetch_is_refused(url: str) -> None:
    with pytest.raises(FetchError):
        place_of(url)


def test_credentials_in_a_url_are_refused() -> None:
    for url in ("http://user@a.vn/", "http://user:secret@a.vn/", "http://@a.vn/", "http://a.vn@127.0.0.1/"):
        with pytest.raises(FetchError) as refusal:
            place_of(url)
        assert refusal.value.why == "refused"
        assert "secret" not in refusal.value.told


def test_a_url_keeps_its_path_and_loses_what_no_server_sees() -> None:
    assert place_of("HTTP://A.vn:80?q=1#top").url == "http://a.vn/?q=1"
    assert place_of("https://a.vn:8443/x").url == "https://a.vn:8443/x"
    assert led_to(place_of("https://a.vn/b/c"), "../d?e").url == "https://a.vn/d?e"
    assert led_to(place_of("https://a.vn/b"), "//127.1/x").host == LOOPBACK
    for location in ("http://u@a.vn/", "javascript:alert(1)", "http://[", "http://a vn/"):
        with pytest.raises(FetchError):
            led_to(place_of("https://a.vn/"), location)


def test_the_operator_opens_private_hosts_by_name_address_or_network() -> None:
    reach = Reach(["cms.example.vn", "*.inside.example", "10.0.0.7", "192.168.4.0/22", "fd12::/16"])
    assert refused(reach, "10.0.0.8", "cms.example.vn", 8123) == ""
    assert refused(reach, "fd99::1", "a.b.inside.example") == ""
    assert refused(reach, "10.0.0.7", port=5000) == refused(reach, "10.0.0.7", "any.example") == ""
    assert refused(reach, "192.168.7.255") == refused(reach, "fd12:1::1") == ""
    for address, name in (
        *(("10.0.0.8", None), ("10.0.0.8", "other.example"), ("192.168.8.0", None), ("fd13::1", None)),
        *(("10.0.0.8", "inside.example"), ("10.0.0.8", "xcms.example.vn")),
    ):
        assert refused(reach, address, name), (address, name)
    assert "10.0.0.8" not in refused(reach, "10.0.0.8", "other.example"), "who asks learns what is inside"


def test_a_name_opens_no_addresses_that_stand_for_others_and_nothing_opens_metadata_but_itself() -> None:
    reach = Reach(["cms.example.vn", "169.254.0.0/16", "fd00::/8", "100.64.0.0/10", "64:ff9b::/96"])
    for address in ("::ffff:10.0.0.1", "2002:a00:1::", "2001::1", "224.0.0.1", "0.0.0.0"):
        assert refused(reach, address, "cms.example.vn"), address
    for metadata in METADATA:
        assert refused(reach, str(metadata)), metadata
        assert refused(reach, str(metadata), "cms.example.vn"), metadata
        assert refused(Reach([str(metadata)]), str(metadata)) == ""
    assert refused(reach, "64:ff9b::808:808") == ""
    assert refused(Reach(["fe80::/10"]), "fe80::1%1")


@pytest.mark.parametrize(
    "entry", ["", "http://a.vn", "10.0.0.1/8", "a.vn/x", "*", "a b", "2130706433", "*.10.0.0.1"]
)
def test_what_opens_nothing_ends_the_start(entry: str) -> None:
    with pytest.raises(StartupError, match="allow_hosts"):
        Reach([entry])
