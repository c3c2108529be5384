"""docs/reverse-proxy.md, with the real nginx and Caddy before a real box: its files as they are printed."""

from __future__ import annotations

import gzip
import json
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ingestbox.model import Role
from tests.console.support import PASSWORD, new_user
from tests.docs.support import Page, Shell, certificate, replaced
from tests.foreign.support import Program, free_port, installed
from tests.harness import PATIENCE, BoxProcess, post_tickets, ticket, until

NAME = "ingest.example.com"
PAGE = Page("reverse-proxy.md")
PROXY = "127.0.0.1"

ATTEMPTS = 3
"""Of signing in, a minute, that the box allows here."""

ESTABLISHED = "01"
"""A state of a connection, as /proc/net/tcp has it."""

LARGE = 64 * 1_048_576
"""The largest body that the box takes into memory."""

NGINX = """\
daemon off;
pid nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxied;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include /etc/nginx/conf.d/*.conf;
}
"""
CADDY = """\
{{
	admin off
	http_port {plain}
	https_port {port}
	storage file_system {folder}/storage
}}
"""


class Proxy(Program):
    """A server that ends those whom it has started, if it is told to end."""

    def end(self) -> None:
        """SIGTERM, and waits for its end."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(PATIENCE)


@dataclass
class Site:
    """A proxy before a box: `port` speaks HTTPS, `plain` HTTP."""

    name: str
    box: BoxProcess
    program: Proxy
    shell: Shell
    port: int
    plain: int
    trust: ssl.SSLContext

    def client(self, *roles: Role, address: str = PROXY, host: str = NAME, **headers: str) -> httpx2.Client:
        """A client that comes from an address of the loopback; without roles nobody."""
        if roles:
            headers["Authorization"] = f"Bearer {self.box.token(*roles)}"
        return Named(
            base_url=f"https://127.0.0.1:{self.port}",
            headers={"Host": host, **headers},
            transport=httpx2.HTTPTransport(verify=self.trust, local_address=address),
            timeout=PATIENCE,
            trust_env=False,
        )

    def line(self, request_id: str) -> dict[str, Any]:
        """What the box's log says of a request."""

        def found() -> dict[str, Any] | None:
            lines = self.box.log.read_text("utf-8").splitlines()
            return next((json.loads(line) for line in lines if f'"{request_id}"' in line), None)

        return until(found, f"the log has {request_id}")


class Named(httpx2.Client):
    """A client that asks for the certificate of the name in `Host`."""

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """As ever, with the name."""
        request.extensions["sni_hostname"] = NAME
        return super().send(request, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("proxy")
    certificate(made / "ssl", NAME)
    return made


@pytest.fixture(scope="module")
def trust(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "ssl" / "cert.pem"))


def box_of(folder: Path, number: int) -> Iterator[BoxProcess]:
    """A box with what the page says, `number` of its two files."""
    text = PAGE.file("/etc/ingestbox/ingestbox.toml", number=number)
    if not number:
        text = replaced(text, {"port = 8000": "port = 0"})
    box = BoxProcess(folder, config=text, environ={"INGESTBOX_RATES_LOGIN": str(ATTEMPTS)}).start()
    yield box
    box.close()


@pytest.fixture(scope="module")
def page_box(folder: Path) -> Iterator[BoxProcess]:
    yield from box_of(folder / "box", 0)


@pytest.fixture(scope="module")
def box_below(folder: Path) -> Iterator[BoxProcess]:
    yield from box_of(folder / "below", 1)


