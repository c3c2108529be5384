"""POST /api/auth/login: who gets a token, for how long it is good, and what a failure gives away."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ingestbox.identity.passwords import AT_ONCE, WAITING, Cost, hashed
from tests.harness import PATIENCE, BoxProcess, running
from tests.premade import DEAR_PASSWORDS

GOOD = "correct horse battery staple"
LOGIN = "/api/auth/login"
UNLIMITED = "[rates]\nlogin = 0\n"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    """A box that takes any number of logins."""
    with running(tmp_path_factory.mktemp("login"), config=UNLIMITED) as started:
        yield started


@pytest.fixture(scope="module")
def dear(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    """A box whose passwords take as long as they do everywhere but in tests."""
    folder = tmp_path_factory.mktemp("dear")
    with running(folder, config=UNLIMITED, environ=DEAR_PASSWORDS) as started:
        yield started


@pytest.fixture
def admin(box: BoxProcess) -> Iterator[httpx2.Client]:
    with box.client() as client:
        yield client


@pytest.fixture
def public(box: BoxProcess) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=box.url, timeout=PATIENCE, trust_env=False, verify=False) as client:
        yield client


def add(admin: httpx2.Client, email: str, *roles: str, password: str = GOOD, **more: object) -> str:
    """A user's id."""
    body = {"email": email, "roles": roles or ("analyst",), "password": password, **more}
    made = admin.post("/v1/users", json=body)
    assert made.status_code == 201, made.text
    user_id: str = made.json()["id"]
    return user_id


def log_in(client: httpx2.Client, email: str, password: str = GOOD) -> dict[str, str]:
    """The header of a new session."""
    answer = client.post(LOGIN, json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    said: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return said


@pytest.mark.parametrize("form", ["email", "username", "both", "form", "no type", "extra"])
def test_the_bodies_that_clients_send(admin: httpx2.Client, public: httpx2.Client, form: str) -> None:
    email = f"{form.replace(' ', '-')}@example.com"
    user_id = add(admin, email, "analyst")
    answer = {
        "email": lambda: public.post(LOGIN, json={"email": email, "password": GOOD}),
        "username": lambda: public.post(LOGIN, json={"username": email, "password": GOOD}),
        "both": lambda: public.post(LOGIN, json={"email": email, "username": "x", "password": GOOD}),
        "form": lambda: public.post(
            LOGIN,
            data={
                "grant_type": "password",
                "username": email,
                "password": GOOD,
                "scope": "",
                "client_id": "",
            },
        ),
        "no type": lambda: public.post(
            LOGIN, content=json.dumps({"email": email, "password": GOOD}).encode()
        ),
        "extra": lambda: public.post(LOGIN, json={"email": email, "password": GOOD, "remember": True}),
    }[form]()
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "expires_in"}
    assert (body["token_type"], body["expires_in"]) == ("bearer", 3600)
    said = claims(body["access_token"])
    assert (said["sub"], said["email"], said["exp"] - said["iat"]) == (f"user-{user_id}", email, 3600)
    session = {"Authorization": f"Bearer {body['access_token']}"}
    assert public.get("/api/jobs", headers=session).status_code == 200
    assert public.get("/v1/users", headers=session).status_code == 403  # an analyst


def test_the_address_may_be_written_in_any_case(admin: httpx2.Client, public: httpx2.Client) -> None:
    add(admin, "Mixed.Case@Example.com")
    assert log_in(public, "mixed.case@EXAMPLE.COM")


