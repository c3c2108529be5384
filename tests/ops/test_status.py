"""The numbers: whose they are, that they are right whatever happens, and what they cost."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ingestbox import config
from ingestbox.errors import IngestError
from ingestbox.forward import LaneState
from ingestbox.ops import doctor, scrape, status
from ingestbox.pipeline.pool import Pool
from ingestbox.store import DATABASE, Store, health, migrations, tallies
from ingestbox.store.alarms import Raised, SaveAlarms
from ingestbox.store.engine import connect_writer, sqlite3
from ingestbox.store.place import MARKER
from ingestbox.web.http.server import HttpServer
from ingestbox.workqueue import Bell
from tests.forward.support import HeldClock
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job
from tests.store.support import with_store


def stats(client: httpx2.Client, **params: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/v1/stats", params=params).raise_for_status().json()
    return found


def objects(found: dict[str, Any]) -> dict[str, int]:
    return {each["kind"]: each["count"] for each in found["objects"]}


def command(box: BoxProcess, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ingestbox", *words, "--data", str(box.data)],
        capture_output=True,
        text=True,
        timeout=60,
    )


def opened(folder: Path) -> sqlite3.Connection:
    return connect_writer(folder / DATABASE)


def examined(folder: Path, clock: Any = None, running: doctor.Running | None = None) -> dict[str, Any]:
    """The doctor's findings on a store, by check."""

    async def look(store: Store) -> dict[str, Any]:
        report = await doctor.examine(store, config.Settings(data=str(folder)), running)
        return {finding.check: finding for finding in report.findings}

    return with_store(folder, look, clock=clock)


def test_each_workspace_has_its_own_numbers_and_all_is_asked_for(box: BoxProcess) -> None:
    with box.client(workspace="north") as north, box.client(workspace="south") as south:
        wait_job(north, post_tickets(north, [ticket(number) for number in range(7)])["job_id"])
        wait_job(south, post_tickets(south, [ticket(number) for number in range(3)])["job_id"])
        for client, workspace, count in ((north, "north", 7), (south, "south", 3)):
            found = stats(client)
            assert found["workspace"] == workspace
            assert (found["records"], found["processed"], objects(found)) == (count, count, {"ticket": count})
            assert found["jobs"]["completed"] == 1
        assert north.get("/v1/stats", params={"all": "true"}).status_code == 403
        with box.client() as operator:
            everyone = stats(operator, all="true")
        assert (everyone["workspace"], everyone["records"]) == (None, 10)
        assert objects(everyone) == {"ticket": 10}
        assert north.get("/v1/stats", params={"all": "perhaps"}).status_code == 400
        # How the box is that they both rely on, both may see.
        assert stats(north)["store"]["units"] > 0
        assert stats(south)["live"]["url"] == box.url


def test_issues_and_new_versions_count_right_and_survive_a_restart(own_box: BoxProcess) -> None:
    own_box.start()
    with own_box.client() as client:
        good = [ticket(number) for number in range(10)]
        partial = client.post(
            "/api/data-ingest?mode=partial", json={"records": [*good, {"id": ""}, {"id": 5}]}
        )
        assert partial.status_code == 200, partial.text
        wait_job(client, partial.json()["job_id"])
        wait_job(client, post_tickets(client, [ticket(number) for number in range(5, 12)])["job_id"])
        before = stats(client)
        assert (before["records"], before["processed"], objects(before)) == (19, 19, {"ticket": 12})
        assert before["open_issues"] == 2
        assert sum(before["jobs"].values()) == 2
    own_box.kill()
    own_box.start()
    with own_box.client() as client:
        after = stats(client)
        for name in ("jobs", "records", "processed", "open_issues", "objects"):
            assert after[name] == before[name]
        report = client.get("/v1/doctor").json()
        assert next(each for each in report["findings"] if each["check"] == "tallies")["ok"], report


