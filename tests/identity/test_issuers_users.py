"""Logins of the box's own users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ingestbox.identity.tokens import mint
from ingestbox.identity.users import UserRecord
from ingestbox.model import Role
from tests.identity.gates import Gate
from tests.identity.issuing import (
    Party,
)
from tests.web.support import SECRET, HeldClock, Live, serve


def user(*roles: str, generation: int = 3, disabled: bool = False) -> UserRecord:
    return UserRecord(5, "ann@example.com", list(roles), "north", generation, disabled)


class Users:
    def __init__(self) -> None:
        self.found: dict[int, UserRecord] = {5: user("editor")}
        self.looked_up: list[int] = []

    async def find(self, user_id: int) -> UserRecord | None:
        self.looked_up.append(user_id)
        return self.found.get(user_id)


def login(clock: HeldClock, subject: str = "user-5", generation: int | None = 3) -> str:
    return mint(
        SECRET,
        subject=subject,
        roles=[Role.ADMIN],
        workspace="south",
        ttl_seconds=3600,
        clock=clock,
        generation=generation,
        email="old@example.com",
    )


def test_a_login_is_good_while_its_user_is_with_the_users_roles_and_workspace() -> None:
    users = Users()

    async def test(live: Live) -> None:
        token = login(live.clock)
        async with live.client() as client:

            async def who() -> Mapping[str, Any]:
                reply = await client.get("/api/echo", headers={"Authorization": f"Bearer {token}"})
                return reply.json() if reply.status_code == 200 else {"status": reply.status_code}

            for _ in range(3):
                found = await who()
            assert (found["subject"], found["workspace"], found["roles"]) == ("user:5", "north", ["editor"])
            assert users.looked_up == [5]
            users.found[5] = user("analyst")
            assert (await who())["roles"] == ["editor"]
            live.clock.ms += 500
            assert (await who())["roles"] == ["analyst"]
            for wrong in (user(disabled=True), user(generation=4), user(generation=2)):
                users.found[5] = wrong
                live.guard.forget_user(5)
                assert await who() == {"status": 401}
            users.found[5] = user("admin")
            live.guard.forget_user(5)
            assert (await who())["roles"] == ["admin"]
            del users.found[5]
            live.clock.ms += 500
            assert await who() == {"status": 401}
            live.clock.ms += 3_605_000
            users.found[5] = user("admin")
            assert await who() == {"status": 401}

    serve(test, users=users)


def test_a_login_for_nobody_in_particular_is_refused() -> None:
    gate = Gate(users=Users())
    assert gate.caller(login(gate.clock)).email == "ann@example.com"
    for subject in ("ann", "user-", "user-05", "user-5 ", "user-x", "user-٥", "user-" + "9" * 19, "xuser-5"):
        assert gate.refusal(login(gate.clock, subject)) == "token_invalid", subject
    assert gate.refusal(login(gate.clock, "user-6")) == "token_invalid"
    assert Gate().refusal(login(gate.clock)) == "token_invalid"  # no users here
    named = gate.caller(login(gate.clock, generation=None))  # somebody else who is called like that
    assert (named.subject, named.workspace, named.email) == ("local:user-5", "south", "old@example.com")
    for wrong in (-1, True, "3", 3.5, None):
        token = Party(
            "ingestbox", "HS256", SECRET, extra={"aud": "ingestbox", "sub": "user-5", "gen": wrong}
        ).token()
        if wrong is None:
            assert gate.caller(token).subject == "local:user-5"
        else:
            assert gate.refusal(token) == "token_invalid", wrong
