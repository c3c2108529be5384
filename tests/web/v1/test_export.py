"""An export has everything that there is, says when something of it is damaged, and when it was cut off."""

from __future__ import annotations

import gzip
import json
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ingestbox import families
from ingestbox.model import Role
from ingestbox.store import DATABASE
from ingestbox.store.exporting import KINDS
from tests.cli.support import ingestbox
from tests.families.knowledge.support import article, bulk, wait
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job
from tests.table import RATED
from tests.test_every_answer import Scene
from tests.upstream import refusing

Json = dict[str, Any]

EXPORTED = {
    "api_keys": "key",
    "audience_records": "object",
    "audience_segments": "object",
    "audience_uploads": "upload",
    "audit": "audit",
    "box": "box",
    "bulk_operations": "operation",
    "contact_mappings": "mapping",
    "contacts": "object",
    "deliveries": "delivery",
    "erasures": "erasure",
    "issue_records": "issue_record",
    "issues": "issue",
    "jobs": "job",
    "knowledge_articles": "object",
    "knowledge_batches": "batch",
    "knowledge_contents": "content",
    "knowledge_members": "member",
    "knowledge_sources": "source",
    "lanes": "lane",
    "parked": "refusal",
    "records": "record",
    "rules": "rule",
    "sync_boxes": "sender",
    "tickets": "object",
    "users": "user",
}
"""The kind of what is in each table."""

WITHIN = {"files", "staged_jobs"}
"""In the lines of jobs."""

DELETED = "objects"
"""A line of each that was deleted."""

LEFT_OUT = {
    "alarm_notices, alarms": "how the box is just now",
    "bulk_changes, bulk_issues": "how to take a decision back",
    "idempotency, once": "answers that are kept for a day",
    "invitations, sessions": "secrets",
    "became, departed, job_changes, job_deletions, ruled_jobs, staged_edits, staged_keys": "work under way",
    "contact_companies, contact_days, contact_owners, contact_tallies": "follows from contacts",
    "entities, ticket_days, ticket_entities, ticket_totals": "follows from tickets",
    "knowledge_bands, knowledge_indexed, knowledge_leaving, knowledge_models": "follows from articles",
    "knowledge_passages, knowledge_signs, knowledge_vectors": "follows from articles",
    "issue_tallies, job_tallies, object_tallies, series_hours, series_minutes": "counts",
    "migrations, private_families, workspaces": "the store's own",
    "sync_chains, sync_gaps, sync_lines": "what to expect of a sender",
}


def exported(client: httpx2.Client, **query: str) -> list[Json]:
    reply = client.get("/v1/export", params=query)
    assert reply.status_code == 200, reply.text
    found: list[Json] = [json.loads(line) for line in reply.content.splitlines()]
    assert found[0]["kind"] == "box"
    assert (found[-1]["kind"], found[-1]["lines"]) == ("end", len(found) - 1)
    counts = Counter(each["kind"] for each in found[:-1])
    assert {kind: n for kind, n in found[-1]["counts"].items() if n} == dict(counts)
    return found


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    with (
        refusing() as upstream,
        running(tmp_path_factory.mktemp("box"), config=RATED + upstream.lane()) as started,
    ):
        with started.client() as client:
            scene = Scene(client)
            client.delete(f"/api/audience/batch-upload/{scene.uploads[1]}").raise_for_status()
            bulk(client, "night-1", [article(2)])
            file = ("own.csv", b"A;B;C;D\nz@x.org;Z;Y;X\n")
            mapping = {"email": "A", "first_name": "B", "last_name": "C", "company": "D"}
            data = {"mapping": json.dumps(mapping)}
            client.post("/jobs/upload", files={"file": file}, data=data).raise_for_status()
            wait(client, batch_id="night-1")
            until(lambda: exported(client, kind="tombstone")[1:-1], "an upload is deleted")
            assert client.delete(f"/v1/keys/{scene.keys[1]}").is_success
            client.post("/v1/erasures", json={"email": "nobody@x.org", "dry_run": True}).raise_for_status()
        yield started


