"""/v1/erasures: nothing of a person is left in the data folder, nothing of anybody else is missing."""

from __future__ import annotations

import itertools
import json
import sqlite3
import threading
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from ingestbox.model import Role
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job
from tests.journeys.test_forwarding import lane, lane_state
from tests.journeys.upstream import Answer, upstream
from tests.web.v1.imports import open_issues, row, upload
from tests.web.v1.support import Json, everything, get, held, post, refused, settled, under_way

numbers = itertools.count()

LOCAL = "zzannaquux"
ANNA = f"{LOCAL}@personal-mail.example"
DISCARD = {"discard": "all"}
JSON = {"Content-Type": "application/json"}
ESCAPED = "".join(f"\\u{ord(each):04x}" for each in ANNA)


@pytest.fixture
def client(box: BoxProcess) -> Iterator[httpx2.Client]:
    """An administrator of a workspace of the test's own."""
    with box.client(workspace=f"e{next(numbers)}") as started:
        yield started


def erased(client: httpx2.Client, email: str = ANNA, **body: object) -> Json:
    """The erasure of an address, once it is done."""
    reply = client.post("/v1/erasures", json={"email": email, **body})
    assert reply.status_code in (200, 202), reply.text
    return ended(client, reply.json()["erasure_id"])


def ended(client: httpx2.Client, erasure: str, **query: str) -> Json:
    def done() -> Json | None:
        found = get(client, f"/v1/erasures/{erasure}", **query)
        return found if found["state"] == "done" else None

    return until(done, f"erasure {erasure} is done")


def counts(erasure: Json) -> dict[str, int]:
    return {name: number for name, number in erasure["counts"].items() if number}


def traces(folder: Path, *words: str) -> dict[str, int]:
    """How often any of these stands anywhere in the data folder, by file."""
    spelt = {
        form.lower().encode(coding)
        for word in words or (LOCAL, ESCAPED)
        for form in (word, unicodedata.normalize("NFD", word))
        for coding in ("utf-8", "utf-16-le", "utf-16-be")
    }
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes().lower()
            if count := sum(data.count(each) for each in spelt):
                found[path.name] = count
    return found


def scene(client: httpx2.Client) -> dict[str, str]:
    """Everything that can hold an address, with this one in it."""
    first = f'{{"id":"T-1","summary":"From {ESCAPED}","mail":{{"{ANNA.upper()}":[1.50]}}}}'
    headers = {"Content-Type": "application/json"}
    raw = f'{{"records":[{first}]}}'.encode()
    client.post("/api/data-ingest", content=raw, headers=headers).raise_for_status()
    about = f"Call Hà Nội, <{ANNA.title()}> or 12 March 2024"
    records: list[dict[str, object]] = [
        ticket(
            2,
            description=about,
            comments=[f"12/Mar/24 10:00 AM;{ANNA};thanks, {LOCAL}@personal-mail.example"],
        ),
        ticket(3, description=f"jo{ANNA} and {ANNA}.vn are others"),
        ticket(4),
        ticket(4, description=f"an earlier {ANNA}"),
        {"id": f"{ANNA}/5", "summary": "is called so"},
        {"id": "T-6", "summary": " ", "who": ANNA},
    ]
    job = post_tickets(client, records, params={"mode": "partial"}, headers={"Idempotency-Key": "k"})[
        "job_id"
    ]
    wait_job(client, job)
    wait_job(client, post_tickets(client, [ticket(4, description="a later one, by nobody")])["job_id"])
    waiting = next(each for each in everything(client, "/v1/issues", "issues") if each["job"] == job)
    patch = {"summary": "corrected", "description": f"it was {ANNA}", "who": None}
    client.patch(f"/v1/records/{waiting['record']}", json=patch).raise_for_status()
    settled(client, job)
    table = f"id,description\nF-1,from {ANNA}\nF-2,nothing\n"
    sent = client.post("/api/upload", files={"file": (f"{ANNA}.csv", table.encode("utf-16"))})
    wait_job(client, sent.raise_for_status().json()["job_id"])
    done = upload(
        client, "people", [row(ANNA.upper()), row("bob@x.com", company=f"c/o {ANNA}"), row("cy@x.com")]
    )
    assert done["state"] == "completed"
    rows = [row(ANNA, last=""), row("di@x.com", last=""), row(ANNA), row(ANNA, first="Ann"), row("ed@x.com")]
    review = upload(client, ANNA, rows)
    assert review["state"] == "review"
    copies = get(client, "/v1/issues", job=review["id"], state="open")["issues"]
    ids = [each["id"] for each in copies if each["code"] == "duplicate_email"]
    assert len(ids) == 1
    post(client, "/v1/issues/bulk", {"ids": ids, "rule": DISCARD})
    return {"job": job, "people": done["id"], "review": review["id"]}


