"""`send` against an upstream that refuses, stalls, cuts connections and asks for patience."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import click
import httpx2
import pytest

from ingestbox.cli.sending.asking import FIRST_PAUSE, LONGEST_RETRY_AFTER
from ingestbox.cli.sending.batches import Batch, Batches
from ingestbox.cli.sending.sender import Sender
from ingestbox.cli.sending.source import Piece
from ingestbox.cli.sending.tally import Refused, Tally
from tests.cli.support import PATIENCE, Answer, Request, Upstream, taken


class Progress:
    def __init__(self) -> None:
        self.records = 0
        self.notes: list[str] = []
        self.waits: list[tuple[int, int]] = []

    def sent(self, span: int, records: int) -> None:
        self.records += records

    def waiting(self, done: int, total: int) -> None:
        self.waits.append((done, total))

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)


class Run:
    """One call of the sender; the pauses it asks for are noted, not slept."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.progress = Progress()
        self.pauses: list[float] = []

    def send(
        self,
        url: str,
        batches: Sequence[Batch],
        *,
        in_flight: int = 1,
        patience: float = PATIENCE,
        partial: bool = False,
        compress: bool = False,
        wait: bool = False,
    ) -> Run:
        async def pause(seconds: float) -> None:
            self.pauses.append(seconds)
            await asyncio.sleep(0)

        async def feed() -> AsyncIterator[Batch]:
            for batch in batches:
                yield batch

        async def main() -> None:
            async with httpx2.AsyncClient(
                base_url=url, trust_env=False, verify=False, timeout=PATIENCE
            ) as client:
                sender = Sender(
                    client,
                    self.tally,
                    self.progress,
                    in_flight=in_flight,
                    patience=patience,
                    partial=partial,
                    compress=compress,
                    sleep=pause,
                )
                await sender.send(feed())
                if wait:
                    await sender.wait()

        asyncio.run(main())
        return self


def batches(*ids: Sequence[int], records: int = 1000) -> list[Batch]:
    """One batch for each sequence of ids."""
    maker = Batches(most_records=records, most_bytes=1 << 20)
    found: list[Batch] = []
    for numbers in ids:
        pieces = [Piece(f"line {n}", b'{"id":%d,"summary":"x"}' % n, str(n), 25) for n in numbers]
        found += maker.cut(pieces)
    return found


def tries(upstream: Upstream) -> Counter[str]:
    return Counter(request.headers["idempotency-key"] for request in upstream.posts())


def first_then(first: Answer, times: int = 1) -> Upstream:
    """Answers `first` to the first tries of every batch, then takes it."""
    seen: Counter[str] = Counter()
    lock = threading.Lock()

    def respond(request: Request) -> Answer:
        with lock:
            seen[request.headers["idempotency-key"]] += 1
            count = seen[request.headers["idempotency-key"]]
        return first if count <= times else taken(request)

    return Upstream(respond)


def test_batches_arrive_whole_and_are_counted() -> None:
    with Upstream(taken).running() as upstream:
        run = Run().send(upstream.url, batches(range(3), range(3, 5)))
    assert [[r["id"] for r in request.records] for request in upstream.posts()] == [[0, 1, 2], [3, 4]]
    assert {request.path for request in upstream.posts()} == {"/api/data-ingest"}
    assert {request.headers["content-type"] for request in upstream.posts()} == {"application/json"}
    assert (run.tally.taken, len(run.tally.jobs), run.progress.records) == (5, 2, 5)
    assert run.tally.ok


def test_bodies_are_compressed_when_asked() -> None:
    with Upstream(taken).running() as upstream:
        Run().send(upstream.url, batches(range(50)), compress=True)
    (request,) = upstream.posts()
    assert request.headers["content-encoding"] == "gzip"
    assert [record["id"] for record in request.records] == list(range(50))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(429, {"detail": "slow down"}),
        Answer(503, {"detail": "busy"}),
        Answer(507, {"detail": "full"}),
        Answer(500, b"<html>oops"),
        Answer(409, {"detail": "still running"}),
        Answer(cut=True),
    ],
    ids=lambda answer: "cut" if answer.cut else answer.status,
)
def test_a_batch_is_sent_again_until_it_is_taken_with_the_same_key(answer: Answer) -> None:
    with first_then(answer, times=3).running() as upstream:
        run = Run().send(upstream.url, batches([1], [2]))
    assert set(tries(upstream).values()) == {4}
    assert (run.tally.taken, len(run.tally.jobs)) == (2, 2)
    assert len(run.progress.notes) == 4  # trouble and recovery, once for each batch, not for each try


def test_pauses_grow_and_are_spread() -> None:
    with first_then(Answer(503, {}), times=8).running() as upstream:
        run = Run().send(upstream.url, batches([1]), patience=1e6)
    bounds = [min(FIRST_PAUSE * 2**n, 30.0) for n in range(8)]
    assert all(bound / 2 <= pause <= bound for pause, bound in zip(run.pauses, bounds, strict=True))