def nginx(folder: Path, trust: ssl.SSLContext, box: BoxProcess, site: str = "") -> Site:
    """nginx with the page's files; `site` is what is in the `server` in the place of its locations."""
    port, plain = free_port(), free_port()
    places = {"/etc/nginx": folder / "etc" / "nginx", "/etc/ssl/ingest": folder.parent / "ssl"}
    shell = shell_of(folder, box, port, plain, places)
    shell.put("/etc/nginx/snippets/ingestbox.conf", PAGE.file("/etc/nginx/snippets/ingestbox.conf"))
    text = PAGE.file("/etc/nginx/conf.d/ingestbox.conf")
    if site:
        start, end = text.index("    location / {"), text.index("}\n\nserver {")
        text = text[:start] + site + text[end:]
    ours = {
        "127.0.0.1:8000": box.url.removeprefix("http://"),
        "listen 443": f"listen 127.0.0.1:{port}",
        "listen 80": f"listen 127.0.0.1:{plain}",
    }
    shell.put("/etc/nginx/conf.d/ingestbox.conf", replaced(text, ours))
    main = shell.put("/etc/nginx/nginx.conf", NGINX)
    command = [installed("nginx", "nginx"), "-p", str(folder), "-c", str(main), "-e", "stderr"]
    command += ["-g", "user root;"] if is_root() else []
    shell.program("nginx", command)
    return Site("nginx", box, Proxy(command, port, folder), shell, port, plain, trust)


def caddy(folder: Path, trust: ssl.SSLContext, box: BoxProcess) -> Site:
    port, plain = free_port(), free_port()
    places = {"/etc/caddy": folder / "etc", "/etc/ssl/ingest": folder.parent / "ssl"}
    shell = shell_of(folder, box, port, plain, places)
    text = replaced(PAGE.file("/etc/caddy/Caddyfile"), {"127.0.0.1:8000": box.url.removeprefix("http://")})
    main = shell.put("/etc/caddy/Caddyfile", CADDY.format(folder=folder, port=port, plain=plain) + text)
    caches = [f"XDG_{kind}_HOME={folder}" for kind in ("CONFIG", "DATA")]
    command = [
        "env",
        *caches,
        installed("caddy", "caddy"),
        "run",
        "--adapter",
        "caddyfile",
        "--config",
        str(main),
    ]
    return Site("caddy", box, Proxy(command, port, folder), shell, port, plain, trust)


def is_root() -> bool:
    """Whether nginx would start its workers as somebody else, who cannot read the test's folder."""
    return os.geteuid() == 0


def shell_of(folder: Path, box: BoxProcess, port: int, plain: int, places: dict[str, Path]) -> Shell:
    """A shell that reaches the site under its name, at its usual ports."""
    at = {f"{NAME}:443": port, f"{NAME}:80": plain}
    trusted = folder.parent / "ssl" / "cert.pem"
    places = {**places, "/etc/ingestbox/ingestbox.toml": box.folder / "ingestbox.toml"}
    return Shell(folder, at=at, trusted=trusted, places=places)


@pytest.fixture(scope="module", params=[nginx, caddy], ids=["nginx", "caddy"])
def site(
    request: pytest.FixtureRequest, folder: Path, trust: ssl.SSLContext, page_box: BoxProcess
) -> Iterator[Site]:
    """Each of the proxies before the same box."""
    made: Site = request.param(folder / request.param.__name__, trust, page_box)
    made.program.start()
    yield made
    made.program.end()


def test_the_commands_of_the_page_say_that_all_is_well(site: Site) -> None:
    for command in PAGE.commands():
        # What concerns the box is typed once.
        others = ("caddy",) if site.name == "nginx" else ("nginx", "ingestbox")
        if not command.startswith(others):
            said = site.shell.type(command)
            assert "metrics" not in command or said.endswith("404\n")
    assert site.shell.type(f"curl -o /dev/null -w '%{{http_version}}' https://{NAME}/health") == "2"
    assert "308" in site.shell.type(f"curl -I http://{NAME}/health")


def test_metrics_are_not_there_however_they_are_spelled(site: Site) -> None:
    with site.client(Role.ADMIN) as client, site.box.client() as direct:
        for path in ("/metrics", "/metrics/", "/%6detrics", "/./metrics"):
            assert client.get(path).status_code == 404, path
        assert direct.get("/metrics").status_code == 200