@pytest.fixture
def own(own_box: BoxProcess) -> Iterator[httpx2.Client]:
    own_box.start()
    with own_box.client() as client:
        yield client


def test_nothing_of_the_person_is_left_and_nobody_else_is_missing(
    own_box: BoxProcess, own: httpx2.Client
) -> None:
    made = scene(own)
    own.post("/v1/keys", json={"name": "k", "roles": ["ingest"]}).raise_for_status()
    assert sum(traces(own_box.data).values()) > 20
    before = len(get(own, "/contacts")["contacts"])
    done = erased(own, f" {ANNA.title()} ", reason="request 17")
    assert counts(done)["contacts"] == 2  # the person's, and the one whose company has the address
    assert counts(done)["files"] == 3
    assert counts(done)["tickets"] >= 3
    assert {"records", "issues", "deliveries", "jobs", "audit", "kept"} <= counts(done).keys()
    assert not traces(own_box.data, ANNA + "\\u", "\\u007a\\u007a")
    left = traces(own_box.data)
    assert set(left) <= {"ingestbox.db"}

    # What is left is others': two addresses that are similar, and a tombstone that upstream needs.
    found = get(own, "/api/tickets/T-3")
    assert found["description"] == f"jo{ANNA} and {ANNA}.vn are others"
    assert own.get("/contacts", params={"email": ANNA}).status_code == 404
    assert len(get(own, "/contacts")["contacts"]) == before - 1
    assert [hit["ticket_id"] for hit in get(own, "/api/search", q=LOCAL)["results"]] == ["T-3"]
    first = get(own, "/api/tickets/T-1")
    assert (first["summary"], first["extra"]) == ("From [erased]", {"mail": {"[erased]": [1.5]}})
    second = get(own, "/api/tickets/T-2")
    assert second["description"] == "Call Hà Nội, <[erased]> or 12 March 2024"
    assert second["comments"] == ["12/Mar/24 10:00 AM;[erased];thanks, [erased]"]
    named = {each["label"]: each for each in second["entities"]}
    assert set(named) == {"LOCATION", "DATE"}
    for each in named.values():
        assert second["description"][each["start"] : each["end"]] == each["text"]
    assert not [word for word in second["keywords"] if LOCAL in word.lower()]
    assert get(own, "/api/entities/top", label="EMAIL")["results"] == [
        {"text": text, "label": "EMAIL", "count": 1} for text in (f"jo{ANNA}", f"{ANNA}.vn")
    ] or {each["text"] for each in get(own, "/api/entities/top", label="EMAIL")["results"]} == {
        f"jo{ANNA}",
        f"{ANNA}.vn",
    }
    review = get(own, f"/v1/jobs/{made['review']}")
    assert (review["state"], review["name"].startswith("[erased]-")) == ("review", True)
    assert review["counts"] == {"pending": 1, "finished": 0, "issue": 1, "discarded": 3}
    assert [each["message"] for each in open_issues(own, made["review"]).values()] == [
        "Missing required field: last_name"
    ]
    line = next(each for each in everything(own, "/v1/audit", "audit") if each["action"] == "record.edit")
    assert "[erased]" in json.dumps(line["after"])
    assert (line["object"], line["actor"]) == ("record", "local:tester")
    again = own.post(
        "/api/data-ingest", json={"records": []}, headers={"Idempotency-Key": "k"}, params={"mode": "partial"}
    )
    assert again.status_code == 422  # other content: the key is still known
    assert get(own, "/v1/doctor")["ok"]

    own_box.stop()
    assert traces(own_box.data) == left
    connection = sqlite3.connect(own_box.data / "ingestbox.db")
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    try:
        hits = [
            (table, column)
            for (table,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table'"
            ).fetchall()
            if not table.startswith("ticket_")
            for column in [each[1] for each in connection.execute(f'PRAGMA table_info("{table}")').fetchall()]
            for (value,) in connection.execute(f'SELECT CAST("{column}" AS TEXT) FROM "{table}"').fetchall()
            if value and LOCAL in value.lower().replace(f"jo{LOCAL}", "").replace(f"{ANNA}.vn", "")
        ]
        assert {table for table, _ in hits} <= {"objects", "deliveries"}
        assert connection.execute("SELECT COUNT(*) FROM erasures WHERE address IS NOT NULL").fetchone() == (
            0,
        )
    finally:
        connection.close()


