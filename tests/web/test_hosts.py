"""The names that the box answers to."""

from __future__ import annotations

import pytest

from ingestbox.errors import IngestError, StartupError
from ingestbox.web.policy.hosts import AllowedHosts, host_name
from tests.harness import BoxProcess
from tests.web.support import Live, serve

SET = ["box.example.com", "*.lan.example", "plain"]


@pytest.mark.parametrize(
    "host",
    [
        "box.example.com",
        "BOX.Example.com:8000",
        "box.example.com.",
        "box.example.com.:443",
        "a.lan.example",
        "a.b.lan.example:1",
        "plain",
        "localhost",
        "localhost:8000",
        "box.localhost",
        "127.0.0.1:8000",
        "[::1]:8000",
        "10.1.2.3",
        "10.1.2.3:8000",
        "[2001:db8::7]",
    ],
)
def test_a_name_that_is_set_and_every_address_may_be_asked_for(host: str) -> None:
    async def test(live: Live) -> None:
        async with live.client(headers={**live.bearer, "Host": host}) as client:
            assert (await client.get("/api/echo")).status_code == 200

    serve(test, allowed_hosts=SET)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "lan.example",
        "evillan.example",
        "box.example.com.evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
    ],
)
def test_any_other_name_is_refused_before_anything_else(host: str) -> None:
    async def test(live: Live) -> None:
        headers = {"X-Request-ID": "r", "Host": host}
        async with live.client() as client:
            for path in ("/api/echo", "/healthz"):
                reply = await client.get(path, headers=headers)
                assert (reply.status_code, reply.json()["code"]) == (421, "host_not_allowed")
                assert reply.headers["x-request-id"] == "r"
            assert (await client.options("/api/echo", headers=headers)).status_code == 421
            told = (await client.get("/v1/lines", headers=headers)).json()
            assert told["title"] == "Misdirected Request"
            assert "server.allowed_hosts" in told["remedy"]
        assert live.keys.looked_up == [] and live.asked == []

    serve(test, allowed_hosts=SET)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example@box.example.com",
        "box.example.com, evil.example",
        "box.example.com:80:80",
        "box.example.com:http",
        "box.example.com/",
        "box.example.com ",
        "[::1",
        "b\xf6x.example.com",
    ],
)
def test_what_is_no_name_is_not_an_allowed_one(host: str) -> None:
    with pytest.raises(IngestError, match="host_not_allowed"):
        AllowedHosts([*SET, "*.com"]).check(host)


def test_without_a_list_every_name_will_do() -> None:
    async def test(live: Live) -> None:
        async with live.client(headers=live.bearer) as client:
            for host in ("evil.example", ""):
                assert (await client.get("/api/echo", headers={"Host": host})).status_code == 200

    serve(test)


def test_the_name_that_a_trusted_proxy_was_asked_for_counts_too() -> None:
    async def test(live: Live) -> None:
        async with live.client(headers=live.bearer) as client:
            for host, status in (("box.example.com", 200), ("evil.example", 421)):
                reply = await client.get("/api/echo", headers={"X-Forwarded-Host": host})
                assert reply.status_code == status
            odd = {"Host": "evil.example", "X-Forwarded-Host": "box.example.com"}
            assert (await client.get("/api/echo", headers=odd)).status_code == 421

    serve(test, allowed_hosts=SET, trusted_proxies=["127.0.0.1"])


def test_nobody_else_has_a_say_in_the_name() -> None:
    async def test(live: Live) -> None:
        async with live.client(headers=live.bearer) as client:
            odd = {"Host": "evil.example", "X-Forwarded-Host": "box.example.com"}
            assert (await client.get("/api/echo", headers=odd)).status_code == 421
            assert (await client.get("/api/echo", headers={"X-Forwarded-Host": "evil.example"})).is_success

    serve(test, allowed_hosts=SET)


@pytest.mark.parametrize(
    "entry",
    [
        "https://box.example",
        "box.example:8000",
        "box.example/",
        "",
        " ",
        "*",
        "*.*.example",
        "a*.example",
        "b ox",
    ],
)
def test_an_entry_that_is_no_name_is_refused_at_the_start(entry: str) -> None:
    with pytest.raises(StartupError, match=r"server\.allowed_hosts: "):
        AllowedHosts(["box.example", entry])


def test_entries_are_read_as_people_write_them() -> None:
    hosts = AllowedHosts([" Box.Example. ", "[2001:db8::7]", "10.1.2.3"])
    hosts.check("box.example", "[2001:db8::7]:8000", "10.1.2.3")


def test_a_host_field_is_read_without_port_and_final_dot() -> None:
    assert host_name("Box.Example.:8000") == "box.example"
    assert host_name("[2001:DB8::7]:8000") == "2001:db8::7"
    assert [host_name(each) for each in ("", "a b", "a:b", "a/b", "[::1", ":80")] == [""] * 6


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ('allowed_hosts = ["https://box.example"]', "server.allowed_hosts: `https://box.example` is not"),
        ('trusted_proxies = ["proxy.lan"]', "server.trusted_proxies: `proxy.lan` is neither"),
        ('cors_origins = ["https://app.example/"]', "server.cors_origins: `https://app.example/` is not"),
    ],
)
def test_a_setting_that_cannot_be_understood_stops_the_start_with_a_sentence(
    own_box: BoxProcess, setting: str, sentence: str
) -> None:
    own_box.configure(f"[server]\n{setting}\n")
    own_box.start(wait=False)
    assert own_box.process is not None
    assert own_box.process.wait(30) == 1
    assert sentence in own_box.tail()
    assert "Traceback" not in own_box.tail()
