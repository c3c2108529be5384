"""What the doctor finds, and that it says what to do about it."""

from __future__ import annotations

import datetime
import sqlite3
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ingestbox import config, families
from ingestbox.ops import doctor
from ingestbox.ops.doctor import upstream
from ingestbox.store import DATABASE, Store, load_queries, snapshots, whole
from ingestbox.web.v1.reports import Finding
from tests.cli.support import ingestbox
from tests.harness import BoxProcess, post_tickets, running, ticket, wait_job
from tests.store.support import with_store


def findings(folder: Path, settings: config.Settings | None = None, *, quick: bool = False) -> list[Finding]:
    async def look(store: Store) -> list[Finding]:
        return (
            await doctor.examine(store, settings or config.Settings(data=str(folder)), quick=quick)
        ).findings

    return with_store(folder, look)


def wrong(found: list[Finding], check: str) -> list[Finding]:
    bad = [each for each in found if each.check == check and not each.ok]
    assert all(each.remedy for each in bad)
    return bad


def change(folder: Path, statement: str) -> None:
    connection = sqlite3.connect(folder / DATABASE)
    connection.execute(statement)
    connection.commit()
    connection.close()


def certificate(path: Path, days: int) -> tuple[Path, Path]:
    """One that signs itself and ends in so many days, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, path.name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=90))
        .not_valid_after(now + datetime.timedelta(days=days, hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = path.with_suffix(".crt"), path.with_suffix(".key")
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    plain.chmod(0o600)
    return pem, plain


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data folder of a box that has ended, with tickets and an uploaded file."""
    with running(tmp_path_factory.mktemp("box")) as box:
        with box.client() as client:
            wait_job(client, post_tickets(client, [ticket(number) for number in range(12)])["job_id"])
            file = ("t.csv", b"id,summary\nF-1,late and damaged\n")
            sent = client.post("/api/upload", files={"file": file}).raise_for_status().json()
            wait_job(client, sent["job_id"])
            quick = client.get("/v1/doctor?quick=true").json()
            assert "payloads" not in [each["check"] for each in quick["findings"]]
            assert client.get("/v1/doctor?quick=maybe").status_code == 400
        box.stop()
        yield box.data


def test_a_payload_that_does_not_match_is_named_with_what_to_do(filled: Path, tmp_path: Path) -> None:
    before = findings(filled)
    assert all(each.ok for each in before), before
    (payloads,) = [each for each in before if each.check == "payloads"]
    assert payloads.message.startswith("39 match")  # records, objects and deliveries
    assert not {"payloads", "integrity", "files", "tallies"} & {
        each.check for each in findings(filled, quick=True)
    }
    changes = (
        ("records: 8 of 13", "records", "payload = CAST('{}' AS BLOB)", "key < 'T-6' AND key LIKE 'T%'"),
        ("feedback tickets: 1 of 13", "tickets", "result = CAST('{}' AS BLOB)", "ticket_id = 'T-3'"),
        ("deliveries: 1 of 13", "deliveries", "line = CAST('{}' AS BLOB)", "object_id = 'T-4'"),
    )
    for _, table, what, where in changes:
        change(filled, f"UPDATE {table} SET {what} WHERE {where}")
    bad = wrong(findings(filled), "payloads")
    assert len(bad) == len(changes)
    for (told, table, *_), found in zip(changes, bad, strict=True):
        assert found.message.startswith(told), found
        assert "salvage" in found.remedy and "restore" in found.remedy and "send them again" in found.remedy
        if table == "records":
            assert found.message.count(",") == whole.EXAMPLES - 1 and "…" in found.message
    report = ingestbox("doctor", "--data", filled, "--json", cwd=tmp_path)
    assert report.code == 1 and not report.json()["ok"]
    assert ingestbox("doctor", "--data", filled, "--quick", cwd=tmp_path).code == 0


def test_every_table_with_a_checksum_is_gone_through(tmp_path: Path) -> None:
    known = families.load()
    queries = load_queries({name: family.queries for name, family in known.items()})
    text = "\n".join(queries[each.query].sql for each in whole.kinds({n: f.kinds for n, f in known.items()}))
    findings(tmp_path, quick=True)
    connection = sqlite3.connect(tmp_path / DATABASE)
    tables = connection.execute(
        "SELECT m.name FROM sqlite_schema AS m, pragma_table_info(m.name) AS c "
        "WHERE m.type = 'table' AND c.name = 'crc'"
    ).fetchall()
    connection.close()
    assert len(tables) == 7
    assert not [name for (name,) in tables if f"FROM {name} " not in text]


def test_an_uploaded_file_that_is_another_is_found(filled: Path) -> None:
    (path,) = (path for path in (filled / "files").iterdir() if b"late and" in path.read_bytes())
    before = path.read_bytes()
    path.write_bytes(before + b"!")
    assert "is not what was uploaded" in wrong(findings(filled), "files")[0].message
    path.unlink()
    assert "cannot be read" in wrong(findings(filled), "files")[0].message
    path.write_bytes(before)
    assert not wrong(findings(filled), "files")