@pytest.fixture(scope="module")
def found(box: BoxProcess) -> list[Json]:
    with box.client() as client:
        return exported(client)


def counted(box: BoxProcess) -> dict[str, int]:
    connection = sqlite3.connect(f"file:{box.data / DATABASE}?mode=ro", uri=True)
    try:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        words = tuple(name for name in names if name.endswith(("_words", "_terms")))
        plain = [name for name in names if not name.startswith((*words, "sqlite_"))]
        return {name: connection.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0] for name in plain} | {
            DELETED: connection.execute("SELECT COUNT(*) FROM objects WHERE deleted = 1").fetchone()[0]
        }
    finally:
        connection.close()


def test_every_row_of_every_table_is_in_it(box: BoxProcess, found: list[Json]) -> None:
    rows = counted(box)
    left_out = {name for names in LEFT_OUT for name in names.split(", ")}
    assert rows.keys() <= EXPORTED.keys() | WITHIN | left_out | {DELETED}, "say what an export does with it"
    there = Counter(each["kind"] for each in found[:-1])
    wanted: Counter[str] = Counter({"tombstone": rows[DELETED]})
    for table, kind in EXPORTED.items():
        wanted[kind] += rows[table]
    assert {kind: there[kind] for kind in wanted} == dict(wanted)
    empty = {kind for kind, rows in wanted.items() if not rows}
    assert empty == {"sender"}, "the box has something of everything else"
    assert there.keys() <= {"box", *KINDS}


def test_records_are_as_they_were_sent_and_objects_lead_to_them(found: list[Json]) -> None:
    records = {each["id"]: each for each in found if each["kind"] == "record"}
    (sent,) = [each for each in records.values() if each["key"] == "T-1" and each["family"] == "feedback"]
    assert sent["payload"] == ticket(1)
    objects = [each for each in found if each["kind"] == "object"]
    kinds = {(name, kind) for name, family in families.load().items() for kind in family.kinds}
    assert {(each["family"], each["object"]) for each in objects} == kinds
    assert all("result" in each or "result_base64" in each for each in objects)
    jobs = {each["id"] for each in found if each["kind"] == "job"}
    for each in objects:
        if each["object"] in ("ticket", "article", "contact"):
            assert each["record"] in records and each["job"] in jobs
    states = {state for each in found if each["kind"] == "delivery" for state in each["lanes"].values()}
    assert "parked" in states


def test_nothing_secret_is_in_it(box: BoxProcess, found: list[Json]) -> None:
    text = json.dumps(found)
    connection = sqlite3.connect(f"file:{box.data / DATABASE}?mode=ro", uri=True)
    try:
        secrets = [
            row[0]
            for row in connection.execute("SELECT password FROM users UNION SELECT digest FROM api_keys")
        ]
    finally:
        connection.close()
    assert secrets and not [each for each in secrets if each and each in text]
    assert not [each for each in (box.data / "secret").read_text().split() if each in text]


def settled(lines: list[Json]) -> list[Json]:
    """The lines of what stays as it is when the lane tries to deliver it."""
    kinds = ("record", "object", "delivery")
    return [{**each, "lanes": None} for each in lines if each["kind"] in kinds]


def test_lines_of_one_workspace_or_of_some_kinds(box: BoxProcess, found: list[Json]) -> None:
    with box.client(workspace="north") as north, box.client() as operator, box.client(Role.ANALYST) as other:
        wait_job(north, post_tickets(north, [ticket(1)])["job_id"])
        theirs = exported(north)
        assert {each["workspace"] for each in theirs[1:-1]} == {"north"}
        assert {"job", "record", "object", "delivery"} <= {each["kind"] for each in theirs}
        again = exported(operator, workspace="north")
        assert settled(again) == settled(theirs)
        assert north.get("/v1/export", params={"workspace": "default"}).status_code == 403
        assert other.get("/v1/export").status_code == 403
        some = exported(operator, kind="lane,user")
        assert {each["kind"] for each in some} == {"box", "lane", "user", "end"}
        for wrong in ("jobs", "job,", "", "box"):
            assert operator.get("/v1/export", params={"kind": wrong}).status_code == 400


