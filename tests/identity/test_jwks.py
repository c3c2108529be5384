"""Keys that an issuer publishes, from servers that are slow, down, empty, rotated, or talk nonsense."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import logging
import ssl
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ingestbox.clock import iso
from ingestbox.config import Issuer
from ingestbox.identity.fetch import MAX_BYTES, Fetcher
from ingestbox.identity.issuers import IssuerState
from tests.harness import running, until
from tests.identity.issuing import (
    LOCAL,
    NOW,
    KeyServer,
    Party,
    Published,
    ec_key,
    jwk,
    key_server,
    rsa_key,
)
from tests.web.support import STATIC_KEY, Live, serve

ISS = "https://rs.example/"
ONE = Party(ISS, "RS256", rsa_key(), "one")
TWO = Party(ISS, "RS256", rsa_key(1), "two")
FIRST = jwk(rsa_key(), kid="one", use="sig", alg="RS256")
SECOND = jwk(rsa_key(1), kid="two", use="sig", alg="RS256")


def issuer(server: KeyServer, name: str = "rs", **changes: Any) -> Issuer:
    given = {"issuer": ISS, "audience": ["box"], "jwks_url": server.url, "roles": {"ingest": ["ingest"]}}
    return Issuer(name=name, **{**given, **changes})


async def ask(live: Live, client: httpx2.AsyncClient, token: str) -> httpx2.Response:
    return await client.get("/api/echo", headers={"Authorization": f"Bearer {token}"})


async def status(live: Live, client: httpx2.AsyncClient, token: str) -> int:
    return (await ask(live, client, token)).status_code


async def eventually(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Waits until it is true, for 20 s at the most."""
    async with asyncio.timeout(20):
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.005)


def state(live: Live) -> IssuerState:
    (found,) = live.guard.issuer_states()
    return found


def test_keys_are_fetched_once_and_kept() -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:
            for number in range(5):
                assert await status(live, client, ONE.token(sub=f"user {number}")) == 200
            assert server.paths == ["/jwks.json"]
            reply = await ask(live, client, ONE.token())
            assert reply.json() == {
                "subject": "rs:ann",
                "workspace": "default",
                "roles": ["ingest"],
                "path": {},
                "query": {},
            }
            assert state(live).ok

    with key_server(FIRST) as server:
        serve(test, issuers=[issuer(server)])


def test_fifty_requests_at_once_wait_for_one_fetch_and_nobody_else_waits() -> None:
    hold = threading.Event()

    async def test(live: Live) -> None:
        async with live.client(timeout=30, limits=httpx2.Limits(max_connections=100)) as client:
            waiting = [
                asyncio.create_task(ask(live, client, ONE.token(sub=f"user {number}")))
                for number in range(50)
            ]
            await asyncio.to_thread(server.arrived.wait, 10)
            # The issuer does not answer; whoever does not need it is served meanwhile.
            for token in (LOCAL.token(), LOCAL.token(sub="bob")):
                assert await status(live, client, token) == 200
            assert (await client.get("/api/echo", headers={"X-API-Key": STATIC_KEY})).status_code == 200
            assert await status(live, client, ONE.token(exp=NOW - 60)) == 401  # needs no keys
            assert not any(each.done() for each in waiting)
            hold.set()
            assert {(await each).status_code for each in waiting} == {200}
            assert server.asked == 1

    with key_server(FIRST) as server:
        server.answer.hold = hold
        serve(test, issuers=[issuer(server)])


def test_a_start_does_not_wait_for_an_issuer_and_warms_up_behind_it() -> None:
    hold = threading.Event()

    async def test(live: Live) -> None:
        live.guard.start()
        await asyncio.to_thread(server.arrived.wait, 10)
        async with live.client(timeout=30) as client:
            assert await status(live, client, LOCAL.token()) == 200
            hold.set()
            assert await status(live, client, ONE.token()) == 200  # joins the fetch that is under way
        assert server.asked == 1

    with key_server(FIRST) as server:
        server.answer.hold = hold
        serve(test, issuers=[issuer(server)])