def test_the_largest_bodies_pass(site: Site) -> None:
    text = f"{site.name} says: Drink water. Rest in bed. Call a doctor when it gets worse. " * 4
    item = {"source_id": site.name, "source_url": f"https://a.example/{site.name}", "title": "Rest a while"}
    body = json.dumps(
        {"batch_id": site.name, "source_id": site.name, "items": [{**item, "content": text}]}
    ).encode()
    with site.client(Role.INGEST) as client:
        answer = client.post("/knowledge-management/content/bulk-upload", content=body.ljust(LARGE))
        assert answer.status_code == 200, answer.text[:500]
        assert answer.json()["accepted_items"] == 1
        over = client.post("/knowledge-management/content/bulk-upload", content=body.ljust(LARGE + 1))
        assert (over.status_code, over.headers["content-type"]) == (413, "application/json")
        zipped = client.post(
            "/api/data-ingest",
            content=gzip.compress(json.dumps({"records": [ticket(1)]}).encode()),
            headers={"Content-Encoding": "gzip", "Content-Type": "application/json"},
        )
        assert zipped.status_code == 200


def test_the_client_is_who_the_proxy_says_and_not_who_it_says_itself(site: Site) -> None:
    lies = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Prefix": "/evil",
        "Forwarded": "for=203.0.113.9;host=evil.example",
        "X-Real-IP": "203.0.113.9",
    }
    with site.client(address="127.0.0.7") as honest, site.client(address="127.0.0.7", **lies) as liar:
        told = [client.get(f"/?{site.name}").raise_for_status() for client in (honest, liar)]
        assert told[0].json() == told[1].json()
        assert "evil" not in told[1].text
        moved = liar.get("/console", headers={"Accept": "text/html"})
        assert moved.headers["location"].startswith("/console/login")
        assert liar.get("/healthz", headers={"X-Request-ID": f"liar-{site.name}"}).status_code == 200
    assert site.line(f"liar-{site.name}")["client"] == "127.0.0.7"


def test_whoever_passes_the_proxy_by_is_not_believed(page_box: BoxProcess) -> None:
    transport = httpx2.HTTPTransport(local_address="127.0.0.5", verify=False)
    with httpx2.Client(base_url=page_box.url, transport=transport, trust_env=False) as client:
        said = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": "ingest.example.com"}
        assert client.get("/healthz?by", headers=said).status_code == 200
        assert client.get("/healthz", headers={"Host": "evil.example"}).status_code == 421
    found = [line for line in page_box.log.read_text().splitlines() if "127.0.0.5" in line]
    assert found
    assert "203.0.113.9" not in page_box.log.read_text()


def test_each_client_has_a_login_allowance_of_its_own(site: Site) -> None:
    number = 30 if site.name == "nginx" else 40

    def tried(address: str, attempt: int) -> int:
        given = {"email": f"nobody-{site.name}-{address}-{attempt}@example.com", "password": "a wrong one"}
        with site.client(address=address) as client:
            return client.post("/api/auth/login", json=given).status_code

    first = [tried(f"127.0.0.{number}", attempt) for attempt in range(ATTEMPTS + 1)]
    assert first == [401] * ATTEMPTS + [429]
    assert tried(f"127.0.0.{number + 1}", 0) == 401


def test_a_person_signs_in_and_works(site: Site) -> None:
    given = {"email": new_user(site.box, "admin"), "password": PASSWORD}
    address = "127.0.0.50" if site.name == "nginx" else "127.0.0.51"
    with site.client(address=address) as browser:
        assert browser.get("/console/login").status_code == 200
        elsewhere = browser.post("/console/login", data=given, headers={"Origin": "https://evil.example"})
        assert elsewhere.status_code == 403
        here = {"Origin": f"https://{NAME}"}
        entered = browser.post("/console/login", data=given, headers=here)
        assert entered.status_code == 303
        assert "; Secure" in entered.headers["set-cookie"]
        page = browser.get("/console", headers={"Cookie": entered.headers["set-cookie"].partition(";")[0]})
        assert page.status_code == 200
        assert given["email"] in page.text


