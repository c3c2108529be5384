"""Passwords, their hashes and addresses; and users as they are looked up in a real store."""

from __future__ import annotations

import asyncio
import unicodedata
from pathlib import Path
from typing import Literal

import pytest

from ingestbox.errors import IngestError
from ingestbox.identity import passwords
from ingestbox.identity.derived import Derived
from ingestbox.identity.passwords import AT_ONCE, COST, WAITING, Cost, Hasher, hashed, matches, weakness
from ingestbox.identity.secretfile import Retired, Secrets
from ingestbox.identity.users import StoredUsers, address, address_key
from ingestbox.store import Store
from ingestbox.store.audit import Act
from ingestbox.store.once import Denied, Made, Once
from ingestbox.store.users import CreateUser, UserLine
from tests.forward.support import HeldClock
from tests.harness import Run
from tests.store.support import with_store

CHEAP = Cost(4, 8, 1)
GOOD = "correct horse battery staple"


def test_a_hash_says_how_it_was_made_and_takes_its_own_password_alone() -> None:
    stored = hashed(GOOD)
    assert stored.startswith("$scrypt$ln=14,r=8,p=5$")
    assert GOOD not in stored
    assert hashed(GOOD) != stored  # the salt is another each time
    assert matches(GOOD, stored)
    assert not matches(GOOD + " ", stored)
    assert not matches("", stored)


def test_a_hash_of_older_parameters_still_counts_and_is_known_as_such() -> None:
    old = hashed(GOOD, cost=CHEAP)
    assert matches(GOOD, old)
    assert passwords.is_outdated(old)
    assert not passwords.is_outdated(hashed(GOOD))


def test_the_memory_of_a_hash_is_within_bounds() -> None:
    assert 128 * COST.r * (1 << COST.ln) * AT_ONCE <= 64 * 1_048_576


def test_the_same_password_from_another_keyboard_counts() -> None:
    composed, decomposed = "Größenwahn für Anfänger", unicodedata.normalize("NFD", "Größenwahn für Anfänger")
    assert composed != decomposed
    assert matches(decomposed, hashed(composed, cost=CHEAP))
    assert matches("ﬁnally twelve chars", hashed("finally twelve chars", cost=CHEAP))  # a ligature


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("eleven char", "12 characters"),
        ("", "12 characters"),
        ("ﬁ" * 5, "12 characters"),  # ten characters after normalisation
        ("x" * 1_024 + "yz", "1024 bytes"),
        ("x" * 1_000_000 + "yz", "1024 bytes"),
        ("é" * 512 + "x", "1024 bytes"),
        ("aaaaaaaaaaaaaaaa", "repeated"),
        ("ANN.of.York@example.com", "e-mail"),
        ("ann.of.york.1", None),
        ("ann.of.yorke", "e-mail"),
        ("twelve chars", None),
        ("密码密码密码密码密码密码", None),
        ("\x00\n\t control too", None),
        (" " * 11 + "x", None),
        ("x" * 1_023 + "y", None),
    ],
)
def test_which_passwords_are_taken(password: str, says: str | None) -> None:
    email = "ann.of.yorke@example.com" if password == "ann.of.yorke" else "Ann.of.York@example.com"
    found = weakness(password, email)
    assert (found is None) if says is None else (found is not None and says in found)


def test_made_up_passwords_are_taken_and_differ() -> None:
    made = {passwords.generated() for _ in range(100)}
    assert len(made) == 100
    assert all(weakness(each) is None for each in made)


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "$scrypt$",
        "$2b$12$abcdefghijklmnopqrstuv",
        hashed(GOOD, cost=CHEAP).replace("ln=4", "ln=64"),
        hashed(GOOD, cost=CHEAP).replace("r=8", "r=99"),
        hashed(GOOD, cost=CHEAP).replace("p=1", "p=0"),
        hashed(GOOD, cost=CHEAP)[:-1],
    ],
    ids=["empty", "nothing after the name", "bcrypt", "ln=64", "r=99", "p=0", "cut short"],
)
def test_a_damaged_hash_lets_nobody_in_and_does_not_compute_for_long(stored: str, run: Run) -> None:
    async def body() -> None:
        hasher = Hasher()
        try:
            assert not await hasher.matches(GOOD, stored)
        finally:
            hasher.close()

    run(body())


ACCENTS = "a" + "\u0301\u0316" * 16_000
"""Composing these takes time with the square of their number, and lets no other thread run."""


