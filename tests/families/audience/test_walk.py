"""Random walks over all that can happen to uploads: whatever it was, the box says what is so, and in the end
upstream has what it says."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ingestbox.families.audience.segments.shapes import SEGMENTS
from ingestbox.families.audience.shapes import PATH
from ingestbox.model import Role
from ingestbox.store import DATABASE
from tests.families.audience.walking import Central, Json, Model, Segment, Upload, apart, upstream
from tests.harness import PATIENCE, BoxProcess, until
from tests.store import apart as stored

ALL = {"all": "true"}
ADDRESSES = [f"zz{letter}@example.com" for letter in "abcdefgh"]
COUNTRIES = ("DE", "FR", "vn")
FILTERS: tuple[Json | None, ...] = (
    None,
    {"field": "country", "op": "=", "value": "de"},
    {"field": "country", "op": "!=", "value": "FR"},
    {"field": "n", "op": ">=", "value": 5},
)
UNDER_WAY = (
    "SELECT 1 FROM departed UNION ALL SELECT 1 FROM job_deletions UNION ALL SELECT 1 FROM job_changes"
    " UNION ALL SELECT 1 FROM records WHERE state = 'pending'"
    " UNION ALL SELECT 1 FROM jobs WHERE owner IS NOT NULL OR state IN ('queued', 'running', 'receiving')"
    " UNION ALL SELECT 1 FROM erasures WHERE done_ms IS NULL"
)


class Walk:
    """One walk, on a box of its own."""

    def __init__(self, seed: int, folder: Path, central: Central) -> None:
        self.rng = random.Random(seed)
        self.central = central
        chunks = self.rng.choice([3, 20, 500])
        settings = f"{central.lane()}\n[work]\nchunk_records = {chunks}\nchildren = 1\n"
        self.box = BoxProcess(folder / "box", config=settings)
        self.model = Model()
        self.told: list[str] = []
        self.keys = 0
        self.sent: dict[str, tuple[str, Json, str]] = {}
        self.clients: dict[str, httpx2.Client] = {}

    # The box.

    def start(self) -> None:
        self.leave()
        self.box.start()
        for name, role in (("anna", Role.UPLOADER), ("boris", Role.UPLOADER), ("ada", Role.ADMIN)):
            self.clients[name] = httpx2.Client(
                base_url=self.box.url,
                headers={"Authorization": f"Bearer {self.box.token(role, subject=name)}"},
                timeout=PATIENCE,
                trust_env=False,
                verify=False,
            )

    def leave(self) -> None:
        for client in self.clients.values():
            client.close()
        self.clients.clear()

    def end(self) -> None:
        self.leave()
        self.box.close()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return stored.rows(self.box.data / DATABASE, sql)

    @property
    def admin(self) -> httpx2.Client:
        return self.clients["ada"]

    def run(self, moves: int, quiet: int) -> None:
        self.start()
        try:
            for number in range(moves):
                self.move()
                if number % quiet == quiet - 1:
                    self.at_rest()
            self.last()
        finally:
            self.end()

    def move(self) -> None:
        often = [self.post, self.post, self.post, self.edit, self.edit, self.segment, self.change_segment]
        some = [self.delete, self.delete, self.reprocess, self.discard, self.retry, self.fault, self.heal]
        rare = [self.cancel, self.erase, self.repeat, self.drop_segment, self.crash, self.restart, self.storm]
        move: Callable[[], Any] = self.rng.choice([*often * 2, *some * 2, *rare])
        self.say(move.__name__)
        move()

    def say(self, what: str) -> None:
        self.told.append(what)

    # What is picked.

    def upload(self) -> Upload | None:
        found = list(self.model.uploads.values())
        return self.rng.choice(found) if found else None

    def record(self) -> Json:
        rng = self.rng
        made: Json = {"country": rng.choice(COUNTRIES), "n": rng.choice(["3", "7", "11"])}
        which = rng.random()
        if which < 0.7:
            made[rng.choice(["business_email", "email"])] = rng.choice(ADDRESSES)
        elif which < 0.9:
            made = {"domain": rng.choice(["acme.example", "other.example"])}
            if rng.random() < 0.3:
                made["note"] = f"ask {rng.choice(ADDRESSES)}"
        else:
            made["business_email"] = f"no address {rng.choice('xy')}"
        if rng.random() < 0.2:
            made["note"] = f"knows {rng.choice(ADDRESSES)}"
        return made

    def many(self) -> int:
        return self.rng.choice([1, 2, 5, 12, 12, 40, 40, 170, 350])

    # Moves.

    def post(
        self, owner: str | None = None, key: str | None = None, client: httpx2.Client | None = None
    ) -> None:
        owner = owner or self.rng.choice(["anna", "boris"])
        sort = self.rng.choice(["json", "partial", "csv"])
        records = [self.record() for _ in range(self.many())]
        states = ["open"] * len(records)
        if sort == "partial":
            for index in range(1, len(records)):
                if self.rng.random() < 0.15:
                    records[index] = {"country": "DE", "note": f"of {self.rng.choice(ADDRESSES)}"}
                    states[index] = "issue"
        if key is None and self.rng.random() < 0.4:
            self.keys += 1
            key = f"k{self.keys}"
        request = self.request(sort, records, f"list {len(self.told)}", key)
        reply = (client or self.clients[owner]).post(PATH, **request)
        assert reply.status_code == 200, reply.text
        made = reply.json()["upload_id"]
        self.model.uploads[made] = Upload(made, owner, f"list {len(self.told)}", list(records), states)
        if key is not None:
            self.sent[key] = (owner, request, made)

    def request(self, sort: str, records: list[Json], name: str, key: str | None) -> Json:
        headers = {} if key is None else {"Idempotency-Key": key}
        if sort != "csv":
            params = {"mode": "partial"} if sort == "partial" else {}
            return {"json": {"upload_name": name, "records": records}, "params": params, "headers": headers}
        names = sorted({name for record in records for name in record})
        text = io.StringIO()
        writer = csv.DictWriter(text, names)
        writer.writeheader()
        for record in records:
            writer.writerow(record)
            for missing in names:
                record.setdefault(missing, "")
        headers["Content-Type"] = "text/csv"
        return {"content": text.getvalue(), "params": {"upload_name": name}, "headers": headers}

    def repeat(self) -> None:
        """What came before under a key is not made once more, whatever became of it."""
        if self.sent:
            owner, request, made = self.rng.choice(sorted(self.sent.values(), key=lambda each: each[2]))
            reply = self.clients[owner].post(PATH, **request)
            assert (reply.status_code, reply.json()["upload_id"]) == (200, made), reply.text

    def delete(self) -> None:
        if (upload := self.upload()) is None:
            return
        by, params = self.rng.choice([(upload.owner, {}), (upload.owner, {}), ("ada", ALL)])
        reply = self.clients[by].delete(f"{PATH}/{upload.id}", params=params)
        assert reply.status_code == 200, reply.text
        self.gone(upload)

    def gone(self, upload: Upload) -> None:
        del self.model.uploads[upload.id]
        self.model.deleted.add(upload.id)

    def issues(self) -> list[Json]:
        found: list[Json] = self.admin.get(
            "/v1/issues", params={**ALL, "state": "open", "limit": 200}
        ).json()["issues"]
        return [each for each in found if each["job"] in self.model.uploads]

    def edit(self) -> None:
        """Of one that waits, or whose line an upstream refused."""
        if found := self.issues():
            issue = self.rng.choice(found)
            record, index = issue["record"], int(issue["record"]) & (1 << 24) - 1
            patch = {"business_email": self.rng.choice(ADDRESSES), "country": self.rng.choice(COUNTRIES)}
            reply = self.admin.patch(f"/v1/records/{record}", json=patch, params=ALL)
            self.say(f"({reply.status_code})")
            if reply.status_code != 200:
                assert reply.status_code == 409, reply.text
                return
            upload = self.model.uploads[issue["job"]]
            assert upload.states[index] in ("open", "issue")
            upload.records[index] = {**upload.records[index], **patch}
            upload.states[index] = "open"

    def discard(self) -> None:
        """Of one that waits."""
        if found := [each for each in self.issues() if each["code"] != "delivery_refused"]:
            issue = self.rng.choice(found)
            reply = self.admin.post(
                f"/v1/issues/{issue['id']}/resolve", json={"action": "discard"}, params=ALL
            )
            self.say(f"({reply.status_code})")
            assert reply.status_code in (200, 409), reply.text
            if reply.status_code == 200:
                index = int(issue["record"]) & (1 << 24) - 1
                self.model.uploads[issue["job"]].states[index] = "discarded"

    def retry(self) -> None:
        """One that waits does so still; a refused line is sent again."""
        if found := self.issues():
            issue = self.rng.choice(found)
            reply = self.admin.post(f"/v1/issues/{issue['id']}/resolve", json={"action": "retry"}, params=ALL)
            self.say(f"({reply.status_code})")
            assert reply.status_code in (200, 409, 422), reply.text

    def reprocess(self) -> None:
        if (upload := self.upload()) is not None:
            params = {**ALL, "records": self.rng.choice(["all", "all", "issues"])}
            reply = self.admin.post(f"/v1/jobs/{upload.id}/reprocess", params=params)
            self.say(f"({reply.status_code})")
            assert reply.status_code in (200, 409), reply.text

    def cancel(self) -> None:
        """Soon after it came in, or while it is processed again."""
        upload = self.upload()
        if self.rng.random() < 0.4:
            self.post()
            upload = list(self.model.uploads.values())[-1]
        elif upload is not None and self.rng.random() < 0.7:
            place, params = f"/v1/jobs/{upload.id}/reprocess", {**ALL, "records": "all"}
            self.say(f"({self.admin.post(place, params=params).status_code})")
        if upload is not None:
            reply = self.admin.post(f"/v1/jobs/{upload.id}/cancel", params=ALL)
            self.say(f"({reply.status_code})")
            assert reply.status_code in (200, 409), reply.text
            if reply.status_code == 200 and not upload.cancelled:
                self.cancelled(upload)

    def cancelled(self, upload: Upload) -> None:
        """How far it was nobody knows but the box."""
        upload.cancelled = True
        ((job, state),) = self.rows(f"SELECT id, state FROM jobs WHERE public_id = '{upload.id}'")
        assert state == "cancelled"
        found = self.rows(
            f"SELECT state FROM records WHERE id >= {job << 24} AND id < {(job + 1) << 24} ORDER BY id"
        )
        for index, (now,) in enumerate(found):
            assert now in ("done", "discarded"), now
            assert now == "discarded" or upload.states[index] == "open"
            if now == "discarded":
                upload.states[index] = "discarded"

    def erase(self) -> None:
        address = self.rng.choice(ADDRESSES)
        reply = self.admin.post("/v1/erasures", json={"email": address})
        assert reply.status_code in (200, 202), reply.text
        self.finish(reply.json()["erasure_id"])
        self.erased(address)

    def finish(self, erasure: str) -> None:
        def done() -> bool:
            found = self.admin.get(f"/v1/erasures/{erasure}").json()
            return bool(found["state"] == "done")

        until(done, "the erasure is done")

    def erased(self, address: str) -> None:
        for upload in self.model.uploads.values():
            upload.erase(address)
        self.sent.clear()  # a repeat would bring the person back

    def segment(self) -> None:
        if (upload := self.upload()) is None:
            return
        frozen, forward = self.rng.random() < 0.4, self.rng.random() < 0.6
        name, wanted = f"s{len(self.told)}", self.rng.choice(FILTERS)
        body = {"name": name, "filter": wanted, "frozen": frozen}
        place = f"{PATH}/{upload.id}/segments"
        reply = self.clients[upload.owner].post(place, json={**body, "forward": forward})
        self.say(f"({reply.status_code})")
        if reply.status_code == 409:
            assert frozen or forward
            return
        assert reply.status_code == 200, reply.text
        made = reply.json()["segment"]
        rows = upload.passing(wanted)
        segment = Segment(made["segment_id"], name, wanted, rows if frozen else None, forward)
        upload.segments[segment.id] = segment
        self.tell(upload, segment)

    def tell(self, upload: Upload, segment: Segment) -> None:
        rows = upload.passing(segment.filter) if segment.rows is None else segment.rows
        count = len(rows) if segment.rows is None else len(set(rows) & set(upload.listed))
        result = {"count": count} if segment.rows is None else {"count": count, "rows": rows}
        segment.told = result if segment.forward else None

    def segments(self) -> list[tuple[Upload, Segment]]:
        return [(each, one) for each in self.model.uploads.values() for one in each.segments.values()]

    def change_segment(self) -> None:
        if found := self.segments():
            upload, segment = self.rng.choice(found)
            body: Json = self.rng.choice(
                [
                    {"name": f"n{len(self.told)}"},
                    {"forward": not segment.forward},
                    {"frozen": True},
                    {"frozen": False},
                ]
            )
            reply = self.clients[upload.owner].patch(f"{SEGMENTS}/{segment.id}", json=body)
            self.say(f"({reply.status_code} {body})")
            if reply.status_code == 409:
                return
            assert reply.status_code == 200, reply.text
            if body == {"frozen": False} and segment.rows is None:
                return  # nothing is another
            segment.name = body.get("name", segment.name)
            segment.forward = body.get("forward", segment.forward)
            if "frozen" in body:
                segment.rows = upload.passing(segment.filter) if body["frozen"] else None
            self.tell(upload, segment)

    def drop_segment(self) -> None:
        if found := self.segments():
            upload, segment = self.rng.choice(found)
            reply = self.clients[upload.owner].delete(f"{SEGMENTS}/{segment.id}")
            assert reply.status_code == 200, reply.text
            del upload.segments[segment.id]

    def fault(self) -> None:
        self.central.fault = self.rng.choice(["down", "cut", "refuse", "refuse", "refuse"])

    def heal(self) -> None:
        self.central.fault = "none"

    def restart(self) -> None:
        assert self.box.stop() == 0
        self.start()

    def crash(self) -> None:
        """While something is under way, of which nobody hears how it went."""
        upload, erased = self.upload(), None
        work: list[Callable[[], Any]] = []
        if upload is not None:
            client, path = self.clients[upload.owner], f"{PATH}/{upload.id}"
            if self.rng.random() < 0.7:
                work.append(lambda: client.delete(path))
            else:
                other = self.rng.choice(ADDRESSES)
                erased, admin = other, self.admin
                work.append(lambda: admin.post("/v1/erasures", json={"email": other}))
        threads = [threading.Thread(target=self.quietly, args=(each,)) for each in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(self.rng.choice([0, 0.004, 0.01, 0.02, 0.05, 0.1]))
        self.box.kill()
        for thread in threads:
            thread.join()
        self.start()
        if erased is not None:  # whatever came of it, it is asked for again
            reply = self.admin.post("/v1/erasures", json={"email": erased})
            self.finish(reply.json()["erasure_id"])
            self.erased(erased)
        elif upload is not None:
            reply = self.clients[upload.owner].get(f"{PATH}/{upload.id}", params={"limit": 1})
            self.say(f"({reply.status_code})")
            if reply.status_code == 404:
                self.gone(upload)
            else:
                assert reply.status_code == 200, reply.text

    def quietly(self, call: Callable[[], Any]) -> None:
        with contextlib.suppress(httpx2.HTTPError):
            call()

    def storm(self) -> None:
        """All at once of one upload that is deleted: whatever is first, nothing of it is left."""
        if (upload := self.upload()) is None:
            return
        path, owner, other = f"{PATH}/{upload.id}", self.clients[upload.owner], self.rng.choice(ADDRESSES)
        others: list[Callable[[], Any]] = [
            lambda: owner.post(f"{path}/segments", json={"name": "late", "forward": True}),
            lambda: owner.post(f"{path}/segments", json={"name": "late", "frozen": True, "forward": True}),
            lambda: self.admin.post(f"/v1/jobs/{upload.id}/reprocess", params={**ALL, "records": "all"}),
            lambda: self.admin.post(f"/v1/jobs/{upload.id}/cancel", params=ALL),
            lambda: self.admin.post(
                "/v1/issues/bulk", json={"action": "discard", "job": upload.id}, params=ALL
            ),
            *[
                lambda each=each: owner.patch(f"{SEGMENTS}/{each}", json={"frozen": True, "forward": True})
                for each in upload.segments
            ],
            *[
                lambda each=each: self.admin.patch(
                    f"/v1/records/{each['record']}", json={"business_email": other}, params=ALL
                )
                for each in self.issues()
                if each["job"] == upload.id
            ][:3],
        ]
        erasing: list[str] = []
        if self.rng.random() < 0.4:

            def erase() -> None:
                reply = self.admin.post("/v1/erasures", json={"email": other})
                erasing.append(reply.json()["erasure_id"])

            others.append(erase)
        work = [*self.rng.sample(others, min(len(others), 4)), lambda: owner.delete(path)]
        self.rng.shuffle(work)
        threads = [threading.Thread(target=self.quietly, args=(each,)) for each in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.gone(upload)
        if erasing:
            self.finish(erasing[0])
            self.erased(other)

    # What is so.

    def at_rest(self) -> None:
        """Nothing is under way: what the box says is what the model says."""
        self.say("|")
        until(lambda: not self.rows(UNDER_WAY), "nothing is under way", 30)
        stored.right(self.box.data / DATABASE, settled=True)
        self.counted()
        for upload in self.model.uploads.values():
            self.as_it_is(upload)
        for each in sorted(self.model.deleted)[-5:]:
            assert self.admin.get(f"{PATH}/{each}", params=ALL).status_code == 404
        for owner in ("anna", "boris"):
            mine = {each.id: each for each in self.model.uploads.values() if each.owner == owner}
            found = self.clients[owner].get(PATH).json()
            assert found["total"] == len(mine)
            assert sorted(each["upload_id"] for each in found["uploads"]) == sorted(mine)
            for line in found["uploads"]:
                self.numbers(mine[line["upload_id"]], line)
            segments = self.clients[owner].get(SEGMENTS).json()
            assert segments["total"] == sum(len(each.segments) for each in mine.values())
        findings = self.admin.get("/v1/doctor").raise_for_status().json()["findings"]
        wrong = [each for each in findings if not each["ok"] and each["name"] not in ("disk", "alarms")]
        wrong = [each for each in wrong if not each["name"].startswith("alarm")]
        assert not wrong, wrong

    def numbers(self, upload: Upload, line: Json) -> None:
        listed = upload.count("open")
        found = (line["rows_received"], line["rows_stored"], line["rows_processed"], line["upload_name"])
        assert found == (len(upload.records), listed, listed, upload.name)

    def as_it_is(self, upload: Upload) -> None:
        client, path, listed = self.clients[upload.owner], f"{PATH}/{upload.id}", upload.listed
        whole = client.get(path).raise_for_status().json()
        self.numbers(upload, whole)
        assert whole["indexes"] == listed
        assert whole["records"] == [upload.records[index] for index in listed]
        assert "damaged" not in whole
        wanted = self.rng.choice(FILTERS[1:])
        part = client.get(path, params={"filter": json.dumps(wanted), "limit": 500}).raise_for_status().json()
        assert part["indexes"] == upload.passing(wanted)
        assert part["total"] == len(part["indexes"])
        for segment in upload.segments.values():
            found = client.get(f"{SEGMENTS}/{segment.id}").raise_for_status().json()
            among = upload.passing(segment.filter)
            if segment.rows is not None:
                among = [index for index in segment.rows if index in set(listed)]
            assert found["indexes"] == among
            now = found["segment"]
            assert (now["count"], now["frozen"]) == (len(among), segment.rows is not None)
            assert (now["name"], now["filter"], now["forward"]) == (
                segment.name,
                segment.filter,
                segment.forward,
            )

    def counted(self) -> None:
        """Jobs count what there is, and each result is right."""
        jobs = self.rows(
            "SELECT j.public_id, j.state, j.total, j.processed, j.issues, j.discarded, SUM(r.state = 'done'),"
            " SUM(r.state = 'issue'), SUM(r.state = 'discarded'), COUNT(*) FROM jobs AS j"
            " JOIN records AS r ON r.id >= j.id << 24 AND r.id < (j.id + 1) << 24 GROUP BY j.id"
        )
        for public_id, state, total, processed, issues, discarded, done, waiting, gone, count in jobs:
            assert (total, processed, issues, discarded) == (count, count, waiting, gone), public_id
            assert done + waiting + gone == count, public_id
            upload = self.model.uploads.get(public_id)
            if upload is None:
                assert (state, gone) == ("cancelled", count), public_id
            else:
                assert (done, waiting, gone) == tuple(map(upload.count, ("open", "issue", "discarded"))), (
                    public_id
                )
        found = self.rows("SELECT object_id, CAST(result AS TEXT) FROM audience_records")
        results = {object_id: json.loads(text) for object_id, text in found}
        facts = self.model.facts()
        assert results.keys() == facts.keys()
        apart(self.model, {name: each["_duplicate_of"] for name, each in results.items()})
        for name, (known, _) in facts.items():
            assert {**known, "_duplicate_of": results[name]["_duplicate_of"]} == results[name], name

    def last(self) -> None:
        """The upstream takes everything: it has what the box has."""
        self.central.fault = "none"
        self.at_rest()
        self.restart()  # so that the lane does not rest any more after what failed
        self.admin.post("/v1/lanes/central/parked/retry", params=ALL).raise_for_status()
        until(
            lambda: (
                not self.rows("SELECT 1 FROM parked WHERE state <> 'discarded'")
                and self.admin.get("/v1/lanes", params=ALL).json()["lanes"][0]["pending"] == 0
            ),
            "the lane is drained",
            30,
        )
        assert not self.central.wrong
        there = list(self.central.objects.items())
        live = {place: line for place, (_, line) in there if line["op"] == "put"}
        mine: dict[tuple[str, str], Json] = {}
        results = dict(self.rows("SELECT object_id, CAST(result AS TEXT) FROM audience_records"))
        for upload in self.model.uploads.values():
            for index in upload.listed:
                name = f"{upload.id}/{index}"
                mine["record", name] = {"record": upload.records[index], "result": json.loads(results[name])}
            for each in upload.segments.values():
                if each.forward:
                    record = {"name": each.name, "upload_id": upload.id, "filter": each.filter}
                    mine["segment", each.id] = {
                        "record": {**record, "frozen": each.rows is not None},
                        "result": each.told,
                    }
        assert live.keys() == mine.keys()
        for place, line in live.items():
            assert {name: line[name] for name in ("record", "result")} == mine[place], place


def walk(seed: int, folder: Path, moves: int, quiet: int) -> None:
    with upstream(random.Random(seed)) as central:
        made = Walk(seed, folder, central)
        try:
            made.run(moves, quiet)
        except BaseException:
            print(f"seed {seed}:", " ".join(made.told))  # noqa: T201 - to walk it again
            raise


@pytest.mark.parametrize("seed", range(2))
def test_whatever_happens_it_is_told_as_it_is(tmp_path: Path, seed: int) -> None:
    walk(seed, tmp_path, 10, 10)


@pytest.mark.soak
def test_whatever_happens_for_long(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**9)
    for each in range(seed, seed + 50):
        walk(each, tmp_path / str(each), 120, 12)