def test_a_failure_does_not_say_what_was_wrong(
    box: BoxProcess, admin: httpx2.Client, public: httpx2.Client
) -> None:
    add(admin, "known@example.com")
    locked = add(admin, "locked@example.com")
    assert admin.patch(f"/v1/users/{locked}", json={"disabled": True}).json()["disabled"] is True
    tries = [
        {"email": "stranger-7c1@example.com", "password": GOOD},
        {"email": "known@example.com", "password": GOOD + "!"},
        {"email": "known@example.com", "password": ""},
        {"email": "known@example.com", "password": "x" * 5_000},
        {"email": "locked@example.com", "password": GOOD},
        {"email": "locked@example.com", "password": "wrong"},
        {"email": "no address", "password": GOOD},
        {"email": "", "password": ""},
        {"email": "known@example.com\x00", "password": GOOD},
    ]
    answers = [public.post(LOGIN, json=each, headers={"X-Request-ID": "same"}) for each in tries]
    answers.append(
        public.post(
            LOGIN,
            data={"username": "known@example.com", "password": "no"},
            headers={"X-Request-ID": "same"},
        )
    )
    wanted = {"detail": "Incorrect email or password", "code": "login_failed", "request_id": "same"}
    for answer in answers:
        assert (answer.status_code, answer.json()) == (401, wanted)
        assert answer.headers["www-authenticate"] == "Bearer"
    assert len({frozenset(set(answer.headers) - {"connection"}) for answer in answers}) == 1
    assert len({answer.headers["content-length"] for answer in answers}) == 1
    log = box.log.read_text()
    assert "A login failed: unknown e-mail." in log
    assert "A login failed: disabled." in log
    assert "stranger-7c1" not in log
    assert GOOD not in log
    assert f'ingestbox_refused_total{{code="login_failed"}} {len(answers)}.0' in public.get("/metrics").text


@pytest.mark.parametrize(
    ("content", "media_type", "status", "code"),
    [
        (b"{", "application/json", 400, "malformed_json"),
        (b"", "application/json", 400, "malformed_json"),
        (b'{"email":"\xff","password":"x"}', "application/json", 400, "malformed_json"),
        (b'{"email":"\\ud800","password":"x"}', "application/json", 400, "malformed_json"),
        (b"[]", "application/json", 422, "validation_failed"),
        (b"null", "application/json", 422, "validation_failed"),
        (b"{}", "application/json", 422, "validation_failed"),
        (b'{"email":null,"password":"x"}', "application/json", 422, "validation_failed"),
        (b'{"email":["a@example.com"],"password":"x"}', "application/json", 422, "validation_failed"),
        (b'{"email":"a@example.com","password":7}', "application/json", 422, "validation_failed"),
        (b"username=a%40example.com", "application/x-www-form-urlencoded", 422, "validation_failed"),
        (b"username=%ff&password=x", "application/x-www-form-urlencoded", 400, "bad_parameter"),
        (b"&".join([b"a=1"] * 30), "application/x-www-form-urlencoded", 400, "bad_parameter"),
        (b"x", "text/plain", 415, "unsupported_media_type"),
        (b"x" * 70_000, "application/json", 413, "payload_too_large"),
    ],
)
def test_a_body_that_is_not_understood(
    public: httpx2.Client, content: bytes, media_type: str, status: int, code: str
) -> None:
    answer = public.post(LOGIN, content=content, headers={"Content-Type": media_type})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert set(answer.json()) <= {"detail", "code", "request_id", "errors"}
    assert ("errors" in answer.json()) == (status == 422 and content not in (b"[]", b"null"))


def test_every_fault_of_a_body_is_named(public: httpx2.Client) -> None:
    answer = public.post(LOGIN, json={"password": 7}).json()
    assert [(each["field"], each["code"]) for each in answer["errors"]] == [
        ("email", "missing"),
        ("password", "invalid"),
    ]


def test_a_new_password_ends_the_sessions_at_once(admin: httpx2.Client, public: httpx2.Client) -> None:
    user_id = add(admin, "changing@example.com")
    session = log_in(public, "changing@example.com")
    assert public.get("/api/jobs", headers=session).status_code == 200
    assert admin.patch(f"/v1/users/{user_id}", json={"password": "another good password"}).status_code == 200
    refused = public.get("/api/jobs", headers=session)
    assert (refused.status_code, refused.json()["detail"]) == (401, "Invalid or expired token")
    old = public.post(LOGIN, json={"email": "changing@example.com", "password": GOOD})
    assert old.status_code == 401
    fresh = log_in(public, "changing@example.com", "another good password")
    assert public.get("/api/jobs", headers=fresh).status_code == 200