def test_down_at_the_start_is_503_with_retry_after_until_the_issuer_is_up() -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:
            reply = await ask(live, client, ONE.token())
            assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
            assert reply.json()["code"] == "issuer_unavailable"
            assert "www-authenticate" not in reply.headers
            found = state(live)
            assert (found.ok, found.since_ms) == (False, live.clock.ms)
            assert "no connection" in found.detail and "cannot be checked" in found.detail
            server.up()
            assert await status(live, client, ONE.token()) == 503  # not asked again so soon
            assert server.asked == 0
            live.clock.ms += 1_000
            assert await status(live, client, ONE.token()) == 200
            assert state(live).ok and state(live).since_ms == live.clock.ms

    with key_server(FIRST) as server:
        server.down()
        serve(test, issuers=[issuer(server)])


def test_pauses_grow_while_the_issuer_is_down() -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:
            pauses = []
            for _ in range(9):
                reply = await ask(live, client, ONE.token())
                pauses.append(int(reply.headers["retry-after"]))
                live.clock.ms += pauses[-1] * 1000
            assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
            assert server.asked == 9

    with key_server() as server:
        server.answer = Published(status=500)
        serve(test, issuers=[issuer(server)])


def test_down_later_old_keys_are_served_and_it_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:
            assert await status(live, client, ONE.token()) == 200
            server.down()
            for hour in range(72):
                live.clock.ms += 3_600_000
                now = live.clock.ms // 1000
                token = ONE.token(sub=f"hour {hour}", iat=now, exp=now + 60)
                assert await status(live, client, token) == 200
                # The fetch in the background is over before the next hour.
                await eventually(lambda: not state(live).ok)
            assert "keys fetched before are used" in state(live).detail
            now = live.clock.ms // 1000
            reply = await ask(live, client, TWO.token(iat=now, exp=now + 60))
            assert reply.status_code == 503  # its key may be a new one
            server.up()
            live.clock.ms += 61_000
            now = live.clock.ms // 1000
            assert await status(live, client, ONE.token(iat=now, exp=now + 60)) == 200
            await eventually(lambda: state(live).ok)

    with key_server(FIRST) as server, caplog.at_level(logging.INFO, "ingestbox.identity"):
        serve(test, issuers=[issuer(server)])
    said = [record.getMessage() for record in caplog.records if record.name.startswith("ingestbox.identity")]
    assert len(said) == 2
    assert said[0].startswith("Issuer rs: its keys cannot be fetched: no connection; the keys fetched before")
    assert said[1] == "Issuer rs: its keys are here again."


def test_rotated_the_new_key_is_found_at_once_and_the_old_one_ends() -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:
            old = ONE.token()
            assert await status(live, client, old) == 200
            server.answer = Published([FIRST, SECOND])
            assert await status(live, client, TWO.token()) == 200
            assert await status(live, client, ONE.token(sub="bob")) == 200
            server.answer = Published([SECOND])
            live.clock.ms += 600_000  # the cache's time is over; the next request has the keys fetched

            async def ended() -> bool:
                return await status(live, client, old) == 401  # though it was remembered

            await eventually(ended)
            assert await status(live, client, ONE.token(sub="carol")) == 401
            assert await status(live, client, TWO.token(sub="carol")) == 200

    with key_server(FIRST) as server:
        serve(test, issuers=[issuer(server)])


def test_rotated_in_the_background_a_remembered_token_ends_without_any_other_request() -> None:
    async def test(live: Live) -> None:
        live.guard.start()
        async with live.client() as client:
            token = ONE.token()
            assert await status(live, client, token) == 200
            server.answer = Published([SECOND])
            asked = server.asked
            live.clock.ms += 600_000
            assert await status(live, client, token) == 200  # at most one: it sets off the fetch
            await eventually(lambda: server.asked > asked)
            await eventually(lambda: _is(live, client, token, 401))

    async def _is(live: Live, client: httpx2.AsyncClient, token: str, wanted: int) -> bool:
        return await status(live, client, token) == wanted

    with key_server(FIRST) as server:
        serve(test, issuers=[issuer(server)])


