"""A job's events: what a client sees, and what it cannot do to the box."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx2
import pytest

from ingestbox.errors import IngestError
from ingestbox.family import Batch, Intake
from ingestbox.model import Caller
from ingestbox.store import Store
from ingestbox.store.intake import AcceptBatch, Draft
from ingestbox.web.binding import Request
from ingestbox.web.streams import Streamed
from ingestbox.web.v1 import Parts
from ingestbox.web.v1 import events as v1_events
from ingestbox.web.v1.progress import MOST_WATCHERS, Progress
from tests.harness import BoxProcess, post_tickets, running, ticket, until
from tests.store.support import with_store
from tests.web.v1.support import Json, counts, get, held, partial, post, refused, settled, under_way

SLOWLY = "[work]\nchunk_records = 1\nchildren = 1\n"


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    with running(tmp_path_factory.mktemp("slow"), config=SLOWLY) as box:
        yield box


def events(response: httpx2.Response) -> Iterator[tuple[str, str, Json]]:
    """Name, id and job of each event, as they come."""
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        if line.startswith(":"):
            continue
        if not line:
            if fields:
                yield fields["event"], fields["id"], json.loads(fields["data"])
            fields = {}
            continue
        name, _, value = line.partition(": ")
        fields[name] = value


def start(client: httpx2.Client, prefix: str, count: int = 1_000) -> str:
    records = [ticket(number, id=f"{prefix}-{number}") for number in range(count)]
    job: str = post_tickets(client, records)["job_id"]
    return job


def open_stream(box: BoxProcess, job: str) -> socket.socket:
    """A stream whose answer nobody reads."""
    host, port = box.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=30)
    head = f"GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: box\r\nAuthorization: Bearer {box.token()}\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def test_a_stream_follows_a_job_to_its_end(slow: BoxProcess) -> None:
    with slow.client() as client:
        job = start(client, "follow")
        with client.stream("GET", f"/v1/jobs/{job}/events") as response:
            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            assert response.headers["x-request-id"]
            assert response.headers["cache-control"] == "no-store"
            seen = list(events(response))
        names = [name for name, _, _ in seen]
        assert (names[0], names[-1]) == ("job", "end")
        assert set(names[1:-1]) == {"progress"}
        done = [found["processed"] for _, _, found in seen]
        assert done == sorted(done)
        assert done[-1] == 1_000
        assert 3 < len(seen) < 100  # told of changes, of which many are one event
        assert seen[-1][2] == get(client, f"/v1/jobs/{job}")
        assert all(number for _, number, _ in seen)


def test_who_comes_back_gets_the_job_as_it_is(slow: BoxProcess) -> None:
    with slow.client() as client:
        job = partial(client, "back")
        headers = {"Last-Event-ID": "1-1"}
        with client.stream("GET", f"/v1/jobs/{job}/events", headers=headers) as response:
            assert [name for name, _, _ in events(response)] == ["job", "end"]
        assert client.head(f"/v1/jobs/{job}/events").status_code == 200


def test_a_stream_tells_what_people_do(slow: BoxProcess) -> None:
    with slow.client() as client, slow.client() as other:
        job = start(client, "people")
        under_way(client, job)
        with held(slow), client.stream("GET", f"/v1/jobs/{job}/events") as response:
            following = events(response)
            assert next(following)[0] == "job"
            post(other, f"/v1/jobs/{job}/cancel")
            *_, (name, _, last) = following
        assert (name, last["state"]) == ("end", "cancelled")
        assert counts(last)[0] == 0


def test_a_stream_needs_credentials_and_a_job_in_sight(slow: BoxProcess) -> None:
    with slow.client() as client:
        job = partial(client, "secret")
        path = f"{slow.url}/v1/jobs/{job}/events"
        assert httpx2.get(path, trust_env=False, verify=False).status_code == 401
        refused(client.get("/v1/jobs/none/events"), 404, "job_not_found")


def test_a_stream_ends_with_its_key(slow: BoxProcess) -> None:
    with slow.client() as client:
        job = start(client, "revoked")
        under_way(client, job)
        made = client.post("/v1/keys", json={"name": "watcher", "roles": ["analyst"]}).json()
        key = {"X-API-Key": made["key"]}
        with (
            held(slow),
            httpx2.Client(base_url=slow.url, headers=key, timeout=30, trust_env=False, verify=False) as other,
            other.stream("GET", f"/v1/jobs/{job}/events") as response,
        ):
            following = events(response)
            assert next(following)[0] == "job"
            assert client.delete(f"/v1/keys/{made['id']}").is_success
            assert "end" not in [name for name, _, _ in following]  # the job is not at its end, the stream is
            assert other.get(f"/v1/jobs/{job}").status_code == 401


@pytest.mark.parametrize(
    ("found", "goes_on"),
    [
        (Caller("t", "default", frozenset()), True),
        (Caller("t", "default", frozenset({"admin"})), False),  # who has other roles by now opens another
        (IngestError("token_expired"), False),
        (IngestError("issuer_unavailable"), True),
    ],
)
def test_a_stream_goes_on_for_its_caller_alone(found: Caller | IngestError, goes_on: bool) -> None:
    async def caller(_: object) -> Caller:
        if isinstance(found, IngestError):
            raise found
        return found

    parts = SimpleNamespace(store=None, progress=None, guard=SimpleNamespace(caller=caller))
    ask = SimpleNamespace(caller=Caller("t", "default", frozenset()), headers={})
    stream = v1_events.Events(cast("Parts", parts))
    assert asyncio.run(stream._admits(cast("Request", ask))) is goes_on


def test_streams_are_bounded_and_freed_when_clients_go(tmp_path: Path) -> None:
    with running(tmp_path, config=SLOWLY) as box, box.client() as client:
        job = start(client, "many")
        under_way(client, job)
        with held(box), ExitStack() as stack:
            for _ in range(MOST_WATCHERS):
                connection = stack.enter_context(open_stream(box, job))
                assert connection.recv(15) == b"HTTP/1.1 200 OK"
            reply = client.get(f"/v1/jobs/{job}/events")
            refused(reply, 503, "overloaded")
            assert reply.headers["retry-after"]
            # The box works on beside them.
            assert get(client, f"/v1/jobs/{job}")["state"] == "running"

        def admitted() -> bool:
            with client.stream("GET", f"/v1/jobs/{job}/events") as response:
                return response.status_code == 200

        until(admitted, "a stream is admitted once the others are gone")
        settled(client, job)


def test_a_client_that_takes_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(v1_events, "SEND_SECONDS", 0.05)
    sent: list[str] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message["type"])
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def receive() -> MutableMapping[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    async def body(store: Store) -> None:
        batch = Batch("feedback", "json_api", "n", [Intake("a", b"{}")])
        await store.write(AcceptBatch(Draft("j", "default", "t", 1), batch, None, lambda *_: b""))
        progress = Progress()
        caller = Caller("t", "default", frozenset())
        parts = SimpleNamespace(store=store, progress=progress, guard=None, families={})
        ask = SimpleNamespace(caller=caller)
        ask.path, ask.query = {"id": "j"}, {}
        reply = await v1_events.Events(cast("Parts", parts)).stream(cast("Request", ask))
        assert isinstance(reply, Streamed)
        async with asyncio.timeout(30):
            await reply.app({"type": "http", "method": "GET"}, receive, send)
        assert progress.watchers == 0

    with_store(tmp_path, body)
    assert sent == ["http.response.start", "http.response.body"]


def test_a_stop_does_not_wait_for_streams(tmp_path: Path) -> None:
    config = SLOWLY + "[server]\nstop_seconds = 60\n[limits]\nfeedback_records = 3000\n"
    with running(tmp_path, config=config) as box, box.client() as client:
        job = start(client, "stop", 3_000)
        with client.stream("GET", f"/v1/jobs/{job}/events") as response:
            following = events(response)
            assert next(following)[0] == "job"
            assert box.stop() == 0  # fails after 30 s, half of what the box would wait
            assert "end" not in [name for name, _, _ in following]
        box.configure("")
        box.start()
        with box.client() as again, again.stream("GET", f"/v1/jobs/{job}/events") as response:
            *_, (name, _, last) = events(response)
        assert (name, last["state"], last["processed"]) == ("end", "completed", 3_000)
