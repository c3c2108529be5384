"""/v1/users: who may make, change and remove whom, and what survives."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from ingestbox.model import Role
from tests.harness import BoxProcess, running

GOOD = "correct horse battery staple"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    """A box that takes any number of logins."""
    with running(tmp_path_factory.mktemp("users"), config="[rates]\nlogin = 0\n") as started:
        yield started


numbers = iter(range(1_000))


@pytest.fixture
def client(box: BoxProcess) -> Iterator[httpx2.Client]:
    """An administrator of a workspace of the test's own."""
    with box.client(workspace=f"w{next(numbers)}") as started:
        yield started


def make(client: httpx2.Client, email: str, *roles: str, again: str | None = None, **more: object) -> Any:
    headers = {} if again is None else {"Idempotency-Key": again}
    body = {"email": email, "roles": roles or ("analyst",), "password": GOOD, **more}
    answer = client.post("/v1/users", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


def log_in(client: httpx2.Client, email: str, password: str = GOOD) -> dict[str, str]:
    answer = client.post("/api/auth/login", json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def code(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_user_is_made_and_shown_without_the_password(client: httpx2.Client) -> None:
    made = make(client, "Shown@example.com", "editor", "analyst", "editor")
    assert made["roles"] == ["editor", "analyst"]
    assert made["email"] == "Shown@example.com"
    assert (made["disabled"], made["login_at"], made["disabled_at"]) == (False, None, None)
    assert "password" not in made and "generation" not in made
    assert client.get(f"/v1/users/{made['id']}").json() == made
    assert client.get("/v1/users").json() == {"users": [made], "next_cursor": None}
    assert client.get("/v1/users", params={"email": "SHOWN@example.com"}).json()["users"] == [made]
    assert client.get("/v1/users", params={"email": "other@example.com"}).json()["users"] == []
    assert code(client.get("/v1/users", params={"email": "other"})) == (400, "bad_parameter")


def test_without_a_password_one_is_made_up_and_lets_the_user_in(client: httpx2.Client) -> None:
    made = client.post("/v1/users", json={"email": "made-up@example.com", "roles": ["analyst"]}).json()
    assert log_in(client, "made-up@example.com", made["password"])
    assert "password" not in client.get(f"/v1/users/{made['id']}").json()


def test_an_address_is_used_once_however_it_is_written(box: BoxProcess, client: httpx2.Client) -> None:
    make(client, "Taken@example.com")
    for spelt in ("Taken@example.com", "tAKEN@EXAMPLE.com"):
        body = {"email": spelt, "roles": ["analyst"], "password": GOOD}
        assert code(client.post("/v1/users", json=body)) == (409, "user_exists")
        with box.client(workspace="elsewhere") as other:
            assert code(other.post("/v1/users", json=body)) == (409, "user_exists")
    assert len(client.get("/v1/users").json()["users"]) == 1


def test_an_address_made_at_once_is_made_once(client: httpx2.Client) -> None:
    body = {"email": "race@example.com", "roles": ["analyst"], "password": GOOD}
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: client.post("/v1/users", json=body), range(6)))
    assert sorted(each.status_code for each in answers) == [201] + [409] * 5


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["email", "roles"]),
        ({"email": "ann", "roles": []}, ["email", "roles"]),
        (
            {"email": 7, "roles": [7], "workspace": "\n", "password": 7},
            ["email", "roles", "workspace", "password"],
        ),
        ({"email": "a@example.com", "roles": ["analyst"], "pasword": GOOD}, ["pasword"]),
        ({"email": "a@example.com", "roles": ["analyst"], "password": "short"}, ["password"]),
        ({"email": "a@example.com", "roles": ["analyst"], "password": "x" * 20}, ["password"]),
        (
            {
                "email": "anna.of.york@example.com",
                "roles": ["analyst"],
                "password": "Anna.of.York@example.com",
            },
            ["password"],
        ),
        ({"email": "a@example.com", "roles": ["analyst"], "password": "xy" * 600}, ["password"]),
        ("text", [None]),
    ],
)
def test_every_fault_of_a_body_is_told(client: httpx2.Client, body: object, fields: list[str | None]) -> None:
    answer = client.post("/v1/users", json=body)
    assert code(answer) == (422, "validation_failed")
    assert [each.get("field") for each in answer.json()["errors"]] == fields
    assert client.get("/v1/users").json()["users"] == []


