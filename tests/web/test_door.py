"""What every request gets: an id, a shape, headers, one line in the log."""

from __future__ import annotations

import asyncio
import io
import logging
import uuid

import msgspec
import pytest

from ingestbox import logs
from ingestbox.model import Role
from tests.web.support import Live, read_answer, serve


def test_a_reply_has_its_headers_and_the_request_id_is_kept() -> None:
    async def test(live: Live) -> None:
        async with live.client(headers=live.bearer) as client:
            reply = await client.get("/api/echo?b=1&a=%C4%91&b=2", headers={"X-Request-ID": "my-id.7"})
        assert reply.status_code == 200
        assert reply.headers["x-request-id"] == "my-id.7"
        assert reply.headers["content-type"] == "application/json"
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["cache-control"] == "no-store"
        assert "server" not in reply.headers
        assert reply.json()["query"] == {"b": "2", "a": "đ"}
        ask = live.asked[0]
        assert (ask.method, ask.url_path, ask.route_path) == ("GET", "/api/echo", "/api/echo")
        assert (ask.query_string, ask.request_id) == ("b=1&a=%C4%91&b=2", "my-id.7")
        assert ask.headers["x-request-id"] == "my-id.7"

    serve(test)


def test_nothing_is_said_that_other_services_of_the_host_would_have_to_keep() -> None:
    """Strict-Transport-Security holds for every port of a name, which the box may share with others."""

    async def test(live: Live) -> None:
        async with live.client(headers={"X-Forwarded-Proto": "https"}) as client:
            reply = await client.get("/healthz")
        assert not {"strict-transport-security", "server", "x-powered-by"} & set(reply.headers)

    serve(test, trusted_proxies=["127.0.0.1"])


def test_no_more_records_are_taken_than_the_box_admits() -> None:
    async def test(live: Live) -> None:
        live.too_many = True
        reader, writer = await live.connect()
        writer.write(live.head("POST /api/take", "Content-Length: 9000000", "Expect: 100-continue"))
        answer = await read_answer(reader)  # and no 100 before it
        assert (answer.status, answer.body["code"], answer.headers["retry-after"]) == (429, "overloaded", "5")
        writer.close()
        async with live.client(headers=live.bearer) as client:
            assert (await client.post("/api/take", headers={"Authorization": "x"})).status_code == 401
            assert (await client.post("/api/echo", content=b"{}")).status_code == 200
            live.too_many = False
            assert (await client.post("/api/take", content=b"{}")).status_code == 200

    serve(test)


@pytest.mark.parametrize("given", [None, "", "x" * 129, "two words", "tab\there", "naïve", "é"])
def test_a_request_id_that_is_not_1_to_128_visible_ascii_is_replaced(given: str | None) -> None:
    async def test(live: Live) -> None:
        headers = [] if given is None else [(b"x-request-id", given.encode())]
        async with live.client() as client:
            replies = [await client.get("/healthz", headers=headers) for _ in range(2)]
        ids = [reply.headers["x-request-id"] for reply in replies]
        assert ids[0] != ids[1]
        for each in ids:
            made = uuid.UUID(each)
            assert (made.version, made.variant, str(made)) == (4, uuid.RFC_4122, each)

    serve(test)


def test_the_path_parameters_reach_the_handler_and_do_not_swallow_more() -> None:
    async def test(live: Live) -> None:
        async with live.client(headers=live.bearer) as client:
            assert (await client.get("/api/thing/T-1%20x")).json()["path"] == {"thing_id": "T-1 x"}
            for path in ("/api/thing/", "/api/thing/a/b", "/api/echo/", "/healthz%0A"):
                reply = await client.get(path)
                assert (reply.status_code, reply.json()["code"]) == (404, "not_found"), path
            assert (await client.post("/v1/things/7/cancel%0A")).status_code == 404

    serve(test)


