"""Crawled articles at the door of a real box."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from ingestbox.families.knowledge.shapes import PATH
from ingestbox.model import Role
from tests.harness import PATIENCE, BoxProcess, until

UPLOAD = f"{PATH}/content/upload"
BULK = f"{PATH}/content/bulk-upload"
STATUS = f"{PATH}/content/status"

UNLIMITED = """\
[rates]
knowledge_upload = 0
knowledge_bulk = 0
knowledge_read = 0
knowledge_sources = 0
"""
"""Configuration of a box that counts no calls."""

_numbers = itertools.count(1)

_VIETNAMESE = (
    (
        "Bác sĩ", "Bệnh viện", "Bộ Y tế", "Trung tâm y tế dự phòng", "Khoa tim mạch", "Người cao tuổi",
        "Phụ nữ mang thai", "Trẻ em dưới năm tuổi", "Viện dinh dưỡng", "Điều dưỡng trưởng",
    ),
    (
        "khuyến cáo", "theo dõi", "hướng dẫn", "đánh giá", "ghi nhận", "cập nhật", "kiểm tra", "phổ biến",
    ),
    (
        "chế độ ăn giảm muối", "huyết áp mỗi buổi sáng", "triệu chứng sốt xuất huyết", "lịch tiêm chủng",
        "thuốc điều trị tiểu đường", "các bài tập hô hấp", "nguy cơ đột quỵ", "vệ sinh răng miệng",
        "giấc ngủ và tinh thần", "kết quả xét nghiệm máu", "biến chứng của bệnh thận", "cách dùng kháng sinh",
    ),
    (
        "tại Hà Nội", "ở miền Trung", "trong mùa mưa", "sau khi xuất viện", "theo phác đồ mới",
        "cho mọi gia đình", "ở tuyến cơ sở", "trước khi phẫu thuật", "vào đầu năm học", "trong ba tháng đầu",
    ),
)  # fmt: skip

_ENGLISH = (
    (
        "The clinic", "A nurse", "The ministry", "Every patient", "The heart centre", "Older people",
        "Pregnant women", "Young children", "The nutrition institute", "A family doctor",
    ),
    ("recommends", "measures", "explains", "reviews", "records", "updates", "checks", "discusses"),
    (
        "a diet with less salt", "blood pressure each morning", "the symptoms of dengue fever",
        "the vaccination calendar", "medication for diabetes", "breathing exercises", "the risk of a stroke",
        "dental hygiene", "sleep and mental health", "the results of blood tests",
        "complications of kidney disease", "the use of antibiotics",
    ),
    (
        "in the capital", "along the coast", "during the rainy season", "after leaving hospital",
        "under the new protocol", "for every household", "at local clinics", "before an operation",
        "when school begins", "within the first three months",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class People:
    """Clients of one box: two crawlers, one who uploads by hand, somebody who may not, and an administrator
    of a workspace; and a crawler of another one."""

    crawler: httpx2.Client
    second: httpx2.Client
    uploader: httpx2.Client
    analyst: httpx2.Client
    admin: httpx2.Client
    stranger: httpx2.Client
    workspace: str


@contextmanager
def people(box: BoxProcess) -> Iterator[People]:
    """Somebody new each time, in workspaces that nobody else has."""
    number = next(_numbers)
    here, there = f"here-{number}", f"there-{number}"
    with ExitStack() as stack:

        def client(subject: str, role: Role, workspace: str) -> httpx2.Client:
            who = f"{subject}-{number}"
            return stack.enter_context(box.client(role, subject=who, workspace=workspace))

        yield People(
            crawler=client("crawler", Role.INGEST, here),
            second=client("second", Role.INGEST, here),
            uploader=client("uta", Role.UPLOADER, here),
            analyst=client("anna", Role.ANALYST, here),
            admin=client("ada", Role.ADMIN, here),
            stranger=client("sam", Role.INGEST, there),
            workspace=here,
        )


def text(number: int, language: str = "vi", sentences: int = 10) -> str:
    """About 60 characters a sentence, in paragraphs; other numbers give other texts, that nobody would call
    nearly the same."""
    chance = random.Random(f"{language}-{number}")
    words = _VIETNAMESE if language == "vi" else _ENGLISH
    made = []
    for _ in range(sentences):
        who, does, what, where = (chance.choice(each) for each in words)
        made.append(f"{who} {does} {what} {where}, {chance.randrange(10_000)}.")
    paragraphs = [" ".join(made[start : start + 5]) for start in range(0, len(made), 5)]
    return "\n\n".join(paragraphs)


def article(number: int, **fields: object) -> dict[str, object]:
    """An article that is good, and that no other number's is like; `number` gives its address and its text,
    and `language` (`vi` unless given) what it is written in. A field of None stays, as null."""
    language = "en" if fields.get("language") == "en" else "vi"
    title = "Hướng dẫn chăm sóc sức khỏe" if language == "vi" else "Health care guidelines"
    return {
        "source_id": "ministry-health",
        "source_url": f"https://moh.gov.vn/article/{number}",
        "title": f"{title} {number}",
        "content": text(number, language),
        "content_type": "article",
        "language": language,
        "published_at": "2024-01-15T10:30:00Z",
        "metadata": {"author": "Ministry of Health", "category": "guidelines", "authority_score": 95},
        **fields,
    }


def upload(client: httpx2.Client, item: Mapping[str, object], **options: Any) -> str:
    """Posts an article that is to be taken; its `content_id`."""
    reply = client.post(UPLOAD, json=item, **options)
    assert reply.status_code == 200, reply.text
    content_id: str = reply.json()["content_id"]
    return content_id


def bulk(
    client: httpx2.Client, batch_id: str, items: Sequence[Mapping[str, object]], **options: Any
) -> dict[str, Any]:
    """Posts a batch of `ministry-health`; the answer. `body` adds members."""
    body = {"batch_id": batch_id, "source_id": "ministry-health", "items": items, **options.pop("body", {})}
    reply = client.post(BULK, json=body, **options)
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


def status(client: httpx2.Client, **params: str | int) -> dict[str, Any]:
    """What is said about content, by `content_id`, `batch_id`, `source_id` or `since`."""
    reply = client.get(STATUS, params=params)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def wait(client: httpx2.Client, seconds: float = PATIENCE, **params: str | int) -> dict[str, Any]:
    """The status, once nothing of it waits to be processed."""

    def ended() -> dict[str, Any] | None:
        said = status(client, **params)
        return said if said["overall_status"] not in ("queued", "processing") else None

    return until(ended, f"content is processed: {params}", seconds)


def taken(client: httpx2.Client, item: Mapping[str, object]) -> str:
    """Posts an article, and waits until it is processed; its `content_id`."""
    content_id = upload(client, item)
    wait(client, content_id=content_id)
    return content_id


def content(client: httpx2.Client, content_id: str, **params: str) -> dict[str, Any]:
    """Content as it is read."""
    reply = client.get(f"{PATH}/content/{content_id}", params=params)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def refused(reply: httpx2.Response, status_code: int, error: str) -> dict[str, Any]:
    """The body of a refusal in the family's shape, with this error."""
    body: dict[str, Any] = reply.json()
    assert (reply.status_code, body["error"]) == (status_code, error), reply.text
    assert body["success"] is False
    assert body["request_id"] == reply.headers["X-Request-ID"]
    assert isinstance(body["message"], str)
    assert isinstance(body["details"], list)
    return body


def faults(reply: httpx2.Response) -> list[tuple[str, str]]:
    """Fields and what is wrong with them, of a refusal for what was sent."""
    body = refused(reply, 400, "validation_failed")
    return [(each["field"], each["error"]) for each in body["details"]]
