"""Stores as earlier releases left them: of every schema, with rows put in through the tables of that time.

`ROWS` says which row was there from which schema on, and, where its table became another one, until which.
What a migration makes of rows (full text, tallies, issues of refused lines) is not put in: that is looked
for.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingestbox.model import checksum, record_id
from ingestbox.store import DATABASE, migrations
from ingestbox.store.engine import connect_writer, sqlite3

AT = 1_700_000_000_000
WHO = "local:tester"
NEWEST = 10**9

Row = tuple[int, int, str, dict[str, Any]]
"""Since which schema, until which, the table, and the columns."""


def text(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _job(number: int, family: str, count: int, issues: int = 0, **more: object) -> dict[str, Any]:
    return {
        "id": number,
        "public_id": f"01a202a9-0000-758d-8c06-00000000000{number}",
        "family": family,
        "workspace": "default",
        "created_by": WHO,
        "source": "json_api",
        "name": f"{number}.json",
        "state": "completed",
        "total": count,
        "processed": count,
        "issues": issues,
        "cursor": count,
        "tallies": "{}",
        "submitted_ms": AT,
        "completed_ms": AT + 9,
        "updated_ms": AT + 9,
        **more,
    }


def _record(rid: int, key: str, payload: bytes, state: str = "done") -> dict[str, Any]:
    return {"id": rid, "key": key, "state": state, "payload": payload, "crc": checksum(key.encode(), payload)}


def _object(family: str, kind: str, name: str, intake: int, origin: str = "") -> dict[str, Any]:
    whose = {"origin": origin, "workspace": "default", "family": family, "kind": kind}
    return {**whose, "object_id": name, "version": 1, "intake": intake}


def _line(seq: int, family: str, kind: str, name: str, rid: int, result: bytes) -> dict[str, Any]:
    line = b'{"seq":%d,"result":%b,"lineage":{}}' % (seq, result)
    whose = {"epoch": "e1", "op": "put", "workspace": "default", "family": family, "kind": kind}
    told = {"object_id": name, "version": 1, "record_id": rid, "at_ms": AT, "line": line}
    return {"seq": seq, **whose, **told, "crc": zlib.crc32(line)}


SENT = text({"id": "T-1", "summary": "Late again", "description": "The delivery was late."})
FAULTY = text({"id": "T-3"})
JUDGED = text(
    {
        "sentiment": "negative",
        "score": -0.5,
        "trend": "stable",
        "language": "en",
        "fields": [],
        "entities": [],
        "keywords": ["delivery"],
        "steps": {},
    }
)
PERSON = text({"email": "c@example.com", "first_name": "Ann", "last_name": "Lee", "company": "Acme"})
VISITOR = text({"email": "p@example.com", "country": "DE"})
FOUND = text(
    {
        "_email": "p@example.com",
        "_email_valid": True,
        "_domain": "example.com",
        "_free_mail": False,
        "_disposable": False,
        "_completeness": 0.45,
        "_duplicate_of": None,
    }
)
UPLOAD, SEGMENT = "upl_1700000000000_aaaaaaaaa", "seg_1700000000000_bbbbbbbbb"


def _ticket(since: int, until: int, table: str, **more: object) -> Iterator[Row]:
    for origin, name, record in (("", "T-1", None), ("b0000000000000001", "F-1", SENT)):
        columns = {
            "workspace": "default",
            "origin": origin,
            "ticket_id": name,
            "version": 1,
            "record_id": record_id(1, 0) if record is None else 0,
            "job_id": _job(1, "feedback", 0)["public_id"],
            "summary": "Late again",
            "sentiment": "negative",
            "score": -0.5,
            "trend": "stable",
            "language": "en",
            "updated_ms": AT,
            "result": JUDGED,
            "record": record,
            "crc": zlib.crc32(JUDGED + (record or b"")),
            **more,
        }
        yield since, until, table, columns


def _contact(since: int, until: int, table: str, **more: object) -> Row:
    whose = {"workspace": "default", "origin": "", "owner": WHO, "object_id": str(record_id(3, 0))}
    cells = json.loads(PERSON)
    facts = {"version": 1, "record_id": record_id(3, 0), "import_id": 3, "email_key": cells["email"]}
    made = {"created_ms": AT, "crc": zlib.crc32(PERSON)}
    return since, until, table, {**whose, **facts, **cells, **made, **more}


ROWS: tuple[Row, ...] = (
    (
        1,
        NEWEST,
        "box",
        {"one": 1, "box": "b1", "epoch": "e1", "next_seq": 3, "created_ms": AT, "probed_ms": AT},
    ),
    (1, NEWEST, "jobs", _job(1, "feedback", 2, 1)),
    (1, NEWEST, "records", _record(record_id(1, 0), "T-1", SENT)),
    (1, NEWEST, "records", _record(record_id(1, 1), "T-3", FAULTY, "issue")),
    (
        1,
        5,
        "issues",
        {
            "job_id": 1,
            "record_id": record_id(1, 1),
            "code": "text_required",
            "message": "summary or description required",
            "created_ms": AT,
        },
    ),
    (1, NEWEST, "objects", _object("feedback", "ticket", "T-1", record_id(1, 0))),
    (1, NEWEST, "objects", _object("feedback", "ticket", "F-1", 0, "b0000000000000001")),
    (1, NEWEST, "deliveries", _line(1, "feedback", "ticket", "T-1", record_id(1, 0), JUDGED)),
    (1, NEWEST, "deliveries", _line(2, "feedback", "ticket", "T-1", record_id(1, 0), JUDGED)),
    (
        1,
        NEWEST,
        "api_keys",
        {
            "digest": "d" * 64,
            "name": "crawler",
            "roles": "ingest",
            "workspace": "default",
            "created_by": WHO,
            "created_ms": AT,
        },
    ),
    (
        1,
        NEWEST,
        "idempotency",
        {"scope": "s", "key": "k", "fingerprint": b"f", "job_id": 1, "status": 200, "created_ms": AT},
    ),
    (
        2,
        NEWEST,
        "lanes",
        {
            "name": "central",
            "url": "http://127.0.0.1:1/",
            "cursor": 2,
            "chain_epoch": "e1",
            "chain_seq": 2,
            "enqueued": 2,
            "delivered": 1,
            "since_ms": AT,
            "delivered_ms": AT,
        },
    ),
    (
        2,
        NEWEST,
        "parked",
        {"lane": "central", "seq": 2, "code": "record_invalid", "message": "Not known.", "at_ms": AT},
    ),
    (2, NEWEST, "sync_boxes", {"box": "b0000000000000001", "epoch": "e7", "last_seen_ms": AT}),
    (2, NEWEST, "sync_lines", {"source": 1, "seq": 1, "mark": 77}),
    (2, NEWEST, "sync_chains", {"source": 1, "lane": "up", "tip": 5}),
    (2, NEWEST, "sync_gaps", {"source": 1, "lane": "up", "after": 2, "until": 4, "first": 5}),
    *_ticket(3, 7, "tickets"),
    (
        4,
        NEWEST,
        "audit",
        {
            "at_ms": AT,
            "workspace": "default",
            "actor": WHO,
            "action": "key.create",
            "object": "key",
            "object_id": "1",
            "after": "{}",
        },
    ),
    (
        5,
        NEWEST,
        "users",
        {
            "email": "ann@example.com",
            "email_key": "ann@example.com",
            "password": "$scrypt$",
            "roles": "analyst",
            "workspace": "default",
            "created_by": WHO,
            "created_ms": AT,
            "updated_ms": AT,
        },
    ),
    (
        6,
        NEWEST,
        "issues",
        {
            "job_id": 1,
            "record_id": record_id(1, 1),
            "code": "text_required",
            "message": "summary or description required",
            "created_ms": AT,
            "workspace": "default",
            "family": "feedback",
        },
    ),
    *_ticket(
        8, NEWEST, "ticket_puts", entities='{"LOCATION ha noi":"Hà Nội"}', title="late", body="delivery"
    ),
    (9, NEWEST, "jobs", _job(2, "feedback", 1, source="csv", name="old.csv")),
    (9, NEWEST, "records", _record(record_id(2, 0), "T-4", SENT.replace(b"T-1", b"T-4"), "superseded")),
    (
        9,
        NEWEST,
        "files",
        {
            "job_id": 2,
            "stored": "a.csv",
            "rows_file": "a.csv",
            "rows_size": 9,
            "blocks": b"",
            "sha256": "0" * 64,
            "form": "{}",
            "plan": "{}",
            "position": "{}",
            "about": "{}",
            "total": 1,
            "loaded": 1,
            "created_ms": AT,
            "loaded_ms": AT,
            "removed_ms": AT,
        },
    ),
    (10, NEWEST, "jobs", _job(3, "contacts", 1, source="csv", name="people.csv")),
    (10, NEWEST, "records", _record(record_id(3, 0), "c@example.com", PERSON)),
    (
        10,
        NEWEST,
        "staged_jobs",
        {
            "job_id": 3,
            "workspace": "default",
            "family": "contacts",
            "owner": WHO,
            "name": "people.csv",
            "sha256": "1" * 64,
            "phase": "done",
        },
    ),
    _contact(11, 15, "contacts", updated_ms=AT),
    (11, NEWEST, "objects", _object("contacts", "contact", str(record_id(3, 0)), record_id(3, 0))),
    (
        11,
        NEWEST,
        "contact_mappings",
        {"workspace": "default", "owner": WHO, "signature": "s", "mapping": "{}", "used_ms": AT},
    ),
    (
        12,
        NEWEST,
        "rules",
        {
            "workspace": "default",
            "family": "contacts",
            "owner": WHO,
            "name": "r",
            "code": "invalid_email",
            "rule": '{"discard":"all"}',
            "after_job": 3,
            "created_by": WHO,
            "created_ms": AT,
        },
    ),
    (12, NEWEST, "bulk_operations", {"workspace": "default", "actor": WHO, "at_ms": AT}),
    (
        13,
        NEWEST,
        "erasures",
        {
            "workspace": "default",
            "actor": WHO,
            "digest": "x",
            "dry_run": 0,
            "state": "done",
            "last_job": 1,
            "place": "",
            "position": "null",
            "created_ms": AT,
            "updated_ms": AT,
            "done_ms": AT,
        },
    ),
    (14, NEWEST, "invitations", {"user_id": 1, "digest": b"i", "expires_ms": 9 * AT}),
    (
        15,
        NEWEST,
        "series_hours",
        {
            "workspace": "default",
            "at": AT // 3_600_000 * 3600,
            "family": "feedback",
            "owner": "",
            "received": 2,
        },
    ),
    _contact(16, NEWEST, "contact_puts", company_key="acme", title="ann", body="acme"),
    (
        18,
        NEWEST,
        "issues",
        {
            "job_id": 1,
            "record_id": record_id(1, 0),
            "code": "delivery_refused",
            "message": "record_invalid: Not known.",
            "created_ms": AT,
            "workspace": "default",
            "family": "feedback",
            "lane": "central",
            "seq": 2,
            "refusal": "record_invalid",
        },
    ),
    (
        18,
        NEWEST,
        "became",
        {
            "record_id": record_id(2, 0),
            "workspace": "default",
            "family": "feedback",
            "kind": "ticket",
            "object_id": "T-4",
            "version": 1,
            "seq": 0,
        },
    ),
    (19, NEWEST, "jobs", _job(4, "audience", 1, public_id=UPLOAD, name="fair")),
    (19, NEWEST, "records", _record(record_id(4, 0), "p@example.com", VISITOR)),
    (19, NEWEST, "objects", _object("audience", "record", f"{UPLOAD}/0", record_id(4, 0))),
    (
        19,
        NEWEST,
        "audience_uploads",
        {
            "workspace": "default",
            "origin": "",
            "owner": WHO,
            "public_id": UPLOAD,
            "job_id": 4,
            "name": "fair",
            "fields": '["email","country"]',
            "created_ms": AT,
        },
    ),
    (
        19,
        NEWEST,
        "audience_records",
        {
            "id": record_id(4, 0),
            "upload": 1,
            "place": 0,
            "workspace": "default",
            "origin": "",
            "owner": WHO,
            "object_id": f"{UPLOAD}/0",
            "version": 1,
            "match": "e:p@example.com",
            "email": "p@example.com",
            "updated_ms": AT,
            "result": FOUND,
            "crc": zlib.crc32(FOUND),
        },
    ),
    (
        19,
        NEWEST,
        "audience_segments",
        {
            "workspace": "default",
            "origin": "",
            "owner": WHO,
            "object_id": SEGMENT,
            "upload_id": UPLOAD,
            "job_id": 4,
            "version": 0,
            "forward": 0,
            "frozen": 0,
            "created_ms": AT,
            "updated_ms": AT,
            "record": (
                segment := text({"name": "all", "upload_id": UPLOAD, "filter": None, "frozen": False})
            ),
            "result": (counted := text({"count": 1})),
            "crc": zlib.crc32(counted + segment),
        },
    ),
)

LATEST = 19
"""The last schema whose tables are known here; a release that adds one adds its rows."""


NEWEST_SCHEMA = migrations.known()[-1][0]


def copied(folder: Path, to: Path) -> Path:
    """A data folder once more."""
    shutil.copytree(folder, to)
    to.chmod(0o700)
    return to


@contextlib.contextmanager
def looking(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection that changes nothing."""
    with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        yield connection


