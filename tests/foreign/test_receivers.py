"""Receivers that are not ours, the real programs: all arrives, also when they are killed in the middle.

How they are connected is in docs/forwarding-receivers.md, which has to say what is tested here.
"""

from __future__ import annotations

import base64
import json
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from tests.foreign.support import Program, free_port, installed
from tests.harness import BoxProcess, post_tickets, ticket, until, wait_job

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "forwarding-receivers.md"

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
KEY = "a-key-for-the-hook"
TABLE = """\
CREATE TABLE deliveries (
    line String,
    box String MATERIALIZED visitParamExtractString(line, 'box'),
    epoch String MATERIALIZED visitParamExtractString(line, 'epoch'),
    seq UInt64 MATERIALIZED visitParamExtractUInt(line, 'seq'),
    op String MATERIALIZED visitParamExtractString(line, 'op'),
    kind String MATERIALIZED visitParamExtractString(line, 'kind'),
    id String MATERIALIZED visitParamExtractString(line, 'id'),
    result String MATERIALIZED visitParamExtractRaw(line, 'result')
) ENGINE = ReplacingMergeTree ORDER BY (box, epoch, seq)"""

BEFORE, AFTER = 1_000, 100
"""Records that wait when a receiver comes up, and that come while it is gone again."""


def lane_of_page(name: str, ports: dict[str, int]) -> str:
    """The section of a lane as the page shows it, for a receiver on this machine."""
    (section,) = re.findall(
        rf'^\[\[lanes\]\]\nname = "{name}"\n.*?(?=^```)', PAGE.read_text("utf-8"), re.M | re.S
    )
    section = re.sub(r"//(.*@)?receiver\.example:\d+", rf"//\g<1>127.0.0.1:{ports[name]}", section)
    return str(section.replace("whsec_…", SECRET).replace("the-key", KEY).replace("the-password", KEY))


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    return {"hook": free_port(), "clickhouse": free_port()}


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory, ports: dict[str, int]) -> Iterator[BoxProcess]:
    """A box with a lane to each receiver, and much to send."""
    quick = "batch_lines = 50\nbackoff_seconds = 0.05\n"
    config = "".join(lane_of_page(name, ports) + quick for name in ports)
    made = BoxProcess(tmp_path_factory.mktemp("box"), config=config).start()
    try:
        with made.client() as client:
            deliver(client, 0, BEFORE)
        yield made
    finally:
        made.close()


def deliver(client: httpx2.Client, first: int, count: int) -> None:
    """Posts tickets, and waits until they are analysed."""
    jobs = []
    for start in range(first, first + count, 250):
        records = [ticket(number) for number in range(start, min(start + 250, first + count))]
        jobs.append(post_tickets(client, records)["job_id"])
    for job in jobs:
        wait_job(client, job)


def lines_of(box: BoxProcess) -> dict[int, bytes]:
    """What the box has to deliver, as it is stored."""
    with sqlite3.connect(f"file:{box.data / 'ingestbox.db'}?mode=ro", uri=True) as store:
        return dict(store.execute("SELECT seq, line FROM deliveries"))


def carried(box: BoxProcess, lane: str, program: Program, arrived: Callable[[], int]) -> None:
    """Has a lane deliver to a program that is killed in the middle, until the box has nothing left for it."""
    with box.client() as client:

        def goes_on() -> None:
            client.post(f"/v1/lanes/{lane}/resume").raise_for_status()

        def state() -> dict[str, Any]:
            found: dict[str, Any] = client.get(f"/v1/lanes/{lane}").raise_for_status().json()
            return found

        try:
            program.start()
            goes_on()
            until(arrived, "the first lines arrive")
            program.kill()
            total = state()["enqueued"]
            deliver(client, total, AFTER)
            until(lambda: state()["state"] == "retrying", "the lane finds it gone")
            program.start()
            goes_on()
            until(lambda: state()["delivered"] == total + AFTER, "all is delivered")
            found = client.post(f"/v1/lanes/{lane}/test").raise_for_status().json()
            assert found["ok"], found
            assert state()["parked"] == 0
        except AssertionError as error:
            raise AssertionError(f"{error}: {state()}") from error