def test_an_unknown_user_costs_what_a_known_one_does(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    costs: list[Cost] = []
    real = passwords._scrypt

    def counting(password: str, salt: bytes, cost: Cost) -> bytes:
        costs.append(cost)
        return real(password, salt, cost)

    monkeypatch.setattr(passwords, "_scrypt", counting)

    async def body() -> None:
        hasher = Hasher()
        try:
            assert not await hasher.matches(GOOD, None)
            assert not await hasher.matches("", None)
            assert not await hasher.matches(ACCENTS, hashed("", cost=COST))
            assert await hasher.matches(GOOD, hashed(GOOD))
        finally:
            hasher.close()

    run(body())
    assert costs == [COST] * 6


def test_a_text_that_is_too_long_is_not_composed(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    composed: list[int] = []
    real = unicodedata.normalize

    def counting(form: Literal["NFC", "NFD", "NFKC", "NFKD"], text: str) -> str:
        composed.append(len(text))
        return real(form, text)

    monkeypatch.setattr(unicodedata, "normalize", counting)

    async def body() -> None:
        hasher = Hasher()
        try:
            assert not await hasher.matches(ACCENTS, hashed(GOOD, cost=CHEAP))
        finally:
            hasher.close()

    run(body())
    assert weakness(ACCENTS) == "must have 1024 bytes or less"
    assert address_key(f"{ACCENTS}@example.com") is None
    assert address_key(f"ann@{ACCENTS}.com") is None
    assert max(composed) <= len(GOOD)


@pytest.mark.parametrize(
    "typed",
    [
        unicodedata.normalize("NFD", "\u1f82\u1f83" * 170),  # each four characters of eight bytes
        "\U0001d5ba\U0001d5bb" * 512,  # mathematical a and b: four bytes for one
    ],
)
def test_the_longest_password_counts_however_it_is_typed(typed: str, run: Run) -> None:
    composed = unicodedata.normalize("NFKC", typed)
    assert 1_000 < len(composed.encode()) <= 1_024 < len(typed.encode())
    assert weakness(typed) is None

    async def body() -> None:
        hasher = Hasher()
        try:
            assert await hasher.matches(typed, hashed(composed, cost=CHEAP))
        finally:
            hasher.close()

    run(body())


def test_more_hashes_than_may_wait_are_refused_at_once(run: Run) -> None:
    async def body() -> None:
        hasher = Hasher()
        waiting = [asyncio.ensure_future(hasher.hashed(GOOD)) for _ in range(AT_ONCE + WAITING)]
        await asyncio.sleep(0)  # each has taken its place
        assert hasher.under_way == AT_ONCE + WAITING
        with pytest.raises(IngestError) as caught:
            await hasher.hashed(GOOD)
        assert (caught.value.code, caught.value.status) == ("overloaded", 503)
        assert caught.value.retry_after
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert hasher.under_way == 0
        hasher.close()

    run(body())


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("ann@example.com", "ann@example.com"),
        ("Ann@EXAMPLE.com", "Ann@example.com"),
        ("ann@corp.local", "ann@corp.local"),
        ("ann@localhost", "ann@localhost"),
        ("ann@bücher.example", "ann@bücher.example"),
        ("ann@xn--bcher-kva.example", "ann@bücher.example"),
        ("ann+box@example.com", "ann+box@example.com"),
    ],
)
def test_addresses_are_normalised_also_those_of_a_site(given: str, wanted: str) -> None:
    assert address(given) == wanted


