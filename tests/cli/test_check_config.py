"""`ingestbox check-config`: what is set, where from, what is wrong; and nothing is touched."""

from __future__ import annotations

import datetime
import json
import re
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ingestbox.cli.preflight import is_loopback
from ingestbox.config import GROUPS, LISTS, Settings, sections
from tests.cli.support import Ran, ingestbox
from tests.harness import BoxProcess

SECRET = "s3cret-" + "x" * 40


def check(folder: Path, text: str, *more: str, env: dict[str, str] | None = None) -> Ran:
    file = folder / "box.toml"
    file.write_text(text)
    file.chmod(0o600)
    return ingestbox("check-config", "--config", "box.toml", *more, cwd=folder, env=env)


def by_key(ran: Ran) -> dict[str, Any]:
    return {f"{each['section']} {each['key']}".strip(): each for each in ran.json()["settings"]}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_every_setting_is_shown_with_where_it_comes_from(tmp_path: Path) -> None:
    text = '[server]\nhost = "localhost"\nport = 1\n\n[work]\nworkers = 7\n'
    env = {"INGESTBOX_SERVER_PORT": str(free_port()), "LOG_LEVEL": "debug"}
    ran = check(tmp_path, text, "--json", "--data", "elsewhere", env=env)
    assert ran.code == 0, ran
    found = by_key(ran)
    expected = {f"[{name}] {key}" for name, kind in sections().items() for key in kind.__struct_fields__}
    assert expected <= set(found)
    places = {key: (each["source"], each["place"]) for key, each in found.items()}
    assert places["[server] host"] == ("file", "box.toml, line 2")
    assert places["[server] port"] == ("environment", "INGESTBOX_SERVER_PORT")
    assert places["[work] workers"] == ("file", "box.toml, line 6")
    assert places["[log] level"] == ("environment", "LOG_LEVEL")
    assert places["data"] == ("flag", "--data")
    assert places["[work] children"] == ("default", "default")
    assert found["[log] level"]["value"] == "DEBUG"
    assert ran.json()["ok"] is True

    shown = check(tmp_path, text, env=env)
    lines = [line.split() for line in shown.out.splitlines()]
    assert ["workers", "=", "7", "box.toml,", "line", "6"] in lines
    assert ["children", "=", "0", "default"] in lines


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    text = (
        f'[auth]\napi_keys = ["{SECRET}"]\n[alarms]\nwebhook_secret = "whsec_{SECRET}"\n'
        f'[[lanes]]\nname = "up"\nurl = "https://me:{SECRET}@up.example/x"\ntoken = "{SECRET}"\n'
    )
    for more in ((), ("--json",)):
        ran = check(tmp_path, text, *more)
        assert SECRET not in ran.out + ran.err
        assert "********" in ran.out
    (tmp_path / "key").write_text(SECRET)
    ran = check(tmp_path, "", "--json", env={"INGESTBOX_AUTH_API_KEYS_FILE": str(tmp_path / "key")})
    assert by_key(ran)["[auth] api_keys"]["place"] == "INGESTBOX_AUTH_API_KEYS_FILE"
    assert SECRET not in ran.out


def test_a_secret_in_a_mistake_is_not_shown_either(tmp_path: Path) -> None:
    for text in (
        f"[[lanes]]\ntoken = {SECRET}\n",  # not quoted: not TOML
        f'[auth]\napi_keys = "{SECRET}"\n',
        f'[[lanes]]\nname = "a"\nurl = "http://x"\ntokn = "{SECRET}"\n',
        f'[auth]\napi_keys = ["{SECRET}:nobody"]\n',
        f'[[lanes]]\nname = "a"\nurl = "ftp://me:{SECRET}@x"\n',
    ):
        ran = check(tmp_path, text)
        assert ran.code == 1, ran
        assert SECRET not in ran.out + ran.err
        assert "Traceback" not in ran.err


def test_all_faults_are_said_at_once_with_their_lines(tmp_path: Path) -> None:
    text = """\
[server]
port = "eight"
prt = 1

[serverr]
x = 1

[log]
level = "loud"

[[lanes]]
name = "central"
batch_lines = 0
"""
    ran = check(tmp_path, text, env={"INGESTBOX_WORK_WORKERS": "many", "INGESTBOX_ISSUERS": "["})
    assert (ran.code, ran.out) == (1, "")
    for sentence in (
        "box.toml, line 2: [server] port: expected a whole number from 0 to 65535, not `eight`.",
        "box.toml, line 3: unknown key `prt` in [server]. Did you mean `port`?",
        "box.toml, line 5: unknown section `serverr`. Did you mean `server`?",
        "box.toml, line 9: [log] level: expected one of CRITICAL, DEBUG, ERROR, INFO, WARNING, not `loud`.",
        "box.toml, line 13: [[lanes]] number 1, batch_lines: expected a whole number from 1 to 10000, not",
        "box.toml, line 11: [[lanes]] number 1: `url` is missing.",
        "INGESTBOX_WORK_WORKERS: expected a whole number from 1 to 64, not `many`.",
        "INGESTBOX_ISSUERS: expected a list in JSON",
    ):
        assert sentence in ran.err
    assert "8 things are wrong" in ran.err
    report = check(tmp_path, text, "--json")
    assert (report.code, report.json()["ok"], len(report.json()["errors"])) == (1, False, 6)

    served = ingestbox("serve", "--config", "box.toml", cwd=tmp_path)
    assert served.code == 1
    assert all(fault in served.err for fault in report.json()["errors"])
    assert not (tmp_path / "ingestbox-data").exists()


