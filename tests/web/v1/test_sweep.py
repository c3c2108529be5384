"""Every call of the document, asked by others for what somebody imported: it shows and changes nothing."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from ingestbox.model import Role
from tests.harness import BoxProcess
from tests.table import described
from tests.web.v1.imports import PEOPLE, person, records, row, upload
from tests.web.v1.support import Json, get, post

MARK = "zqmarker"
SEARCHED = f"{MARK}@x.com"
NOT_ASKED = (
    *("/v1/doctor", "/v1/erasures", "/v1/keys", "/v1/users"),
    *("/v1/audit", "/v1/export", "/v1/backups"),
)
"""For administrators: the whole box's, or, as the trail, the whole workspace's."""

BODIES: tuple[Any, ...] = (
    None,
    {"action": "discard"},
    {"company": "x"},
    {"action": "discard", "ids": [str(number) for number in range(1, 30)]},
    {"rule": {"discard": "all"}, "filter": {}, "reprocess": True},
    {"staging_status": "DISCARD"},
    {"issue_resolved": True},
)


class Anns:
    """What Ann has: contacts, an import that waits, a kept rule, a decision about many rows."""

    def __init__(self, box: BoxProcess) -> None:
        self.box = box
        with person(box, "sweep-ann") as ann:
            done = upload(ann, f"{MARK}-done", [row(SEARCHED), row("ok@x.com")])
            lines = [row(f"{MARK}1@x.com", company=name) for name in "ab"]
            lines += [row(f"bad {MARK}"), row(f"{MARK}2@x.com", company=""), row(SEARCHED, company="New")]
            self.job = upload(ann, f"{MARK}-waits", lines)
            rule = {"set": {"field": "company", "value": MARK}}
            kept = {"name": MARK, "family": "contacts", "code": "existing_email", "rule": rule}
            reply = ann.post("/v1/rules", json=kept)
            assert reply.status_code == 201, reply.text
            found = {"job": self.job["id"], "code": "missing_required_field"}
            bulk = post(ann, "/v1/issues/bulk", {"rule": rule, "filter": found})
            self.issue = get(ann, "/v1/issues", job=self.job["id"], state="open")["issues"][0]
            deliveries = get(ann, "/v1/deliveries")["deliveries"]
            contact = get(ann, "/contacts")["contacts"][0]["contact_id"]
            jobs = [each["job_id"] for each in get(ann, "/jobs")["jobs"]]
            self.names = {
                done["id"], self.job["id"], self.issue["id"], self.issue["record"], reply.json()["id"],
                bulk["audit_id"], str(contact), *(str(each) for each in jobs),
                *(each["seq"] for each in deliveries),
            }  # fmt: skip
            self.before = self.all(ann)

    def all(self, ann: httpx2.Client) -> list[Json]:
        """All of it."""
        paths = ("/v1/issues", "/contacts", "/v1/rules", "/jobs", "/issues", "/v1/deliveries", "/v1/jobs")
        rows = {"rows": records(ann, self.job["id"], payload="true")}
        return [rows, *(get(ann, path, limit=500) for path in paths)]

    def calls(self, method: str, path: str) -> list[tuple[str, Any]]:
        """What is asked of one operation."""
        name = next((name for name in ("{id}", "{seq}") if name in path), None)
        places = [path] if name is None else [path.replace(name, each) for each in sorted(self.names)]
        if method != "GET":
            return [(place, body) for place in places for body in BODIES]
        queries = ["", f"?issue={self.issue['id']}&payload=true"]
        if name is None:
            queries = ["", f"?job={self.job['id']}", "?family=contacts", "?state=open", "?state=review"]
            queries.append(f"?email={SEARCHED}&q={MARK}")
        return [(place + query, None) for place in places for query in queries]


@pytest.fixture(scope="module")
def anns(box: BoxProcess) -> Anns:
    return Anns(box)


@pytest.mark.parametrize(
    ("subject", "roles", "workspace"),
    [
        pytest.param("sweep-ben", PEOPLE, "default", id="a-colleague"),
        pytest.param("sweep-root", (Role.ADMIN,), "default", id="an-operator"),
        pytest.param("sweep-ann", PEOPLE, "north", id="of-the-same-name-elsewhere"),
    ],
)
def test_no_call_shows_or_changes_what_is_anothers(
    anns: Anns, subject: str, roles: tuple[Role, ...], workspace: str
) -> None:
    _, document = described()
    with person(anns.box, subject, *roles, workspace=workspace) as other:
        for path, operations in document["paths"].items():
            if path.startswith(NOT_ASKED) or path.endswith("/events"):
                continue
            for method in {"get", "post", "put", "patch", "delete"}.intersection(operations):
                for place, body in anns.calls(method.upper(), path):
                    reply = other.request(method.upper(), place, json=body)
                    assert reply.status_code < 500, (method, place, reply.text)
                    assert MARK not in reply.text.replace(SEARCHED, ""), (method, place, reply.text)
        for audit_id in anns.names:
            assert other.post(f"/v1/audit/{audit_id}/undo").status_code == 404
    with person(anns.box, "sweep-ann") as ann:
        assert anns.all(ann) == anns.before