def test_not_even_a_word_of_it_is_left(own_box: BoxProcess, own: httpx2.Client) -> None:
    """Without anybody else's address that is like it, in the file as well as in the index of full text."""
    mixed = [
        ticket(number, description=f"{ANNA} {number}" if number % 7 == 0 else "x") for number in range(300)
    ]
    wait_job(own, post_tickets(own, mixed)["job_id"])
    upload(own, "people", [row(ANNA), *(row(f"p{number}@x.com") for number in range(50))])
    assert counts(erased(own))["tickets"] == 43
    assert traces(own_box.data) == {}
    with own_box.log.open() as log:
        assert LOCAL not in log.read().lower()
    assert get(own, "/api/search", q=LOCAL)["total"] == 0
    assert get(own, "/api/tickets")["total"] == 300
    assert get(own, "/v1/doctor")["ok"]
    own_box.stop()
    assert traces(own_box.data) == {}


def test_a_dry_run_counts_and_changes_nothing(box: BoxProcess, client: httpx2.Client) -> None:
    scene(client)
    paths = ("/api/tickets", "/contacts", "/v1/deliveries", "/v1/jobs", "/v1/issues")
    before = [client.get(path).json() for path in paths]
    dry = erased(client, dry_run=True)
    assert (dry["dry_run"], dry["earlier"]) == (True, None)
    assert [client.get(path).json() for path in paths] == before
    done = erased(client)
    for name in ("contacts", "tickets", "records", "issues", "jobs", "files", "audit"):
        assert done["counts"][name] == dry["counts"][name], name
    assert done["earlier"] is None  # a dry run is none
    assert counts(erased(client, dry_run=True)) == {}


def test_only_the_workspace_is_gone_through_unless_all_is_asked_for(
    own_box: BoxProcess, own: httpx2.Client
) -> None:
    with own_box.client(workspace="other") as other:
        for each in (own, other):
            wait_job(each, post_tickets(each, [ticket(1, description=ANNA)])["job_id"])
            upload(each, "people", [row(ANNA)])
        erased(own)
        assert get(other, "/api/tickets/T-1")["description"] == ANNA
        assert len(get(other, "/contacts", email=ANNA)["contacts"]) == 1
        assert get(own, "/api/tickets/T-1")["description"] == "[erased]"
        assert get(other, "/v1/erasures")["erasures"] == []
        refused(other.get("/v1/erasures/1"), 404, "not_found")
        refused(other.post("/v1/erasures", params={"all": "true"}, json={"email": ANNA}), 403, "forbidden")
        reply = own.post("/v1/erasures", params={"all": "true"}, json={"email": ANNA})
        done = ended(own, reply.json()["erasure_id"], all="true")
        assert (done["workspace"], counts(done)["contacts"]) == (None, 1)
        assert get(other, "/api/tickets/T-1")["description"] == "[erased]"
        assert traces(own_box.data) == {}