def test_locking_out_and_removing_end_the_sessions_at_once(
    admin: httpx2.Client, public: httpx2.Client
) -> None:
    user_id = add(admin, "leaving@example.com")
    session = log_in(public, "leaving@example.com")
    assert public.get("/api/jobs", headers=session).status_code == 200
    admin.patch(f"/v1/users/{user_id}", json={"disabled": True})
    assert public.get("/api/jobs", headers=session).status_code == 401
    admin.patch(f"/v1/users/{user_id}", json={"disabled": False})
    assert public.get("/api/jobs", headers=session).status_code == 401  # it has ended for good
    session = log_in(public, "leaving@example.com")
    assert public.get("/api/jobs", headers=session).status_code == 200
    assert admin.delete(f"/v1/users/{user_id}").json() == {"id": user_id, "removed": True}
    assert public.get("/api/jobs", headers=session).status_code == 401
    # Somebody else with the same address is somebody else.
    assert add(admin, "leaving@example.com") != user_id
    assert public.get("/api/jobs", headers=session).status_code == 401


def test_sessions_follow_the_secret(own_box: BoxProcess) -> None:
    own_box.configure(UNLIMITED)
    own_box.start()
    with own_box.client() as client:
        add(client, "ann@example.com")
        before = log_in(client, "ann@example.com")
        assert client.post("/v1/secret/rotate", json={}).status_code == 200
        after = log_in(client, "ann@example.com")
        for session in (before, after):
            assert client.get("/api/jobs", headers=session).status_code == 200
        assert client.post("/v1/secret/rotate", json={"keep_seconds": 0}, headers=after).status_code == 403
    with own_box.client() as client:
        assert client.post("/v1/secret/rotate", json={"keep_seconds": 0}).status_code == 200
        for session in (before, after):
            assert client.get("/api/jobs", headers=session).status_code == 401
        assert client.get("/api/jobs", headers=log_in(client, "ann@example.com")).status_code == 200


def test_other_roles_count_at_once(admin: httpx2.Client, public: httpx2.Client) -> None:
    user_id = add(admin, "rising@example.com", "uploader")
    session = log_in(public, "rising@example.com")
    assert public.get("/v1/users", headers=session).status_code == 403
    admin.patch(f"/v1/users/{user_id}", json={"roles": ["admin"]})
    assert public.get("/v1/users", headers=session).status_code == 401
    session = log_in(public, "rising@example.com")
    assert public.get("/v1/users", headers=session).status_code == 200
    admin.patch(f"/v1/users/{user_id}", json={"roles": ["uploader"]})
    assert public.get("/v1/users", headers=session).status_code == 401


def test_users_see_their_workspace(admin: httpx2.Client, box: BoxProcess, public: httpx2.Client) -> None:
    with box.client(workspace="north") as north:
        add(north, "norah@example.com", "admin")
    session = log_in(public, "norah@example.com")
    listed = public.get("/v1/users", headers=session).json()["users"]
    assert [each["email"] for each in listed] == ["norah@example.com"]


async def storm(box: BoxProcess, count: int) -> tuple[list[int], list[str]]:
    """Statuses of as many logins at once, and the order in which those and a probe were answered."""
    order: list[str] = []
    statuses: list[int] = []
    first = asyncio.Event()
    limits = httpx2.Limits(max_connections=count + 1)
    async with httpx2.AsyncClient(
        base_url=box.url, timeout=3 * PATIENCE, trust_env=False, verify=False, limits=limits
    ) as client:

        async def one() -> None:
            answer = await client.post(LOGIN, json={"email": "nobody@example.com", "password": GOOD})
            statuses.append(answer.status_code)
            if answer.status_code == 503:
                assert int(answer.headers["retry-after"]) >= 1
                assert answer.json()["code"] == "overloaded"
            order.append("login")
            first.set()

        async def probe() -> None:
            await first.wait()
            assert (await client.get("/healthz")).status_code == 200
            order.append("probe")

        await asyncio.gather(probe(), *(one() for _ in range(count)))
    return statuses, order


def test_a_storm_of_logins_does_not_hold_up_others(dear: BoxProcess) -> None:
    statuses, order = asyncio.run(storm(dear, 12))
    assert statuses == [401] * 12
    assert order.index("probe") <= 6  # five logins and more were still to be checked


def test_a_greater_storm_is_turned_away_in_time(dear: BoxProcess) -> None:
    statuses, _ = asyncio.run(storm(dear, 2 * (AT_ONCE + WAITING)))
    assert set(statuses) == {401, 503}
    assert statuses.count(401) >= AT_ONCE + WAITING