def test_progress_comes_as_it_happens(site: Site) -> None:
    with site.client(Role.ADMIN) as client:
        job = post_tickets(client, [ticket(n) for n in range(3)])["job_id"]
        # A file of contacts with an issue waits for a person: its stream is open until somebody gives it up.
        name = f"{site.name}.csv"
        form = {"file": (name, f"email,first_name,last_name,company\n{site.name}@example.com,A,,\n")}
        number = client.post("/jobs/upload", files=form).raise_for_status().json()["job_id"]
        listed = client.get("/v1/jobs?family=contacts").raise_for_status().json()["jobs"]
        (waiting,) = (each["id"] for each in listed if each["name"] == name)
        kinds: list[str] = []
        with client.stream("GET", f"/v1/jobs/{waiting}/events") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream"), stream.read()
            for line in stream.iter_lines():
                kinds += [line.removeprefix("event: ")] if line.startswith("event: ") else []
                if kinds == ["job"]:
                    break
        assert kinds == ["job"]
        until(lambda: client.delete(f"/jobs/{number}").is_success, "the file is given up")
        with client.stream("GET", f"/v1/jobs/{job}/events") as stream:
            assert "event: end" in [line.strip() for line in stream.iter_lines()]


def test_connections_to_the_box_are_kept(site: Site) -> None:
    def connections() -> set[str]:
        """The ports from which the box is connected to."""
        table = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        there = f":{int(site.box.url.rpartition(':')[2]):04X}"
        return {line[1] for line in table if line[2].endswith(there) and line[3] == ESTABLISHED}

    with site.client() as client:
        client.get("/healthz")
        first = connections()
        assert first
        for _ in range(5):
            client.get("/healthz")
        assert connections() <= first


def test_below_a_path(folder: Path, trust: ssl.SSLContext, box_below: BoxProcess) -> None:
    inside = [body for body in PAGE.of("nginx") if body.startswith("location ")]
    site = nginx(folder / "nginx-below", trust, box_below, *inside)
    site.program.start()
    try:
        with site.client(Role.ADMIN, address="127.0.0.8", host="www.example.com") as client:
            assert client.get("/ingest/metrics").status_code == 404
            assert client.get("/health").status_code == 404, "what is not below the path is another's"
            links = client.get("/ingest/").raise_for_status().json()
            assert "/ingest/docs" in json.dumps(links)
            assert client.get("/ingest/openapi.json").json()["servers"][0]["url"] == "/ingest"
            moved = client.get("/ingest/console", headers={"Authorization": ""})
            assert moved.headers["location"].startswith("/ingest/console/login")
            given = {"email": new_user(box_below, "admin"), "password": PASSWORD}
            entered = client.post(
                "/ingest/console/login", data=given, headers={"Origin": "https://www.example.com"}
            )
            assert entered.status_code == 303
            assert "Path=/ingest/console;" in entered.headers["set-cookie"]
            assert entered.headers["location"] == "/ingest/console"
    finally:
        site.program.end()


def test_a_box_that_is_down_is_told_of_and_found_again(
    folder: Path, trust: ssl.SSLContext, box_below: BoxProcess
) -> None:
    sites = [nginx(folder / "nginx-down", trust, box_below), caddy(folder / "caddy-down", trust, box_below)]
    for site in sites:
        site.program.start()
    try:
        box_below.stop()
        for site in sites:
            with site.client(host="www.example.com" if site.name == "nginx" else NAME) as client:
                assert client.get("/healthz").status_code == 502
        box_below.start()
        for site in sites:
            with site.client(host="www.example.com" if site.name == "nginx" else NAME) as client:
                assert client.get("/healthz").status_code != 502
    finally:
        for site in sites:
            site.program.end()