def test_administrators_alone_and_with_a_sound_request(box: BoxProcess, client: httpx2.Client) -> None:
    with box.client(Role.EDITOR, Role.ANALYST) as editor:
        for method, path in (("POST", "/v1/erasures"), ("GET", "/v1/erasures"), ("GET", "/v1/erasures/1")):
            refused(editor.request(method, path, json={"email": ANNA}), 403, "forbidden")
    for body in (
        *({}, {"email": "anna"}, {"email": "a b@x.com"}, {"email": "@x.com"}, {"email": "a@"}, {"email": 7}),
        *({"email": "a@x.com, b@x.com"}, {"email": "a" * 260 + "@x.com"}, {"email": ANNA, "dryrun": True}),
        *({"email": ANNA, "reason": f"asked by {ANNA.upper()}"}, {"email": ANNA, "dry_run": 1}),
    ):
        refused(client.post("/v1/erasures", json=body), 422, "validation_failed")
    refused(client.get("/v1/erasures/99999"), 404, "not_found")
    assert get(client, "/v1/erasures")["erasures"] == []


def test_the_same_request_is_recognised_and_what_comes_later_stays(client: httpx2.Client) -> None:
    wait_job(client, post_tickets(client, [ticket(1, description=ANNA)])["job_id"])
    headers = {"Idempotency-Key": "once"}
    first = client.post("/v1/erasures", json={"email": ANNA}, headers=headers)
    again = client.post("/v1/erasures", json={"email": ANNA}, headers=headers)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json()["erasure_id"] == first.json()["erasure_id"]
    refused(
        client.post("/v1/erasures", json={"email": "b@x.com"}, headers=headers), 422, "idempotency_mismatch"
    )
    ended(client, first.json()["erasure_id"])
    wait_job(client, post_tickets(client, [ticket(2, description=ANNA)])["job_id"])
    assert get(client, "/api/tickets/T-2")["description"] == ANNA
    second = erased(client, ANNA.upper())
    assert second["earlier"] == first.json()["erasure_id"]
    assert second["digest"] == first.json()["digest"]
    assert counts(second)["tickets"] == 1
    listed = get(client, "/v1/erasures", limit=1)
    assert [each["erasure_id"] for each in listed["erasures"]] == [second["erasure_id"]]
    rest = get(client, "/v1/erasures", cursor=listed["next_cursor"])
    assert [each["erasure_id"] for each in rest["erasures"]] == [first.json()["erasure_id"]]
    trail = [each for each in everything(client, "/v1/audit", "audit") if each["object"] == "erasure"]
    assert [each["action"] for each in trail] == ["erasure.done", "erasure.begin"] * 2
    assert LOCAL not in json.dumps(trail)
    assert trail[0]["after"]["counts"]["tickets"] == 1


def test_those_who_ask_at_once_join(client: httpx2.Client) -> None:
    records = [ticket(number, description=f"{ANNA} {number}") for number in range(600)]
    wait_job(client, post_tickets(client, records)["job_id"])
    with ThreadPoolExecutor(4) as pool:
        ids = list(
            pool.map(
                lambda _: client.post("/v1/erasures", json={"email": ANNA}).json()["erasure_id"], range(4)
            )
        )
    found = [ended(client, each) for each in set(ids)]
    assert sum(each["counts"]["tickets"] for each in found) == 600
    assert get(client, "/api/search", q=LOCAL)["total"] == 0


