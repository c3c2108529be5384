"""Every route called once on a real box: what it answers is what its documentation says."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import msgspec
import pytest

from ingestbox.model import record_id
from ingestbox.web.binding import BoundRoute
from tests.families.knowledge.support import article
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job
from tests.table import RATED, described, faults, name_of, operation_of, resolved, undocumented
from tests.upstream import refusing

ROUTES, DOCUMENT = described()

EMAIL, PASSWORD = "ann@example.com", "correct horse battery staple"  # those of the example for logging in

LINES = {
    "Ingestbox-Box": "b7a778904a20a36bb",
    "Ingestbox-Epoch": "e1f0c2d4a6",
    "Ingestbox-After": "1041",
    "Ingestbox-Seq": "1042-1042",
}
"""The header fields that place the example of a batch from another box."""

WANTED = {"q": "delivery"}
"""What parameters hold that a route must have."""

REFUSED = {"POST /v1/jobs/{id}/cancel", "POST /v1/lanes/{name}/remove"}
"""Answered with an error here: the job is at its end, the lane is in the settings."""

LAST = ("PATCH", "DELETE")

AUDIENCE = "/api/audience/batch-upload"
KNOWLEDGE = "/knowledge-management"


class Scene:
    """A box with something of everything in it, and where that is to be found."""

    def __init__(self, client: httpx2.Client) -> None:
        self.client = client
        records: list[dict[str, object]] = [ticket(1), {"id": "T-2"}, {"id": "T-3"}, ticket(4)]
        self.job = post_tickets(client, records, params={"mode": "partial"})["job_id"]
        wait_job(client, self.job)
        until(lambda: client.get("/v1/lanes/central").json()["parked"], "a line is refused upstream")
        self.ended = post_tickets(client, [ticket(5)])["job_id"]
        wait_job(client, self.ended)
        self.imported = self.import_of("email,first_name,last_name,company\na@x.org,A,B,C\n")
        # Those without an address wait for a person; each call that moves an import has one of its own.
        cells = ("no address", "b@x.org", "nor this", "nor that")
        self.staged, undone, again, given_up = [
            self.staged_import(f"{number}.csv", f"{cell},A,B,C\n") for number, cell in enumerate(cells)
        ]
        self.moved = {
            "POST /jobs/{id}/undo": undone,
            "POST /jobs/{id}/reprocess": again,
            "DELETE /jobs/{id}": given_up,
        }
        self.staged_issue = self.list(f"/issues/job/{self.staged}", "issues")[0]["issue_id"]
        ruled = self.staged_import("ruled.csv", "no good,A,B,C\n")
        issue = self.list(f"/issues/job/{ruled}", "issues")[0]["issue_id"]
        self.decided = self.made("/v1/issues/bulk", "audit_id", ids=[str(issue)], rule={"discard": "all"})
        self.rules = [
            self.made("/v1/rules", name=f"r{n}", family="contacts", code="damaged", rule={"discard": "all"})
            for n in range(2)
        ]
        # By issue, so that the one and the other call take different ones.
        found = self.list("/v1/issues?family=feedback", "issues")
        self.issue, other = [each for each in found if each["code"] != "delivery_refused"]
        self.waiting = other["record"]
        self.uploads = [self.upload(f"{n}@audience.example") for n in ("kept", "deleted")]
        path = f"{AUDIENCE}/{self.uploads[0]}/segments"
        answers = [client.post(path, json={"name": f"s{n}"}).raise_for_status().json() for n in range(2)]
        self.segments = [answer["segment"]["segment_id"] for answer in answers]
        self.keys = [self.made("/v1/keys", name=f"k{n}", roles=["ingest"]) for n in range(2)]
        self.users = [
            self.made("/v1/users", email=email, roles=["analyst"], password=PASSWORD)
            for email in (EMAIL, "ben@example.com")
        ]

        people = [{"business_email": "a@x.org", "country": "DE"}, {"domain": "x.org", "country": "VN"}]
        uploads = "/api/audience/batch-upload"
        self.uploads = [
            self.made(uploads, "upload_id", upload_name=f"u{n}", records=people) for n in range(2)
        ]
        self.segments = [
            self.client.post(f"{uploads}/{self.uploads[0]}/segments", json={"name": f"s{n}"})
            .raise_for_status()
            .json()["segment"]["segment_id"]
            for n in range(2)
        ]
        until(
            lambda: self.client.get(f"{uploads}/{self.uploads[0]}").json()["rows_processed"] == len(people),
            "an upload is processed",
        )
        self.content = self.made(f"{KNOWLEDGE}/content/upload", "content_id", **article(1))
        until(
            lambda: self.client.get(f"{KNOWLEDGE}/content/{self.content}").json()["result"],
            "an article is processed",
        )
        made = {"id": "nothing-yet", "name": "Nothing yet", "base_url": "https://example.org", "type": "news"}
        self.client.post(f"{KNOWLEDGE}/sources", json=made).raise_for_status()

    def list(self, path: str, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.get(path).raise_for_status().json()[name]
        return found

    def made(self, path: str, member: str = "id", **body: object) -> str:
        found: str = self.client.post(path, json=body).raise_for_status().json()[member]
        return found

    def upload(self, email: str) -> str:
        """The id of an upload of one audience record, once that is processed."""
        upload = self.made(AUDIENCE, "upload_id", upload_name="u", records=[{"email": email}])
        until(
            lambda: self.client.get(f"{AUDIENCE}/{upload}").raise_for_status().json()["rows_processed"],
            f"{upload} is processed",
        )
        return upload

    def import_of(self, text: str) -> str:
        """The public id of a file of contacts, once nothing more happens to it by itself."""
        self.client.post("/jobs/upload", files={"file": ("a.csv", text.encode())}).raise_for_status()
        job = self.list("/v1/jobs?family=contacts", "jobs")[0]["id"]
        busy = ("queued", "running")
        until(
            lambda: self.client.get(f"/v1/jobs/{job}").json()["state"] not in busy,
            f"import {job} stands still",
        )
        return str(job)

    def staged_import(self, name: str, row: str) -> int:
        """A file of contacts with one row, once nothing more happens to it by itself."""
        content = f"email,first_name,last_name,company\n{row}".encode()
        answer = self.client.post("/jobs/upload", files={"file": (name, content)}).raise_for_status()
        job: int = answer.json()["job_id"]
        busy = ("PENDING", "PROCESSING")
        until(
            lambda: self.client.get(f"/jobs/{job}").json()["job_status"] not in busy,
            f"import {job} stands still",
        )
        return job

    def path(self, bound: BoundRoute) -> str:
        """The route's path, filled so that it leads somewhere."""
        path, ending = bound.route.path, bound.route.method == "DELETE"
        if name_of(bound) == "POST /v1/jobs/{id}/undo":
            return path.replace("{id}", self.imported)
        values = {
            "/api/audience/batch-upload/": self.uploads[ending],
            "/api/audience/segments/": self.segments[ending],
            "/api/job/": self.job,
            "/api/tickets/": "T-1",
            "/contacts/": "1",
            "/docs/assets/": "docs.js",
            "/issues/": str(self.staged_issue),
            "/issues/job/": str(self.staged),
            f"{KNOWLEDGE}/content/": self.content,
            f"{KNOWLEDGE}/sources/": "nothing-yet" if ending else "ministry-health",
            "/jobs/": str(self.moved.get(name_of(bound), self.staged)),
            "/staging/": str(record_id(self.staged, 0)),
            "/v1/audit/": self.decided,
            "/v1/deliveries/": "1",
            "/v1/erasures/": "1",
            "/v1/issues/": self.issue["id"],
            "/v1/jobs/": self.ended if bound.route.method == "POST" else self.job,
            "/v1/keys/": self.keys[ending],
            "/v1/lanes/": "central",
            "/v1/lanes/{name}/parked/": "1",
            "/v1/records/": self.waiting,
            "/v1/rules/": self.rules[ending],
            "/v1/users/": self.users[ending],
        }
        return re.sub(r"\{[^}]*\}", lambda found: values[path[: found.start()]], path)

    def call(self, bound: BoundRoute) -> httpx2.Response:
        """The call that the documentation shows."""
        route, options = bound.route, dict[str, Any]()
        if route.upload:
            options["files"] = {"file": ("tickets.csv", route.example["file"].encode())}
        elif isinstance(route.example, str):
            content = route.example.encode()
            digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
            options["content"] = content
            options["headers"] = {**LINES, "Content-Digest": f"sha-256=:{digest}:"}
            options["headers"]["Content-Type"] = route.media_types[0]
        elif route.example is not None:
            example = route.example
            if name_of(bound) == "POST /v1/users":
                example = {**example, "email": "cid@example.com"}
            options["json"] = example
        asked = {
            each.name: WANTED[each.name]
            for each in route.parameters
            if each.required and each.place == "query"
        }
        return self.client.request(route.method, self.path(bound), params=asked, **options)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    with (
        refusing() as upstream,
        running(tmp_path_factory.mktemp("box"), config=RATED + upstream.lane()) as started,
    ):
        yield started