def test_changes_are_made_together_and_nothing_new_changes_nothing(client: httpx2.Client) -> None:
    made = make(client, "changes@example.com")
    path = f"/v1/users/{made['id']}"
    changed = client.patch(path, json={"roles": ["editor"], "disabled": True}).json()
    assert (changed["roles"], changed["disabled"]) == (["editor"], True)
    assert changed["disabled_at"] is not None
    again = client.patch(path, json={"roles": ["editor"], "disabled": True}).json()
    assert again == changed
    assert client.patch(path, json={}).json() == changed
    lines = client.get("/v1/audit", params={"object": "user", "object_id": made["id"]}).json()["audit"]
    assert [(each["action"], each["before"], each["after"]) for each in lines] == [
        (
            "user.update",
            {"roles": ["analyst"], "disabled": False},
            {"roles": ["editor"], "disabled": True},
        ),
        (
            "user.create",
            None,
            {"email": "changes@example.com", "roles": ["analyst"], "workspace": made["workspace"]},
        ),
    ]
    for wrong, field in (({"roles": []}, "roles"), ({"disabled": 1}, "disabled"), ({"email": "x"}, "email")):
        answer = client.patch(path, json=wrong)
        assert code(answer) == (422, "validation_failed")
        assert answer.json()["errors"][0]["field"] == field
    answer = client.patch(path, json={"password": "changes@example.com"})
    assert "must not be the e-mail address" in answer.json()["detail"]


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("user_id", ["999999999", "0", "x", "9" * 30])
def test_what_is_not_there_is_not_found(client: httpx2.Client, method: str, user_id: str) -> None:
    json = {"disabled": True} if method == "PATCH" else None
    assert code(client.request(method, f"/v1/users/{user_id}", json=json)) == (404, "not_found")


def test_users_of_another_workspace_are_out_of_sight(box: BoxProcess, client: httpx2.Client) -> None:
    made = make(client, "apart@example.com")
    path = f"/v1/users/{made['id']}"
    with box.client(workspace="elsewhere") as other, box.client(workspace="*") as every:
        assert other.get("/v1/users").json()["users"] == []
        assert other.get("/v1/users", params={"email": "apart@example.com"}).json()["users"] == []
        assert other.get(path).status_code == 404
        assert other.patch(path, json={"disabled": True}).status_code == 404
        assert other.delete(path).status_code == 404
        body = {"email": "x@example.com", "roles": ["analyst"], "workspace": "*"}
        assert code(other.post("/v1/users", json=body)) == (403, "forbidden")
        assert every.get("/v1/users", params={"email": "apart@example.com"}).json()["users"] == [made]
        assert every.patch(path, json={"disabled": True}).json()["disabled"] is True
        assert client.get(path).json()["disabled"] is True
    with box.client(Role.EDITOR) as editor:
        assert editor.get("/v1/users").status_code == 403


