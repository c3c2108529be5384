"""/v1/keys: made once, listed page by page, used, revoked; and what is left of them in the store."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from ingestbox.identity.apikeys import is_key, key_digest
from ingestbox.model import Role
from tests.harness import PATIENCE, BoxProcess, until


@pytest.fixture
def client(box: BoxProcess) -> Iterator[httpx2.Client]:
    """An administrator of a workspace of the test's own."""
    with box.client(workspace=f"w{next(numbers)}") as started:
        yield started


numbers = iter(range(1_000))


def make(client: httpx2.Client, name: str = "crawler", again: str | None = None, **more: object) -> Any:
    headers = {} if again is None else {"Idempotency-Key": again}
    answer = client.post("/v1/keys", json={"name": name, "roles": ["ingest"], **more}, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


def everything(client: httpx2.Client, path: str, member: str, limit: int) -> list[Any]:
    found: list[Any] = []
    cursor = None
    while True:
        params = {"limit": str(limit)} | ({} if cursor is None else {"cursor": cursor})
        page = client.get(path, params=params).raise_for_status().json()
        assert len(page[member]) == limit or page["next_cursor"] is None
        found += page[member]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def test_a_key_is_shown_once_and_listed_without_itself(client: httpx2.Client) -> None:
    made = make(client, "reports", roles=["analyst", "ingest", "analyst"], ttl_seconds=3_600)
    assert is_key(made["key"])
    assert made["roles"] == ["analyst", "ingest"]
    line = {name: value for name, value in made.items() if name != "key"}
    assert client.get("/v1/keys").json() == {"keys": [line], "next_cursor": None}
    assert client.get(f"/v1/keys/{made['id']}").json() == line
    assert line["created_by"] == "local:tester"
    assert line["expires_at"] > line["created_at"]
    assert (line["used_at"], line["revoked_at"]) == (None, None)


def test_pages_have_every_key_once_and_end(client: httpx2.Client) -> None:
    made = [make(client, f"n{number}")["id"] for number in range(6)]
    for limit in (1, 2, 3, 5, 6, 7):
        assert [each["id"] for each in everything(client, "/v1/keys", "keys", limit)] == made[::-1]
    for wrong in ("limit=0", "limit=501", "limit=x", "cursor=x", "cursor=%FF"):
        assert client.get(f"/v1/keys?{wrong}").status_code == 400


def test_a_revoked_key_is_refused_from_the_next_request_on(box: BoxProcess, client: httpx2.Client) -> None:
    made = make(client)
    mine = {"X-API-Key": made["key"], "Authorization": ""}
    with httpx2.Client(base_url=box.url, trust_env=False, verify=False, timeout=PATIENCE) as public:
        assert public.get("/api/jobs", headers=mine).status_code == 200
        for _ in range(2):
            answer = client.delete(f"/v1/keys/{made['id']}")
            assert (answer.status_code, answer.json()) == (200, {"id": made["id"], "revoked": True})
            assert public.get("/api/jobs", headers=mine).status_code == 401
    lines = client.get("/v1/audit", params={"object": "key", "object_id": made["id"]}).json()["audit"]
    assert [(each["action"], each["actor"]) for each in lines] == [
        ("key.revoke", "local:tester"),
        ("key.create", "local:tester"),
    ]
    assert client.get(f"/v1/keys/{made['id']}").json()["revoked_at"] is not None


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("key_id", ["999999999", "0", "-1", "x", "1e3", "9" * 30, "%F0%9F%98%80"])
def test_what_is_not_there_is_not_found(client: httpx2.Client, method: str, key_id: str) -> None:
    answer = client.request(method, f"/v1/keys/{key_id}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_keys_of_another_workspace_are_out_of_sight(box: BoxProcess, client: httpx2.Client) -> None:
    made = make(client)
    with box.client(workspace="elsewhere") as other, box.client(workspace="*") as every:
        assert other.get("/v1/keys").json()["keys"] == []
        for method in ("GET", "DELETE"):
            assert other.request(method, f"/v1/keys/{made['id']}").status_code == 404
        refused = other.post("/v1/keys", json={"name": "x", "roles": ["ingest"], "workspace": "north"})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert made["id"] in [each["id"] for each in every.get("/v1/keys?limit=500").json()["keys"]]
        assert every.delete(f"/v1/keys/{made['id']}").status_code == 200
        theirs = make(every, "for the others", workspace="elsewhere")
        assert theirs["workspace"] == "elsewhere"
        assert other.get(f"/v1/keys/{theirs['id']}").status_code == 200
        # What was done to it is in the trail of where it is.
        assert other.get("/v1/audit?action=key.create").json()["audit"][0]["object_id"] == theirs["id"]
    with box.client(Role.ANALYST) as analyst:
        assert analyst.get("/v1/keys").status_code == 403


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["name", "roles"]),
        ({"name": " ", "roles": []}, ["name", "roles"]),
        ({"name": "x" * 101, "roles": ["root"]}, ["name", "roles"]),
        ({"name": "a\nb", "roles": "ingest"}, ["name", "roles"]),
        ({"name": "x", "roles": ["ingest"], "ttl_seconds": 0, "workspace": ""}, ["workspace", "ttl_seconds"]),
        ({"name": "x", "roles": ["ingest"], "ttl_seconds": 10**40}, ["ttl_seconds"]),
        ({"name": "x", "roles": ["ingest"], "ttl_seconds": True}, ["ttl_seconds"]),
        ({"name": "x", "roles": ["ingest"], "role": "admin", "a": 1}, ["role", "a"]),
        ([], [None]),
    ],
)
def test_every_fault_of_a_body_is_told(client: httpx2.Client, body: object, fields: list[str | None]) -> None:
    answer = client.post("/v1/keys", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert [each.get("field") for each in answer.json()["errors"]] == fields
    assert answer.headers["content-type"] == "application/problem+json"
    assert client.get("/v1/keys").json()["keys"] == []


def test_a_repeat_gets_the_same_key_and_other_content_none(box: BoxProcess, client: httpx2.Client) -> None:
    first = client.post("/v1/keys", json={"name": "a", "roles": ["ingest"]}, headers={"Idempotency-Key": "k"})
    again = client.post("/v1/keys", json={"name": "a", "roles": ["ingest"]}, headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    other = client.post("/v1/keys", json={"name": "b", "roles": ["ingest"]}, headers={"Idempotency-Key": "k"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    assert len(client.get("/v1/keys").json()["keys"]) == 1
    mine = {"X-API-Key": first.json()["key"]}
    with httpx2.Client(base_url=box.url, trust_env=False, verify=False, timeout=PATIENCE) as public:
        assert public.get("/api/jobs", headers=mine).status_code == 200
    for wrong in ([""], ["x" * 256], ["k", "k"]):
        answer = client.post(
            "/v1/keys",
            json={"name": "a", "roles": ["ingest"]},
            headers=[("Idempotency-Key", each) for each in wrong],
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")


def test_an_idempotency_key_is_its_callers_own(box: BoxProcess, client: httpx2.Client) -> None:
    mine = make(client, again="same")
    with box.client(workspace="another") as other:
        assert make(other, again="same")["key"] != mine["key"]


def test_equal_requests_at_once_make_one_key(client: httpx2.Client) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: make(client, again="at-once"), range(16)))
    assert len({each["key"] for each in made}) == 1
    (only,) = client.get("/v1/keys").json()["keys"]
    assert only["id"] == made[0]["id"]
    lines = client.get("/v1/audit", params={"object": "key", "object_id": only["id"]}).json()["audit"]
    assert len(lines) == 1


def everything_stored(box: BoxProcess) -> bytes:
    """Every value of every table, with what is compressed as it is and unpacked."""
    connection = sqlite3.connect(box.data / "ingestbox.db")
    seen: list[bytes] = []
    try:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for row in connection.execute(f"SELECT * FROM {table}"):
                for value in row:
                    data = value if isinstance(value, bytes) else str(value).encode()
                    seen.append(data)
                    if data[:1] == b"x":  # zlib's first byte
                        seen.append(zlib.decompressobj().decompress(data))
    finally:
        connection.close()
    return b"\n".join(seen)


def test_a_repeat_is_answered_after_a_kill_and_nothing_stored_gives_the_key_away(own_box: BoxProcess) -> None:
    own_box.start()
    with own_box.client() as client:
        plain, kept = make(client), make(client, again="k")
        shown = client.post(
            "/v1/users",
            json={"email": "ann@example.com", "roles": ["analyst"]},
            headers={"Idempotency-Key": "u"},
        ).json()
    own_box.kill()
    own_box.start()
    with own_box.client() as client:
        assert make(client, again="k") == kept
        assert client.get("/api/jobs", headers={"Authorization": f"Bearer {plain['key']}"}).status_code == 200
    own_box.stop()
    stored = everything_stored(own_box)
    assert key_digest(kept["key"]).encode() in stored  # it was looked for in the right place
    for secret in (plain["key"], kept["key"], kept["key"][4:], shown["password"]):
        assert secret.encode() not in stored
        assert secret not in own_box.log.read_text()


def test_a_repeat_after_the_secret_was_put_in_anew_is_refused_rather_than_answered_wrongly(
    own_box: BoxProcess,
) -> None:
    own_box.start()
    with own_box.client() as client:
        make(client, again="k")
    own_box.stop()
    (own_box.data / "secret").unlink()
    own_box.start()
    with own_box.client() as client:
        answer = client.post(
            "/v1/keys", json={"name": "crawler", "roles": ["ingest"]}, headers={"Idempotency-Key": "k"}
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")
        assert "secret was replaced" in answer.json()["detail"]


def test_the_last_use_survives_a_stop_that_comes_right_after_it(own_box: BoxProcess) -> None:
    own_box.start()
    with own_box.client() as client:
        made = make(client)
        assert client.get("/api/jobs", headers={"Authorization": f"Bearer {made['key']}"}).status_code == 200
    assert own_box.stop() == 0
    own_box.start()
    with own_box.client() as client:
        found = client.get(f"/v1/keys/{made['id']}").json()
    assert found["used_at"] is not None
    assert found["used_at"] >= found["created_at"]


def test_a_key_expires(own_box: BoxProcess) -> None:
    own_box.start()
    with own_box.client() as client:
        made = make(client, ttl_seconds=1_000)
    own_box.stop()
    connection = sqlite3.connect(own_box.data / "ingestbox.db")
    connection.execute("UPDATE api_keys SET expires_ms = 1")
    connection.commit()
    connection.close()
    own_box.start()
    with own_box.client() as client:
        answer = client.get("/api/jobs", headers={"Authorization": f"Bearer {made['key']}"})
        assert (answer.status_code, answer.json()["detail"]) == (401, "Token has expired")


def rotate(client: httpx2.Client, key_id: str, again: str | None = None, **body: object) -> httpx2.Response:
    headers = {} if again is None else {"Idempotency-Key": again}
    return client.post(f"/v1/keys/{key_id}/rotate", json=body, headers=headers)


def opens(box: BoxProcess, key: str) -> bool:
    with httpx2.Client(base_url=box.url, trust_env=False, verify=False, timeout=PATIENCE) as public:
        return public.get("/api/jobs", headers={"X-API-Key": key}).status_code == 200


def test_a_rotated_key_hands_on_what_it_is_and_stays_good_for_a_while(
    box: BoxProcess, client: httpx2.Client
) -> None:
    made = make(client, "edge", roles=["ingest", "analyst"], ttl_seconds=864_000)
    assert opens(box, made["key"])
    reply = rotate(client, made["id"])
    assert reply.status_code == 201, reply.text
    new = reply.json()
    assert is_key(new["key"]) and new["key"] != made["key"] and new["id"] != made["id"]
    for name in ("name", "roles", "workspace", "expires_at"):
        assert new[name] == made[name]
    old = client.get(f"/v1/keys/{made['id']}").json()
    assert new["old"] == {"id": made["id"], "good_until": old["expires_at"]}
    assert old["revoked_at"] is None and old["expires_at"] < made["expires_at"]
    assert opens(box, made["key"]) and opens(box, new["key"])
    trail = client.get("/v1/audit", params={"object": "key", "object_id": made["id"]}).json()["audit"]
    assert [each["action"] for each in trail] == ["key.rotate", "key.create"]
    assert trail[0]["after"] == {"replaced_by": new["id"], "good_until": old["expires_at"]}
    (came,) = client.get("/v1/audit", params={"object": "key", "object_id": new["id"]}).json()["audit"]
    assert (came["action"], came["after"]["in_place_of"]) == ("key.create", made["id"])
    # Its successor would end with what is left of it.
    twice = rotate(client, made["id"])
    assert (twice.status_code, twice.json()["code"]) == (409, "key_rotated")
    assert rotate(client, new["id"]).status_code == 201


def test_a_key_that_is_kept_no_longer_is_refused_at_once(box: BoxProcess, client: httpx2.Client) -> None:
    made = make(client)
    assert opens(box, made["key"])  # the guard remembers it
    new = rotate(client, made["id"], keep_seconds=0).json()
    assert not opens(box, made["key"])
    assert opens(box, new["key"])
    assert client.get(f"/v1/keys/{made['id']}").json()["revoked_at"] is not None
    ended = rotate(client, made["id"])
    assert (ended.status_code, ended.json()["code"]) == (409, "key_ended")
    # One that ends sooner is not kept for longer.
    short = make(client, ttl_seconds=3_600)
    new = rotate(client, short["id"], keep_seconds=86_400).json()
    assert new["old"]["good_until"] == new["expires_at"] == short["expires_at"]


def test_a_key_that_is_kept_for_a_second_ends_after_it(box: BoxProcess, client: httpx2.Client) -> None:
    made = make(client)
    assert opens(box, made["key"])
    rotate(client, made["id"], keep_seconds=1).raise_for_status()
    until(lambda: not opens(box, made["key"]), "the old key has ended")


def test_a_repeated_rotation_gives_the_same_key(box: BoxProcess, client: httpx2.Client) -> None:
    made = make(client)
    first = rotate(client, made["id"], "again")
    again = rotate(client, made["id"], "again")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    other = rotate(client, made["id"], "again", keep_seconds=5)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    assert len(client.get("/v1/keys").json()["keys"]) == 2
    assert opens(box, first.json()["key"])


def test_a_rotation_is_refused_for_others_and_for_nonsense(box: BoxProcess, client: httpx2.Client) -> None:
    made = make(client)
    with box.client(workspace="elsewhere") as other, box.client(Role.ANALYST) as analyst:
        assert rotate(other, made["id"]).status_code == 404
        assert rotate(analyst, made["id"]).status_code == 403
    for body in ({"keep_seconds": -1}, {"keep_seconds": 10**9}, {"keep_seconds": "1"}, {"keep": 1}):
        assert rotate(client, made["id"], None, **body).status_code == 422
    assert rotate(client, "0").status_code == 404
    assert len(client.get("/v1/keys").json()["keys"]) == 1
