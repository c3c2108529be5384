"""/v1/audit: what is in the trail, how it is read, and that nothing takes a line out of it."""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ingestbox.errors import IngestError
from ingestbox.model import Role
from ingestbox.store import Store, audit
from ingestbox.store.audit import Act, Wanted
from ingestbox.store.keys import CreateKey, KeyLine
from ingestbox.store.once import Once
from ingestbox.store.unit import Tx
from tests.harness import BoxProcess
from tests.store.support import with_store

numbers = iter(range(1_000))


@pytest.fixture
def client(box: BoxProcess) -> Iterator[httpx2.Client]:
    """An administrator of a workspace of the test's own."""
    with box.client(workspace=f"a{next(numbers)}") as started:
        yield started


def make(client: httpx2.Client, name: str) -> str:
    answer = client.post("/v1/keys", json={"name": name, "roles": ["ingest"]}, headers={"X-Request-ID": name})
    key_id: str = answer.raise_for_status().json()["id"]
    return key_id


def lines(client: httpx2.Client, limit: int = 50, **params: str) -> list[Any]:
    """Every line, page by page."""
    found: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        query = {"limit": str(limit), **params, **cursor}
        page = client.get("/v1/audit", params=query).raise_for_status().json()
        found += page["audit"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def test_a_line_says_who_did_what_and_when(client: httpx2.Client) -> None:
    key_id = make(client, "req-1")
    client.delete(f"/v1/keys/{key_id}", headers={"X-Request-ID": "req-2"})
    revoked, created = lines(client)
    assert (created["action"], created["object"], created["object_id"]) == ("key.create", "key", key_id)
    assert (created["before"], created["actor"]) == (None, "local:tester")
    assert created["after"] == {"name": "req-1", "roles": ["ingest"], "expires_at": None}
    assert (created["request_id"], revoked["request_id"]) == ("req-1", "req-2")
    assert (revoked["before"], revoked["after"]) == ({"name": "req-1"}, {"revoked": True})
    assert created["workspace"] == revoked["workspace"]
    assert revoked["at"] >= created["at"]


def test_pages_have_every_line_once_and_end_exactly(client: httpx2.Client) -> None:
    made = [make(client, f"n{number}") for number in range(6)]
    for limit in (1, 2, 3, 6, 7):
        assert [each["object_id"] for each in lines(client, limit)] == made[::-1]
        assert [each["object_id"] for each in lines(client, limit, action="key.create")] == made[::-1]
    for params in ({}, {"action": "key.create"}):
        page = client.get("/v1/audit", params={"limit": "6", **params}).json()
        assert page["next_cursor"] is None  # six, and no more


def test_filters_narrow_each_other(box: BoxProcess, client: httpx2.Client) -> None:
    first, second = make(client, "first"), make(client, "second")
    client.delete(f"/v1/keys/{first}")
    assert [each["action"] for each in lines(client, object="key", object_id=first)] == [
        "key.revoke",
        "key.create",
    ]
    assert [each["object_id"] for each in lines(client, action="key.create")] == [second, first]
    assert [
        each["object_id"] for each in lines(client, action="key.revoke", object_id=first, object="key")
    ] == [first]
    assert lines(client, action="key.revoke", object="key", object_id=second) == []
    assert len(lines(client, actor="local:tester")) == 3
    assert lines(client, actor="local:somebody") == []
    assert lines(client, object="user") == []
    assert lines(client, object="key' OR 1=1 --") == []
    # The same id in another workspace is out of sight.
    with box.client(workspace="other-trail") as other:
        assert lines(other, object="key", object_id=first) == []


def test_times_bound_what_is_shown(client: httpx2.Client) -> None:
    make(client, "now")
    (line,) = lines(client)
    at = line["at"]
    later = datetime.datetime.fromisoformat(at) + datetime.timedelta(milliseconds=1)
    assert lines(client, since=at) == [line]
    assert lines(client, until=at) == []
    assert lines(client, since=at, until=later.isoformat()) == [line]
    assert lines(client, since=later.isoformat()) == []
    assert lines(client, since="0001-01-01T00:00:00+14:00", until="9999-12-31T23:59:59-14:00") == [line]
    for wrong in ("yesterday", "2026-01-31", "2026-01-31T08:00:00", "", "1e9"):
        answer = client.get("/v1/audit", params={"since": wrong})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_parameter")
        assert "with its offset" in answer.json()["detail"]


def test_all_shows_every_workspace_to_who_operates_the_box(box: BoxProcess, client: httpx2.Client) -> None:
    here = make(client, "here")
    with box.client(workspace="there") as other:
        there = make(other, "there")
        assert here not in [each["object_id"] for each in lines(other)]
        assert other.get("/v1/audit?all=true").status_code == 403  # it administers its own workspace
    with box.client(workspace="default") as operator:
        found = lines(operator, 2, all="true", object="key")
        assert {here, there} <= {each["object_id"] for each in found}
        assert len(found) == len({each["id"] for each in found})
        one = lines(operator, all="true", object="key", object_id=there)
        assert [each["object_id"] for each in one] == [there]
    with box.client(workspace="*") as every:
        assert here in [each["object_id"] for each in lines(every, object="key")]
    with box.client(Role.ANALYST) as analyst:
        assert analyst.get("/v1/audit?all=true").status_code == 403
    for wrong in ("all=1", "object_id=1", "limit=0", "cursor=!"):
        assert client.get(f"/v1/audit?{wrong}").status_code == 400


@dataclass(frozen=True)
class ManyLines:
    """As many lines as a long year leaves, a few of them of interest."""

    count: int
    weight: int = 1

    def apply(self, tx: Tx) -> None:
        for number in range(self.count):
            rare = number in (0, 1)
            who = Act("rare" if rare else "often", "w", None, number)
            who.note(tx, "thing.change", "thing", number, after={})


def test_a_filter_that_matches_hardly_anything_looks_at_a_part_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "SCAN", 10)
    monkeypatch.setattr(audit, "SCANS", 3)

    async def body(store: Store) -> None:
        await store.write(ManyLines(100))
        for workspace in ("w", None):
            below, found, pages = 1 << 62, [], 0
            while True:
                page = await audit.page(store, Wanted(workspace, actor="rare"), below, 1)
                pages += 1
                found += [line.object_id for line in page.lines]
                if page.below is None:
                    break
                assert page.below < below
                below = page.below
            assert found == ["1", "0"]
            assert 4 <= pages <= 6  # thirty lines each
        page = await audit.page(store, Wanted("w", object="thing", object_id="7"), 1 << 62, 5)
        assert ([line.object_id for line in page.lines], page.below) == (["7"], None)
        page = await audit.page(store, Wanted("nobody's", actor="rare"), 1 << 62, 5)
        assert (page.lines, page.below) == ([], None)

    with_store(tmp_path, body)