def test_unfinished_intake_leaves_no_trace_in_the_numbers(tmp_path: Path) -> None:
    """Every way that rows change is followed: also deleting, and moving between states and back."""
    with_store(tmp_path, _nothing)
    connection = opened(tmp_path)
    try:
        connection.executescript("""
            INSERT INTO jobs (public_id, family, workspace, created_by, source, name, state, total, processed,
                              issues, submitted_ms, updated_ms)
            VALUES ('a', 'feedback', 'w', 'x', 'api', '', 'receiving', 5, 1, 1, 1, 1),
                   ('b', 'feedback', 'w', 'x', 'api', '', 'queued', 3, 0, 0, 1, 1),
                   ('c', 'feedback', 'v', 'x', 'api', '', 'queued', 2, 0, 0, 1, 1);
            INSERT INTO issues (job_id, record_id, code, message, created_ms, workspace, family)
            VALUES (1, 1, 'c', 'm', 1, 'w', 'feedback'), (2, 2, 'c', 'm', 1, 'w', 'feedback'),
                   (3, 3, 'c', 'm', 1, 'v', 'feedback');
            UPDATE jobs SET state = 'running', processed = 2 WHERE id = 2;
            UPDATE jobs SET processed = 3, total = 4 WHERE id = 2;
            UPDATE jobs SET state = 'completed' WHERE id = 2;
            UPDATE jobs SET state = 'queued', processed = 1 WHERE id = 2;
            UPDATE issues SET resolved_ms = 5 WHERE id = 2;
            UPDATE issues SET resolved_ms = NULL WHERE id = 2;
            UPDATE issues SET resolved_ms = 6 WHERE id = 3;
            DELETE FROM issues WHERE job_id = 1;
            DELETE FROM jobs WHERE id = 1;
            INSERT INTO objects (origin, workspace, family, kind, object_id, version, intake, deleted)
            VALUES ('', 'w', 'feedback', 'ticket', '1', 1, 1, 0),
                   ('', 'w', 'feedback', 'ticket', '2', 1, 1, 0),
                   ('b1', 'w', 'feedback', 'ticket', '1', 1, 1, 0),
                   ('b1', 'w', 'feedback', 'ticket', '2', 1, 1, 1);
            UPDATE objects SET deleted = 1, version = 2 WHERE object_id = '1' AND origin = '';
            UPDATE objects SET deleted = 0 WHERE object_id = '2' AND origin = 'b1';
            DELETE FROM objects WHERE object_id = '1' AND origin = 'b1';
        """)
    finally:
        connection.close()

    async def check(store: Store) -> None:
        assert await tallies.differences(store) == []
        found = await store.read_with(lambda tx: tallies.read(tx, None))
        assert {
            (each.state, each.jobs, each.records, each.processed) for each in found.jobs if each.jobs
        } == {("queued", 2, 6, 1)}
        assert found.issues == {"feedback": 1}
        assert sorted((each.remote, each.objects) for each in found.objects) == [(False, 1), (True, 1)]
        mine = await store.read_with(lambda tx: tallies.read(tx, "w"))
        assert sum(each.jobs for each in mine.jobs) == 1

    with_store(tmp_path, check)


def test_a_store_from_before_is_counted_once_when_it_is_upgraded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = migrations.known()
    (number,) = [number for number, path in everything if path.name.endswith("_observation.sql")]
    connection = opened(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "known", lambda: everything[: number - 1])
        migrations.migrate(connection, 1)
    connection.executescript("""
        INSERT INTO jobs (public_id, family, workspace, created_by, source, name, state, total, processed,
                          issues, submitted_ms, updated_ms)
        VALUES ('a', 'feedback', 'w', 'x', 'api', '', 'completed', 5, 5, 1, 1, 1),
               ('b', 'feedback', 'w', 'x', 'api', '', 'queued', 3, 0, 0, 1, 1);
        INSERT INTO issues (job_id, record_id, code, message, created_ms, workspace, family)
        VALUES (1, 1, 'c', 'm', 1, 'w', 'feedback');
        INSERT INTO objects (origin, workspace, family, kind, object_id, version, intake, deleted)
        VALUES ('', 'w', 'feedback', 'ticket', '1', 1, 1, 0), ('', 'w', 'feedback', 'ticket', '2', 1, 1, 1);
    """)
    connection.close()

    async def check(store: Store) -> None:
        found = await status.snapshot(store)
        assert (found.records, found.processed, found.open_issues) == (8, 5, 1)
        assert [each.count for each in found.objects] == [1]
        assert await tallies.differences(store) == []

    with_store(tmp_path, check)


async def _nothing(_: Store) -> None: ...


def test_numbers_that_are_wrong_are_found(tmp_path: Path) -> None:
    with_store(tmp_path, _nothing)
    connection = opened(tmp_path)
    connection.execute("INSERT INTO job_tallies VALUES ('w', 'feedback', 'queued', 1, 2, 3)")
    connection.execute("INSERT INTO object_tallies VALUES ('w', 'feedback', 'ticket', 0, 7)")
    connection.execute("INSERT INTO issue_tallies VALUES ('w', 'feedback', 9)")
    connection.close()
    finding = examined(tmp_path)["tallies"]
    assert not finding.ok and finding.remedy
    for part in (
        "wrong jobs: w feedback queued 1 2 3",
        "wrong objects: w feedback ticket 0 7",
        "wrong issues",
    ):
        assert part in finding.message


def test_a_clock_that_cannot_be_right_is_found(tmp_path: Path) -> None:
    clock = HeldClock()
    assert examined(tmp_path, clock)["clock"].ok
    clock.advance(-1_000)
    assert examined(tmp_path, clock)["clock"].ok  # put right by some minutes
    clock.advance(-86_400)
    finding = examined(tmp_path, clock)["clock"]
    assert not finding.ok and "was written to at 2027-01-15T08:00:00.000Z" in finding.message
    assert "Set the clock" in finding.remedy
    clock.wall_ms = 1_000_000_000_000
    assert "before this program was made" in examined(tmp_path, clock)["clock"].message
    jumped = doctor.Running([], [], steady=False)
    assert "jumped" in examined(tmp_path, HeldClock(), jumped)["clock"].message