def test_errors_have_the_shape_of_the_family_whose_path_is_nearest() -> None:
    async def test(live: Live) -> None:
        async with live.client(headers={"X-Request-ID": "r"}) as client:
            for path in ("/api/nothing", "/api/thing/a/b", "/api"):
                reply = await client.get(path)
                assert reply.headers["content-type"] == "application/json"
                assert reply.json() == {"detail": "Not found", "code": "not_found", "request_id": "r"}
            for path in ("/v1/nothing", "/nothing", "/apiary"):
                reply = await client.get(path)
                assert reply.status_code == 404
                assert reply.headers["content-type"] == "application/problem+json"
                assert reply.headers["x-request-id"] == "r"
                assert reply.json() == {
                    "type": "urn:ingestbox:error:not_found",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "Not found",
                    "code": "not_found",
                    "remedy": "Check the address; the links are at /.",
                    "request_id": "r",
                    "errors": [],
                }

    serve(test)


def test_a_method_that_a_path_does_not_have_is_405_with_allow() -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:
            reply = await client.put("/api/echo")
            assert (reply.status_code, reply.json()["code"]) == (405, "method_not_allowed")
            assert reply.headers["allow"] == "GET, HEAD, OPTIONS, POST"
            assert reply.json()["request_id"] == reply.headers["x-request-id"]
            reply = await client.get("/v1/things/7/cancel")
            assert (reply.status_code, reply.headers["allow"]) == (405, "OPTIONS, POST")
            assert reply.headers["content-type"] == "application/problem+json"

    serve(test)


def test_head_answers_as_get_without_the_body() -> None:
    async def test(live: Live) -> None:
        async with live.client(headers=live.bearer) as client:
            get, head = await client.get("/v1/lines"), await client.head("/v1/lines")
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-length"] == get.headers["content-length"] == "4"
            assert (await client.head("/v1/nothing")).status_code == 404
            assert (await client.get("/v1/lines")).status_code == 200  # the connection is still in step

    serve(test)


def test_bytes_pass_through_with_the_handlers_own_headers_and_204_has_no_body() -> None:
    async def test(live: Live) -> None:
        async with live.client(headers=live.bearer) as client:
            reply = await client.get("/v1/lines")
            assert (reply.content, reply.headers["etag"]) == (b"1\n2\n", '"3"')
            assert reply.headers.get_list("content-type") == ["application/x-ndjson"]
            reply = await client.delete("/v1/things/1")
            assert (reply.status_code, reply.content) == (204, b"")
            assert "content-length" not in reply.headers and "content-type" not in reply.headers

    serve(test)


def test_a_problem_carries_faults_retry_after_and_extra() -> None:
    async def test(live: Live) -> None:
        async with live.client(headers=live.bearer) as client:
            reply = await client.get("/v1/invalid")
        assert (reply.status_code, reply.headers["retry-after"]) == (422, "7")
        body = reply.json()
        assert body["errors"] == [{"code": "missing", "message": "id is required", "index": 3, "field": "id"}]
        assert (body["batch"], body["title"]) == ("b1", "Unprocessable Entity")

    serve(test)


def test_an_unexpected_exception_is_a_500_that_says_nothing_and_a_stack_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test(live: Live) -> None:
        async with live.client(headers=live.bearer) as client:
            for path in ("/v1/fail", "/v1/unencodable"):
                reply = await client.get(path)
                assert (reply.status_code, reply.json()["code"]) == (500, "internal")
                assert "secret of" not in reply.text and "object" not in reply.text
            assert (await client.get("/v1/lines")).status_code == 200

    with caplog.at_level(logging.ERROR):
        serve(test)
    first, second = (record for record in caplog.records if record.name == "ingestbox.web")
    assert first.exc_text and "RuntimeError: the secret of" in first.exc_text
    assert second.exc_text and "TypeError" in second.exc_text


def test_roles_are_checked_before_the_body_is_read() -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:
            analyst = {"Authorization": f"Bearer {live.token(Role.ANALYST)}"}
            reply = await client.post("/api/echo", headers=analyst, content=b"not json")
            assert (reply.status_code, reply.json()["code"]) == (403, "forbidden")
            assert "ingest" in reply.json()["detail"]
            admin = {"Authorization": f"Bearer {live.token(Role.ADMIN)}"}
            assert (await client.post("/api/echo", headers=admin, content=b"{}")).status_code == 200

    serve(test)


