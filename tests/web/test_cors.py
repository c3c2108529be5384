"""Which web pages may call the API: what browsers are told, and that nothing else changes."""

from __future__ import annotations

import httpx2
import pytest

from ingestbox.config import Rates
from ingestbox.errors import StartupError
from ingestbox.web.policy.cors import Cors
from tests.web.support import Live, serve

APP = "https://app.example"
SET = [APP, "http://localhost:3000"]


def asked(origin: str = APP, method: str = "POST", names: str = "") -> dict[str, str]:
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    return {**headers, "Access-Control-Request-Headers": names} if names else headers


def of_cors(reply: httpx2.Response) -> set[str]:
    return {name for name in reply.headers if name.startswith("access-control-")}


def test_a_preflight_is_answered_without_credentials() -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:
            for origin in SET:
                reply = await client.options(
                    "/api/echo", headers=asked(origin, names="authorization,content-type,x-own")
                )
                assert (reply.status_code, reply.content) == (204, b"")
                assert reply.headers["access-control-allow-origin"] == origin
                assert reply.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS, POST"
                assert reply.headers["access-control-allow-headers"] == "authorization,content-type,x-own"
                assert int(reply.headers["access-control-max-age"]) > 0
                assert "access-control-allow-credentials" not in reply.headers
                assert "origin" in reply.headers["vary"].lower()
                assert reply.headers["x-request-id"]
            plain = await client.options("/v1/lines", headers=asked(method="GET"))
            assert "access-control-allow-headers" not in plain.headers
        assert live.asked == [] and live.keys.looked_up == []

    serve(test, cors_origins=SET)


def test_a_preflight_is_for_what_exists() -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:
            none = await client.options("/api/nothing", headers=asked())
            assert (none.status_code, none.json()["code"]) == (404, "not_found")
            other = await client.options("/api/echo", headers=asked(method="DELETE"))
            assert (other.status_code, other.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
            for reply in (none, other):
                assert "access-control-allow-methods" not in reply.headers
                assert reply.headers["access-control-allow-origin"] == APP

    serve(test, cors_origins=SET)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://app.example",
        "https://app.example:8443",
        "https://app.example.evil.example",
        "https://notapp.example",
        "https://app.example/",
        "HTTPS://APP.EXAMPLE",
        "null",
        "",
        "*",
    ],
)
def test_pages_of_other_origins_are_told_nothing(origin: str) -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:
            reply = await client.options("/api/echo", headers=asked(origin))
            assert (reply.status_code, of_cors(reply)) == (204, set())
            assert reply.headers["vary"] == "Origin"
            # Without a browser between them Origin means nothing: the call is answered as any other.
            reply = await client.get("/api/echo", headers={**live.bearer, "Origin": origin})
            assert (reply.status_code, of_cors(reply), reply.headers["vary"]) == (200, set(), "Origin")

    serve(test, cors_origins=SET)


def test_every_answer_says_that_the_page_may_read_it() -> None:
    async def test(live: Live) -> None:
        async with live.client(headers={"Origin": APP}) as client:
            token = live.bearer
            replies = {
                200: await client.get("/v1/lines", headers=token),
                204: await client.delete("/v1/things/1", headers=token),
                401: await client.get("/api/echo"),
                404: await client.get("/nothing"),
                405: await client.put("/api/echo"),
                500: await client.get("/v1/fail", headers=token),
            }
            streamed = await client.get("/v1/stream", headers=token)
            over = [await client.get("/v1/lines", headers=token) for _ in range(2)][-1]
            live.door.drain()
            for status, reply in (
                *replies.items(),
                (200, streamed),
                (429, over),
                (503, await client.get("/")),
            ):
                assert reply.status_code == status
                assert reply.headers.get_list("access-control-allow-origin") == [APP]
                exposed = reply.headers["access-control-expose-headers"].lower().split(", ")
                for name in ("x-request-id", "retry-after", "x-ratelimit-remaining", "ratelimit", "etag"):
                    assert name in exposed
                assert "idempotency-replayed" in exposed and "www-authenticate" in exposed
                assert "Origin" in reply.headers.get_list("vary")
                assert "access-control-allow-credentials" not in reply.headers
            assert streamed.headers.get_list("vary") == ["Accept", "Origin"]

    serve(test, cors_origins=SET, rates=Rates(requests=5))