def test_too_few_descriptors_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1024))
    finding = examined(tmp_path)["descriptors"]
    assert not finding.ok
    assert "1024" in finding.message and "LimitNOFILE" in finding.remedy
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 524_288))
    assert examined(tmp_path)["descriptors"].ok  # a start raises it


def test_the_doctor_tells_who_the_box_is_and_since_when(tmp_path: Path) -> None:
    clock = HeldClock()
    first = examined(tmp_path, clock)["box"].message
    assert first.endswith("since 2027-01-15T08:00:00.000Z")
    clock.advance(3_600)
    (tmp_path / MARKER).unlink()  # as in a copy
    finding = examined(tmp_path, clock)["box"]
    assert finding.ok
    assert finding.message.endswith("since 2027-01-15T09:00:00.000Z")
    assert finding.message.split(",")[0] != first.split(",")[0]  # it was never used: a box of its own


def test_the_commands_show_alarms_of_a_box_that_does_not_run(own_box: BoxProcess) -> None:
    own_box.start()
    own_box.stop()

    async def keep(store: Store) -> None:
        await store.write(SaveAlarms([Raised("disk_low", "3 MB free", 1_800_000_000_000)], []))

    with_store(own_box.data, keep)
    shown = command(own_box, "status")
    assert shown.returncode == 0, shown.stderr
    assert "disk_low: 3 MB free" in shown.stdout
    found = command(own_box, "doctor")
    assert found.returncode == 1
    assert "WRONG alarms: disk_low since 2027-01-15T08:00:00.000Z: 3 MB free" in found.stdout


def test_the_oldest_unfinished_job_is_found_in_any_state(tmp_path: Path) -> None:
    def oldest() -> int | None:
        async def read(store: Store) -> int | None:
            return (await store.read_with(lambda tx: tallies.read(tx, None))).oldest_ms

        return with_store(tmp_path, read)

    def change(statement: str) -> None:
        connection = opened(tmp_path)
        connection.execute(statement)
        connection.close()

    assert oldest() is None
    new = """
        INSERT INTO jobs (public_id, family, workspace, created_by, source, name, state, total, processed,
                          issues, retry_ms, submitted_ms, updated_ms)
        VALUES ('{0}', 'f', 'w', 'x', 'api', '', '{1}', 1, 0, 0, {2}, {3}, 1)
    """
    change(new.format("done", "completed", "NULL", 1))
    assert oldest() is None
    change(new.format("fresh", "queued", "NULL", 50))
    assert oldest() == 50
    change(new.format("late", "queued", "99999", 40))
    assert oldest() == 40


def test_the_size_leaves_out_free_pages(tmp_path: Path) -> None:
    async def look(store: Store) -> None:
        size = await store.read_with(health.size)
        assert size.used == size.total - size.free > 0
        assert size.total >= store.path.stat().st_size > 0 or store.wal_bytes() > 0

    with_store(tmp_path, look)


def test_a_running_box_shows_what_is_raised(tmp_path: Path) -> None:
    text = "[store]\nmin_free_mb = 1000000000\n[alarms]\ncheck_seconds = 0.05\n"
    with running(tmp_path, config=text) as box, box.client() as client:
        until(lambda: stats(client)["alarms"], "the alarm is shown")
        (alarm,) = stats(client)["alarms"]
        assert alarm["name"] == "disk_low" and "MB wanted" in alarm["detail"]
        assert "disk_low" in command(box, "status").stdout


def test_a_store_that_cannot_be_read_leaves_the_other_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_: object) -> None:
        raise IngestError("store_unavailable")

    async def work(_: int) -> None: ...

    async def due(_: int) -> list[int]:
        return []

    async def look(store: Store) -> None:
        parts = scrape.Parts(
            store=store,
            lanes=lambda: [LaneState("up", "http://up", "paused", "401", 1, None)],
            issuers=list,
            alarms=lambda: [Raised("disk_low", "3 MB free", 1)],
            server=lambda: HttpServer(None, config.Server(), install_signals=False),
            pool=Pool(1),
            bell=Bell(tmp_path / "bell.db", work=work, due=due, workers=1, sweep_seconds=5),
        )
        whole = {metric.name: metric for metric in await scrape.gather(parts)}
        assert whole["ingestbox_store_readable"].samples[0].value == 1
        monkeypatch.setattr(store, "read_with", refuse)
        rest = {metric.name: metric for metric in await scrape.gather(parts)}
        assert rest["ingestbox_store_readable"].samples[0].value == 0
        assert whole.keys() - rest.keys() >= {
            "ingestbox_jobs",
            "ingestbox_store_bytes",
            "ingestbox_lane_parked",
        }
        states = {sample.labels["state"]: sample.value for sample in rest["ingestbox_lane_state"].samples}
        assert states == {"running": 0, "retrying": 0, "paused": 1}
        assert rest["ingestbox_alarm_raised"].samples[0].labels == {"alarm": "disk_low"}
        assert {"ingestbox_disk_free_bytes", "ingestbox_children"} <= rest.keys()

    with_store(tmp_path, look)
