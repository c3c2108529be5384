"""Many who decide about one import at once, and decisions that are only tried: what the store holds then."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from ingestbox.store import DATABASE
from ingestbox.store.engine import connect_writer
from tests.harness import BoxProcess, running, until
from tests.web.v1.imports import person, records, row, still, upload
from tests.web.v1.support import Json, get, post

BULK = "/v1/issues/bulk"
RULES: tuple[Json, ...] = (
    {"keep": "most_complete"},
    {"discard": "all"},
    {"set": {"field": "company", "value": "ACME"}},
    {"set": {"field": "email", "value": "one@x.com", "only_blank": False}},
    {"clean": ["trim", "lower"], "fields": ["email", "company", "first_name"]},
)
LINES = [
    *(row(f"twin{number // 2}@x.com", company=f"C{number}") for number in range(20)),
    *(row(f"Blank{number}@x.com", company="") for number in range(10)),
    *(row(f"wrong {number}", first=" Anna  Maria ") for number in range(10)),
]

REFUSALS = {
    "job_not_waiting", "record_changed", "record_not_waiting", "issue_resolved", "job_active", "job_ended",
    "validation_failed", "precondition_failed",
}  # fmt: skip


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    """A box that nobody else asks for anything."""
    with running(tmp_path_factory.mktemp("races")) as box:
        yield box


def dump(box: BoxProcess) -> list[str]:
    """All rows of all tables, but for the box's own, which has the time."""
    tables = [
        str(row[0])
        for row in rows_of(
            box, "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%'"
        )
    ]
    return [
        f"{table} {row}"
        for table in sorted(tables)
        if table != "box"
        for row in rows_of(box, f'SELECT * FROM "{table}"')
    ]


def rows_of(box: BoxProcess, sql: str) -> list[tuple[object, ...]]:
    connection = connect_writer(box.data / DATABASE)
    try:
        return list(connection.execute(sql).fetchall())
    finally:
        connection.close()


def check(box: BoxProcess) -> None:
    """All that is counted is what a recount gives."""
    counted = {
        f"j.{column}": f"SELECT COUNT(*) FROM records AS r WHERE r.id >> 24 = j.id AND r.state {states}"
        for column, states in (
            ("issues", "= 'issue'"),
            ("discarded", "= 'discarded'"),
            ("processed", "<> 'pending'"),
        )
    }
    seen = "SELECT COUNT(*) FROM issues AS i WHERE i.job_id = j.id"
    counted |= {"s.issues_seen": seen, "s.open_issues": f"{seen} AND i.resolved_ms IS NULL"}
    for kept, recount in counted.items():
        wrong = (
            f"SELECT j.id FROM jobs AS j JOIN staged_jobs AS s ON s.job_id = j.id WHERE {kept} <> ({recount})"
        )
        assert not rows_of(box, wrong), kept
    assert not rows_of(
        box,
        "SELECT 1 FROM issue_records AS l JOIN records AS r ON r.id = l.record_id"
        " WHERE l.given_up <> (r.state = 'discarded')",
    )
    assert not rows_of(
        box,
        "SELECT 1 FROM staged_keys AS k JOIN records AS r ON r.id = k.record_id"
        " WHERE r.key <> k.key OR r.state = 'discarded'",
    )


@pytest.mark.parametrize("rule", RULES)
def test_a_trial_changes_nothing_at_all(own: BoxProcess, rule: Json) -> None:
    with person(own, f"dry-{RULES.index(rule)}") as ann:
        job = upload(ann, "dry", LINES)
        before = dump(own)
        told = post(ann, BULK, {"rule": rule, "filter": {"job": job["id"]}, "dry_run": True})
        assert told["audit_id"] is None
        assert told["changed"] + told["discarded"] > 0
        for action in ("discard", "retry"):
            post(ann, BULK, {"action": action, "filter": {"job": job["id"]}, "dry_run": True})
        assert not set(dump(own)).symmetric_difference(before)


