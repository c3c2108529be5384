"""A path prefix in front of the box, and paths that only look alike."""

from __future__ import annotations

import pytest

from ingestbox.web.policy.paths import without_prefix
from tests.web.support import Live, read_answer, serve


def test_requests_are_taken_with_and_without_the_prefix() -> None:
    async def test(live: Live) -> None:
        async with live.client(headers=live.bearer) as client:
            for path in ("/api/echo", "/ingest/api/echo"):
                assert (await client.get(path)).status_code == 200
            assert {ask.url_path for ask in live.asked} == {"/api/echo"}
            assert {ask.route_path for ask in live.asked} == {"/api/echo"}
            for path in ("/ingest", "/ingest/", "/"):
                links = (await client.get(path)).json()["links"]
                assert links["health"] == "/ingest/health"
                assert (await client.get(links["health"])).status_code == 200
            one = await client.get("/ingest/api/thing/T-1")
            assert one.json()["path"] == {"thing_id": "T-1"}
            for path in ("/ingestapi/echo", "/ingest/ingest/api/echo", "/Ingest/api/echo", "/ing/api/echo"):
                assert (await client.get(path)).status_code == 404, path
            wrong = await client.put("/ingest/api/echo")
            assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
            assert (await client.get("/ingest/api/nothing")).json()["code"] == "not_found"
            assert "title" not in (await client.get("/ingest/api/nothing")).json()  # in the family's shape

    serve(test, prefix="/ingest")


def test_a_prefix_that_looks_like_the_boxs_own_paths_hides_none_of_them() -> None:
    async def test(live: Live) -> None:
        async with live.client(headers=live.bearer) as client:
            for path in ("/api/echo", "/api/api/echo", "/api/v1/lines", "/v1/lines", "/api/healthz"):
                assert (await client.get(path)).status_code == 200, path
            assert (await client.get("/api/any/x")).json()["path"] == {"name": "x"}
            assert (await client.get("/api/api/any/x")).json()["path"] == {"name": "x"}

    serve(test, prefix="/api")


def test_what_is_there_both_ways_is_taken_as_below_the_prefix() -> None:
    async def test(live: Live) -> None:
        async with live.client(headers=live.bearer) as client:
            assert (await client.get("/api/any/v1/lines")).text == "1\n2\n"
            assert (await client.get("/api/any/else")).json()["path"] == {"name": "else"}

    serve(test, prefix="/api/any")


def test_a_location_is_below_the_prefix() -> None:
    async def configured(live: Live) -> None:
        async with live.client(headers=live.bearer) as client:
            assert (await client.post("/v1/made")).headers["location"] == "/ingest/v1/things/7"

    async def told(live: Live) -> None:
        async with live.client(headers={**live.bearer, "X-Forwarded-Prefix": "/a/b"}) as client:
            assert (await client.post("/v1/made")).headers["location"] == "/a/b/v1/things/7"
            assert (await client.get("/")).json()["links"]["health"] == "/a/b/health"

    async def plain(live: Live) -> None:
        async with live.client(headers={**live.bearer, "X-Forwarded-Prefix": "/a/b"}) as client:
            assert (await client.post("/v1/made")).headers["location"] == "/v1/things/7"
            assert (await client.get("/")).json()["links"]["health"] == "/health"

    serve(configured, prefix="/ingest")
    serve(told, trusted_proxies=["127.0.0.1"])
    serve(plain)


@pytest.mark.parametrize(
    "path",
    [
        "//api/echo",
        "/api//echo",
        "/api/echo/",
        "/api/./echo",
        "/api/x/../echo",
        "/api%2Fecho",
        "/api%2fecho",
        "/%2Fapi/echo",
        "/api/%2e%2e/api/echo",
        "/ingest%2Fapi/echo",
        "/ingest//api/echo",
        "/api/echo%00",
        "/api/echo%20",
        "/api/echo;x=1",
        "/API/echo",
        "/api/thing/",
        "/v1%2Flines",
    ],
)
def test_a_path_is_not_made_into_another(path: str) -> None:
    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        writer.write(live.head(f"GET {path}"))
        answer = await read_answer(reader)
        assert (answer.status, answer.body["code"]) == (404, "not_found")
        writer.close()

    serve(test, prefix="/ingest")


def test_an_encoded_slash_is_a_character_of_its_segment() -> None:
    async def test(live: Live) -> None:
        async def found(path: str) -> object:
            reader, writer = await live.connect()
            writer.write(live.head(f"GET {path}"))
            answer = await read_answer(reader)
            writer.close()
            return answer.body.get("path", answer.status)

        assert await found("/api/thing/a%2Fb") == {"thing_id": "a/b"}
        assert await found("/ingest/api/thing/a%2Fb%20c") == {"thing_id": "a/b c"}
        assert await found("/api/thing/a/b") == 404
        assert await found("/api/thing/a%252Fb") == {"thing_id": "a%2Fb"}
        assert await found("/api/any/a%2Fb/c") == {"name": "a/b/c"}
        assert await found("/api/thing/%C4%91%2F%C3%A9") == {"thing_id": "đ/é"}
        assert await found("/api/thing/%ED%B0%AF") != {"thing_id": "/"}  # what stands for it cannot be sent
        assert await found("/api/%65cho") != 404  # a letter is the same letter, however it is written
        assert live.asked[0].url_path == "/api/thing/a/b"
        assert all("\udc2f" not in ask.url_path for ask in live.asked)

    serve(test, prefix="/ingest")


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
@pytest.mark.parametrize(
    "target",
    [
        "*",
        "/%",
        "/%zz",
        "/api/thing/%ff%fe",
        "/api/thing/%ed%b0%af",
        "/%2f%2F",
        "http://evil.example/api/echo",
    ],
)
def test_no_target_however_odd_is_a_failure_of_the_box(method: str, target: str) -> None:
    async def test(live: Live) -> None:
        for _ in range(2):
            reader, writer = await live.connect()
            writer.write(live.head(f"{method} {target}", "Content-Length: 0"))
            head = await reader.readuntil(b"\r\n\r\n")
            assert head[9:12] in (b"200", b"204", b"400", b"404", b"405"), head
            writer.close()

    serve(test, prefix="/ingest", cors_origins=["*"])


def test_what_is_below_a_prefix() -> None:
    assert without_prefix("/a", "/a") == "/"
    assert without_prefix("/a/", "/a") == "/"
    assert without_prefix("/a/b", "/a") == "/b"
    assert without_prefix("/ab", "/a") is None
    assert without_prefix("/b/a", "/a") is None
