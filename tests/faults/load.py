"""Clients that send through every fault, as a crawler would: again with the same key until it is taken."""

from __future__ import annotations

import threading
import time
from random import Random

import httpx2

from tests.faults.journal import Journal, Shipment
from tests.faults.records import record
from tests.harness import BoxProcess, until

PAUSE_SECONDS = 0.02
IDS = 120
"""Ids of one client: most shipments replace tickets that are there already."""

ABANDONS, REPEATS, NEW = 0.03, 0.1, 0.2


class Load:
    """`clients` threads, each with ids of its own, so that the order of its shipments is known."""

    def __init__(
        self,
        box: BoxProcess,
        journal: Journal,
        *,
        clients: int,
        seed: int,
        most_records: int = 60,
        workspace: str = "default",
    ) -> None:
        self._box = box
        self._workspace = workspace
        self._journal = journal
        self._most = most_records
        self._stop = threading.Event()
        self._go = threading.Event()
        self._go.set()
        self._lock = threading.Lock()
        self._resting = 0
        self.errors: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._guarded, args=(number, Random(f"{seed}/{number}")), daemon=True)
            for number in range(clients)
        ]

    def start(self) -> None:
        """Begins to send."""
        for thread in self._threads:
            thread.start()

    def pause(self) -> None:
        """Sends nothing new until `go`; what is on its way is repeated until it is taken."""
        self._go.clear()

    def go(self) -> None:
        """Sends again."""
        self._go.set()

    def wait_idle(self) -> None:
        """After `pause`: waits until every client's last shipment is acknowledged. The box must be up."""
        until(lambda: self._resting == len(self._threads) or self.errors, "the clients rest", 60)

    def finish(self, seconds: float = 60.0) -> None:
        """Lets every client get its last shipment acknowledged, and ends. The box must be up."""
        self._stop.set()
        self._go.set()
        for thread in self._threads:
            thread.join(seconds)
            assert not thread.is_alive(), "a client's last shipment is never acknowledged"
        if self.errors:
            raise self.errors[0]

    def _guarded(self, number: int, random: Random) -> None:
        try:
            # A plain-HTTP client: making a TLS context for each would cost more than the requests.
            with self._box.client(verify=False, workspace=self._workspace) as client:
                self._run(client, number, random)
        except BaseException as error:  # noqa: BLE001 - raised by finish, in the test's own thread
            self.errors.append(error)

    def _run(self, client: httpx2.Client, number: int, random: Random) -> None:
        last: Shipment | None = None
        abandoned = 0
        while not self._stop.is_set():
            self._rest()
            size = random.randint(1, self._most)
            if random.random() < ABANDONS:
                # Sent once, whatever comes of it: ids of its own, for it may be there or not.
                abandoned += 1
                ids = [f"a{number}.{abandoned}.{place}" for place in range(min(size, 5))]
                self._journal.post(client, self._journal.ship([record(random, each) for each in ids]))
                continue
            if last is not None and random.random() < REPEATS:
                self._journal.post(client, last)
            space = IDS if random.random() > NEW else IDS // 10
            ids = [f"c{number}/{place}" for place in random.sample(range(space), min(size, space))]
            last = self._journal.ship([record(random, each) for each in ids])
            self._until_taken(client, last, random)

    def _rest(self) -> None:
        """While it is paused."""
        if not self._go.is_set():
            with self._lock:
                self._resting += 1
            self._go.wait()
            with self._lock:
                self._resting -= 1

    def _until_taken(self, client: httpx2.Client, shipment: Shipment, random: Random) -> None:
        deadline = time.monotonic() + 120
        while self._journal.post(client, shipment) != 200:
            if time.monotonic() > deadline:
                raise AssertionError(f"not taken within 120 s: {shipment.statuses[-3:]}")
            # Nobody sets this event while retrying: it is a pause that ends the moment the test does.
            threading.Event().wait(PAUSE_SECONDS * (0.5 + random.random()))