def test_a_kill_in_the_middle_loses_nothing(own_box: BoxProcess, own: httpx2.Client) -> None:
    """With an index of full text that is not written anew in one slice."""
    records = [
        ticket(number, description=" ".join([ANNA, *(f"w{number}x{word}" for word in range(75))]))
        for number in range(800)
    ]
    wait_job(own, post_tickets(own, records)["job_id"])
    asking = threading.Thread(target=lambda: _try(own, "/v1/erasures", {"email": ANNA}))
    asking.start()
    with own_box.client() as other:

        def begun() -> bool:
            found = get(other, "/v1/erasures")["erasures"]
            return bool(found) and found[0]["counts"]["tickets"] > 0

        until(begun, "some of it is erased")
    own_box.kill()
    asking.join()
    left = traces(own_box.data)
    assert left
    own_box.start()
    done = ended(own, "1")
    assert counts(done) == {"tickets": 800, "records": 800, "deliveries": 800}
    assert traces(own_box.data) == {}
    assert get(own, "/v1/doctor")["ok"]
    versions = {
        each["object_id"]: each["version"] for each in get(own, "/v1/deliveries", limit=500)["deliveries"]
    }
    assert set(versions.values()) == {2}


def _try(client: httpx2.Client, path: str, body: object) -> None:
    try:
        client.post(path, json=body)
    except httpx2.TransportError:
        return


def test_a_file_that_is_still_coming_in_is_waited_for(own_box: BoxProcess, own: httpx2.Client) -> None:
    """Its worker has rows in hand as well: what it makes of them must not bring the person back."""
    wait_job(own, post_tickets(own, [ticket(1)])["job_id"])
    rows = "".join(
        f"F-{number},{'from ' + ANNA if number % 50 == 0 else 'none'}\n" for number in range(4_000)
    )
    sent = own.post("/api/upload", files={"file": ("f.csv", f"id,description\n{rows}".encode())})
    job = sent.raise_for_status().json()["job_id"]
    until(lambda: get(own, f"/api/job/{job}")["records_processed"] > 0, "some rows are done")
    with held(own_box):
        reply = own.post("/v1/erasures", json={"email": ANNA})
        assert reply.status_code == 202
        erasure = reply.json()["erasure_id"]
        until(lambda: get(own, f"/v1/erasures/{erasure}")["state"] == "waiting", "it waits")
    wait_job(own, job, 60)
    done = ended(own, erasure)
    assert counts(done)["files"] == 1
    assert get(own, f"/api/job/{job}")["records_processed"] == 4_000
    assert get(own, "/api/search", q=LOCAL)["total"] == 0
    assert traces(own_box.data) == {}
    assert get(own, "/v1/doctor")["ok"]


def test_records_in_a_workers_hands_do_not_come_back(own_box: BoxProcess, own: httpx2.Client) -> None:
    wait_job(own, post_tickets(own, [ticket(number) for number in range(500)])["job_id"])
    records = [ticket(number, description=f"{ANNA} {number}") for number in range(1_000)]
    job = post_tickets(own, records)["job_id"]
    under_way(own, job)
    with held(own_box):
        erased(own)
    assert settled(own, job)["counts"]["finished"] == 1_000
    assert get(own, "/api/search", q=LOCAL)["total"] == 0
    erased(own, "nobody@x.com")  # writes the log into the file
    assert traces(own_box.data) == {}
    assert get(own, "/v1/doctor")["ok"]


@pytest.mark.parametrize("share", [0.02, pytest.param(0.5, marks=pytest.mark.soak), 0.9])
def test_an_import_under_way_goes_on_without_the_person(
    own_box: BoxProcess, own: httpx2.Client, share: float
) -> None:
    """Loading, checking, or making contacts: rows that are blanked meanwhile are given up."""
    upload(own, "first", [row("zero@x.com")])
    people = [row(f"p{number}@x.com") for number in range(5_000)]
    people[int(len(people) * share)] = row(ANNA)
    people[3] = row("cy@x.com", company=f"c/o {ANNA}")
    text = "\n".join(["email,first_name,last_name,company", *people, ""])
    sent = own.post("/jobs/upload", files={"file": ("people.csv", text.encode())}).raise_for_status().json()
    done = erased(own)
    ((job),) = [each for each in get(own, "/v1/jobs")["jobs"] if each["name"] == "people.csv"]
    ended_job = settled(own, job["id"])
    assert ended_job["state"] == "completed"
    assert (ended_job["counts"]["finished"], ended_job["counts"]["discarded"]) in {(4_999, 1), (5_000, 0)}
    assert counts(done)["files"] == 1
    assert get(own, f"/jobs/{sent['job_id']}")["job_status"] == "COMPLETED"
    assert get(own, "/contacts", limit=1)["total"] == 5_000  # with the first one's
    assert own.get("/contacts", params={"email": ANNA}).status_code == 404
    assert get(own, "/contacts", email="cy@x.com")["contacts"][0]["contact_company"] == "c/o [erased]"
    erased(own, "nobody@x.com")  # writes the log into the file
    assert traces(own_box.data) == {}
    assert get(own, "/v1/doctor")["ok"]