def test_what_is_secret_and_open_to_others_is_found(tmp_path: Path) -> None:
    assert not wrong(findings(tmp_path, quick=True), "permissions")
    snapshots.made(tmp_path)
    copy = tmp_path / "snapshots" / "before-upgrade-3-to-20-20260131T120000Z.db"
    (who,) = [
        each.message.split()[2].rstrip(",") for each in findings(tmp_path, quick=True) if each.check == "box"
    ]
    backup = tmp_path / "backups" / f"ingestbox-{who}-20260131T120000Z.tar.zst"
    backup.parent.mkdir(mode=0o700)
    for path in (tmp_path / "secret", tmp_path / "secret.old", copy, backup):
        path.touch()
        path.chmod(0o640)
        (bad,) = wrong(findings(tmp_path, quick=True), "permissions")
        assert path.name in bad.message and f"chmod go-rwx {path}" in bad.remedy
        path.chmod(0o600)
        assert not wrong(findings(tmp_path, quick=True), "permissions")
    found = findings(tmp_path, quick=True)
    assert [each.ok for each in found if each.check == "snapshots"] == [True]
    (damaged,) = wrong(found, "backups")
    assert backup.name in damaged.message
    key = tmp_path / "lane.key"
    key.touch()
    settings = config.Settings(data=str(tmp_path), server=config.Server(tls_key=str(key)))
    for mode, good in ((0o640, True), (0o644, False)):  # a group may be let in
        key.chmod(mode)
        assert (not wrong(findings(tmp_path, settings, quick=True), "permissions")) is good


def test_certificates_near_their_end_and_files_that_are_none_are_found(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    ca, _ = certificate(tmp_path / "ca", 100)
    good, good_key = certificate(tmp_path / "good", 100)
    ending, ending_key = certificate(tmp_path / "ending", 5)
    ended, _ = certificate(tmp_path / "ended", -5)
    lane = config.Lane(name="up", url="https://x.example", tls_ca=str(ca))

    def told(**fields: str) -> Finding:
        settings = config.Settings(data=str(data), lanes=[msgspec.structs.replace(lane, **fields)])
        (found,) = [each for each in findings(data, settings, quick=True) if each.check == "tls"]
        return found

    assert told(tls_cert=str(good), tls_key=str(good_key)).ok
    for fields, words in (
        ({"tls_cert": str(ending), "tls_key": str(ending_key)}, "expires on"),
        ({"tls_cert": str(good), "tls_key": str(ending_key)}, "is not the key"),
        ({"tls_ca": str(ended)}, "has expired on"),
        ({"tls_ca": str(good_key)}, "holds no certificates"),
        ({"tls_ca": str(tmp_path / "none")}, "cannot be read"),
    ):
        found = told(**fields)
        assert not found.ok and words in found.message and found.remedy, found


def test_no_trusted_authorities_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (good,) = [each for each in findings(tmp_path, quick=True) if each.check == "authorities"]
    assert good.ok and int(good.message.split()[0]) > 50
    empty = ssl.get_default_verify_paths()._replace(
        openssl_cafile=str(tmp_path / "none.pem"), openssl_capath=str(tmp_path)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    assert upstream.authorities(context, empty) == (0, str(tmp_path))
    (tmp_path / "0a1b2c3d.0").write_text("one")
    (tmp_path / "notes.txt").write_text("no")
    assert upstream.authorities(context, empty) == (1, str(tmp_path))
    monkeypatch.setattr(upstream, "authorities", lambda *_: (0, "/usr/lib/ssl/certs"))
    (bad,) = wrong(findings(tmp_path, quick=True), "authorities")
    assert "ca-certificates" in bad.remedy


def test_lanes_that_stand_still_are_found(tmp_path: Path) -> None:
    def lane(state: str, **more: Any) -> Finding:
        columns = {"name": "up", "url": "https://x", "enqueued": 0, "state": state, "since_ms": 1, **more}
        names, values = ", ".join(columns), ", ".join(repr(each) for each in columns.values())
        change(tmp_path, f"INSERT OR REPLACE INTO lanes ({names}) VALUES ({values})")
        (found,) = [each for each in findings(tmp_path, quick=True) if each.check == "lanes"]
        return found

    findings(tmp_path, quick=True)
    assert lane("running").ok
    paused = lane("paused", reason="certificate_refused")
    assert not paused.ok and "certificate_refused" in paused.message and "lanes show up" in paused.remedy
    held = lane("paused", held_by="user:ann", held_ms=5)
    assert held.ok and "user:ann holds it" in held.message


def test_a_store_that_does_not_open_says_how_to_go_back(own_box: BoxProcess, tmp_path: Path) -> None:
    own_box.start()
    own_box.stop()
    path = own_box.data / DATABASE
    path.write_bytes(b"\0" * 4096 + path.read_bytes()[4096:])
    ran = ingestbox("doctor", "--data", own_box.data, "--json", cwd=tmp_path)
    assert ran.code == 1
    (store,) = [each for each in ran.json()["findings"] if each["check"] == "store"]
    assert not store["ok"] and "ingestbox restore FILE" in store["remedy"]
    assert f"ingestbox salvage --data {own_box.data}" in store["remedy"]
    assert {"disk", "permissions", "backups"} <= {each["check"] for each in ran.json()["findings"]}