class Crowd:
    """People who do anything to the rows of one import."""

    def __init__(self, box: BoxProcess, job: Json, seed: int) -> None:
        self.box, self.job, self.seed = box, job, seed
        self.undos: list[str] = []

    def act(self, number: int) -> None:
        chance = random.Random(f"{self.seed}-{number}")
        with person(self.box, "crowd") as ann:
            for _ in range(12):
                getattr(self, chance.choice(("rule", "rule", "edit", "put", "undo", "resolve", "go_on")))(
                    ann, chance
                )

    def rule(self, ann: httpx2.Client, chance: random.Random) -> None:
        body = {
            "rule": chance.choice(RULES),
            "filter": {"job": self.job["id"]},
            "reprocess": chance.random() < 0.2,
        }
        told = post(ann, BULK, body)
        if told["audit_id"]:
            self.undos.append(told["audit_id"])

    def undo(self, ann: httpx2.Client, chance: random.Random) -> None:
        if self.undos:
            post(ann, f"/v1/audit/{chance.choice(self.undos)}/undo")

    def edit(self, ann: httpx2.Client, chance: random.Random) -> None:
        each = chance.choice(records(ann, self.job["id"]))
        body = {"email": f"p{chance.randrange(5)}@x.com", "company": "P", "first_name": "P"}
        self.fine(ann.patch(f"/v1/records/{each['id']}", json=body))

    def put(self, ann: httpx2.Client, chance: random.Random) -> None:
        each = chance.choice(records(ann, self.job["id"]))
        state = chance.choice(("READY", "DISCARD", "ISSUE"))
        self.fine(ann.put(f"/staging/{each['id']}", json={"staging_status": state, "staging_company": "Put"}))

    def resolve(self, ann: httpx2.Client, chance: random.Random) -> None:
        found = get(ann, "/v1/issues", job=self.job["id"])["issues"]
        each = chance.choice(found)
        self.fine(
            ann.post(f"/v1/issues/{each['id']}/resolve", json={"action": chance.choice(("discard", "retry"))})
        )

    def go_on(self, ann: httpx2.Client, chance: random.Random) -> None:
        # One row stays wrong, so that the import does not end.
        first = records(ann, self.job["id"])[-1]
        self.fine(
            ann.put(f"/staging/{first['id']}", json={"staging_status": "READY", "staging_email": "never"})
        )
        self.fine(ann.post(f"/v1/jobs/{self.job['id']}/reprocess"))

    def fine(self, reply: httpx2.Response) -> None:
        assert reply.is_success or reply.json()["code"] in REFUSALS, reply.text


@pytest.mark.parametrize("seed", range(3))
def test_whatever_many_do_at_once_the_counts_are_right(own: BoxProcess, seed: int) -> None:
    with person(own, "crowd") as ann:
        job = upload(ann, f"crowd-{seed}", [*LINES, row(f"seed{seed}@x.com"), row("never")])
        crowd = Crowd(own, job, seed)
        with ThreadPoolExecutor(6) as threads:
            list(threads.map(crowd.act, range(6)))
        still(ann, job["id"])
        check(own)
        for audit_id in crowd.undos[::-1]:
            first = post(ann, f"/v1/audit/{audit_id}/undo")
            again = post(ann, f"/v1/audit/{audit_id}/undo")
            assert again["restored"] == first["restored"]
        check(own)
        if still(ann, job["id"])["state"] == "review":
            post(ann, f"/v1/jobs/{job['id']}/reprocess")
            still(ann, job["id"])
            check(own)
        assert [each["index"] for each in records(ann, job["id"])] == list(range(42))


def test_of_two_bulks_at_once_each_row_is_changed_by_one(own: BoxProcess) -> None:
    with person(own, "pair") as ann:
        job = upload(ann, "pair", [row(f"q{number}@x.com", company="") for number in range(300)])
        bodies = [
            {
                "rule": {"set": {"field": "company", "value": value}},
                "filter": {"job": job["id"]},
            }
            for value in ("One", "Two")
        ]
        with ThreadPoolExecutor(2) as threads:
            told = list(threads.map(lambda body: post(ann, BULK, body), bodies))
        assert told[0]["changed"] + told[1]["changed"] == 300
        companies = [each["payload"]["company"] for each in records(ann, job["id"], payload="true")]
        assert [companies.count("One"), companies.count("Two")] == [each["changed"] for each in told]
        check(own)
        for each in told:
            if each["audit_id"] is not None:
                with ThreadPoolExecutor(3) as threads:
                    undone = list(
                        threads.map(
                            lambda _, audit_id=each["audit_id"]: post(ann, f"/v1/audit/{audit_id}/undo"),
                            range(3),
                        )
                    )
                assert {each["restored"] for each in undone} <= set(range(301))
                assert post(ann, f"/v1/audit/{each['audit_id']}/undo")["restored"] == each["changed"]
        assert {each["payload"]["company"] for each in records(ann, job["id"], payload="true")} == {""}
        check(own)
        lines = rows_of(own, "SELECT COUNT(*) FROM audit WHERE action = 'rule.undo' AND actor = 'local:pair'")
        assert lines == [(300,)]
        until(lambda: still(ann, job["id"]), "it waits")
