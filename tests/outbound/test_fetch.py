"""Fetching over real connections: redirects, names that lie, what never ends, and whom TLS trusts."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import threading
import tracemalloc
import zlib
from pathlib import Path

import pytest

from ingestbox.errors import StartupError
from ingestbox.outbound import resolver
from ingestbox.outbound.fetched import Fetched, FetchError
from tests.forward.support import run
from tests.outbound.sites import INSIDE, Names, fetcher, got, leading_to, ok, said, site, why
from tests.web.test_tls import Paper

HERE = "127.0.0.1"


def test_a_page_is_fetched_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
        async with site(ok(b"<p>hello", "Content-Type: text/html", "Set-Cookie: a=b")) as page:
            fetch = fetcher(HERE)
            found = await got(fetch, f"http://{HERE}:{page.port}/x?y#z")
            assert isinstance(found, Fetched)
            assert (found.status, found.body, found.cut) == (200, b"<p>hello", False)
            assert found.headers["content-type"] == "text/html"
            assert await why(fetch, f"http://{HERE}:{page.port}/") == "answered 200"
            assert page.heads[0].startswith("GET /x?y HTTP/1.1\r\n")
            assert "user-agent: carecircle-crawler/1.0" in page.heads[0].lower()
            assert not any("cookie" in head.lower() for head in page.heads)

    run(test())


def test_private_hosts_are_not_reached_in_any_spelling() -> None:
    async def test() -> None:
        async with site(ok(b"secret")) as page, site(ok(b"secret"), "::1") as six:
            for host in (
                "127.0.0.1",
                "127.1",
                "2130706433",
                "0x7f.1",
                "0177.0.0.1",
                "localhost",
                "127.0.0.1.",
            ):
                assert await why(fetcher(), f"http://{host}:{page.port}/") == "refused", host
            for host in ("[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::127.0.0.1]"):
                assert await why(fetcher(), f"http://{host}:{six.port}/") == "refused", host
            assert (page.connections, six.connections) == (0, 0)
            assert await why(fetcher("localhost"), f"http://localhost:{page.port}/") == "answered 200"

    run(test())


def test_what_a_name_resolves_to_after_the_check_has_no_effect() -> None:
    async def test() -> None:
        async with site(ok(b"public")) as page, site(ok(b"secret"), INSIDE, page.port) as inside:
            names = Names(site_test=[[HERE], [INSIDE]])
            fetch = fetcher(HERE, names=names)
            found = await got(fetch, f"http://site.test:{page.port}/")
            assert isinstance(found, Fetched)
            assert found.body == b"public"
            assert names.asked == ["site.test"], "it was resolved once, and that was checked"
            assert f"host: site.test:{page.port}" in page.heads[0].lower()
            # The next request resolves anew, and is refused: nothing was kept of the first one's check.
            assert await why(fetch, f"http://site.test:{page.port}/") == "refused"
            assert inside.connections == 0

    run(test())


def test_one_private_address_among_others_refuses_them_all() -> None:
    async def test() -> None:
        async with site(ok(b"public")) as page, site(ok(b"secret"), INSIDE, page.port) as inside:
            for answer in ([HERE, INSIDE], [INSIDE, HERE], [HERE, "::ffff:127.0.0.2"], [HERE, "fe80::1%lo"]):
                found = await got(
                    fetcher(HERE, names=Names(site_test=[answer])), f"http://site.test:{page.port}/"
                )
                assert isinstance(found, FetchError)
                assert found.why == "refused", answer
                assert INSIDE not in found.told
            assert (page.connections, inside.connections) == (0, 0)
            nobody = fetcher(names=Names(site_test=[[]], junk_test=[["nonsense"]]))
            assert await why(nobody, "http://site.test/") == "unreachable"
            assert await why(nobody, "http://junk.test/") == "refused"

    run(test())


def test_of_several_addresses_the_next_is_tried_when_nobody_answers() -> None:
    async def test() -> None:
        async with site(ok(b"here")) as page:
            names = Names(site_test=[[INSIDE, HERE]])
            fetch = fetcher("127.0.0.0/8", names=names)
            assert await why(fetch, f"http://site.test:{page.port}/") == "answered 200"

    run(test())


def test_redirects_are_followed_three_times_and_checked_each_time() -> None:
    async def test() -> None:
        async def hop(head: str, writer: asyncio.StreamWriter) -> None:
            left = int(head.split()[1].strip("/"))
            await (leading_to(f"/{left - 1}") if left else ok(b"there"))(head, writer)

        async with site(hop) as page:
            base = f"http://{HERE}:{page.port}"
            found = await got(fetcher(HERE), f"{base}/3")
            assert isinstance(found, Fetched)
            assert (found.url, found.body) == (f"{base}/0", b"there")
            assert found.redirects == (f"{base}/2", f"{base}/1", f"{base}/0")
            assert await why(fetcher(HERE), f"{base}/4") == "redirects"

    run(test())


def test_a_redirect_leads_nowhere_that_is_not_reached() -> None:
    async def test() -> None:
        async with site(ok(b"secret"), INSIDE) as inside:
            port = inside.port
            for target, reason in (
                *((f"http://{INSIDE}:{port}/", "refused"), (f"http://2130706434:{port}/", "refused")),
                *((f"//0x7f.2:{port}/", "refused"), (f"http://[::ffff:127.0.0.2]:{port}/", "refused")),
                *((f"http://inside.test:{port}/", "refused"), (f"http://u:p@{INSIDE}:{port}/", "refused")),
                *(("file:///etc/passwd", "unknown"), ("http://169.254.169.254/latest/meta-data", "refused")),
                *(("http://[fd00:ec2::254]/", "refused"), ("https://localhost/", "refused")),
            ):
                async with site(leading_to(target, 307)) as page:
                    fetch = fetcher(HERE, names=Names(inside_test=[[INSIDE]]))
                    assert await why(fetch, f"http://{HERE}:{page.port}/") == reason, target
                    assert page.connections == 1
            assert inside.connections == 0

    run(test())


def test_what_never_ends_is_cut_or_given_up() -> None:
    async def silent(_: str, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async def dripping(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)  # its own pace: a server that drips

    async def pouring(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    async def test() -> None:
        for script in (silent, dripping):
            async with site(script) as page:
                found = await got(fetcher(HERE, seconds=0.3), f"http://{HERE}:{page.port}/")
                assert isinstance(found, FetchError)
                assert found.why == "timeout"
                assert 0.25 < found.seconds < 5
        async with site(pouring) as page:
            cut = await got(fetcher(HERE), f"http://{HERE}:{page.port}/", 300_000)
            assert isinstance(cut, Fetched)
            assert (len(cut.body), cut.cut) == (300_000, True)

    run(test())


def test_a_bomb_is_cut_and_takes_no_room() -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(b"\0" * 1_048_576) for _ in range(40)) + packer.flush()
    coded = gzip.compress(b"hello " * 1_000)

    async def test() -> None:
        async with site(ok(bomb, "Content-Encoding: gzip")) as page:
            tracemalloc.start()
            found = await got(fetcher(HERE), f"http://{HERE}:{page.port}/", 2_000_000)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert isinstance(found, Fetched)
            assert (len(found.body), found.cut) == (2_000_000, True)
            assert peak < 12_000_000
        for body, coding, result in (
            *((coded, "gzip", "answered 200"), (zlib.compress(b"x"), "deflate", "answered 200")),
            *((coded[:-9], "gzip", "broken"), (b"no gzip", "gzip", "broken"), (coded, "br", "encoding")),
            (coded, "gzip, gzip", "encoding"),
        ):
            async with site(ok(body, f"Content-Encoding: {coding}")) as page:
                assert await why(fetcher(HERE), f"http://{HERE}:{page.port}/") == result, coding

    run(test())


def test_what_is_no_answer_is_told_as_what_it_is() -> None:
    async def nonsense(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()

    async def short(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\nonly this")
        await writer.drain()

    async def test() -> None:
        for script in (nonsense, short):
            async with site(script) as page:
                assert await why(fetcher(HERE), f"http://{HERE}:{page.port}/") == "broken"
        async with site(said(503)) as page:
            assert await why(fetcher(HERE), f"http://{HERE}:{page.port}/") == "answered 503"
        assert await why(fetcher(HERE), f"http://{HERE}:{page.port}/") == "unreachable"  # it is closed now

    run(test())


def test_tls_asks_for_the_name_and_checks_it(tmp_path: Path) -> None:
    authority = Paper("authority")
    pem = tmp_path / "site.pem"
    paper = Paper("site", authority)
    pem.write_text(paper.key_pem() + paper.pem)
    ca = tmp_path / "ca.pem"
    ca.write_text(authority.pem)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(pem)
    asked: list[str | None] = []
    served.sni_callback = lambda _, name, __: asked.append(name)

    async def test() -> None:
        async with site(ok(b"safe"), tls=served) as page:
            names = Names(box_test=[[HERE]], other_test=[[HERE]])
            trusting = fetcher(HERE, names=names, tls_ca=str(ca))
            assert await why(trusting, f"https://box.test:{page.port}/") == "answered 200"
            assert asked == ["box.test"]
            assert await why(trusting, f"https://other.test:{page.port}/") == "certificate"
            assert await why(fetcher(HERE, names=names), f"https://box.test:{page.port}/") == "certificate"

    run(test())
    with pytest.raises(StartupError, match="tls_ca"):
        fetcher(tls_ca=str(tmp_path / "nothing.pem"))


def test_a_name_server_that_never_answers_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def never(name: str, port: int) -> list[str]:
        assert released.wait(60)
        return [HERE]

    async def test() -> None:
        monkeypatch.setattr(resolver, "_look_up", never)
        asking = [why(fetch, f"http://slow{number}.test/") for number in range(10)]
        assert await asyncio.gather(*asking) == ["timeout"] * 10
        released.set()

    fetch = fetcher(seconds=0.2)
    run(test())
    released.set()