def test_any_origin_may_be_allowed() -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:
            reply = await client.options("/api/echo", headers=asked("https://what.ever", names="x-api-key"))
            assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (204, "*")
            assert reply.headers["access-control-allow-headers"] == "x-api-key"
            for headers in ({"Origin": "null"}, {}):
                reply = await client.get("/api/echo", headers=headers)
                assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (401, "*")
                assert "access-control-allow-credentials" not in reply.headers
                assert "vary" not in reply.headers  # the same for all: it may be kept for all

    serve(test, cors_origins=["*"])


def test_without_origins_set_nothing_is_said() -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:
            for reply in (
                await client.options("/api/echo", headers=asked()),
                await client.get("/api/echo", headers={**live.bearer, "Origin": APP}),
            ):
                assert reply.is_success
                assert not of_cors(reply) and "vary" not in reply.headers

    serve(test)


def test_options_says_what_can_be_done() -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:
            for path, allow in (
                ("/api/echo", "GET, HEAD, OPTIONS, POST"),
                ("/v1/things/7", "DELETE, OPTIONS"),
                ("/healthz", "GET, HEAD, OPTIONS"),
            ):
                reply = await client.options(path)
                assert (reply.status_code, reply.headers["allow"], reply.content) == (204, allow, b"")
                assert "content-type" not in reply.headers and "content-length" not in reply.headers
            assert (await client.options("/api/nothing")).status_code == 404
            with_body = await client.request("OPTIONS", "/api/echo", content=b"x" * 100_000)
            assert with_body.status_code == 204
            assert (await client.get("/healthz")).status_code == 200  # the connection is in step
        reader, writer = await live.connect()
        writer.write(live.head("OPTIONS *"))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204 ")
        writer.close()

    serve(test)


def test_odd_names_of_fields_are_not_repeated() -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:
            for names in ("x\xe9y", "a;b", '"x"', "a" * 3_000, "<script>"):
                headers = [(name.encode(), value.encode()) for name, value in asked().items()]
                headers.append((b"Access-Control-Request-Headers", names.encode("latin-1")))
                reply = await client.options("/api/echo", headers=headers)
                assert reply.status_code == 204
                assert "access-control-allow-headers" not in reply.headers

    serve(test, cors_origins=SET)


@pytest.mark.parametrize(
    "entry",
    [
        "https://app.example/",
        "https://app.example/path",
        "app.example",
        "//app.example",
        "ftp://app.example",
        "https://",
        "https://*.example",
        "https://app.example?x",
        "https://user@app.example",
        "https://app.example:",
        "https://app.example:http",
        "https://a b",
        "null",
        "",
        "HTTPS:/app.example",
    ],
)
def test_an_entry_that_no_browser_sends_is_refused_at_the_start(entry: str) -> None:
    with pytest.raises(StartupError, match=r"server\.cors_origins: .*is not an origin; write"):
        Cors([APP, entry])


@pytest.mark.parametrize(
    ("entry", "origin"),
    [
        ("https://App.Example", "https://app.example"),
        ("https://app.example:443", "https://app.example"),
        ("http://app.example:80", "http://app.example"),
        ("https://app.example:80", "https://app.example:80"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("http://[::1]:80", "http://[::1]"),
        (" http://127.0.0.1:5173 ", "http://127.0.0.1:5173"),
    ],
)
def test_an_entry_is_what_browsers_send(entry: str, origin: str) -> None:
    assert Cors([entry]).admits(origin)