def test_the_same_name_for_another_key_ends_what_the_first_signed() -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:
            token = ONE.token()
            assert await status(live, client, token) == 200
            server.answer = Published([jwk(rsa_key(1), kid="one")])
            live.clock.ms += 600_000

            async def ended() -> bool:
                return await status(live, client, token) == 401

            await eventually(ended)
            assert await status(live, client, Party(ISS, "RS256", rsa_key(1), "one").token()) == 200

    with key_server(FIRST) as server:
        serve(test, issuers=[issuer(server)])


def test_empty_nobody_is_let_in_and_it_shows() -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:
            assert await status(live, client, ONE.token()) == 401
            assert not state(live).ok and "publishes no key for RS256" in state(live).detail
            server.answer = Published([FIRST])
            live.clock.ms += 30_000  # the unknown name is forgotten
            assert await status(live, client, ONE.token()) == 200
            server.answer = Published([])
            live.clock.ms += 600_000

            async def ended() -> bool:
                return await status(live, client, ONE.token()) == 401

            await eventually(ended)

    with key_server() as server:
        serve(test, issuers=[issuer(server)])


def test_a_storm_of_unknown_names_is_refused_with_a_bounded_number_of_fetches() -> None:
    async def test(live: Live) -> None:
        limits = httpx2.Limits(max_connections=20)
        async with live.client(limits=limits, timeout=30) as client:
            assert await status(live, client, ONE.token()) == 200
            for seconds in range(6):
                tokens = [ONE.token(head={"kid": f"storm-{seconds}-{number}"}) for number in range(100)]
                assert {
                    (await each).status_code
                    for each in [asyncio.create_task(ask(live, client, t)) for t in tokens]
                } == {401}
                assert await status(live, client, ONE.token(sub=f"user {seconds}")) == 200
                live.clock.ms += 10_000
            # One for the keys, three at once, then one every ten seconds.
            assert 4 <= server.asked <= 1 + 3 + 5
            # Amid the storm a rotation is still seen: the next fetch brings the new key.
            server.answer = Published([FIRST, SECOND])
            assert await status(live, client, TWO.token()) == 200

    with key_server(FIRST) as server:
        serve(test, issuers=[issuer(server)])


def test_one_unknown_name_is_asked_for_once_in_thirty_seconds() -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:
            assert await status(live, client, ONE.token()) == 200
            for seconds in (0, 1, 28):
                live.clock.ms += seconds * 1000
                for _ in range(3):
                    assert await status(live, client, TWO.token()) == 401
            assert server.asked == 2
            live.clock.ms += 1_000
            server.answer = Published([FIRST, SECOND])
            assert await status(live, client, TWO.token()) == 200
            assert server.asked == 3

    with key_server(FIRST) as server:
        serve(test, issuers=[issuer(server)])


def test_a_fetch_begun_before_a_request_does_not_speak_for_keys_published_since() -> None:
    hold = threading.Event()

    async def test(live: Live) -> None:
        async with live.client(timeout=30) as client:
            early = asyncio.create_task(ask(live, client, ONE.token()))
            await asyncio.to_thread(server.arrived.wait, 10)
            late = asyncio.create_task(ask(live, client, TWO.token()))
            assert await status(live, client, LOCAL.token()) == 200  # by now the late one waits too
            was, server.answer = server.answer, Published([FIRST, SECOND])
            assert was.keys == [FIRST]
            hold.set()
            assert ((await early).status_code, (await late).status_code) == (200, 200)

    with key_server(FIRST) as server:
        server.answer.hold = hold
        serve(test, issuers=[issuer(server)])


