"""The main job at size: records through `ingestbox send`, analysed, and whole on a second box."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.texts import tickets
from ingestbox.model import Role
from tests.harness import running, until


# Many batches, chunks, shipments and pages either way; the long form has more of each, and nothing else.
@pytest.mark.parametrize("count", [5_000, pytest.param(100_000, marks=pytest.mark.soak)])
def test_a_file_of_many_records_arrives_whole(tmp_path: Path, count: int) -> None:
    sent: dict[str, Any] = {}
    file = tmp_path / "tickets.ndjson"
    with file.open("wb") as out:
        for record in tickets(11, count):
            sent[str(record["id"])] = record["summary"]
            out.write(msgspec.json.encode(record) + b"\n")
    assert len(sent) == count
    with running(tmp_path / "central") as central:
        lane = f'[[lanes]]\nname = "central"\nurl = "{central.url}/v1/sync/batches"\n'
        lane += f'token = "{central.token(Role.FORWARDER)}"\n'
        with running(tmp_path / "edge", config=lane) as edge:
            command = [sys.executable, "-m", "ingestbox", "send", str(file), "--data", str(edge.data)]
            done = subprocess.run(
                [*command, "--wait", "--json"], capture_output=True, text=True, timeout=240, check=True
            )
            assert json.loads(done.stdout)["records"] == count
            with edge.client() as here, central.client() as there:
                stats = here.get("/v1/stats").json()
                assert (stats["processed"], stats["open_issues"]) == (count, 0)
                until(
                    lambda: here.get("/v1/stats").json()["lanes"][0]["delivered"] == count,
                    "all is delivered",
                    120,
                )
                found: dict[str, Any] = {}
                parameters: dict[str, Any] = {"limit": 500}
                while True:
                    page = there.get("/api/tickets", params=parameters).json()
                    found.update((each["ticket_id"], each["summary"]) for each in page["results"])
                    if page["next_cursor"] is None:
                        break
                    parameters["cursor"] = page["next_cursor"]
                assert found == sent
                (sender,) = there.get("/v1/sync/boxes").json()["boxes"]
                assert (sender["last_seq"], sender["gaps"]) == (count, [])
                for side in (here, there):
                    assert side.get("/v1/doctor").json()["ok"]