def test_a_query_string_that_cannot_be_read_is_a_bad_parameter() -> None:
    async def test(live: Live) -> None:
        async with live.client(headers=live.bearer) as client:
            for query in ("a=%ff", "&".join(f"a{n}=1" for n in range(101))):
                reply = await client.get(f"/api/echo?{query}")
                assert (reply.status_code, reply.json()["code"]) == (400, "bad_parameter")

    serve(test)


def test_every_request_has_one_line_in_the_log_without_the_query() -> None:
    stream = io.StringIO()

    async def test(live: Live) -> None:
        async with live.client() as client:
            known = {"X-Request-ID": "one", **live.bearer}
            await client.get("/api/echo?token=hush", headers=known)
            await client.get("/api/no%0Awhere", headers={"X-Request-ID": "two"})
            await client.post("/api/echo", headers={"X-Request-ID": "three"})

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        logs.set_up("INFO", "json", stream)
        serve(test)
    finally:
        root.handlers[:], root.level = handlers, level
    lines = [msgspec.json.decode(line) for line in stream.getvalue().splitlines()]
    found = [line for line in lines if line["logger"] == "ingestbox.access"]
    assert [(li["request_id"], li["method"], li["path"], li["status"]) for li in found] == [
        ("one", "GET", "/api/echo", 200),
        ("two", "GET", "/api/no%0Awhere", 404),
        ("three", "POST", "/api/echo", 401),
    ]
    assert [line.get("user_id") for line in found] == ["local:ann", None, None]
    assert [line.get("code") for line in found] == [None, "not_found", "not_authenticated"]
    assert all(line["duration_ms"] >= 0 and line["level"] == "INFO" for line in found)
    assert {line["client"] for line in found} == {"127.0.0.1"}
    assert "hush" not in stream.getvalue()


def test_while_draining_new_requests_get_503_and_the_connection_closes() -> None:
    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        writer.write(live.head("GET /v1/slow"))
        await live.entered.wait()
        live.door.drain()
        async with live.client(headers=live.bearer) as client:
            reply = await client.get("/api/echo")
            assert (reply.status_code, reply.json()["code"]) == (503, "shutting_down")
            assert (reply.headers["retry-after"], reply.headers["connection"]) == ("5", "close")
        live.release.set()
        assert (await read_answer(reader)).body == {"slow": True}
        writer.close()

    serve(test)


def test_pipelined_requests_are_answered_in_order_each_with_its_own_ids(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test(live: Live) -> None:
        reader, writer = await live.connect()
        ids = [f"p{n}" for n in range(20)]
        writer.write(
            b"".join(
                live.head("POST /api/echo", f"X-Request-ID: {each}", f"Content-Length: {n}") + b"x" * n
                for n, each in enumerate(ids)
            )
        )
        writer.write(live.head("POST /api/echo", "Content-Length: 0", token=False))
        replies = [await read_answer(reader) for _ in ids]
        assert (await read_answer(reader)).status == 401
        assert [reply.headers["x-request-id"] for reply in replies] == ids
        assert [reply.body["size"] for reply in replies] == list(range(20))
        writer.close()

    with caplog.at_level(logging.INFO, "ingestbox.access"):
        serve(test)
    users = [vars(record)["user_id"] for record in caplog.records if record.name == "ingestbox.access"]
    assert users == ["local:ann"] * 20 + [None]


def test_an_upgrade_offer_is_ignored_and_the_connection_goes_on() -> None:
    async def test(live: Live) -> None:
        """Java's HTTP client offers h2c with its first request of a connection."""
        reader, writer = await live.connect()
        offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIA")
        writer.write(live.head("POST /api/echo", "Content-Length: 2", *offer) + b"{}")
        assert (await read_answer(reader)).body["size"] == 2
        writer.write(live.head("POST /api/echo", "Content-Length: 3") + b"{ }")
        assert (await read_answer(reader)).body["size"] == 3
        writer.close()
        await asyncio.sleep(0)

    serve(test)