@pytest.mark.parametrize(
    "given",
    [
        "",
        "ann",
        "@example.com",
        "ann@",
        "a b@example.com",
        "ann@example.com\n",
        "Ann <ann@example.com>",
        "a@b..c",
        "x" * 300 + "@example.com",
        "ann@[127.0.0.1]",
        "ann@exa_mple.com",
        "ann@example.com@example.com",
    ],
)
def test_what_is_no_address_is_refused_with_a_sentence(given: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        address(given)
    assert address_key(given) is None


def test_addresses_that_differ_in_case_alone_are_one() -> None:
    assert address_key("Ann@Example.COM") == address_key("aNN@example.com") == "ann@example.com"
    assert address_key("Straße@example.com") == address_key("STRASSE@example.com")
    assert address_key("e\u0301va@example.com") == address_key("Éva@example.com")


SECRET, OTHER = b"0123456789abcdef" * 3, b"fedcba9876543210" * 3


def test_a_secret_is_made_again_from_its_seed_and_from_nothing_else() -> None:
    derived = Derived(lambda: Secrets(SECRET))
    seed = derived.seed()
    key = derived.api_key(seed, "scope", "key", b"print")
    assert key == derived.api_key(seed, "scope", "key", b"print")
    assert key.startswith("ibk_") and len(key) == 47
    others = {
        derived.api_key(derived.seed(), "scope", "key", b"print"),
        derived.api_key(seed, "scope", "other", b"print"),
        derived.api_key(seed, "scopek", "ey", b"print"),
        "ibk_" + derived.password(seed, "scope", "key", b"print"),
    }
    assert key not in others and len(others) == 4


def test_a_secret_outlives_a_rotation_but_not_the_end_of_what_it_was_made_with() -> None:
    held = [Secrets(SECRET)]
    derived = Derived(lambda: held[-1])
    seed = derived.seed()
    key = derived.api_key(seed, "a")
    held.append(Secrets(OTHER, (Retired(SECRET, 1, 2),)))
    assert derived.api_key(seed, "a") == key
    held.append(Secrets(OTHER))
    with pytest.raises(IngestError) as caught:
        derived.api_key(seed, "a")
    assert caught.value.code == "idempotency_mismatch"


def create(email: str, roles: tuple[str, ...] = ("analyst",)) -> CreateUser:
    act = Act("test", "default", None, 1_000)
    key = address_key(email)
    assert key
    return CreateUser(email, key, hashed(GOOD, cost=CHEAP), roles, "default", act, Once(None, b"", UserLine))


def test_users_are_found_by_id_and_however_their_address_is_written(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        users = StoredUsers(store)
        made = await store.write(create("Ann@example.com", ("admin", "analyst")))
        assert isinstance(made, Made)
        found = await users.find(int(made.what.id))
        assert found is not None
        assert (found.email, found.roles, found.workspace) == (
            "Ann@example.com",
            ["admin", "analyst"],
            "default",
        )
        assert (found.generation, found.disabled) == (1, False)
        for spelt in ("ann@EXAMPLE.com", "ANN@example.com"):
            login = await users.find_login(spelt)
            assert login is not None and login[0] == found
            assert login[1] is not None and matches(GOOD, login[1])
        for unknown in ("bob@example.com", "ann", ""):
            assert await users.find_login(unknown) is None
        assert await users.find(99) is None
        assert await store.write(create("ANN@example.com")) == Denied("user_exists")

    with_store(tmp_path, body)


def test_noted_logins_are_kept_while_the_store_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(store: Store) -> None:
        users = StoredUsers(store)
        made = await store.write(create("ann@example.com"))
        assert isinstance(made, Made)
        users.logged_in(int(made.what.id))

        async def refuse(*_: object, **__: object) -> None:
            raise IngestError("storage_full")

        with monkeypatch.context() as patch:
            patch.setattr(store, "write", refuse)
            with pytest.raises(IngestError):
                await users.flush()
        assert await store.read("users.one", {"id": 1, "workspace": "*"}) != []
        await users.flush()
        assert await last_login(store) is not None

    with_store(tmp_path, body)


def test_what_was_noted_outlives_a_stop_in_the_middle_of_its_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(store: Store) -> None:
        users = StoredUsers(store)
        await store.write(create("ann@example.com"))
        users.logged_in(1)

        async def hang(*_: object, **__: object) -> None:
            await asyncio.get_running_loop().create_future()

        with monkeypatch.context() as patch:
            patch.setattr(store, "write", hang)
            flushing = asyncio.create_task(users.flush())
            await asyncio.sleep(0)
            flushing.cancel()
            await asyncio.gather(flushing, return_exceptions=True)
        await users.flush()
        assert await last_login(store) is not None

    with_store(tmp_path, body)


def test_the_last_login_follows_a_clock_that_is_put_right(tmp_path: Path) -> None:
    clock = HeldClock()

    async def body(store: Store) -> None:
        users = StoredUsers(store)
        await store.write(create("ann@example.com"))
        right = clock.wall_ms
        for moment in (right + 400 * 86_400_000, right):
            clock.wall_ms = moment
            users.logged_in(1)
            await users.flush()
            assert await last_login(store) == moment

    with_store(tmp_path, body, clock=clock)


async def last_login(store: Store) -> int | None:
    (row,) = await store.read("users.one", {"id": 1, "workspace": "*"})
    found: int | None = row[7]
    return found
