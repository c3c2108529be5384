"""Articles that wait for a person, what is decided about them, and what is told upstream."""

from __future__ import annotations

from typing import Any

import httpx2

from tests.families.knowledge.support import article
from tests.harness import until
from tests.web.v1.support import Json, get

POOR = (
    "Uống nước ấm, nghỉ ngơi và giữ ấm cơ thể. Đi khám ngay nếu sốt cao hơn ba ngày liền hoặc khó thở nhiều. "
    "Số {}."
)
"""Short, without structure, of an unknown source: of low quality."""


def poor(number: int, **fields: object) -> dict[str, object]:
    """An article of low quality; its text is its number's own."""
    given = {"content": POOR.format(number), "title": "x", "source_id": "nobody", "metadata": None, **fields}
    return article(number, **given)


def record_of(content_id: str) -> str:
    """The id of the record behind content."""
    return content_id.removeprefix("km_content_")


def issue(admin: httpx2.Client, content_id: str, state: str = "open") -> Json:
    """The issue of content, once there is one in this state."""
    record = record_of(content_id)

    def found() -> Json | None:
        every = get(admin, "/v1/issues", family="knowledge", state=state, limit=200)["issues"]
        return next((each for each in every if each["record"] == record), None)

    return until(found, f"{content_id} has an issue that is {state}")


def resolve(admin: httpx2.Client, issue_id: str, action: str, **members: object) -> httpx2.Response:
    """Decides about an issue."""
    return admin.post(f"/v1/issues/{issue_id}/resolve", json={"action": action, **members})


def told(admin: httpx2.Client, content_id: str) -> list[Json]:
    """The lines about content, oldest first."""
    found: list[Json] = []
    query: dict[str, Any] = {"family": "knowledge", "limit": 200}
    for each in get(admin, "/v1/deliveries", **query)["deliveries"]:
        if each["object_id"] == content_id:
            found.insert(0, get(admin, f"/v1/deliveries/{each['seq']}")["line"])
    return found


def job_of(admin: httpx2.Client, content_id: str) -> Json:
    """The job of content, once it is at its end."""
    job = get(admin, f"/v1/records/{record_of(content_id)}")["job"]

    def ended() -> Json | None:
        found = get(admin, f"/v1/jobs/{job}")
        return found if found["state"] in ("completed", "failed") else None

    return until(ended, f"the job of {content_id} ends")