def test_nor_does_one_that_another_unknown_name_began() -> None:
    hold = threading.Event()

    async def test(live: Live) -> None:
        async with live.client(timeout=30) as client:
            assert await status(live, client, ONE.token()) == 200
            server.answer = Published([FIRST], hold=hold)
            server.arrived.clear()
            stranger = asyncio.create_task(ask(live, client, ONE.token(head={"kid": "stranger"})))
            await asyncio.to_thread(server.arrived.wait, 10)
            server.answer = Published([FIRST, SECOND])
            late = asyncio.create_task(ask(live, client, TWO.token()))
            assert await status(live, client, LOCAL.token()) == 200  # by now the late one waits too
            hold.set()
            assert ((await stranger).status_code, (await late).status_code) == (401, 200)
            assert server.asked == 3

    with key_server(FIRST) as server:
        serve(test, issuers=[issuer(server)])


def test_many_who_wait_for_a_new_key_share_one_fetch_and_none_is_refused() -> None:
    hold = threading.Event()

    async def test(live: Live) -> None:
        async with live.client(timeout=30, limits=httpx2.Limits(max_connections=50)) as client:
            assert await status(live, client, ONE.token()) == 200
            server.answer = Published([FIRST], hold=hold)
            server.arrived.clear()
            stranger = asyncio.create_task(ask(live, client, ONE.token(head={"kid": "stranger"})))
            await asyncio.to_thread(server.arrived.wait, 10)
            server.answer = Published([FIRST, SECOND])
            tokens = [TWO.token(sub=f"user {number}") for number in range(20)]
            waiting = [asyncio.create_task(ask(live, client, token)) for token in tokens]
            for _ in range(10):  # by now they all wait too
                assert await status(live, client, LOCAL.token()) == 200
            hold.set()
            assert (await stranger).status_code == 401
            assert [(await each).status_code for each in waiting] == [200] * 20
            assert server.asked == 3

    with key_server(FIRST) as server:
        serve(test, issuers=[issuer(server)])


def test_a_key_that_is_for_another_algorithm_now_ends_what_it_signed_also_while_remembered() -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:
            token = ONE.token()
            assert await status(live, client, token) == 200
            server.answer = Published([{**FIRST, "alg": "RS512"}])
            live.clock.ms += 600_000

            async def ended() -> bool:
                return await status(live, client, token) == 401

            await eventually(ended)

    with key_server(FIRST) as server:
        serve(test, issuers=[issuer(server)])


def test_an_issuer_without_a_usable_key_is_asked_again_within_a_minute_whatever_it_says() -> None:
    nameless = Party(ISS, "RS256", rsa_key())

    async def test(live: Live) -> None:
        async with live.client() as client:
            assert await status(live, client, nameless.token()) == 401
            assert state(live).detail == "publishes no key for RS256"
            server.answer = Published([FIRST])
            live.clock.ms += 60_000
            await status(live, client, nameless.token())  # has the keys fetched
            await eventually(lambda: state(live).ok)
            assert await status(live, client, nameless.token()) == 200

    with key_server() as server:
        server.answer.headers = {"Cache-Control": "max-age=3600"}
        serve(test, issuers=[issuer(server)])


def nonsense() -> dict[str, Published]:
    many = [FIRST, *({"kty": "oct", "kid": str(number)} for number in range(100))]
    twice = b'{"keys":[],' + json.dumps({"keys": [FIRST]}).encode()[1:]
    good = json.dumps({"keys": [FIRST]}).encode()
    return {
        "no JSON": Published(body=b"<html>Sign in</html>"),
        "nothing": Published(body=b""),
        "a list": Published(body=json.dumps([FIRST]).encode()),
        "no keys": Published(body=b"{}"),
        "keys that are no list": Published(body=json.dumps({"keys": FIRST}).encode()),
        "keys twice": Published(body=twice),
        "bad UTF-8": Published(body=good[:-1] + b',"x":"\xff"}'),
        "nested deep": Published(body=b'{"keys":' + b"[" * 100_000),
        "too many keys": Published(many),
        "10 MB": Published(body=good + b" " * 10_000_000),
        "one byte too many": Published(body=good + b" " * (MAX_BYTES + 1 - len(good))),
        "a redirect": Published(status=302, headers={"Location": "/elsewhere"}, body=good),
        "a permanent redirect": Published(status=308, headers={"Location": "/elsewhere"}, body=good),
        "not found": Published(status=404, body=good),
        "an error": Published(status=500, body=good),
        "another success": Published(status=206, body=good),
        "compressed": Published(headers={"Content-Encoding": "gzip"}, body=good),
        "cut off": Published(cut=True),
    }