def test_webhook_hands_every_batch_to_a_script_that_checks_its_signature(
    box: BoxProcess, ports: dict[str, int], tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    hooks = tmp_path / "hooks.json"
    hook = json.loads(re.findall(r"```json\n(.*?)```", PAGE.read_text("utf-8"), re.S)[0])
    (rule,) = [each["trigger-rule"]["match"] for each in hook]
    assert rule["value"] == "the-key"
    rule["value"] = KEY
    script = [sys.executable, str(HERE / "record.py"), str(kept), SECRET]
    hook[0]["execute-command"] = script[0]
    hook[0]["pass-arguments-to-command"] = [{"source": "string", "name": each} for each in script[1:]]
    hooks.write_text(json.dumps(hook))
    port = ports["hook"]
    address = ["-ip", "127.0.0.1", "-port", str(port)]
    command = [installed("webhook", "webhook"), "-hooks", str(hooks), *address, "-verbose"]
    program = Program(command, port, tmp_path)

    def bodies() -> list[dict[str, Any]]:
        return [json.loads(each.read_bytes()) for each in kept.glob("*.json")]

    try:
        carried(box, "hook", program, lambda: len(bodies()))
        with_wrong_key = httpx2.post(f"http://127.0.0.1:{port}/hooks/ingestbox", headers={"X-Api-Key": "x"})
        assert with_wrong_key.status_code == 403
    finally:
        program.kill()
    found = [line for body in bodies() for line in body["deliveries"]]
    assert {body["lane"] for body in bodies()} == {"hook"}
    assert {line["seq"]: line for line in found} == {
        seq: msgspec.json.decode(line) for seq, line in lines_of(box).items()
    }
    for body in bodies():
        if body["deliveries"]:
            seqs = [line["seq"] for line in body["deliveries"]]
            assert (seqs[0], seqs[-1], seqs) == (body["first_seq"], body["last_seq"], sorted(seqs))


CONFIG = """\
<?xml version="1.0"?>
<yandex>
  <logger><level>warning</level><console>1</console></logger>
  <http_port>{port}</http_port>
  <listen_host>127.0.0.1</listen_host>
  <path>{folder}/data/</path>
  <tmp_path>{folder}/tmp/</tmp_path>
  <users_config>{folder}/users.xml</users_config>
  <default_profile>default</default_profile>
  <default_database>default</default_database>
  <mark_cache_size>5368709</mark_cache_size>
</yandex>
"""
USERS = """\
<?xml version="1.0"?>
<yandex>
  <profiles><default/></profiles>
  <quotas><default/></quotas>
  <users><ingestbox>
    <password>{key}</password><networks><ip>127.0.0.1</ip></networks>
    <profile>default</profile><quota>default</quota>
  </ingestbox></users>
</yandex>
"""


def test_clickhouse_stores_every_line_once(box: BoxProcess, ports: dict[str, int], tmp_path: Path) -> None:
    port = ports["clickhouse"]
    (tmp_path / "config.xml").write_text(CONFIG.format(port=port, folder=tmp_path))
    (tmp_path / "users.xml").write_text(USERS.format(key=KEY))
    server = installed("clickhouse-server", "clickhouse-server")
    program = Program([server, f"--config-file={tmp_path / 'config.xml'}"], port, tmp_path)
    assert TABLE in PAGE.read_text("utf-8")

    def ask(query: str) -> str:
        answer = httpx2.post(f"http://127.0.0.1:{port}/", content=query, auth=("ingestbox", KEY))
        return answer.raise_for_status().text

    try:
        program.start()
        ask(TABLE)
        carried(box, "clickhouse", program, lambda: int(ask("SELECT count() FROM deliveries")))
        rows = [
            json.loads(row)
            for row in ask("SELECT *, result FROM deliveries FINAL FORMAT JSONEachRow").splitlines()
        ]
        lines = lines_of(box)
        assert sorted(row["line"].encode() for row in rows) == sorted(lines.values())
        assert int(ask("SELECT uniqExact(id) FROM deliveries WHERE kind = 'ticket' AND op = 'put'")) == len(
            lines
        )
        assert all(json.loads(row["result"]) == json.loads(row["line"])["result"] for row in rows)
    finally:
        program.kill()