@pytest.fixture(scope="module")
def scene(box: BoxProcess) -> Iterator[Scene]:
    with box.client() as client:
        yield Scene(client)


def in_order() -> list[BoundRoute]:
    """What ends something comes late; what ends the tokens of all last."""
    return sorted(
        ROUTES, key=lambda each: ("/rotate" in each.route.path, each.route.method in LAST, each.route.path)
    )


def check(reply: httpx2.Response, bound: BoundRoute) -> None:
    """Status, headers, type and body of an answer, against the document and the declared type."""
    route = bound.route
    responses = operation_of(bound, DOCUMENT)["responses"]
    assert str(reply.status_code) in responses, reply.text
    response = resolved(responses[str(reply.status_code)], DOCUMENT)
    assert undocumented(reply.headers, response) == set()
    for name, header in response["headers"].items():
        header = resolved(header, DOCUMENT)
        given = reply.headers.get(name)
        assert given is not None or not header.get("required"), name
        if given is not None:
            value = int(given) if header["schema"].get("type") == "integer" else given
            assert faults(value, header["schema"], DOCUMENT) == [], name
    if not reply.content:
        assert "content" not in response
        return
    media_type = reply.headers["content-type"].partition(";")[0]
    declared = {each.partition(";")[0]: media for each, media in response["content"].items()}
    assert media_type in declared
    if not media_type.endswith(("/json", "+json")):
        return
    assert faults(reply.json(), declared[media_type]["schema"], DOCUMENT) == []
    kinds = [
        answer.type
        for answer in route.answers
        if (answer.status, answer.media_type) == (reply.status_code, media_type)
    ]
    for kind in kinds:
        read = msgspec.json.decode(reply.content, type=kind, strict=True)
        again = json.loads(msgspec.json.encode(read))
        assert again == reply.json(), "a member that its type does not have"


def waits_its_turn(reply: httpx2.Response) -> bool:
    return reply.status_code == 409 and reply.json().get("code") == "turn_taken"


@pytest.mark.parametrize("bound", in_order(), ids=name_of)
def test_it_answers_as_documented(scene: Scene, bound: BoundRoute) -> None:
    reply = scene.call(bound)
    check(reply, bound)
    if waits_its_turn(reply):  # another test has just sent an import

        def again() -> httpx2.Response | None:
            answer = scene.call(bound)
            return None if waits_its_turn(answer) else answer

        reply = until(again, "it is this import's turn")
        check(reply, bound)
    assert reply.is_success is (name_of(bound) not in REFUSED), reply.text