@pytest.mark.parametrize("name", nonsense())
def test_nonsense_is_no_answer_and_does_not_replace_what_was_there(name: str) -> None:
    async def test(live: Live) -> None:
        async with live.client(timeout=30) as client:
            server.answer = nonsense()[name]
            assert await status(live, client, ONE.token()) == 503
            assert set(server.paths) == {"/jwks.json"}
            assert not state(live).ok
            server.answer = Published([FIRST])
            live.clock.ms += 1_000
            assert await status(live, client, ONE.token()) == 200
            server.answer = nonsense()[name]
            live.clock.ms += 600_000
            for number in range(3):
                assert await status(live, client, ONE.token(sub=f"user {number}")) == 200
                await eventually(lambda: not state(live).ok)

    with key_server() as server:
        serve(test, issuers=[issuer(server)])


def test_a_server_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestbox.identity.fetch.TOTAL_SECONDS", 0.2)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        try:
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.01)
        except OSError:
            pass
        finally:
            writer.close()

    async def main() -> None:
        dripping = await asyncio.start_server(drip, "127.0.0.1", 0)
        port = dripping.sockets[0].getsockname()[1]
        fetcher = Fetcher("here", f"http://127.0.0.1:{port}/", ca="", allow_http=False)
        with pytest.raises(Exception, match="no answer in time"):
            await fetcher.get()
        await fetcher.close()
        dripping.close()
        await dripping.wait_closed()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("says", "seconds"),
    [
        ("max-age=1200", 1200),
        ("public, MAX-AGE=1200, must-revalidate", 1200),
        ('max-age="1200"', 1200),
        ("max-age=1", 60),
        ("no-store, max-age=0", 60),
        ("max-age=99999999", 3600),
        ("s-maxage=1200", 600),
        ("max-age=x", 600),
        ("", 600),
    ],
)
def test_how_long_keys_are_kept_is_what_the_server_says_within_bounds(says: str, seconds: int) -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:
            assert await status(live, client, ONE.token()) == 200
            live.clock.ms += (seconds - 1) * 1000
            assert await status(live, client, ONE.token(sub="bob")) == 200
            for _ in range(10):  # a fetch that had begun would be seen by now
                assert await status(live, client, LOCAL.token()) == 200
            assert server.asked == 1
            live.clock.ms += 1_000
            assert await status(live, client, ONE.token(sub="carol", exp=NOW + 9_000)) == 200
            await eventually(lambda: server.asked == 2)

    with key_server(FIRST) as server:
        server.answer.headers = {"Cache-Control": says} if says else {}
        serve(test, issuers=[issuer(server)])


def test_names_on_either_side_may_be_missing_where_one_key_alone_fits() -> None:
    rsa, ecc = jwk(rsa_key()), jwk(ec_key())
    nameless = Party(ISS, "RS256", rsa_key())
    curve = Party(ISS, "ES256", ec_key())
    second = Party(ISS, "RS256", rsa_key(1))

    async def test(live: Live) -> None:
        async with live.client() as client:

            async def with_keys(*keys: dict[str, Any]) -> None:
                server.answer = Published(list(keys))
                live.clock.ms += 600_000
                here = f"{len(keys)} keys, fetched {iso(live.clock.now_ms())}"
                await status(live, client, ONE.token())
                await eventually(lambda: state(live).detail == here)

            def later(party: Party, **changes: Any) -> str:
                now = live.clock.ms // 1000
                return party.token(iat=now, exp=now + 60, **changes)

            await with_keys(rsa, ecc)
            assert await status(live, client, later(nameless)) == 200
            assert await status(live, client, later(curve)) == 200
            assert await status(live, client, later(ONE)) == 200  # its name is not among them, but it fits
            assert await status(live, client, later(second)) == 401
            await with_keys(FIRST, ecc)
            assert await status(live, client, later(nameless)) == 200
            await with_keys(FIRST, SECOND)
            assert await status(live, client, later(nameless)) == 401  # which of the two is not said
            assert await status(live, client, later(ONE)) == 200
            await with_keys(rsa, jwk(rsa_key(1)))
            assert await status(live, client, later(ONE)) == 401
            await with_keys(jwk(rsa_key(1), kid="one"), FIRST)
            assert await status(live, client, later(ONE)) == 200  # two of one name: each is tried
            assert await status(live, client, later(Party(ISS, "RS256", rsa_key(1), "one"))) == 200
            assert await status(live, client, later(Party(ISS, "RS256", rsa_key(2), "one"))) == 401

    with key_server(rsa, ecc) as server:
        serve(test, issuers=[issuer(server, algorithms=["RS256", "ES256"])])