PROXIED = '[server]\ntrusted_proxies = ["127.0.0.1"]\n[rates]\nlogin = 3\n[auth]\nsession_minutes = 5\n'


def test_attempts_are_counted_for_each_address_and_for_each_e_mail(own_box: BoxProcess) -> None:
    own_box.configure(PROXIED)
    own_box.start()

    def attempt(address: str, email: str, password: str = "wrong") -> httpx2.Response:
        return client.post(
            LOGIN, json={"email": email, "password": password}, headers={"X-Forwarded-For": address}
        )

    with own_box.client() as client:
        add(client, "ann@example.com")
        del client.headers["Authorization"]
        seen = [attempt("192.0.2.1", f"a{number}@example.com") for number in range(4)]
        assert [each.status_code for each in seen] == [401, 401, 401, 429]
        assert [each.headers["x-ratelimit-remaining"] for each in seen] == ["2", "1", "0", "0"]
        refused = seen[3]
        assert refused.json()["code"] == "rate_limited"
        assert set(refused.json()) == {"detail", "code", "request_id"}
        assert 1 <= int(refused.headers["retry-after"]) <= 20
        assert refused.headers["x-ratelimit-limit"] == "3"
        assert int(refused.headers["x-ratelimit-reset"]) > 1_700_000_000
        assert refused.headers["ratelimit-policy"] == '"login";q=3;w=60'
        assert len(refused.headers.get_list("x-ratelimit-limit")) == 1

        # From elsewhere it goes on; and one address of e-mail is tried three times, from wherever.
        assert attempt("192.0.2.2", "ann@example.com").status_code == 401
        assert attempt("192.0.2.3", "ANN@example.com").status_code == 401
        right = attempt("192.0.2.4", "ann@example.com", GOOD)
        assert (right.status_code, right.json()["expires_in"]) == (200, 300)
        assert attempt("192.0.2.5", "Ann@Example.com", GOOD).status_code == 429
        assert attempt("192.0.2.5", "bob@example.com").status_code == 401

        # All of an IPv6 network is one client.
        seen = [attempt(f"2001:db8:1:2::{number}", f"b{number}@example.com") for number in range(1, 5)]
        assert [each.status_code for each in seen] == [401, 401, 401, 429]
        # A body that says nothing counts too, before it is looked at.
        assert (
            client.post(LOGIN, content=b"{", headers={"X-Forwarded-For": "2001:db8:1:2::9"}).status_code
            == 429
        )


def rows(database: Path, sql: str, *values: object) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(database)
    try:
        found = connection.execute(sql, values).fetchall()
        connection.commit()
        return found
    finally:
        connection.close()


@pytest.fixture
def dear_box(tmp_path: Path) -> Iterator[BoxProcess]:
    started = BoxProcess(tmp_path / "box", config=UNLIMITED, environ=DEAR_PASSWORDS)
    yield started
    started.close()


def test_a_login_renews_an_old_hash_and_the_last_login_survives_a_stop(dear_box: BoxProcess) -> None:
    own_box = dear_box.start()
    with own_box.client() as client:
        add(client, "old@example.com")
        add(client, "broken@example.com")
    own_box.stop()
    database = own_box.data / "ingestbox.db"
    set_hash = "UPDATE users SET password = ? WHERE email = ?"
    old = hashed(GOOD, cost=Cost(4, 8, 1))
    rows(database, set_hash, old, "old@example.com")
    rows(database, set_hash, "damaged", "broken@example.com")
    own_box.start()
    with own_box.client() as client:
        session = log_in(client, "old@example.com")
        assert client.get("/api/jobs", headers=session).status_code == 200
        log_in(client, "old@example.com")
        damaged = client.post(LOGIN, json={"email": "broken@example.com", "password": GOOD})
        assert damaged.status_code == 401
        assert client.get("/api/jobs", headers=session).status_code == 200  # the same password: it goes on
    assert own_box.stop() == 0
    ((renewed, login_ms),) = rows(
        database, "SELECT password, login_ms FROM users WHERE email = ?", "old@example.com"
    )
    assert renewed != old and renewed.startswith("$scrypt$ln=14,r=8,p=5$")
    assert login_ms is not None
    assert "hash of a password is damaged" in own_box.log.read_text()
