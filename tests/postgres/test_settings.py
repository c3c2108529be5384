"""What is said of a lane to PostgreSQL before anything is sent: at start, and by a test."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from ingestbox.clock import SystemClock
from ingestbox.errors import StartupError
from ingestbox.forward.sinks import open_sink, shown_url
from ingestbox.forward.sinks.postgres import PostgresSink
from ingestbox.model import LaneTest
from tests.forward.support import lane
from tests.postgres.support import PASSWORD, Server, deliver, line, opened, run

URL = "postgresql://box@db.example/box"


@pytest.mark.parametrize(
    ("url", "fields", "about"),
    [
        (URL, {"signing_secret": "x" * 24}, "signing_secret means nothing to PostgreSQL"),
        (URL, {"format": "json"}, "format means nothing"),
        (URL, {"compression": "none"}, "compression means nothing"),
        (URL, {"answers": ["404 retry"]}, "answers means nothing"),
        ("postgresql:///box", {}, "names no host"),
        ("postgresql://box@:5432/box", {}, "names no host"),
        ("postgresql://one,:5432/box", {}, "names no host"),
        ("postgresql://box@db.example", {}, "names no database"),
        ("postgresql://box@db.example:http/box", {}, "cannot be read"),
        ("postgresql://box:hun@ter2@db.example/box", {"token": ""}, "cannot be read"),
        ("postgresql://box:hunter2@db.example/box", {}, "both set"),
        (f"{URL}?sslmode=yes", {}, "sslmode in its url is to be one of: disable,"),
        (f"{URL}?sslrootcert=/ca.pem", {}, "Use tls_ca"),
        (f"{URL}?target_session_attrs=master", {}, "target_session_attrs"),
        (f"{URL}?sslmode", {}, "cannot be read"),
        (f"{URL}?sslmode=prefer", {"tls_ca": "/ca.pem"}, "contradict"),
        (URL, {"tls_ca": "/there/is/none.pem"}, "tls_ca"),
    ],
)
def test_what_cannot_work_is_said_at_start(url: str, fields: dict[str, Any], about: str) -> None:
    with pytest.raises(StartupError) as caught:
        open_sink(lane(url, **fields), SystemClock(), "")
    assert str(caught.value).startswith("Lane central: ")
    assert about in str(caught.value)
    assert "ter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://box:hunter2@db:5433/box?password=hunter2", "postgresql://db:5433/box"),
        ("postgres://a:hunter2@one:1,two:2/box", "postgres://one:1,two:2/box"),
        ("postgresql://a:hun@ter2@db/box", "postgresql://db/box"),
        ("postgresql://a@/box?host=/run/postgresql", "postgresql:///box"),
        ("postgresql://a:hunter2@[::1]:5432/box#ter2", "postgresql://[::1]:5432/box"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert shown_url(url) == shown


def test_without_the_extra_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    for name in ("postgres", "postgresanswers"):
        monkeypatch.delitem(sys.modules, f"ingestbox.forward.sinks.{name}", raising=False)
    with pytest.raises(StartupError) as caught:
        open_sink(lane(URL), SystemClock(), "")
    assert str(caught.value) == (
        "Lane central: delivering to PostgreSQL needs the extra: pip install 'ingestbox[postgres]'; the "
        "released binary has it."
    )


def test_a_password_may_stand_in_the_url_or_not_be_needed(server: Server, table: str) -> None:
    in_url = server.url().replace("box@", f"box:{'p%40ss%3Aw%2Frd'}@")
    socket = f"postgresql://root@/box?host={server.folder}&port={server.port}"
    for url in (in_url, f"{in_url}?application_name=mine&search_path=public", socket):
        assert run(tried(server.lane(table, url=url, token=""))).ok, url


async def tried(to: Any) -> LaneTest:
    async with opened(to) as (sink,):
        return await sink.test()


def test_a_test_leaves_nothing_behind(server: Server, table: str) -> None:
    found = run(tried(server.lane(table)))
    assert (found.ok, found.reason, found.status) == (True, None, None)
    assert found.meaning
    assert server.sql(f"SELECT json_build_array(to_regclass('{table}'))::text") == [[None]]
    deliver(server.lane(table), [line(1, "a")])
    before = server.sql(f"SELECT json_build_array(epoch, last_seen_at)::text FROM {table}_epochs")
    assert run(tried(server.lane(table))).ok
    assert server.sql(f"SELECT json_build_array(epoch, last_seen_at)::text FROM {table}_epochs") == before


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"token": "wrong"}, 'unauthorized: password authentication failed for user "box" (28P01)'),
        ({"url": "none"}, 'no_such_database: database "none" does not exist (3D000)'),
        ({"url": "port"}, "connect"),
        ({"url": "memory"}, 'refused: invalid value for parameter "work_mem": "much" (22023)'),
        ({"url": "unknown"}, 'refused: unrecognized configuration parameter "sslmod" (42704)'),
        ({"url": "postgresql://box@nowhere.invalid/box"}, "dns"),
    ],
)
def test_a_test_says_what_is_wrong(server: Server, table: str, fields: dict[str, str], reason: str) -> None:
    more = {"memory": "?work_mem=much", "unknown": "?sslmod=require"}
    words = {name: server.url(more=text) for name, text in more.items()}
    words |= {"none": server.url(database="none"), "port": "postgresql://box@127.0.0.1:1/box"}
    fields = {name: words.get(value, value) for name, value in fields.items()}
    found = run(tried(server.lane(table, **fields)))
    assert (found.ok, found.reason) == (False, reason)
    assert found.meaning
    assert found.remedy
    assert not found.meaning.startswith("The reason is"), "lanewords knows it"
    assert PASSWORD not in repr(found)


def test_a_test_tries_the_rights(server: Server, table: str) -> None:
    """Also those that only a write needs, and only an update."""
    server.role("reader")
    as_reader = server.lane(table, url=server.url("reader"))
    (reason,) = [run(tried(as_reader)).reason]
    assert reason == "no_table: permission denied for schema public (42501)"
    deliver(server.lane(table), [line(1, "a")])
    for right in ("SELECT, INSERT", "UPDATE"):
        found = run(tried(as_reader))
        assert found.reason is not None
        assert found.reason.startswith("not_allowed: permission denied for table")
        server.sql(f"GRANT {right} ON {table}, {table}_epochs TO reader")
    assert run(tried(as_reader)).ok
    assert deliver(as_reader, [line(2, "b")])
    assert len(server.rows(table)) == 2


def test_encryption(server: Server, table: str) -> None:
    own = server.folder / "server.pem"
    host = server.url(host="localhost")
    other = server.certificate("other")

    def of(url: str, **files: str) -> str | None:
        return run(tried(server.lane(table, url=url, **files))).reason

    assert of(host, tls_ca=str(own)) is None
    assert of(f"{host}?sslmode=require") is None
    assert of(f"{host}?sslmode=disable") is None
    assert of(host, tls_ca=str(other)) == "certificate_refused"
    assert of(f"{host}?sslmode=verify-full") == "certificate_refused"
    # The certificate is for the name, not for the address.
    assert of(server.url(), tls_ca=str(own)) == "certificate_refused"
    assert of(server.url(more="?sslmode=verify-ca"), tls_ca=str(own)) is None


def test_the_driver_is_told_nothing_that_a_log_could_show(server: Server, table: str) -> None:
    assert PASSWORD not in repr(PostgresSink(server.lane(table), SystemClock()))