def test_a_file_that_is_not_there_leads_to_init(tmp_path: Path) -> None:
    ran = ingestbox("check-config", "--config", "none.toml", cwd=tmp_path)
    assert ran.code == 1
    assert "ingestbox init --output none.toml" in ran.err


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            stat.S_IMODE(path.stat().st_mode),
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(folder.rglob("*"))
    }


def test_the_data_folder_is_neither_made_nor_touched(tmp_path: Path, own_box: BoxProcess) -> None:
    ran = check(tmp_path, 'data = "not/yet"\n')
    assert ran.code == 0
    assert "not/yet is made at the first start" in ran.out
    assert not (tmp_path / "not").exists()

    own_box.start()
    assert own_box.stop() == 0
    before = snapshot(own_box.data)
    assert check(tmp_path, "", "--data", str(own_box.data)).code == 0
    assert snapshot(own_box.data) == before


def test_a_folder_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for data in ("file", "file/below"):
        ran = check(tmp_path, f'data = "{data}"\n')
        assert ran.code == 1
        assert "data folder" in ran.out
        assert "--data" in ran.out
        assert "Traceback" not in ran.err


def test_a_key_that_a_start_would_refuse_is_an_error_in_the_same_words(tmp_path: Path) -> None:
    text = '[auth]\napi_keys = ["short"]\n'
    ran = check(tmp_path, text, "--json")
    assert ran.code == 1
    (error,) = ran.json()["errors"]
    served = ingestbox("serve", "--config", "box.toml", "--port", "0", cwd=tmp_path)
    assert served.code == 1
    assert json.dumps(error)[1:-1] in served.err


@pytest.mark.parametrize(
    ("about", "text"),
    [
        ("server", '[server]\ntrusted_proxies = ["10.0.0/8"]\n'),
        ("server", '[server]\nallowed_hosts = ["https://box.example"]\n'),
        ("server", '[server]\ncors_origins = ["app.example"]\n'),
        ("alarms", '[alarms]\nwebhook_url = "https://x.example"\nwebhook_secret = "hunter2"\n'),
        ("lane a", '[[lanes]]\nname = "a"\nurl = "https://"\n'),
        ("lane a", '[[lanes]]\nname = "a"\nurl = "https://x.example"\ntoken = "hünter2"\n'),
        ("lane a", '[[lanes]]\nname = "a"\nurl = "https://x.example"\nsigning_secret = "hunter2"\n'),
        ("lane a", '[[lanes]]\nname = "a"\nurl = "https://x.example"\ntls_ca = "/nowhere.pem"\n'),
        ("entities step", '[enrich.entities]\nurl = "https:///x"\n'),
        ("embeddings step", '[enrich.embeddings]\nurl = "https://x.example"\n'),
        ("embeddings step", '[enrich.embeddings]\nmodel_path = "nowhere.vec"\n'),
        ("entities step", '[enrich.entities]\nurl = "https://x.example"\ntoken = "hünter2"\n'),
    ],
)
def test_what_a_part_of_the_box_would_refuse_is_an_error(tmp_path: Path, about: str, text: str) -> None:
    ran = check(tmp_path, text, "--json")
    assert (ran.code, levels(ran, about)) == (1, ["error"])
    assert not re.search("h[uü]nter2", ran.out)