def create(name: str) -> CreateKey:
    act = Act("test", "default", None, 1)
    return CreateKey(name.ljust(64, "0"), name, ["ingest"], "default", act, None, Once(None, b"", KeyLine))


@dataclass(frozen=True)
class Broken:
    """A change with its line, and then a failure."""

    inner: CreateKey
    weight: int = 3

    def apply(self, tx: Tx) -> None:
        self.inner.apply(tx)
        raise IngestError("internal")


def test_a_change_and_its_line_are_kept_together_or_not_at_all(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await store.write(create("kept"))
        with pytest.raises(IngestError):
            await store.write(Broken(create("undone")))
        names = [row[1] for row in await store.read("keys.page_everywhere", {"below": 1 << 62, "limit": 9})]
        page = await audit.page(store, Wanted(None), 1 << 62, 9)
        assert names == ["kept"]
        assert [line.after and line.after["name"] for line in page.lines] == ["kept"]

    with_store(tmp_path, body)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'nobody'",
        "UPDATE audit SET after = NULL WHERE id = 1",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE id = 1",
        "INSERT OR REPLACE INTO audit SELECT * FROM audit",
    ],
)
def test_a_line_cannot_be_changed_or_taken_out(tmp_path: Path, statement: str) -> None:
    async def body(store: Store) -> None:
        await store.write(create("kept"))

    with_store(tmp_path, body)
    connection = sqlite3.connect(tmp_path / "ingestbox.db")
    try:
        before = connection.execute("SELECT * FROM audit").fetchall()
        assert len(before) == 1
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
        assert connection.execute("SELECT * FROM audit").fetchall() == before
    finally:
        connection.close()