def test_it_goes_over_many_pages_without_gap_or_repeat(box: BoxProcess) -> None:
    with box.client(workspace="pages") as client:
        records = [{"id": f"T-{number}", "summary": "late"} for number in range(2_300)]
        for first in (0, 1_000, 2_000):
            wait_job(client, post_tickets(client, records[first : first + 1_000])["job_id"])
        found = exported(client, kind="record,delivery")
    keys = Counter(each["key"] for each in found if each["kind"] == "record")
    assert len(keys) == len(records) and set(keys.values()) == {1}
    seqs = [each["seq"] for each in found if each["kind"] == "delivery"]
    assert seqs == sorted(set(seqs))


def test_the_command_writes_a_file_that_is_there_once_it_is_whole(box: BoxProcess, tmp_path: Path) -> None:
    ran = ingestbox("export", "--data", box.data, "--to", "all.ndjson.gz", "--kind", "user", cwd=tmp_path)
    assert ran.code == 0, ran.err
    lines = [
        json.loads(line) for line in gzip.decompress((tmp_path / "all.ndjson.gz").read_bytes()).splitlines()
    ]
    assert lines[-1]["kind"] == "end" and f"{lines[-1]['lines']} lines." in ran.err
    assert (tmp_path / "all.ndjson.gz").stat().st_mode & 0o777 == 0o600
    ran = ingestbox("export", "--data", box.data, "--kind", "lane", cwd=tmp_path)
    assert [json.loads(line)["kind"] for line in ran.out.splitlines()] == ["box", "lane", "end"]
    refused = ingestbox("export", "--data", box.data, "--kind", "x", "--to", "no.ndjson", cwd=tmp_path)
    assert refused.code == 1 and "kind must be" in refused.err
    assert [path.name for path in tmp_path.iterdir()] == ["all.ndjson.gz"]


def test_damage_is_told_and_a_box_that_is_killed_leaves_no_file(own_box: BoxProcess, tmp_path: Path) -> None:
    own_box.start()
    with own_box.client() as client:
        # More than fits into the sockets between: the box is in the middle while nobody reads on.
        records = [ticket(number, note="y" * 40_000) for number in range(400)]
        wait_job(client, post_tickets(client, records)["job_id"])
        with client.stream("GET", "/v1/export") as reply:
            pieces = reply.iter_bytes()
            next(pieces)
            own_box.kill()
            with pytest.raises(httpx2.TransportError):
                list(pieces)
    own_box.start()
    to = tmp_path / "cut.ndjson"
    words = [sys.executable, "-m", "ingestbox", "export", "--data", str(own_box.data)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        assert command.stdout is not None and command.stderr is not None
        command.stdout.read(1)  # it has begun, and stands still
        own_box.kill()
        command.stdout.read()
        told = command.stderr.read().decode()
    assert command.returncode == 1 and "cut off" in told
    connection = sqlite3.connect(own_box.data / DATABASE)
    connection.execute("UPDATE records SET payload = CAST('{}' AS BLOB) WHERE key = 'T-7'")
    connection.execute("UPDATE tickets SET result = CAST('{}' AS BLOB) WHERE ticket_id = 'T-8'")
    connection.execute("UPDATE deliveries SET line = CAST('{}' AS BLOB) WHERE object_id = 'T-9'")
    connection.commit()
    connection.close()
    ran = ingestbox("export", "--data", own_box.data, "--to", to, cwd=tmp_path)  # no box runs
    assert ran.code == 0 and "3 are damaged" in ran.err
    lines = [json.loads(line) for line in to.read_text().splitlines()]
    damaged = [each for each in lines if each.get("damaged") is True]
    assert [
        (each["kind"], each.get("payload"), each.get("result"), each.get("line")) for each in damaged
    ] == [(kind, None, None, None) for kind in ("record", "object", "delivery")]
    assert lines[-1]["damaged"] == 3