def test_upstream_hears_of_it_and_never_of_what_was_not_delivered(tmp_path: Path) -> None:
    away = threading.Event()
    away.set()
    with upstream(lambda _: Answer(503) if away.is_set() else Answer()) as server:
        config = lane(server.url, batch_lines=2)
        with running(tmp_path, config=config) as box, box.client() as client:
            records = [ticket(number, description=ANNA if number % 2 else "x") for number in range(20)]
            wait_job(client, post_tickets(client, records)["job_id"])
            upload(client, "people", [row(ANNA), row("bob@x.com"), row("cy@x.com", company=ANNA)])
            until(lambda: lane_state(client)["state"] == "retrying", "the lane is held up")
            done = erased(client)
            sent = len(server.seen)
            away.clear()
            until(lambda: lane_state(client)["pending"] == 0, "all is delivered")
            lines = [line for batch in server.taken for line in batch.lines]
            assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
            # One batch may have been on its way.
            assert LOCAL not in json.dumps([batch.lines for batch in server.seen[sent + 1 :]])
            assert LOCAL not in json.dumps(lines)
            ops = [line["op"] for line in lines]
            assert ops.count("skip") == counts(done)["deliveries"] == 12
            newest = {(line["kind"], line["id"]): line for line in lines if line["op"] != "skip"}
            assert len(newest) == 23
            assert sorted(line["version"] for line in newest.values()) == [1] * 11 + [2] * 12
            assert [line["kind"] for line in lines if line["op"] == "delete"] == ["contact"]
            state = lane_state(client)
            assert state["enqueued"] == state["delivered"] + state["pending"] + state["parked"]
            assert state["discarded"] == 0
            assert get(client, "/v1/doctor")["ok"]


def test_what_a_lane_has_read_ahead_does_not_go_out(tmp_path: Path) -> None:
    go_on = threading.Event()
    with upstream(lambda number: Answer(hold=go_on) if number == 0 else Answer()) as server:
        config = lane(server.url, batch_lines=2, timeout_seconds=60.0)
        with running(tmp_path, config=config) as box, box.client() as client:
            records = [ticket(number, description=f"{ANNA} {number}") for number in range(20)]
            wait_job(client, post_tickets(client, records)["job_id"])
            until(lambda: server.seen, "the first batch is on its way")
            erased(client)
            go_on.set()
            until(lambda: lane_state(client)["delivered"] == 40, "all is delivered")
            assert LOCAL in json.dumps(server.taken[0].lines)
            assert LOCAL not in json.dumps([batch.lines for batch in server.taken[1:]])
            assert [seq for batch in server.taken for seq in batch.seqs] == list(range(1, 41))