def test_pages_have_every_user_once_and_end(client: httpx2.Client) -> None:
    made = [make(client, f"page{number}@example.com")["id"] for number in range(4)]
    for limit in (1, 2, 3, 4, 5):
        found: list[str] = []
        cursor = None
        while True:
            params = {"limit": str(limit)} | ({} if cursor is None else {"cursor": cursor})
            page = client.get("/v1/users", params=params).json()
            found += [each["id"] for each in page["users"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert found == made[::-1]


def test_a_repeat_gets_the_same_answer_and_makes_no_second_user(client: httpx2.Client) -> None:
    first = client.post(
        "/v1/users",
        json={"email": "once@example.com", "roles": ["analyst"]},
        headers={"Idempotency-Key": "a"},
    )
    again = client.post(
        "/v1/users",
        json={"email": "once@example.com", "roles": ["analyst"]},
        headers={"Idempotency-Key": "a"},
    )
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert log_in(client, "once@example.com", again.json()["password"])

    made = make(client, "given@example.com", again="b")
    assert make(client, "given@example.com", again="b") == made
    for other in ({"password": GOOD + "!"}, {"roles": ["editor"]}, {"email": "g@example.com"}):
        body = {"email": "given@example.com", "roles": ["analyst"], "password": GOOD, **other}
        answer = client.post("/v1/users", json=body, headers={"Idempotency-Key": "b"})
        assert code(answer) == (422, "idempotency_mismatch")
    # Also when the user was removed since: the answer is the stored one.
    client.delete(f"/v1/users/{made['id']}")
    assert make(client, "given@example.com", again="b") == made
    assert client.get("/v1/users", params={"email": "given@example.com"}).json()["users"] == []


def test_no_quick_digest_of_a_password_is_stored(own_box: BoxProcess) -> None:
    own_box.start()
    with own_box.client() as client:
        sent = client.build_request(
            "POST",
            "/v1/users",
            json={"email": "slow@example.com", "roles": ["analyst"], "password": GOOD},
            headers={"Idempotency-Key": "k"},
        )
        assert client.send(sent).status_code == 201
    own_box.stop()
    connection = sqlite3.connect(own_box.data / "ingestbox.db")
    ((fingerprint,),) = connection.execute("SELECT fingerprint FROM idempotency").fetchall()
    connection.close()
    quick = {
        hashlib.sha256(head + body).digest()
        for head in (b"", b"POST\n/v1/users\n\n")
        for body in (sent.content, GOOD.encode(), b'"' + GOOD.encode() + b'"')
    }
    assert fingerprint not in quick


def test_equal_requests_at_once_make_one_user(client: httpx2.Client) -> None:
    with ThreadPoolExecutor(6) as threads:
        made = list(threads.map(lambda _: make(client, "six@example.com", again="six"), range(6)))
    assert len({each["id"] for each in made}) == 1
    assert len(client.get("/v1/users").json()["users"]) == 1


def test_the_last_administrator_cannot_lock_itself_out(own_box: BoxProcess) -> None:
    own_box.configure("[rates]\nlogin = 0\n")
    own_box.start()
    with own_box.client() as operator:
        ann = make(operator, "ann@example.com", "admin")
        path = f"/v1/users/{ann['id']}"
        session = log_in(operator, "ann@example.com")
        changes: list[dict[str, object]] = [{"disabled": True}, {"roles": ["analyst"]}]
        for change in changes:
            answer = operator.patch(path, json=change, headers=session)
            assert code(answer) == (409, "last_administrator")
        assert code(operator.delete(path, headers=session)) == (409, "last_administrator")
        assert operator.get(path, headers=session).status_code == 200  # nothing was changed, nothing ended

        # One of another workspace could not give the rights back, and does not count as another.
        with own_box.client(workspace="elsewhere") as elsewhere:
            make(elsewhere, "eve@example.com", "admin")
        assert code(operator.delete(path, headers=session)) == (409, "last_administrator")
        # Nor does one who is locked out.
        bob = make(operator, "bob@example.com", "admin")
        operator.patch(f"/v1/users/{bob['id']}", json={"disabled": True})
        assert code(operator.delete(path, headers=session)) == (409, "last_administrator")
        operator.patch(f"/v1/users/{bob['id']}", json={"disabled": False})
        assert operator.patch(path, json={"roles": ["editor"]}, headers=session).status_code == 200
        # Whoever is no user of the box is an administrator still, and may take the last one away.
        assert operator.delete(f"/v1/users/{bob['id']}").status_code == 200


def test_two_administrators_cannot_take_each_other_away(own_box: BoxProcess) -> None:
    own_box.configure("[rates]\nlogin = 0\n")
    own_box.start()
    with own_box.client() as operator:
        ids = {name: make(operator, f"{name}@example.com", "admin")["id"] for name in ("ann", "bob")}
        sessions = {name: log_in(operator, f"{name}@example.com") for name in ids}
        with ThreadPoolExecutor(2) as threads:
            answers = list(
                threads.map(
                    lambda pair: operator.delete(f"/v1/users/{ids[pair[1]]}", headers=sessions[pair[0]]),
                    [("ann", "bob"), ("bob", "ann")],
                )
            )
        assert sorted(each.status_code for each in answers)[0] == 200
        assert sorted(each.status_code for each in answers)[1] in (401, 409)
        assert len(operator.get("/v1/users").json()["users"]) == 1


def test_a_kill_loses_no_user_and_leaves_none_without_its_line(own_box: BoxProcess) -> None:
    own_box.start()
    kept: list[str] = []

    def go_on() -> None:
        with own_box.client() as client:
            while True:
                try:
                    email = f"u{len(kept)}@example.com"
                    answer = client.post(
                        "/v1/users", json={"email": email, "roles": ["analyst"], "password": GOOD}
                    )
                except httpx2.TransportError:
                    return
                if answer.status_code == 201:
                    kept.append(email)
                if len(kept) == 4:
                    own_box.kill()

    go_on()
    own_box.start()
    with own_box.client() as client:
        found = client.get("/v1/users").json()["users"]
        assert {each["email"] for each in found} >= set(kept)
        lines = client.get("/v1/audit", params={"action": "user.create"}).json()["audit"]
        assert sorted(each["object_id"] for each in lines) == sorted(each["id"] for each in found)
        assert log_in(client, kept[-1])
    own_box.stop()
    connection = sqlite3.connect(own_box.data / "ingestbox.db")
    trail = str(connection.execute("SELECT * FROM audit").fetchall())
    hashes = [row[0] for row in connection.execute("SELECT password FROM users")]
    connection.close()
    assert len(hashes) == len(found) and all(each.startswith("$scrypt$") for each in hashes)
    assert "scrypt" not in trail and GOOD not in trail
    assert GOOD not in own_box.log.read_text()


def test_an_invited_user_has_a_link_and_no_password(client: httpx2.Client) -> None:
    wanted = {"email": "invited@example.com", "roles": ["analyst"], "invite": True}
    answers = [client.post("/v1/users", json=wanted, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    first, again = (answer.json() for answer in answers)
    assert first == again and answers[1].headers["Idempotency-Replayed"] == "true"
    assert first["invitation"].startswith("/console/setup/ibi_") and len(first["invitation"]) == 62
    assert first["invited_until"] > first["created_at"]
    assert "password" not in first and first["password_set"] is False
    for password in ("", GOOD, first["invitation"]):
        answer = client.post("/api/auth/login", json={"email": wanted["email"], "password": password})
        assert code(answer) == (401, "login_failed")
    listed = client.get("/v1/users", params={"email": "invited@example.com"})
    assert listed.json()["users"][0]["invited_until"] == first["invited_until"]
    assert "ibi_" not in listed.text + client.get("/v1/audit").text

    conflict = client.post("/v1/users", json={**wanted, "email": "x@example.com", "password": GOOD})
    assert code(conflict) == (422, "validation_failed")
    assert conflict.json()["errors"][0]["field"] == "invite"
    made = client.post("/v1/users", json={**wanted, "email": "y@example.com", "invite": False}).json()
    assert "password" in made and "invitation" not in made
    other = client.post("/v1/users", json={**wanted, "roles": ["editor"]}, headers={"Idempotency-Key": "k"})
    assert code(other) == (422, "idempotency_mismatch")


def test_a_new_link_takes_the_last_ones_place(client: httpx2.Client, box: BoxProcess) -> None:
    made = make(client, "forgot@example.com")
    assert made["invited_until"] is None and made["password_set"] is True
    path = f"/v1/users/{made['id']}/invitation"
    first, second = (client.post(path).json()["invitation"] for _ in range(2))
    assert first != second
    page = {"Accept": "text/html"}
    assert client.get(first, headers=page).status_code == 410
    assert client.get(second, headers=page).status_code == 200
    log_in(client, "forgot@example.com")  # until it is used
    patched = client.patch(f"/v1/users/{made['id']}", json={"disabled": True}).json()
    assert patched["invited_until"] is None
    assert code(client.post(path)) == (409, "user_disabled")
    assert code(client.post("/v1/users/999999/invitation")) == (404, "not_found")
    with box.client(Role.EDITOR) as editor:
        assert code(editor.post(path)) == (403, "forbidden")
    with box.client(workspace="elsewhere") as stranger:
        assert code(stranger.post(path)) == (404, "not_found")