def test_a_port_in_use_is_a_warning_only(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = check(tmp_path, f"[server]\nport = {port}\n")
        assert ran.code == 0
        assert f"port {port} on 127.0.0.1 is in use now" in ran.out
    ran = check(tmp_path, f"[server]\nport = {port}\n")
    assert f"port {port} on 127.0.0.1 is free" in ran.out


def test_a_box_that_runs_on_the_folder_is_no_trouble(box: BoxProcess, tmp_path: Path) -> None:
    port = box.url.rpartition(":")[2]
    ran = check(tmp_path, f"[server]\nport = {port}\n", "--data", str(box.data))
    assert ran.code == 0
    assert box.url in ran.out
    assert "WARNING" not in ran.out


def levels(ran: Ran, about: str) -> list[str]:
    return [each["level"] for each in ran.json()["checks"] if each["about"] == about]


def test_what_would_go_in_the_clear_is_warned_about(tmp_path: Path) -> None:
    lane = '[[lanes]]\nname = "up"\nurl = "{}"\ntoken = "x"\n'
    quiet = f"[server]\nport = {free_port()}\n"
    assert levels(check(tmp_path, quiet + lane.format("http://up.example/x"), "--json"), "lane up") == [
        "warning"
    ]
    for url in ("https://up.example/x", "http://127.0.0.1:9/x", "http://[::1]:9/x"):
        assert levels(check(tmp_path, quiet + lane.format(url), "--json"), "lane up") == ["ok"]
    step = '[enrich.sentiment]\nurl = "{}"\n'
    for url, level in (
        ("http://x.example/", "warning"),
        ("https://x.example/", "ok"),
        ("http://[::1]/", "ok"),
    ):
        assert levels(check(tmp_path, quiet + step.format(url), "--json"), "sentiment step") == [level]
    assert levels(check(tmp_path, quiet, "--json"), "sentiment step") == []
    assert levels(check(tmp_path, quiet, "--json"), "address") == ["ok"]
    open_to_all = f'[server]\nhost = "0.0.0.0"\nport = {free_port()}\n'
    assert levels(check(tmp_path, open_to_all, "--json"), "address") == ["ok", "warning"]


def test_a_file_with_secrets_that_others_can_read_is_warned_about(tmp_path: Path) -> None:
    text = '[[lanes]]\nname = "up"\nurl = "https://up.example/x"\ntoken = "x"\n'
    assert levels(check(tmp_path, text, "--json"), "file") == []
    (tmp_path / "box.toml").chmod(0o644)
    ran = ingestbox("check-config", "--config", "box.toml", "--json", cwd=tmp_path)
    assert (ran.code, levels(ran, "file")) == (0, ["warning"])


def test_a_variable_that_means_nothing_is_a_warning(tmp_path: Path) -> None:
    ran = check(tmp_path, "", env={"INGESTBOX_SERVER_PROT": "1"})
    assert ran.code == 0
    assert (
        "INGESTBOX_SERVER_PROT is not a setting; it is ignored. Did you mean `INGESTBOX_SERVER_PORT`?"
        in ran.out
    )


@pytest.mark.parametrize(
    ("host", "is_one"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("box", False)]
)
def test_what_this_machine_is_called(host: str, is_one: bool) -> None:
    assert is_loopback(host) is is_one


def test_all_of_the_settings_have_a_place_in_the_output() -> None:
    """A new kind of thing among the settings has to be thought of in check-config, too."""
    flat = {name for name in sections() if "." not in name}
    assert set(Settings.__struct_fields__) == {"data", *flat, *GROUPS, *LISTS}


def test_into_a_pipe_go_no_colours(tmp_path: Path) -> None:
    assert "\x1b" not in check(tmp_path, "").out


def test_tls_is_read_as_a_start_does(tmp_path: Path) -> None:
    good, old = tls_files(tmp_path, "good", days=3650), tls_files(tmp_path, "old", days=-1)
    tls = f'[server]\nport = {free_port()}\ntls_cert = "{{}}"\ntls_key = "{{}}"\n'
    assert levels(check(tmp_path, tls.format(*good), "--json"), "TLS") == ["ok"]
    expired = check(tmp_path, tls.format(*old), "--json")
    assert (expired.code, levels(expired, "TLS"), expired.err) == (0, ["warning"], "")
    for cert, key in ((good[0], old[1]), (good[0], tmp_path / "none"), (good[1], good[1])):
        wrong = check(tmp_path, tls.format(cert, key))
        assert wrong.code == 1
        assert "TLS: server.tls_" in wrong.out
    with_ca = tls.format(*good) + 'tls_client_ca = "{}"\n'
    assert levels(check(tmp_path, with_ca.format(good[0]), "--json"), "client CAs") == ["ok"]
    assert not (tmp_path / "ingestbox-data").exists()
    for ca in (good[1], tmp_path / "none"):
        assert levels(check(tmp_path, with_ca.format(ca), "--json"), "client CAs") == ["error"]
    half = check(tmp_path, f'[server]\ntls_cert = "{good[0]}"\n')
    assert half.code == 1


def tls_files(folder: Path, name: str, *, days: int) -> tuple[Path, Path]:
    """A certificate that signs itself, ending in so many days, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(called)
        .issuer_name(called)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=10))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}.crt", folder / f"{name}.key"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def test_issuers_that_a_start_would_refuse_are_errors(tmp_path: Path) -> None:
    text = '[[issuers]]\nname = "a"\nissuer = "https://a.example/"\njwks_url = "https://a.example/k"\n'
    assert levels(
        check(tmp_path, text + 'audience = ["x"]\ndefault_roles = ["uploader"]\n', "--json"), "issuers"
    ) == ["ok"]
    ran = check(tmp_path, text.replace('"a"\n', '"local"\n', 1), "--json")
    assert (ran.code, levels(ran, "issuers")) == (1, ["error"])