def test_a_central_box_forgets_as_well(tmp_path: Path) -> None:
    with running(tmp_path / "central") as central, central.client() as there:
        config = lane(f"{central.url}/v1/sync/batches")
        config = config.replace("the-upstream-token", central.token(Role.FORWARDER))
        with running(tmp_path / "edge", config=config) as edge, edge.client() as here:
            for number, address in ((1, ANNA), (2, "zzotherquux@x.com")):
                called = {"id": f"{address}#1", "summary": "called by an address"}
                wait_job(here, post_tickets(here, [ticket(number, description=f"by {address}")])["job_id"])
                wait_job(here, post_tickets(here, [called])["job_id"])
                upload(here, f"people{number}", [row(address), row(f"bob{number}@x.com")])
            until(lambda: lane_state(here)["delivered"] == 8, "all is there")
            assert get(there, "/api/search", q=LOCAL)["total"] == 2
            erased(here)
            until(lambda: lane_state(here)["pending"] == 0, "the central box is told")
            assert get(there, "/api/search", q=LOCAL)["total"] == 0
            assert get(there, "/api/tickets/T-1")["description"] == "by [erased]"
            everyone = get(there, "/contacts", all="true")["contacts"]
            assert sorted(each["contact_email"] for each in everyone) == [
                "bob1@x.com",
                "bob2@x.com",
                "zzotherquux@x.com",
            ]
            # At the centre itself; the other box is not told.
            done = erased(there, "ZZOTHERQUUX@x.com")
            assert counts(done) == {"contacts": 1, "tickets": 2, "kept": 1}
            assert get(there, "/api/tickets/T-2")["description"] == "by [erased]"
            assert get(there, "/api/search", q="zzotherquux")["total"] == 0
            assert get(here, "/api/tickets/T-2")["description"] == "by zzotherquux@x.com"
            wait_job(here, post_tickets(here, [ticket(3)])["job_id"])
            until(lambda: lane_state(here)["pending"] == 0, "and it goes on")
            assert get(there, "/api/tickets")["total"] == 3
            assert get(there, "/v1/doctor")["ok"]
            connection = sqlite3.connect(central.data / "ingestbox.db")
            ((tombstones,),) = connection.execute("SELECT COUNT(*) FROM objects WHERE deleted = 1").fetchall()
            connection.close()
            assert tombstones == 4  # two contacts, and two tickets that were called by an address


