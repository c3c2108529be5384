"""Sessions and links that are used once: what each unit of work does, also when it runs twice."""

from __future__ import annotations

from pathlib import Path

from ingestbox.store import Store, invitations, sessions, tidy
from ingestbox.store.audit import Act
from ingestbox.store.invitations import AcceptInvitation, Invited, OfferSetUp, SetUp
from ingestbox.store.once import Denied
from ingestbox.store.sessions import MOST, ChangePassword, CloseSessions, EndSession, EndSessions, OpenSession
from ingestbox.store.users import ChangeUser, Invitation, RemoveUser
from tests.store.support import with_store

ACT = Act("tester", "default", None, 1_000)
IDLE_MS = 3_600_000


def set_up(digest: bytes | None = None, email: str = "ann@example.com", now_ms: int = 1_000) -> SetUp:
    return SetUp(email, email, "the hash", Act("tester", "", None, now_ms), digest)


async def ann(store: Store) -> Invited:
    """The first user."""
    made = await store.write(set_up())
    assert isinstance(made, Invited)
    return made


async def opened(store: Store, user: Invited, name: str, *replaced: bytes) -> int:
    now = store.clock.now_ms()
    return await store.write(
        OpenSession(name.encode(), user.id, user.generation, now, now + IDLE_MS, "::1", "a browser", replaced)
    )


async def listed(store: Store, user: Invited) -> list[int]:
    return [each.id for each in await sessions.of_user(store, user.id, IDLE_MS)]


def test_the_first_administrator_is_made_once(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        assert not await invitations.is_set_up(store)
        assert await store.write(set_up(b"no link")) == Denied("link_ended")
        assert await store.write(OfferSetUp(Invitation(b"old", 5_000)))
        assert await store.write(OfferSetUp(Invitation(b"new", 5_000)))
        assert await store.write(set_up(b"old")) == Denied("link_ended"), "there is one at a time"
        assert await store.write(set_up(b"new", now_ms=5_000)) == Denied("link_ended"), "it is too old"
        made = await store.write(set_up(b"new", now_ms=4_999))
        assert isinstance(made, Invited)
        assert (made.email, made.roles, made.workspace) == ("ann@example.com", ["admin"], "default")
        for again in (set_up(b"new"), set_up(None, "bob@example.com")):
            assert await store.write(again) == Denied("already_set_up")
        assert not await store.write(OfferSetUp(Invitation(b"third", 5_000)))
        assert await store.read("invitations.by_digest", {"digest": b"third"}) == []
        assert await invitations.is_set_up(store)

    with_store(tmp_path, body)


def test_a_link_of_a_user_is_used_up_and_ends_what_was_before(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        user = await ann(store)
        await opened(store, user, "before")
        far = store.clock.now_ms() + 60_000
        await store.write(PutLink(user.id, Invitation(b"link", far)))
        assert await invitations.invited(store, b"link") == user
        assert not await invitations.is_offered(store, b"link")
        wrong = AcceptInvitation(b"link", user.id + 1, "new", ACT)
        assert await store.write(wrong) == Denied("link_ended")
        accept = AcceptInvitation(b"link", user.id, "new", ACT)
        accepted = await store.write(accept)
        assert isinstance(accepted, Invited) and accepted.generation == user.generation + 1
        assert await listed(store, accepted) == []
        assert await store.write(accept) == Denied("link_ended")
        late = AcceptInvitation(b"late", user.id, "newer", ACT)
        await store.write(PutLink(user.id, Invitation(b"late", ACT.now_ms)))
        assert await store.write(late) == Denied("link_ended")

    with_store(tmp_path, body)


class PutLink:
    """Gives a user a link."""

    weight = 1

    def __init__(self, user_id: int, link: Invitation) -> None:
        self._user_id = user_id
        self._link = link

    def apply(self, tx: object) -> None:
        self._link.put(tx, self._user_id)  # type: ignore[arg-type]


def test_a_session_lasts_while_its_user_is_as_they_were(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        user = await ann(store)
        first = await opened(store, user, "first")
        second = await opened(store, user, "second")
        assert await listed(store, user) == [second, first]
        third = await opened(store, user, "third", b"second")
        assert await listed(store, user) == [third, first]
        assert not await store.write(EndSession(first, user.id + 1))
        assert await store.write(EndSession(first, user.id))
        assert not await store.write(EndSession(first, user.id))
        await store.write(CloseSessions((b"third", b"nothing")))
        assert await sessions.find(store, b"third") is None
        for end in (
            EndSessions(user.id, ACT),
            ChangeUser(user.id, "default", ACT, keep_one=False, roles=["editor"]),
            RemoveUser(user.id, "default", ACT, keep_one=False),
        ):
            await opened(store, user, "again")
            await store.write(end)
            assert await sessions.find(store, b"again") is None, end
            assert await listed(store, user) == []

    with_store(tmp_path, body)


def test_a_new_password_keeps_the_session_that_it_was_changed_in(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        user = await ann(store)
        here, _ = await opened(store, user, "here"), await opened(store, user, "there")
        change = ChangePassword(user.id, user.generation, here, "new", ACT)
        assert await store.write(change) is None
        assert await listed(store, user) == [here]
        found = await sessions.find(store, b"here")
        assert found is not None and found.generation == found.user_generation == user.generation + 1
        # It was looked at under another generation: an administrator may have locked the user out since.
        assert await store.write(change) == Denied("not_authenticated")

    with_store(tmp_path, body)


def test_a_user_has_a_bounded_number_of_sessions(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        user = await ann(store)
        made = [await opened(store, user, f"session {number}") for number in range(MOST + 5)]
        assert await listed(store, user) == made[: -MOST - 1 : -1]
        assert await sessions.find(store, b"session 4") is None

    with_store(tmp_path, body)


def test_nothing_is_written_while_there_is_nothing_to_forget(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        user = await ann(store)
        await opened(store, user, "good")
        before = store.stats.units
        assert await tidy.purge_sessions(store, IDLE_MS) == 0
        assert store.stats.units == before
        now = store.clock.now_ms()
        late, idle = now - IDLE_MS - tidy.NOTED_LATE_MS // 2, now - IDLE_MS - tidy.NOTED_LATE_MS
        await store.write(OpenSession(b"late", user.id, 1, late, now + IDLE_MS, "", ""))
        for digest, seen, until in ((b"dead", now, now), (b"idle", idle, now + IDLE_MS)):
            await store.write(OpenSession(digest, user.id, 1, seen, until, "", ""))
            assert await tidy.purge_sessions(store, IDLE_MS) == 1, digest
        await store.write(PutLink(user.id, Invitation(b"dead", 1)))
        assert await tidy.purge_sessions(store, IDLE_MS) == 1
        assert await sessions.find(store, b"late") is not None, "its use may not be written yet"
        assert len(await listed(store, user)) == 1

    with_store(tmp_path, body)