def test_two_issuers_behind_one_address_share_its_keys() -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:
            for iss, name in ((ISS, "rs"), ("https://other/", "other")):
                reply = await ask(live, client, ONE.token(iss=iss))
                assert reply.json()["subject"] == f"{name}:ann"
        assert server.asked == 1

    with key_server(FIRST) as server:
        serve(test, issuers=[issuer(server), issuer(server, "other", issuer="https://other/")])


CONFIG = """
[[issuers]]
name = "rs"
issuer = "https://rs.example/"
audience = ["box"]
jwks_url = "{url}"
default_roles = ["admin"]

[[issuers]]
name = "gone"
issuer = "https://gone.example/"
audience = ["box"]
jwks_url = "http://127.0.0.1:9/jwks.json"
default_roles = ["admin"]
"""


def test_a_box_starts_with_its_issuers_down_and_lets_people_in_when_they_are_up(tmp_path: Path) -> None:
    now = int(time.time())

    def call(party: Party) -> tuple[int, str, bool]:
        token = party.token(iat=now, exp=now + 600, aud="box")
        with httpx2.Client(
            headers={"Authorization": f"Bearer {token}"}, trust_env=False, verify=False
        ) as client:
            reply = client.get(f"{box.url}/v1/audit")
            return reply.status_code, str(reply.json().get("code", "")), "retry-after" in reply.headers

    with key_server(FIRST) as server:
        server.down()
        with running(tmp_path / "box", config=CONFIG.format(url=server.url)) as box:
            assert call(ONE) == (503, "issuer_unavailable", True)
            with box.client() as client:
                assert client.get("/v1/audit").status_code == 200
            server.up()
            until(lambda: call(ONE) == (200, "", False), "the issuer's people are let in")
            assert call(Party("https://gone.example/", "RS256", rsa_key(), "one"))[0] == 503
            assert call(TWO) == (401, "token_invalid", False)
            server.down()
            assert call(ONE)[0] == 200
            assert box.stop() == 0
        assert "Issuer rs: its keys are here again" in box.log.read_text()


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """What a server on loopback shows that nobody public vouches for, and the file of its CA."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(ec_key(9).public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ec_key(9).public_key()), critical=False)
        .sign(ec_key(9), hashes.SHA256())
    )
    key = ec_key(9).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "ca.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return context, folder / "ca.pem"


def test_keys_come_over_https_from_a_server_that_its_ca_vouches_for(tmp_path: Path) -> None:
    context, ca = certificate(tmp_path)

    async def test(live: Live) -> None:
        async with live.client(timeout=30) as client:
            assert await status(live, client, ONE.token()) == 200
            assert await status(live, client, ONE.token(iss="https://strict.example/")) == 503
            assert [each.ok for each in live.guard.issuer_states()] == [True, False]

    with key_server(FIRST, tls=context) as server:
        strict = issuer(server, "strict", issuer="https://strict.example/")
        serve(test, issuers=[issuer(server, jwks_ca=str(ca)), strict])
        assert server.paths == ["/jwks.json"]
