"""Random walks over all that can happen to articles: whatever it was, the box says what is so, search finds
what is there and nothing else, and in the end upstream has what it is to have."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import threading
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ingestbox.families.knowledge.shapes import PATH
from ingestbox.families.knowledge.sources.shapes import STATUSES, TYPES
from ingestbox.model import EVERYWHERE, Role
from ingestbox.store import DATABASE
from tests.families.audience.walking import Central, upstream
from tests.families.knowledge.deciding import POOR
from tests.families.knowledge.support import BULK, UNLIMITED, UPLOAD, article, status, text
from tests.families.knowledge.walking import (
    INVALID,
    Content,
    Json,
    Model,
    having,
    is_valid,
    key_of,
    sound,
    state_of,
    whole,
)
from tests.harness import PATIENCE, BoxProcess, until
from tests.store import apart

ALL = {"all": "true"}
WORKSPACES = ("default", "there")
SOURCES = ("moh", "hospital/one", "báo", "s4")
SOURCES_PATH = f"{PATH}/sources"
WANTED_SECONDS = 30
SHORT = ("bulk", "bulk", "reprocess", "edit", "accept", "discard", "erase", "other_model", "again", "crash")
"""What a short walk does."""
UNDER_WAY = (
    "SELECT 1 FROM departed UNION ALL SELECT 1 FROM job_deletions UNION ALL SELECT 1 FROM job_changes"
    " UNION ALL SELECT 1 FROM records AS r JOIN jobs AS j ON j.id = r.id >> 24"
    " WHERE r.state = 'pending'"
    " UNION ALL SELECT 1 FROM jobs WHERE owner IS NOT NULL OR state IN ('queued', 'running', 'receiving')"
    " UNION ALL SELECT 1 FROM erasures WHERE done_ms IS NULL"
    " UNION ALL SELECT 1 FROM knowledge_leaving"
    " UNION ALL SELECT 1 FROM knowledge_models WHERE state <> 'serving'"
    " UNION ALL SELECT 1 FROM knowledge_indexed WHERE model NOT IN (SELECT id FROM knowledge_models)"
)


class Walk:
    """One walk, on a box of its own."""

    def __init__(self, seed: int, folder: Path, central: Central) -> None:
        self.rng = random.Random(seed)
        self.central = central
        self.words = folder / "model.vec"
        folder.mkdir(parents=True, exist_ok=True)
        words = ("bệnh", "viện", "thuốc", "huyết", "áp", "tiêm", "health", "care", "the", "blood")
        lines = [
            f"{word} " + " ".join("1" if n == place else "0.1" for n in range(12))
            for place, word in enumerate(words)
        ]
        self.words.write_text(f"{len(words)} 12\n" + "\n".join(lines) + "\n")
        self.own = f"{UNLIMITED}{central.lane()}\n[work]\nchunk_records = {self.rng.choice([1, 3, 50])}\n"
        self.own += "children = 1\n"
        self.by_file = False
        self.box = BoxProcess(folder / "box", config=self.own)
        self.model = Model()
        self.told: list[str] = []
        self.numbers = itertools.count(1)
        self.tokens: list[str] = []
        self.addresses: list[str] = []
        self.names: list[str] = []
        self.clients: dict[str, httpx2.Client] = {}
        self.failed: list[str] = []
        self.kills = 0

    # The box.

    def start(self) -> None:
        self.leave()
        self.box.start()
        people = [(name, Role.INGEST, name) for name in WORKSPACES]
        people += [(f"ada {name}", Role.ADMIN, name) for name in WORKSPACES]
        people.append(("root", Role.ADMIN, EVERYWHERE))
        for name, role, workspace in people:
            token = self.box.token(role, subject=name, workspace=workspace)
            self.clients[name] = httpx2.Client(
                base_url=self.box.url,
                headers={"Authorization": f"Bearer {token}"},
                timeout=PATIENCE,
                trust_env=False,
                verify=False,
                event_hooks={"response": [self.heard]},
            )

    def heard(self, reply: httpx2.Response) -> None:
        if reply.status_code >= 500:
            self.failed.append(f"{reply.request.method} {reply.request.url} {reply.status_code}")

    def leave(self) -> None:
        for client in self.clients.values():
            client.close()
        self.clients.clear()

    def end(self) -> None:
        self.leave()
        self.box.close()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return apart.rows(self.box.data / DATABASE, sql)

    @property
    def admin(self) -> httpx2.Client:
        return self.clients["root"]

    def run(self, moves: int | Sequence[str], quiet: int) -> None:
        """So many moves, or those; every `quiet` of them everything is looked at."""
        names = [None] * moves if isinstance(moves, int) else moves
        self.start()
        try:
            for number, name in enumerate(names):
                self.move(name)
                if number % quiet == quiet - 1:
                    self.at_rest()
            self.last()
        finally:
            self.end()

    def move(self, name: str | None = None) -> None:
        often = [self.single, self.single, self.bulk, self.bulk, self.bulk, self.again, self.edit]
        some = [self.accept, self.discard, self.retry, self.reprocess, self.fault, self.heal, self.search]
        rare = [self.cancel, self.erase, self.make_source, self.change_source, self.drop_source]
        rare += [self.crash, self.crash, self.restart, self.other_model, self.storm]
        move: Callable[[], Any] = self.rng.choice([*often * 2, *some, *rare])
        if name is not None:
            move = getattr(self, name)
        self.say(move.__name__)
        move()

    def say(self, what: str) -> None:
        self.told.append(what)

    # What is picked.

    def pick(self, of: Iterable[Content]) -> Content | None:
        found = list(of)
        return self.rng.choice(found) if found else None

    def known(self, workspace: str) -> list[Content]:
        """Those that can come again, and the answer is known. An address that somebody was erased from is
        another one."""
        return [
            each
            for each in self.model.of(workspace)
            if each.settled
            and not each.odd
            and not each.edited
            and each.item.get("source_url") == each.sent.get("source_url")
        ]

    def token(self) -> str:
        """A word that nothing else has."""
        number, letters = len(self.tokens), ""
        for _ in range(4):
            number, letter = divmod(number, 20)
            letters += "abcdefghiklmnopqrstu"[letter]
        self.tokens.append(f"zqx{letters}")
        return self.tokens[-1]

    def item(self) -> Json:
        """A new article."""
        rng, number = self.rng, next(self.numbers)
        made: Json = dict(article(number, language=rng.choice(["vi", "en"]), source_id=rng.choice(SOURCES)))
        made["content"] += f"\n\nMore about {self.token()}."
        which = rng.random()
        if which < 0.25:
            poor = POOR.format(f"{number} {self.tokens[-1]}")
            made.update(content=poor, title="x", metadata=None)
        elif which < 0.4:
            made["title"] = f"{INVALID} {number}"
            made[rng.choice(["source_url", "content"])] = f"none {number}"
        elif which < 0.5:
            made["content"] = text(number, "vi", rng.choice([90, 900]))
            made["content"] += f"\n\n{self.token()}"
        if rng.random() < 0.25:
            address = f"zz{number}quux@personal-mail.example"
            self.addresses.append(address)
            made["content"] += f" Ask {address}."
            if made["title"] != "x":  # more of it would be good enough
                made["content"] += f" {address}!"
                made["extracted_entities"] = [
                    {"text": address, "type": "contact", "confidence": 1},
                    {"text": "sốt xuất huyết", "type": "disease", "confidence": 0.9},
                ]
            if rng.random() < 0.3 and is_valid(made):
                made["source_url"] += f"?by={address}"
        return made

    def variant(self, of: Content) -> Json:
        """What came, again: just as it was, spelt otherwise, from elsewhere, or a newer version."""
        rng, item = self.rng, dict(of.sent)
        if not is_valid(item):
            return item
        which = rng.random()
        if which < 0.3:
            item["content"] = unicodedata.normalize("NFD", item["content"]).upper()
        elif which < 0.5:
            item["source_url"] = f"https://else.example/{next(self.numbers)}"
        elif which < 0.75 and not of.erased:
            item["content"] += f" Now {self.token()}."
            item["crawled_at"] = "2025-01-01T00:00:00Z"
        return item

    def some(self, workspace: str) -> Json:
        """An article, new or not."""
        old = self.pick(self.known(workspace)) if self.rng.random() < 0.3 else None
        return self.item() if old is None else self.variant(old)

    # Moves: what comes in.

    def single(self) -> None:
        workspace = self.rng.choice(WORKSPACES)
        item = self.some(workspace)
        self.said_of_single(workspace, item, self.clients[workspace].post(UPLOAD, json=item))

    def said_of_single(self, workspace: str, item: Json, reply: httpx2.Response) -> None:
        expected, holder = self.model.expected(workspace, item)
        self.say(f"({reply.status_code})")
        if not is_valid(item):
            assert reply.status_code == 400, reply.text
            return
        body = reply.json()
        if expected == "rejected":
            assert holder is not None
            assert (reply.status_code, body["content_id"]) == (409, holder.name), reply.text
            return
        assert reply.status_code == 200, f"{reply.text} {expected}"
        if holder is None:
            self.model.take(workspace, item, number_of(body["content_id"]))
        else:
            assert body["content_id"] == holder.name

    def bulk(self) -> None:
        workspace = self.rng.choice(WORKSPACES)
        items = [self.some(workspace) for _ in range(self.rng.choice([1, 3, 6, 12, 40]))]
        if self.rng.random() < 0.4:
            items += [dict(each) for each in self.rng.sample(items, (len(items) + 1) // 2)]
        name = self.batch()
        self.said_of_bulk(workspace, name, items, self.send(self.clients[workspace], name, items))

    def batch(self) -> str:
        """A name: of a new batch, of one that was there, or of a chunk of one."""
        if not self.names or self.rng.random() < 0.4:
            self.names.append(f"b{len(self.names)}")
        name = self.rng.choice(self.names)
        return f"{name}_chunk_{self.rng.randrange(1, 4)}" if self.rng.random() < 0.7 else name

    def send(self, client: httpx2.Client, name: str, items: Sequence[Json]) -> httpx2.Response:
        return client.post(BULK, json={"batch_id": name, "source_id": "moh", "items": items})

    def said_of_bulk(
        self, workspace: str, name: str, items: Sequence[Json], reply: httpx2.Response, *, sure: bool = True
    ) -> None:
        """Without `sure` the same may have come before."""
        assert reply.status_code == 200, reply.text
        answer, parent = reply.json(), name.partition("_chunk_")[0]
        assert len(answer["items"]) == answer["total_items"] == len(items)
        rejected = 0
        for item, line in zip(items, answer["items"], strict=True):
            expected, holder = self.model.expected(workspace, item)
            rejected += line["status"] == "rejected"
            told = None if "content_id" not in line else number_of(line["content_id"])
            if holder is not None:
                assert (line["status"], told) == (expected, holder.id), (line, item)
                if expected == "duplicate":
                    self.model.batches[workspace, parent].add(holder.id)
                continue
            assert told is not None, line
            assert line["status"] == expected or (not sure and line["status"] == "duplicate"), line
            self.model.take(workspace, item, told)
            self.model.batches[workspace, parent].add(told)
        assert (answer["accepted_items"], answer["rejected_items"]) == (len(items) - rejected, rejected)

    def again(self) -> None:
        """Everything of a batch once more, under its name or another one."""
        workspace = self.rng.choice(WORKSPACES)
        if not (known := self.known(workspace)):
            return
        items = [dict(each.sent) for each in self.rng.sample(known, min(len(known), 10))]
        before = self.rows("SELECT COUNT(*) FROM jobs")
        name = self.batch()
        self.said_of_bulk(workspace, name, items, self.send(self.clients[workspace], name, items))
        assert self.rows("SELECT COUNT(*) FROM jobs") == before

    # Moves: what people do.

    def issues(self) -> list[Json]:
        found: list[Json] = self.admin.get(
            "/v1/issues", params={**ALL, "state": "open", "limit": 200}
        ).json()["issues"]
        return found

    def of(self, issue: Json) -> Content:
        return self.model.contents[int(issue["record"])]

    def edit(self) -> None:
        """Of one that waits, or whose line an upstream refused."""
        if not (found := self.issues()):
            return
        issue = self.rng.choice(found)
        content, patch = self.of(issue), self.patch()
        reply = self.admin.patch(f"/v1/records/{issue['record']}", json=patch, params=ALL)
        self.say(f"({reply.status_code})")
        assert reply.status_code in (200, 409), reply.text
        if reply.status_code == 200:
            self.edited(content, patch)

    def patch(self) -> Json:
        item = self.item()
        while not is_valid(item):
            item = self.item()
        return {
            name: item.get(name)
            for name in ("title", "content", "metadata", "source_url", "source_id", "extracted_entities")
        }

    def edited(self, content: Content, patch: Json) -> None:
        content.item = {name: value for name, value in {**content.item, **patch}.items() if value is not None}
        content.sent = content.item
        content.become(state_of(content.item))
        content.edited, content.settled, content.odd = True, False, False

    def resolve(self, action: str, codes: Callable[[Json], bool]) -> Content | None:
        found = [each for each in self.issues() if codes(each)]
        if not found:
            return None
        issue = self.rng.choice(found)
        body = {"action": action}
        if self.rng.random() < 0.3:
            many = self.admin.post(
                "/v1/issues/bulk", json={"ids": [issue["id"]], **body}, params=ALL
            ).raise_for_status()
            done = many.json()["resolved"] == 1
        else:
            reply = self.admin.post(f"/v1/issues/{issue['id']}/resolve", json=body, params=ALL)
            assert reply.status_code in (200, 409, 422), reply.text
            done = reply.status_code == 200
        self.say(f"({done})")
        return self.of(issue) if done else None

    def accept(self) -> None:
        if content := self.resolve("accept", lambda each: bool(each["held"])):
            content.become("accepted")

    def discard(self) -> None:
        if content := self.resolve("discard", lambda each: bool(each["code"] != "delivery_refused")):
            content.become("discarded")

    def retry(self) -> None:
        self.resolve("retry", lambda _: True)

    def job(self, content: Content) -> str:
        ((job,),) = self.rows(f"SELECT public_id FROM jobs WHERE id = {content.id >> 24}")
        return str(job)

    def reprocess(self) -> None:
        if content := self.pick(self.model.contents.values()):
            params = {**ALL, "records": self.rng.choice(["all", "all", "issues"])}
            reply = self.admin.post(f"/v1/jobs/{self.job(content)}/reprocess", params=params)
            self.say(f"({reply.status_code})")
            assert reply.status_code < 300 or reply.status_code == 409, reply.text

    def cancel(self) -> None:
        """Soon after it came in, or while it is processed again."""
        if self.rng.random() < 0.5:
            self.bulk()
            content = list(self.model.contents.values())[-1] if self.model.contents else None
        else:
            content = self.pick(self.model.contents.values())
            if content is not None:
                place = f"/v1/jobs/{self.job(content)}/reprocess"
                self.admin.post(place, params={**ALL, "records": "all"})
        if content is None:
            return
        reply = self.admin.post(f"/v1/jobs/{self.job(content)}/cancel", params=ALL)
        self.say(f"({reply.status_code})")
        assert reply.status_code in (200, 409), reply.text
        if reply.status_code == 200:
            self.cancelled(content.id >> 24)

    def cancelled(self, job: int) -> None:
        """How far it was nobody knows but the box."""

        def states() -> dict[int, str] | None:
            found = dict(
                self.rows(
                    f"SELECT id, state FROM records WHERE id >= {job << 24} AND id < {(job + 1) << 24}"
                    " AND state <> 'superseded'"
                )
            )
            return None if "pending" in found.values() else found

        for rid, state in until(states, "what was cancelled is given up").items():
            content = self.model.contents[rid]
            assert state in ("done", "discarded"), f"{rid} is {state}"
            if state == "discarded":
                content.become("discarded")
                content.odd = True  # it may come again
            else:
                assert content.delivered

    def erase(self) -> None:
        if self.addresses:
            address = self.rng.choice(self.addresses)
            reply = self.admin.post("/v1/erasures", json={"email": address})
            assert reply.status_code in (200, 202), reply.text
            self.finish(reply.json()["erasure_id"])
            self.erased(address)

    def finish(self, erasure: str) -> None:
        def done() -> bool:
            return bool(self.admin.get(f"/v1/erasures/{erasure}").json()["state"] == "done")

        until(done, "the erasure is done")

    def erased(self, address: str) -> None:
        self.addresses.remove(address)
        self.model.erased.append(address)
        for content in self.model.contents.values():
            content.erase(address)

    # Moves: sources.

    def make_source(self) -> None:
        workspace, name = self.rng.choice(WORKSPACES), self.rng.choice([*SOURCES, "s5"])
        body = {"id": name, "name": name, "type": self.rng.choice(TYPES), "crawl_frequency": "daily"}
        reply = self.clients[f"ada {workspace}"].post(SOURCES_PATH, json=body)
        self.say(f"({reply.status_code})")
        assert reply.status_code in (200, 409), reply.text
        assert reply.status_code == 200 or name in self.model.sources[workspace]
        self.model.sources[workspace].add(name)

    def change_source(self) -> None:
        workspace, name = self.rng.choice(WORKSPACES), self.rng.choice(SOURCES)
        body = {"status": self.rng.choice(STATUSES[:2]), "type": self.rng.choice(TYPES)}
        reply = self.clients[f"ada {workspace}"].put(f"{SOURCES_PATH}/{name}", json=body)
        self.say(f"({reply.status_code})")
        assert reply.status_code in (200, 404), reply.text
        if all(each.settled for each in self.model.of(workspace)):
            assert (reply.status_code == 200) == (name in self.model.sources[workspace]), reply.text

    def drop_source(self) -> None:
        workspace, name = self.rng.choice(WORKSPACES), self.rng.choice([*SOURCES, "s5"])
        reply = self.clients[f"ada {workspace}"].delete(f"{SOURCES_PATH}/{name}")
        self.say(f"({reply.status_code})")
        assert reply.status_code in (200, 404, 409), reply.text
        if reply.status_code == 200:
            self.model.sources[workspace].discard(name)

    # Moves: around it.

    def search(self) -> None:
        workspace = self.rng.choice(WORKSPACES)
        query = self.rng.choice([*self.tokens, "huyết áp", "blood pressure"])
        body = {"query": query, "top_k": 20}
        reply = self.clients[workspace].post(f"{PATH}/search", json=body)
        assert reply.status_code == 200, reply.text
        for each in reply.json()["results"]:
            assert self.model.contents[number_of(each["content_id"])].workspace == workspace

    def fault(self) -> None:
        self.central.fault = self.rng.choice(["down", "cut", "refuse", "refuse"])

    def heal(self) -> None:
        self.central.fault = "none"

    def restart(self) -> None:
        assert self.box.stop() == 0
        self.start()

    def other_model(self) -> None:
        """Vectors are made by another model from now on; maybe the box is killed while they are."""
        self.by_file = not self.by_file
        more = f'[enrich.embeddings]\nmodel_path = "{self.words}"\n' if self.by_file else ""
        self.box.configure(self.own + more)
        self.restart()
        if self.rng.random() < 0.4:
            threading.Event().wait(self.rng.random() * 0.3)
            self.kill()
            self.start()

    def kill(self) -> None:
        self.kills += 1
        self.box.kill()

    def crash(self) -> None:
        """While something is under way, of which nobody hears how it went. What comes in comes once more."""
        workspace = self.rng.choice(WORKSPACES)
        client, then = self.clients[workspace], self.rng.random()
        work, after = self.risky(workspace, client)
        thread = threading.Thread(target=self.quietly, args=(work,))
        thread.start()
        thread.join(then * self.rng.choice([0.005, 0.02, 0.1]))
        self.kill()
        thread.join()
        self.start()
        after()

    def risky(self, workspace: str, client: httpx2.Client) -> tuple[Callable[[], Any], Callable[[], Any]]:
        """Something to do, and what finds out what became of it."""
        found = self.issues()
        waits = [each for each in found if each["code"] != "delivery_refused"]
        which = self.rng.choice(["single", "bulk", "bulk", "edit", "resolve", "erase"])
        self.say(f"({which})")
        admin = self.admin
        if which == "edit" and found:
            issue, patch = self.rng.choice(found), self.patch()
            path = f"/v1/records/{issue['record']}"

            def look() -> None:
                record = self.admin.get(path, params=ALL).raise_for_status().json()
                if record["payload"].get("content") == patch["content"]:
                    self.edited(self.of(issue), patch)

            return lambda: admin.patch(path, json=patch, params=ALL), look
        if which == "resolve" and waits:
            issue = self.rng.choice(waits)
            action = "accept" if issue["held"] and self.rng.random() < 0.5 else "discard"
            path = f"/v1/issues/{issue['id']}"

            def see() -> None:
                state = self.admin.get(path, params=ALL).raise_for_status().json()
                if state["state"] != "open":
                    self.of(issue).become("accepted" if action == "accept" else "discarded")

            return lambda: admin.post(f"{path}/resolve", json={"action": action}, params=ALL), see
        if which == "erase" and self.addresses:
            address = self.rng.choice(self.addresses)

            def finish() -> None:
                reply = self.admin.post("/v1/erasures", json={"email": address})
                self.finish(reply.json()["erasure_id"])
                self.erased(address)

            return lambda: admin.post("/v1/erasures", json={"email": address}), finish
        if which == "single":
            item = self.some(workspace)

            def repeat() -> None:
                reply = self.patiently(lambda: self.clients[workspace].post(UPLOAD, json=item))
                self.said_of_single(workspace, item, reply)

            return lambda: client.post(UPLOAD, json=item), repeat
        items, name = [self.some(workspace) for _ in range(self.rng.choice([6, 12, 60]))], self.batch()

        def resend() -> None:
            reply = self.patiently(lambda: self.send(self.clients[workspace], name, items))
            self.said_of_bulk(workspace, name, items, reply, sure=False)

        return lambda: self.send(client, name, items), resend

    def patiently(self, call: Callable[[], httpx2.Response]) -> httpx2.Response:
        """Comes again where the answer asks for it."""

        def taken() -> httpx2.Response | None:
            reply = call()
            if reply.status_code == 409 and reply.json()["error"] == "request_in_progress":
                assert int(reply.headers["Retry-After"]) >= 1
                return None
            return reply

        return until(taken, "nothing is in the way")

    def quietly(self, call: Callable[[], Any]) -> None:
        with contextlib.suppress(httpx2.HTTPError):
            call()

    def storm(self) -> None:
        """One article comes from many at once: one is first."""
        workspace, item, replies = self.rng.choice(WORKSPACES), self.item(), []
        while not is_valid(item):
            item = self.item()
        client, names = self.clients[workspace], [self.batch() for _ in range(3)]

        def send(name: str | None) -> None:
            reply = client.post(UPLOAD, json=item) if name is None else self.send(client, name, [item])
            replies.append((name, reply))

        threads = [threading.Thread(target=send, args=(name,)) for name in (None, None, None, *names)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = {
            (reply.json() if name is None else reply.json()["items"][0])["content_id"]
            for name, reply in replies
            if reply.status_code == 200
        }
        assert len(taken) == 1, replies
        made = self.model.take(workspace, item, number_of(taken.pop()))
        for name, reply in replies:
            assert reply.status_code in (200, 409), reply.text
            if reply.status_code == 200 and name is not None:
                self.model.batches[workspace, name.partition("_chunk_")[0]].add(made.id)

    # What is so.

    def at_rest(self) -> None:
        """Nothing is under way: what the box says is what the model says."""
        self.say("|")
        until(self.is_quiet, "nothing is under way", WANTED_SECONDS)
        assert not self.failed, self.failed
        self.model.settle()
        database = self.box.data / DATABASE
        whole(database)
        found = dict(self.rows("SELECT id, state FROM records WHERE state <> 'superseded'"))
        said = {"good": "done", "accepted": "done", "held": "issue"}
        wanted = {each.id: said.get(each.state, each.state) for each in self.model.contents.values()}
        wrong = {rid: (found.get(rid), wanted.get(rid)) for rid in found | wanted}
        wrong = {rid: each for rid, each in wrong.items() if each[0] != each[1]}
        assert not wrong, (wrong, [self.model.contents.get(rid) for rid in wrong])
        for workspace in WORKSPACES:
            self.stands(workspace)
        self.once()
        self.words_found(database)
        self.untold()
        until(lambda: not self.traces(), "nothing of those who were erased is left")
        for content in self.rng.sample(list(self.model.contents.values()), min(len(wanted), 15)):
            self.as_it_is(content)
        findings = self.admin.get("/v1/doctor").raise_for_status().json()["findings"]
        bad = [each for each in findings if not each["ok"] and each["name"] not in ("disk", "alarms")]
        assert not [each for each in bad if not each["name"].startswith("alarm")], bad

    def is_quiet(self) -> bool:
        if self.rows(UNDER_WAY):
            return False
        model = self.rows("SELECT name FROM knowledge_models")
        return not model or model[0][0].startswith("word-vectors/") == self.by_file

    def stands(self, workspace: str) -> None:
        """Status, batches and sources of a workspace."""
        client, mine = self.clients[workspace], {each.name: each for each in self.model.of(workspace)}
        self.sums(status(client), mine)
        for (where, name), members in self.model.batches.items():
            if where == workspace and members:
                chosen = {each.name: each for each in map(self.model.contents.__getitem__, members)}
                self.sums(status(client, batch_id=name), chosen)
        listed = client.get(SOURCES_PATH).raise_for_status().json()["sources"]
        assert {each["id"] for each in listed} == self.model.sources[workspace]
        for each in listed:
            live = [one for one in mine.values() if one.live and one.item["source_id"] == each["id"]]
            assert each["total_content"] == len(live), each
        asked = client.post(f"{PATH}/search", json={"query": "sức khỏe"}).raise_for_status()
        assert "indexing" not in asked.json()

    def sums(self, answer: Json, mine: dict[str, Content]) -> None:
        assert {each["content_id"] for each in answer["items"]} == set(mine)
        failed = 0
        for line in answer["items"]:
            content = mine[line["content_id"]]
            wanted = "completed" if content.live else "failed"
            assert (line["status"], line.get("held", False)) == (wanted, content.state == "held"), line
            assert (line["vector_id"] is not None) == content.live, line
            assert ("error" in line) == (content.state not in ("good", "accepted")), line
            failed += not content.live
        done = len(mine) - failed
        assert (answer["total_items"], answer["completed"]) == (len(mine), done)
        assert (answer["failed"], answer["processing"], answer["queued"]) == (failed, 0, 0)
        overall = "completed" if not failed else "failed" if not done else "completed_with_errors"
        assert answer["overall_status"] == overall or not mine

    def once(self) -> None:
        """No text is there twice, but where somebody corrected one; and each is known again."""
        found: dict[tuple[str, bytes], int] = {}
        for rid, workspace, known in self.rows("SELECT id, workspace, hash FROM knowledge_contents"):
            content = self.model.contents[rid]
            assert content.workspace == workspace
            if content.live and not content.odd:
                assert known == content.key, content
            if known is not None and not content.edited:
                assert (workspace, known) not in found, f"{rid} and {found[workspace, known]}"
                found[workspace, known] = rid

    def words_found(self, database: Path) -> None:
        found = having(database, iter(self.tokens))
        for token in self.tokens:
            wanted = {
                each.name
                for each in self.model.contents.values()
                if each.live and token in f"{each.item['title']} {each.item['content']}"
            }
            assert found[token] == wanted, token
        for token in self.rng.sample(self.tokens, min(10, len(self.tokens))):
            workspace = self.rng.choice(WORKSPACES)
            reply = self.clients[workspace].post(f"{PATH}/search", json={"query": token, "top_k": 50})
            told = {
                each["content_id"] for each in reply.json()["results"] if each["scores"]["words"] is not None
            }
            mine = found[token] & {each.name for each in self.model.of(workspace)}
            # An older version of a page may be left out, but not all of them.
            assert told <= mine
            assert bool(told) or not mine or self.newer(mine), token
            if len(mine) == 1 and not self.newer(mine):
                assert told == mine

    def newer(self, names: set[str]) -> bool:
        """Whether there may be a newer version of each of them."""
        mine = [self.model.contents[number_of(name)] for name in names]
        return all(
            any(
                other.item["source_url"] == each.item["source_url"] and other is not each
                for other in self.model.of(each.workspace)
                if other.live
            )
            for each in mine
        )

    def untold(self) -> None:
        told = {name for (name,) in self.rows("SELECT object_id FROM deliveries WHERE op = 'put'")}
        never = {each.name for each in self.model.contents.values() if not each.told}
        assert not told & never, told & never

    def traces(self) -> list[str]:
        files = [path for path in self.box.data.rglob("*") if path.is_file()]
        locals_ = [each.partition("@")[0].encode() for each in self.model.erased]
        found = []
        for path in files:
            with contextlib.suppress(FileNotFoundError):
                data = path.read_bytes().lower()
                found += [f"{path.name} {local!r}" for local in locals_ if local in data]
        return found

    def as_it_is(self, content: Content) -> None:
        body = self.clients[content.workspace].get(f"{PATH}/content/{content.name}").raise_for_status().json()
        assert body["record"] == content.item, content
        if not content.live:
            assert body["result"] is None
            return
        result = body["result"]
        assert result["text_hash"] == key_of(content.item).hex()
        text = result["text"]
        assert (result["passages"][0]["start"], result["passages"][-1]["end"]) == (0, len(text))
        for each in result["entities"]:
            if each["start"] is not None:
                assert text[each["start"] : each["end"]].casefold() == each["text"].casefold()
        live = {each.name for each in self.model.of(content.workspace) if each.live}
        for each in body["near_duplicates"]:
            assert each["content_id"] in live - {content.name}

    def last(self) -> None:
        """The upstream takes everything: it has what the box has, but for what is held."""
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
            WANTED_SECONDS,
        )
        self.at_rest()
        assert not self.central.wrong
        there = {name: line for (_, name), (_, line) in self.central.objects.items() if line["op"] == "put"}
        rows = self.rows("SELECT object_id, version, CAST(result AS TEXT) FROM knowledge_articles")
        results = {name: (version, json.loads(result)) for name, version, result in rows}
        mine = {each.name: each for each in self.model.contents.values()}
        assert {name for name, each in mine.items() if each.delivered} == {
            name for name in there if mine[name].state != "held"
        }
        for name, line in there.items():
            text = json.dumps(line, ensure_ascii=False)
            assert not [each for each in self.model.erased if each in text], name
            if mine[name].state == "held":
                assert mine[name].told, name
                # Upstream is told of who was erased, also in what is held by now.
                assert line["version"] < results[name][0] or mine[name].erased, name
            else:
                found = (line["version"], line["result"])
                assert found == results[name], name
                assert line["record"] == mine[name].item, name
                assert line["workspace"] == mine[name].workspace
        sound(self.box.data)


def number_of(content_id: str) -> int:
    return int(content_id.removeprefix("km_content_"))


def walk(seed: int, folder: Path, moves: int | Sequence[str], quiet: int) -> Walk:
    with upstream(random.Random(seed)) as central:
        made = Walk(seed, folder, central)
        try:
            made.run(moves, quiet)
        except BaseException:
            print(f"seed {seed}:", " ".join(made.told))  # noqa: T201 - to walk it again
            raise
        return made


def test_whatever_happens_it_is_told_as_it_is(tmp_path: Path) -> None:
    walk(5, tmp_path, SHORT, 100)


@pytest.mark.soak
def test_whatever_happens_for_long(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**9)
    for each in range(seed, seed + 20):
        walk(each, tmp_path / str(each), 80, 10)