def schema_of(database: Path) -> int:
    """The number of its last migration."""
    with looking(database) as connection:
        ((number,),) = connection.execute("PRAGMA user_version").fetchall()
        return int(number)


def contents(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All that a database has, the schema included."""
    with looking(database) as connection:
        schema = connection.execute("SELECT name, sql, type, rootpage FROM sqlite_schema").fetchall()
        tables = [name for name, _, kind, root in schema if kind == "table" and root]
        found = {name: connection.execute(f'SELECT * FROM "{name}"').fetchall() for name in tables}
    return {"": [row[:2] for row in schema], **found}


def rows_of(schema: int) -> list[tuple[str, dict[str, Any]]]:
    """What a store of this schema holds."""
    return [(table, row) for since, until, table, row in ROWS if since <= schema <= until]


def lay(folder: Path, schema: int, empty: Path) -> Path:
    """A store of this schema with its rows, in a data folder; `empty` is a database of the schema without."""
    folder.mkdir()
    database = folder / DATABASE
    shutil.copyfile(empty, database)
    connection = connect_writer(database)
    try:
        connection.execute("BEGIN")
        for table, row in rows_of(schema):
            marks = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", [*row.values()])
        connection.execute("COMMIT")
    finally:
        connection.close()
    return folder


def empties(folder: Path, upto: int = LATEST) -> Iterator[tuple[int, Path]]:
    """A database of each schema, one after the other, without rows; whoever gets one copies it."""
    path = folder / "empty.db"
    connection = connect_writer(path)
    try:
        for number, script in migrations.known():
            if number > upto:
                break
            _apply(connection, number, script)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            yield number, path
    finally:
        connection.close()


def _apply(connection: sqlite3.Connection, number: int, script: Path) -> None:
    connection.execute("BEGIN")
    for statement in migrations.statements(script.read_text()):
        connection.execute(statement)
    row = (number, script.name, migrations.digest(script), AT)
    connection.execute("INSERT INTO migrations (number, name, sha256, applied_ms) VALUES (?, ?, ?, ?)", row)
    connection.execute(f"PRAGMA user_version = {number}")
    connection.execute("COMMIT")