def test_retry_after_is_honoured_within_a_limit() -> None:
    with first_then(Answer(429, {}, {"Retry-After": "7"})).running() as upstream:
        assert Run().send(upstream.url, batches([1])).pauses == [7.0]
    with first_then(Answer(503, {}, {"Retry-After": "86400"})).running() as upstream:
        run = Run().send(upstream.url, batches([1]), patience=1e6)
        assert run.pauses == [LONGEST_RETRY_AFTER]
    with first_then(Answer(503, {}, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"})).running() as upstream:
        (pause,) = Run().send(upstream.url, batches([1])).pauses
        assert pause <= FIRST_PAUSE


def test_it_gives_up_when_patience_ends_and_says_why_and_what_to_do() -> None:
    upstream = Upstream(lambda _: Answer(507, {"detail": "The store is full."}))
    with upstream.running(), pytest.raises(click.ClickException) as caught:
        Run().send(upstream.url, batches([1]), patience=0.1)
    assert "answered 507: The store is full." in caught.value.message
    assert "Run the same command again" in caught.value.message


def test_nobody_at_the_address_is_said() -> None:
    with Upstream(taken).running() as upstream:
        url = upstream.url
    with pytest.raises(click.ClickException, match="does not answer"):
        Run().send(url, batches([1]), patience=0.1)


@pytest.mark.parametrize("status", [401, 403, 404, 405, 301])
def test_it_stops_at_once_when_every_batch_would_fail(status: int) -> None:
    upstream = Upstream(lambda _: Answer(status, {"detail": "No.", "remedy": "Ask for a token."}))
    with upstream.running(), pytest.raises(click.ClickException) as caught:
        Run().send(upstream.url, batches([1], [2], [3]))
    assert len(upstream.posts()) == 1
    assert f"answered {status}: No. Ask for a token." in caught.value.message


def test_a_200_that_is_not_a_job_is_not_counted_as_taken() -> None:
    upstream = Upstream(lambda _: Answer(200, b"<html>Welcome to your router</html>"))
    run = Run()
    with upstream.running(), pytest.raises(click.ClickException, match="not an answer of ingestbox"):
        run.send(upstream.url, batches([1]))
    assert run.tally.taken == 0


def test_a_refused_batch_names_the_records_at_fault_and_the_next_one_is_sent() -> None:
    def respond(request: Request) -> Answer:
        if request.records[0]["id"] == 10:
            fault = {"index": 1, "field": "id", "code": "id_required", "message": "id is required"}
            return Answer(422, {"detail": "1 of 3 records is not valid.", "errors": [fault]})
        return taken(request)

    with Upstream(respond).running() as upstream:
        run = Run().send(upstream.url, batches([10, 11, 12], [20]))
    assert run.tally.taken == 1
    assert not run.tally.ok
    assert run.tally.refused[1] == Refused("line 11", "id is required")
    assert [each.place for each in run.tally.refused] == ["line 10", "line 11", "line 12"]
    assert "--partial" in run.tally.refused[0].message


@pytest.mark.parametrize("status", [400, 413])
def test_a_batch_refused_as_a_whole_says_so_for_each_record(status: int) -> None:
    upstream = Upstream(lambda _: Answer(status, {"detail": "The body is over the limit."}))
    with upstream.running():
        run = Run().send(upstream.url, batches([1, 2]))
    assert run.tally.refused == [
        Refused("line 1", "The body is over the limit."),
        Refused("line 2", "The body is over the limit."),
    ]


def test_partial_takes_the_good_records_and_names_the_others() -> None:
    outcomes = [
        {"index": 0, "id": "1", "outcome": "accepted"},
        {"index": 1, "id": None, "outcome": "rejected", "code": "x", "message": "id is required"},
        {"index": 2, "id": "1", "outcome": "duplicate", "code": "duplicate_id"},
    ]
    with Upstream(lambda request: taken(request, outcomes=outcomes)).running() as upstream:
        run = Run().send(upstream.url, batches([1, 2, 3]), partial=True)
    assert upstream.posts()[0].path == "/api/data-ingest?mode=partial"
    assert run.tally.taken == 2
    assert run.tally.refused == [Refused("line 2", "id is required")]


def test_a_repeated_call_says_what_was_there_already() -> None:
    def respond(request: Request) -> Answer:
        answer = taken(request)
        return Answer(answer.status, answer.body, {"Idempotency-Replayed": "true"})

    with Upstream(respond).running() as upstream:
        run = Run().send(upstream.url, batches([1], [2]))
    assert run.tally.repeated == 2
    assert "2 jobs from an earlier call" in run.tally.lines(1.0, waited=False)[-1]


class Gate:
    """An upstream that holds every request until enough of them, or a moment, have come together."""

    def __init__(self, together: int) -> None:
        self._barrier = threading.Barrier(together)
        self._lock = threading.Lock()
        self._now: list[set[int]] = []
        self.clashes = 0
        self.most = 0

    def respond(self, request: Request) -> Answer:
        ids = {record["id"] for record in request.records}
        with self._lock:
            self.clashes += sum(not ids.isdisjoint(other) for other in self._now)
            self._now.append(ids)
            self.most = max(self.most, len(self._now))
        self._barrier.wait(PATIENCE)
        with self._lock:
            self._now.remove(ids)
        return taken(request)


def test_several_batches_are_under_way_at_once() -> None:
    gate = Gate(together=4)  # with fewer at once it would never open
    with Upstream(gate.respond).running() as upstream:
        run = Run().send(upstream.url, batches(*([n] for n in range(12))), in_flight=4)
    assert gate.most == 4
    assert run.tally.taken == 12


def test_batches_with_the_same_id_are_never_under_way_together() -> None:
    """The later record of an id wins by the order of intake, so it must be taken in later."""
    gate = Gate(together=1)
    order = [[1, 2], [3], [2, 9], [4], [9, 1], [1]]
    with Upstream(gate.respond).running() as upstream:
        Run().send(upstream.url, batches(*order), in_flight=4)
    assert gate.clashes == 0
    arrived = [[record["id"] for record in request.records] for request in upstream.posts()]
    assert [ids for ids in arrived if set(ids) & {1, 2, 9}] == [[1, 2], [2, 9], [9, 1], [1]]


def test_a_batch_with_an_id_that_is_being_retried_waits_for_it() -> None:
    with first_then(Answer(503, {}), times=2).running() as upstream:
        Run().send(upstream.url, batches([1], [1]), in_flight=4)
    first = upstream.posts()[0].headers["idempotency-key"]
    assert [request.headers["idempotency-key"] == first for request in upstream.posts()] == [True] * 3 + [
        False
    ] * 3


def jobs_that_end(ends: dict[int, dict[str, object]], looks: int) -> Upstream:
    """Takes batches; a job is running for some looks, then as `ends` has it by the first record's id."""
    seen: Counter[str] = Counter()
    kept: dict[str, dict[str, object]] = {}

    def respond(request: Request) -> Answer:
        if request.method == "POST":
            kept[request.headers["idempotency-key"]] = ends[request.records[0]["id"]]
            return taken(request)
        job_id = request.path.rpartition("/")[2]
        seen[job_id] += 1
        return Answer(body={"status": "running"} if seen[job_id] <= looks else kept[job_id])

    return Upstream(respond)


def test_waiting_ends_with_the_last_job_and_reports_what_failed() -> None:
    fault = {"index": 1, "code": "processing_failed", "message": "Processing failed: MemoryError."}
    ends: dict[int, dict[str, object]] = {
        10: {"status": "completed", "errors": []},
        20: {"status": "completed", "errors": [fault]},
        30: {"status": "failed", "error": "No record could be processed.", "errors": []},
    }
    with jobs_that_end(ends, looks=3).running() as upstream:
        run = Run().send(upstream.url, batches([10], [20, 21], [30]), wait=True)
    assert run.tally.completed == 2
    assert run.tally.issues == [Refused("line 21", "Processing failed: MemoryError.")]
    (failed,) = run.tally.failed
    assert failed.endswith("No record could be processed.")
    assert not run.tally.ok
    assert run.progress.waits[-1] == (3, 3)


def test_a_record_refused_at_once_is_not_reported_again_by_its_job() -> None:
    outcomes = [
        {"index": 0, "id": "1", "outcome": "accepted"},
        {"index": 1, "id": None, "outcome": "rejected", "code": "x", "message": "id is required"},
    ]
    fault = {"index": 1, "code": "x", "message": "id is required"}

    def respond(request: Request) -> Answer:
        if request.method == "POST":
            return taken(request, outcomes=outcomes)
        return Answer(body={"status": "completed", "errors": [fault]})

    with Upstream(respond).running() as upstream:
        run = Run().send(upstream.url, batches([1, 2]), partial=True, wait=True)
    assert run.tally.refused == [Refused("line 2", "id is required")]
    assert run.tally.issues == []


def test_waiting_survives_a_box_that_restarts() -> None:
    looks: Counter[str] = Counter()

    def respond(request: Request) -> Answer:
        if request.method == "POST":
            return taken(request)
        looks[request.path] += 1
        return Answer(cut=True) if looks[request.path] < 4 else Answer(body={"status": "completed"})

    with Upstream(respond).running() as upstream:
        run = Run().send(upstream.url, batches([1]), wait=True)
    assert run.tally.completed == 1


def test_the_summary_counts_what_it_does_not_show() -> None:
    tally = Tally(taken=1, jobs=["a"], refused=[Refused(f"line {n}", "bad") for n in range(25)])
    lines = tally.lines(0.5, waited=False)
    assert lines[:2] == ["Refused: line 0: bad", "Refused: line 1: bad"]
    assert lines[20] == "Refused: 5 more"
    assert lines[-1] == "1 record in 1 job, 0.5 s, 2 records/s, 25 records refused"