def test_the_trail_lets_nothing_but_an_erasure_under_way_put_its_mark(
    own_box: BoxProcess, own: httpx2.Client
) -> None:
    own.post("/v1/keys", json={"name": "k", "roles": ["ingest"]}).raise_for_status()
    own_box.stop()
    connection = sqlite3.connect(own_box.data / "ingestbox.db", isolation_level=None)
    mark = """UPDATE audit SET after = '{"name":"[erased]"}' WHERE id = 1"""
    try:
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(mark)
        connection.execute(
            "INSERT INTO erasures (workspace, actor, digest, dry_run, state, last_job, place, position,"
            " created_ms, updated_ms) VALUES ('default', 'a', 'd', 0, 'running', 0, '', '[]', 0, 0)"
        )
        for other in (
            "UPDATE audit SET after = '{}' WHERE id = 1",
            "UPDATE audit SET after = NULL WHERE id = 1",
            "UPDATE audit SET actor = 'x', after = '[erased]' WHERE id = 1",
            "UPDATE audit SET at_ms = 1 WHERE id = 1",
            "DELETE FROM audit",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(other)
        connection.execute(mark)
    finally:
        connection.close()


def test_undoing_a_bulk_decision_brings_nobody_back(box: BoxProcess, client: httpx2.Client) -> None:
    review = upload(client, "people", [row(ANNA, last=""), row("bob@x.com", last="")])
    done = post(client, "/v1/issues/bulk", {"filter": {"job": review["id"]}, "rule": DISCARD})
    assert done["matched"] == 2
    assert counts(erased(client))["others"] == 1
    assert post(client, f"/v1/audit/{done['audit_id']}/undo")["restored"] == 1
    found = everything(client, f"/v1/jobs/{review['id']}/records", "records", payload="true")
    assert [each["state"] for each in found] == ["discarded", "issue"]
    assert LOCAL not in json.dumps(found)


def test_what_people_and_programs_write_in_by_the_way_goes_as_well(
    own_box: BoxProcess, own: httpx2.Client
) -> None:
    """Who resolved an issue, names of rules that are the same afterwards, the id that a request came with."""
    headers = {"X-Request-ID": f"for:{ANNA}", "Idempotency-Key": ANNA}
    review = upload(own, "people", [row("bob@x.com", last="")])
    ((found),) = open_issues(own, review["id"]).values()
    change = {"issue_resolved": True, "issue_resolved_by": ANNA}
    own.put(f"/issues/{found['id']}", json=change, headers=headers).raise_for_status()
    for name in (ANNA, ANNA.upper()):
        kept = {"family": "contacts", "code": "existing_email", "name": name, "rule": DISCARD}
        own.post("/v1/rules", json=kept, headers={"X-Request-ID": f"for:{ANNA}"}).raise_for_status()
    writes = {"set": {"field": "company", "value": f"c/o {ANNA}"}}
    kept = {"family": "contacts", "code": "missing_required_field", "name": "writes", "rule": writes}
    own.post("/v1/rules", json=kept).raise_for_status()
    reply = own.post("/v1/erasures", json={"email": ANNA}, headers=headers)
    done = ended(own, reply.json()["erasure_id"])
    assert counts(done) == {"issues": 1, "answers": 1, "audit": 4, "others": 3}
    names = [each["name"] for each in get(own, "/v1/rules")["rules"]]  # without the one that would write it
    assert len(set(names)) == 2
    assert all(name.startswith("[erased]-") for name in names)
    erased(own, "nobody@x.com")  # writes the log into the file
    assert traces(own_box.data) == {}


def test_one_that_cannot_go_on_does_not_hold_up_the_others(own_box: BoxProcess, own: httpx2.Client) -> None:
    wait_job(own, post_tickets(own, [ticket(1, description=f"{ANNA}, bob@x.com")])["job_id"])
    own_box.stop()
    connection = sqlite3.connect(own_box.data / "ingestbox.db", isolation_level=None)
    try:
        connection.execute(
            "INSERT INTO erasures (workspace, actor, address, digest, dry_run, state, last_job, place,"
            " position, created_ms, updated_ms)"
            " VALUES ('default', 'a', ?, 'd', 0, 'running', 9, 'records', '[{}]', 0, 0)",
            (ANNA,),
        )
    finally:
        connection.close()
    own_box.start()
    assert counts(erased(own, "bob@x.com"))["tickets"] == 1


def test_a_damaged_record_of_somebody_else_stays_as_it_is(own_box: BoxProcess, own: httpx2.Client) -> None:
    """It looks as if an address might be in it: it has an escape."""
    raw = b'{"records":[{"id":"D-1","summary":"a\\u00a0b"},{"id":"D-2","summary":" "}]}'
    sent = own.post("/api/data-ingest", content=raw, params={"mode": "partial"}, headers=JSON)
    wait_job(own, sent.raise_for_status().json()["job_id"])
    own_box.stop()
    connection = sqlite3.connect(own_box.data / "ingestbox.db", isolation_level=None)
    try:
        connection.execute("UPDATE records SET crc = crc + 1")
        before = connection.execute("SELECT id, key, state, payload, crc FROM records").fetchall()
        own_box.start()
        assert counts(erased(own)) == {}
        assert connection.execute("SELECT id, key, state, payload, crc FROM records").fetchall() == before
    finally:
        connection.close()


def test_a_row_that_was_blanked_can_be_somebody_elses_again(box: BoxProcess, client: httpx2.Client) -> None:
    review = upload(client, "people", [row(ANNA, last=""), row("bob@x.com", last="")])
    erased(client)
    found = everything(client, f"/v1/jobs/{review['id']}/records", "records", payload="true")
    blank = found[0]
    assert (blank["state"], blank["payload"]) == (
        "discarded",
        {"_note": "Erased on request", "_row": {"line": 2, "row": 1}},
    )
    whole = {"email": "cy@x.com", "first_name": "Cy", "last_name": "Lee", "company": "Acme"}
    client.patch(f"/v1/records/{blank['id']}", json=whole).raise_for_status()
    bob = {"last_name": "Lee"}
    client.patch(f"/v1/records/{found[1]['id']}", json=bob).raise_for_status()
    post(client, f"/v1/jobs/{review['id']}/reprocess")
    assert settled(client, review["id"])["state"] == "completed"
    made = [each["contact_email"] for each in get(client, "/contacts")["contacts"]]
    assert made == ["bob@x.com", "cy@x.com"]
