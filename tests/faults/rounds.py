"""Rounds of `kill -9` at random moments on a data folder that lives on; for CI and for `make faults`."""

from __future__ import annotations

import collections
import contextlib
import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from ingestbox.model import EVERYWHERE, Role
from tests.faults.audit import audit
from tests.faults.crawls import RATES, Crawls
from tests.faults.fairs import Fairs
from tests.faults.journal import Journal
from tests.faults.ledger import check_effects
from tests.faults.load import Load
from tests.harness import BoxProcess, until

MOMENTS = ("intake", "processing", "forwarding")
VICTIMS = ("box", "box", "upstream", "both", "child")
KILLS = (("starting", "box"), *((moment, victim) for moment in MOMENTS for victim in VICTIMS))
"""When who is killed: all of these before any comes again."""


def lane_to(upstream: BoxProcess, *, name: str = "up", lines: int = 100) -> str:
    """The configuration of a lane to another box: quick to come back, so that rounds are short."""
    return f"""
[[lanes]]
name = "{name}"
url = "{upstream.url}/v1/sync/batches"
token = "{upstream.token(Role.FORWARDER, workspace=EVERYWHERE)}"
schedule = "immediately"
batch_lines = {lines}
backoff_seconds = 0.05
probe_seconds = 1
"""


@dataclass
class Tally:
    """What was done, to report."""

    kills: collections.Counter[str]
    shipments: int
    repeated: int
    records: int
    fairs: int
    articles: int
    effects: dict[str, int]


class KillRounds:
    """A box under load, a live upstream, and a hand that kills."""

    def __init__(
        self, folder: Path, *, seed: int, clients: int = 4, fairs: bool = False, crawls: bool = False
    ) -> None:
        """With `fairs`, large batches of audience records come too; with `crawls`, articles do."""
        self._random = Random(seed)
        self._order = Random(f"{seed}/plan")  # apart, so that who is killed when does not depend on chance
        self._plan: list[tuple[str, str]] = []
        self.upstream = BoxProcess(folder / "upstream").start()
        # Small chunks and batches: many commits, so that kills fall between them.
        settings = "[work]\nchunk_records = 20\n[server]\nstop_seconds = 5\n" + RATES
        self.box = BoxProcess(folder / "box", config=settings + lane_to(self.upstream)).start()
        self.journal = Journal(folder / "journal")
        self._load = Load(self.box, self.journal, clients=clients, seed=seed)
        self._fairs = Fairs(self.box, self.journal, seed=seed) if fairs else None
        self._crawls = Crawls(self.box, self.journal, seed=seed) if crawls else None
        self._others = [each for each in (self._fairs, self._crawls) if each is not None]
        for each in (self._load, *self._others):
            each.start()
        self._kills: collections.Counter[str] = collections.Counter()

    def close(self) -> None:
        """Ends both boxes, whatever happened."""
        self.box.close()
        self.upstream.close()
        self.journal.close()

    def run(self, rounds: int) -> None:
        """Kills `rounds` times, each time with the boxes up and the load on."""
        for _ in range(rounds):
            if not self._plan:
                self._plan = self._order.sample(KILLS, len(KILLS))
            moment, victim = self._plan.pop()
            self._load.go()
            if moment == "starting":
                self._kill_while_starting()
            else:
                with self.box.client(verify=False) as client:
                    self._await(moment, client)
                    self._doze(0.08)
                    self._kill(victim)
            self._kills[f"{victim} {moment}"] += 1

    def look(self) -> None:
        """Between rounds: lets everything settle, and compares."""
        self._load.pause()
        for each in self._others:
            each.pause()
            each.wait_idle()
            each.check()
        self._load.wait_idle()
        audit(self.journal, self.box, self.upstream).assert_clean()
        for other in (self._load, *self._others):
            other.go()

    def finish(self) -> Tally:
        """Stops the load, lets everything settle, and compares the journal with both boxes."""
        self._load.finish()
        for each in self._others:
            each.finish()
        fairs = self._fairs.check() if self._fairs is not None else 0
        articles = self._crawls.check() if self._crawls is not None else 0
        audit(self.journal, self.box, self.upstream).assert_clean()
        assert self.box.stop() == 0
        assert self.upstream.stop() == 0
        effects = check_effects(self.box.data, self.upstream.data)
        shipments = self.journal.acknowledged()
        return Tally(
            self._kills,
            len(shipments),
            sum(each.attempts > 1 for each in shipments),
            self.journal.count(),
            fairs,
            articles,
            effects,
        )

    def _kill_while_starting(self) -> None:
        self.box.kill()
        self.box.start(wait=False)
        self._doze(1.2)
        self.box.kill()
        self.box.start()

    def _await(self, moment: str, client: Any) -> None:
        """Waits until the box is at it; half of the time without new intake in between."""

        def has_come() -> bool:
            stats = client.get("/v1/stats").raise_for_status().json()
            if moment == "processing":
                return bool(stats["processed"] < stats["records"])
            if moment == "forwarding":
                return bool(stats["lanes"][0]["pending"])
            return self.journal.in_flight > 0

        before = self.journal.count()
        until(lambda: self.journal.count() > before, "the box takes records")
        if moment != "intake" and self._random.random() < 0.5:
            self._load.pause()
            with contextlib.suppress(AssertionError):  # it may be over already: then an idle box is killed
                until(has_come, moment, 0.3)
        else:
            until(has_come, moment)

    def _kill(self, victim: str) -> None:
        if victim == "child":
            children = self.box.children()
            if children:
                with contextlib.suppress(ProcessLookupError):  # it may end by itself
                    os.kill(self._random.choice(children), signal.SIGKILL)
            return
        victims = {"box": [self.box], "upstream": [self.upstream], "both": [self.upstream, self.box]}[victim]
        for box in victims:
            box.kill()
        for box in victims:
            box.start()

    def _doze(self, longest: float) -> None:
        threading.Event().wait(self._random.random() * longest)
