"""Where a request comes from, as far as a proxy may be believed."""

from __future__ import annotations

import io
import logging
import random
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from ingestbox import logs
from ingestbox.errors import StartupError
from ingestbox.web.policy.origin import MAX_HOPS, Origin, Origins
from tests.web.support import Live, serve

LOCAL = ["127.0.0.1"]


def origin(trusted: list[str], peer: str, headers: Mapping[str, str], prefix: str = "") -> Origin:
    scope = {"client": (peer, 4711) if peer else None, "scheme": "http"}
    return Origins(trusted, prefix).of(scope, headers)


@pytest.mark.parametrize(
    ("trusted", "peer", "said", "address"),
    [
        ([], "127.0.0.1", "192.0.2.7", "127.0.0.1"),
        (["10.0.0.7"], "10.0.0.8", "192.0.2.7", "10.0.0.8"),
        (["10.0.0.7"], "10.0.0.7", "192.0.2.7", "192.0.2.7"),
        (["10.0.0.0/8"], "10.9.9.9", "192.0.2.7", "192.0.2.7"),
        (["10.0.0.7/8"], "10.9.9.9", "192.0.2.7", "192.0.2.7"),
        (["fd00::/8"], "fd00::1", "2001:DB8:0::7", "2001:db8::7"),
        (["::ffff:10.0.0.0/104"], "10.9.9.9", "192.0.2.7", "192.0.2.7"),
        (["10.0.0.0/8"], "::ffff:10.0.0.7", "::ffff:192.0.2.7", "192.0.2.7"),
        # From the right, past proxies that are trusted; what stands further left is what the client claims.
        (["10.0.0.0/8"], "10.0.0.1", "203.0.113.9, 192.0.2.7, 10.0.0.2", "192.0.2.7"),
        (["10.0.0.0/8"], "10.0.0.1", "203.0.113.9,192.0.2.7", "192.0.2.7"),
        (["10.0.0.0/8"], "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        # With a port, in brackets.
        (["10.0.0.1"], "10.0.0.1", "192.0.2.7:65000", "192.0.2.7"),
        (["10.0.0.1"], "10.0.0.1", "[2001:db8::7]:443", "2001:db8::7"),
        (["10.0.0.1"], "10.0.0.1", "[2001:db8::7]", "2001:db8::7"),
        # What is no address says nothing.
        (["10.0.0.1"], "10.0.0.1", "unknown", "10.0.0.1"),
        (["10.0.0.1"], "10.0.0.1", "", "10.0.0.1"),
        (["10.0.0.1"], "10.0.0.1", "192.0.2.7, ", "10.0.0.1"),
        (["10.0.0.1"], "10.0.0.1", "192.0.2.7, _hidden, 10.0.0.1", "10.0.0.1"),
        (["10.0.0.1"], "10.0.0.1", "192.0.2.7:80:80", "10.0.0.1"),
        (["10.0.0.1"], "10.0.0.1", "1.2.3", "10.0.0.1"),
        (["10.0.0.1"], "10.0.0.1", "٣.٣.٣.٣", "10.0.0.1"),
        (["10.0.0.1"], "", "192.0.2.7", ""),
    ],
)
def test_the_clients_address_is_found_past_trusted_proxies(
    trusted: list[str], peer: str, said: str, address: str
) -> None:
    assert origin(trusted, peer, {"x-forwarded-for": said}).address == address


def test_a_list_without_an_end_is_not_walked_to_its_end() -> None:
    said = ", ".join(["192.0.2.7"] + ["10.0.0.2"] * 100_000)
    assert origin(["10.0.0.0/8"], "10.0.0.1", {"x-forwarded-for": said}).address == "10.0.0.2"
    said = ", ".join(["192.0.2.7"] + ["10.0.0.2"] * (MAX_HOPS - 1))
    assert origin(["10.0.0.0/8"], "10.0.0.1", {"x-forwarded-for": said}).address == "192.0.2.7"


@pytest.mark.parametrize(
    ("headers", "scheme", "host", "prefix"),
    [
        ({"x-forwarded-proto": "https"}, "https", "box:8000", "/set"),
        ({"x-forwarded-proto": "HTTPS"}, "https", "box:8000", "/set"),
        ({"x-forwarded-proto": "javascript"}, "http", "box:8000", "/set"),
        ({"x-forwarded-proto": ""}, "http", "box:8000", "/set"),
        ({"x-forwarded-host": "in.example"}, "http", "in.example", "/set"),
        ({"x-forwarded-host": "in.example:8443"}, "http", "in.example:8443", "/set"),
        ({"x-forwarded-host": "in.example/<script>"}, "http", "box:8000", "/set"),
        ({"x-forwarded-prefix": "/ingest/"}, "http", "box:8000", "/ingest"),
        ({"x-forwarded-prefix": "/"}, "http", "box:8000", "/set"),
        ({"x-forwarded-prefix": "//evil.example"}, "http", "box:8000", "/set"),
        ({"x-forwarded-prefix": "/a b"}, "http", "box:8000", "/set"),
        # Each proxy adds its own on the right: the outermost one that is trusted counts.
        (
            {"x-forwarded-for": "192.0.2.7, 10.0.0.2", "x-forwarded-proto": "http, https, http"},
            "https",
            "box:8000",
            "/set",
        ),
        ({"x-forwarded-for": "192.0.2.7", "x-forwarded-proto": "https, http"}, "http", "box:8000", "/set"),
        ({"x-forwarded-host": "evil.example, in.example"}, "http", "in.example", "/set"),
    ],
)
def test_scheme_host_and_prefix_are_taken_from_trusted_proxies_alone(
    headers: dict[str, str], scheme: str, host: str, prefix: str
) -> None:
    headers = {"host": "box:8000", **headers}
    found = origin(["10.0.0.0/8"], "10.0.0.1", headers, "/set")
    assert (found.scheme, found.host, found.prefix, found.forwarded) == (scheme, host, prefix, True)
    other = origin(["10.0.0.0/8"], "192.0.2.66", headers, "/set")
    assert (other.address, other.scheme, other.host, other.prefix) == (
        "192.0.2.66",
        "http",
        "box:8000",
        "/set",
    )


@pytest.mark.parametrize(
    ("peer", "headers", "loopback"),
    [
        ("127.0.0.1", {}, True),
        ("127.0.0.1", {"host": "localhost:8000"}, True),
        ("127.0.0.1", {"host": "LOCALHOST."}, True),
        ("127.8.8.8", {"host": "127.0.0.1:8000"}, True),
        ("::1", {"host": "[::1]:8000"}, True),
        ("::ffff:127.0.0.1", {"host": "box.localhost"}, True),
        ("192.0.2.7", {"host": "localhost"}, False),
        ("", {"host": "localhost"}, False),
        # A page under a name of the world's DNS that points here.
        ("127.0.0.1", {"host": "evil.example:8000"}, False),
        ("127.0.0.1", {"host": "localhost.evil.example"}, False),
        ("127.0.0.1", {"host": "localhost, evil.example"}, False),
        # Through a proxy on this machine, trusted or not.
        *(
            ("127.0.0.1", {"host": "localhost", name: "127.0.0.1"}, False)
            for name in (
                "x-forwarded-for",
                "x-real-ip",
                "forwarded",
                "x-forwarded-proto",
                "x-forwarded-host",
                "via",
            )
        ),
    ],
)
@pytest.mark.parametrize("trusted", [[], ["127.0.0.0/8", "::1"]])
def test_only_a_direct_call_from_this_machine_is_loopback(
    trusted: list[str], peer: str, headers: dict[str, str], loopback: bool
) -> None:
    assert origin(trusted, peer, headers).is_loopback is loopback


@pytest.mark.parametrize("entry", ["proxy.lan", "10.0.0.0/33", "10.0.0", "", "10.0.0.1:80", "::1::", "*"])
def test_a_proxy_that_is_no_address_is_refused_at_the_start(entry: str) -> None:
    with pytest.raises(StartupError, match=r"server\.trusted_proxies: .*neither an address nor a network"):
        Origins(["10.0.0.1", entry])


def test_no_header_however_odd_breaks_the_origin() -> None:
    dice = random.Random(7)
    names = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-prefix", "host"]
    alphabet = "0123456789abcdef.:,[]%/_- \t\"'\x80\xff=;"
    for _ in range(3_000):
        headers = {
            name: "".join(dice.choices(alphabet, k=dice.randrange(40))) for name in dice.sample(names, 3)
        }
        found = origin(["10.0.0.0/8", "::1"], dice.choice(["10.0.0.1", "::1", "x"]), headers)
        assert found.scheme in ("http", "https")
        assert not found.is_loopback or not found.forwarded


def test_the_door_believes_the_proxies_that_are_set_and_logs_the_client() -> None:
    stream = io.StringIO()

    async def test(live: Live) -> None:
        said = {
            "X-Forwarded-For": "203.0.113.9, 192.0.2.7",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "in.example",
        }
        async with live.client(headers=live.bearer) as client:
            found: dict[str, Any] = (await client.get("/v1/origin", headers=said)).json()
        assert (found["address"], found["scheme"], found["host"]) == ("192.0.2.7", "https", "in.example")

    async def ignored(live: Live) -> None:
        async with live.client(headers=live.bearer) as client:
            found = (await client.get("/v1/origin", headers={"X-Forwarded-For": "192.0.2.7"})).json()
            assert (found["address"], found["loopback"]) == ("127.0.0.1", False)
            assert (await client.get("/v1/origin")).json()["loopback"] is True

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        logs.set_up("INFO", "json", stream)
        serve(test, trusted_proxies=LOCAL)
        serve(ignored)
    finally:
        root.handlers[:], root.level = handlers, level
    lines = [msgspec.json.decode(line) for line in stream.getvalue().splitlines()]
    clients = [line["client"] for line in lines if line["logger"] == "ingestbox.access"]
    assert clients == ["192.0.2.7", "127.0.0.1", "127.0.0.1"]
