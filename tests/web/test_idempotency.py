"""What an Idempotency-Key may be, and what makes two requests the same."""

from __future__ import annotations

import gzip
import http.client
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.harness import BoxProcess, running, ticket

PATH = "/api/data-ingest"


def send(
    client: httpx2.Client, key: bytes | list[bytes] | str, path: str = PATH, **options: Any
) -> httpx2.Response:
    keys = key if isinstance(key, list) else [key if isinstance(key, bytes) else key.encode()]
    headers = [*((b"Idempotency-Key", each) for each in keys), *options.pop("headers", ())]
    content = options.pop("content", json.dumps({"records": [ticket(1)]}).encode())
    return client.post(path, content=content, headers=headers, **options)


@pytest.mark.parametrize(
    "key",
    [
        "k",
        "k" * 255,
        "a, b",
        '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
        "đ" * 255,  # 510 bytes
        "\U0001f600" * 255,
        b"\xe9t\xe9",  # not UTF-8
        b"\xff" * 255,
        "tab\tinside",
    ],
)
def test_a_key_has_1_to_255_characters(box: BoxProcess, key: bytes | str) -> None:
    with box.client() as client:
        first, again = send(client, key), send(client, key)
        assert (first.status_code, again.status_code) == (200, 200)
        assert first.json()["job_id"] == again.json()["job_id"]
        assert "idempotency-replayed" not in first.headers
        assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("key", ["", "k" * 256, "đ" * 256, b"\xff" * 256])
def test_any_other_is_refused(box: BoxProcess, key: bytes | str) -> None:
    with box.client() as client:
        reply = send(client, key)
        assert (reply.status_code, reply.json()["code"]) == (400, "idempotency_key_invalid")


@pytest.mark.parametrize("keys", [[b"one", b"two"], [b"same", b"same"], [b"one", b""], [b"", b""]])
def test_two_keys_are_none(box: BoxProcess, keys: list[bytes]) -> None:
    with box.client() as client:
        reply = send(client, keys)
        assert (reply.status_code, reply.json()["code"]) == (400, "idempotency_key_invalid")
        assert "more than once" in reply.json()["detail"]


def test_the_space_around_a_key_is_not_of_it(box: BoxProcess) -> None:
    """By hand: a client's library may refuse to send it."""

    def by_hand(key: str) -> tuple[int, dict[str, object]]:
        connection = http.client.HTTPConnection(box.url.removeprefix("http://"), timeout=30)
        headers = {"Idempotency-Key": key, "Authorization": f"Bearer {box.token()}"}
        connection.request("POST", PATH, json.dumps({"records": [ticket(1)]}), headers)
        reply = connection.getresponse()
        found = (reply.status, json.loads(reply.read()))
        connection.close()
        return found

    assert by_hand("around") == by_hand("  around  ") == by_hand("\taround")
    assert [by_hand(key)[1]["code"] for key in (" ", "  \t ")] == ["idempotency_key_invalid"] * 2


def test_the_fingerprint_is_of_what_was_meant_not_of_how_it_was_sent(tmp_path: Path) -> None:
    body = json.dumps({"records": [ticket(1)]}).encode()
    with (
        running(tmp_path, config='[server]\nprefix = "/ingest"\n') as box,
        box.client() as client,
    ):
        first = send(client, "k").json()
        packed = send(client, "k", content=gzip.compress(body), headers=[(b"Content-Encoding", b"gzip")])
        assert packed.json() == first
        for path in ("/ingest" + PATH, "/api/data%2Dingest"):
            again = send(client, "k", path)
            assert (again.json(), again.headers["idempotency-replayed"]) == (first, "true")
        for path, content in ((PATH + "?mode=partial", body), (PATH, body + b" ")):
            other = send(client, "k", path, content=content)
            assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
        assert client.get("/ingest" + first["status_url"]).status_code == 200
        assert client.get(first["status_url"]).status_code == 200
