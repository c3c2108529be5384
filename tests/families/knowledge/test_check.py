"""What an article has to be: every rule, told with its field."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from tests.families.knowledge.support import (
    UPLOAD,
    article,
    bulk,
    content,
    faults,
    refused,
    text,
    upload,
    wait,
)

URL = "source_url must be an absolute URL (http or https)"
TIME = "must be a time in ISO 8601, such as 2024-01-15T10:30:00Z"
ENTITY = {"text": "huyết áp", "type": "medical_condition", "confidence": 0.95}
TAGS = "tags must be a list of texts"
SPECIALTY = "medical_specialty must be a list of texts, or a text"
SCORE = "authority_score must be a number from 0 to 100"
CONFIDENCE = "confidence must be a number from 0 to 1"


def entity(**members: object) -> dict[str, object]:
    return {"extracted_entities": [ENTITY, ENTITY, {**ENTITY, **members}]}


@pytest.mark.parametrize(
    ("fields", "field", "error"),
    [
        ({"source_id": None}, "source_id", "source_id is required"),
        ({"source_id": " "}, "source_id", "source_id is required"),
        ({"source_id": 7}, "source_id", "source_id must be text"),
        ({"source_id": "x" * 256}, "source_id", "source_id must have 1 to 255 characters"),
        ({"source_url": ""}, "source_url", "source_url is required"),
        ({"source_url": ["x"]}, "source_url", "source_url must be text"),
        ({"source_url": "/article/1"}, "source_url", URL),
        ({"source_url": "ftp://moh.gov.vn/1"}, "source_url", URL),
        ({"source_url": "https://"}, "source_url", URL),
        ({"source_url": "https://[::1"}, "source_url", URL),
        ({"source_url": "https://moh.gov.vn:99999/"}, "source_url", URL),
        ({"source_url": "https://moh.gov.vn/a\nb"}, "source_url", URL),
        (
            {"source_url": f"https://x.vn/{'a' * 4_096}"},
            "source_url",
            "source_url must have at most 4096 characters",
        ),
        ({"title": ""}, "title", "title is required"),
        ({"title": "x" * 501}, "title", "title must have 1 to 500 characters"),
        ({"content": None}, "content", "content is required"),
        ({"content": {"a": 1}}, "content", "content must be text"),
        ({"content": "x" * 99}, "content", "Content too short (minimum 100 characters)"),
        ({"content": " " * 200}, "content", "content is required"),
        ({"content_type": 3}, "content_type", "content_type must be one of article, regulation, guideline, "),
        (
            {"content_type": "blog"},
            "content_type",
            "content_type must be one of article, regulation, guideline, ",
        ),
        ({"language": "fr"}, "language", "language must be one of vi, en"),
        ({"published_at": "yesterday"}, "published_at", f"published_at {TIME}"),
        ({"published_at": 1705314600}, "published_at", f"published_at {TIME}"),
        ({"published_at": "2024-01-15T10:30:00Z\x00?"}, "published_at", f"published_at {TIME}"),
        ({"crawled_at": "2024-13-01"}, "crawled_at", f"crawled_at {TIME}"),
        ({"metadata": []}, "metadata", "metadata must be an object"),
        ({"metadata": {"author": 1}}, "metadata.author", "author must be text"),
        ({"metadata": {"category": ["a"]}}, "metadata.category", "category must be text"),
        ({"metadata": {"tags": "a"}}, "metadata.tags", TAGS),
        ({"metadata": {"tags": ["a", 1]}}, "metadata.tags", TAGS),
        ({"metadata": {"medical_specialty": 5}}, "metadata.medical_specialty", SPECIALTY),
        ({"metadata": {"medical_specialty": [None]}}, "metadata.medical_specialty", SPECIALTY),
        ({"metadata": {"authority_score": 100.5}}, "metadata.authority_score", SCORE),
        ({"metadata": {"authority_score": "95"}}, "metadata.authority_score", SCORE),
        ({"metadata": {"authority_score": True}}, "metadata.authority_score", SCORE),
        ({"metadata": {"content_hash": 12}}, "metadata.content_hash", "content_hash must be text"),
        ({"extracted_entities": {}}, "extracted_entities", "extracted_entities must be a list of objects"),
        ({"extracted_entities": ["x"]}, "extracted_entities[0]", "An entity must be an object"),
        (entity(text=""), "extracted_entities[2].text", "text is required"),
        (entity(type=None), "extracted_entities[2].type", "type is required"),
        (entity(confidence=1.1), "extracted_entities[2].confidence", CONFIDENCE),
        (entity(confidence=None), "extracted_entities[2].confidence", CONFIDENCE),
        (entity(start=-1), "extracted_entities[2].start", "start must be a whole number from 0 on"),
        (entity(start=5, end=4), "extracted_entities[2].end", "end must not be before start"),
        ({"entities": [{**ENTITY, "confidence": -1}]}, "entities[0].confidence", CONFIDENCE),
    ],
)
def test_what_is_wrong_is_told_with_its_field(
    crawler: httpx2.Client, fields: dict[str, object], field: str, error: str
) -> None:
    ((found, said),) = faults(crawler.post(UPLOAD, json=article(1, **fields)))
    assert found == field
    assert said.startswith(error)
    refused(
        crawler.get("/knowledge-management/content/status", params={"source_id": "x"}),
        404,
        "source_not_found",
    )


def test_every_fault_is_told_at_once(crawler: httpx2.Client) -> None:
    reply = crawler.post(UPLOAD, json={"content": "short", "language": "xx", "metadata": {"tags": 1}})
    assert [field for field, _ in faults(reply)] == [
        "source_id", "source_url", "title", "content", "language", "metadata.tags",
    ]  # fmt: skip
    assert reply.json()["message"] == "Content validation failed"
    many = article(1, extracted_entities=[{}] * 1_000)
    assert len(faults(crawler.post(UPLOAD, json=many))) == 100


@pytest.mark.parametrize(
    "body", [b"[]", b"5", b"null", b'"x"', b"{", b"", b'{"a": NaN}', b'"\xff"', b"[" * 80]
)
def test_what_is_no_article_is_refused(crawler: httpx2.Client, body: bytes) -> None:
    faults(crawler.post(UPLOAD, content=body, headers={"Content-Type": "application/json"}))


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "x" * 500},
        {"title": "\U0001f3e5" * 500},
        {"content": "á" * 100},
        {"content_type": "doctor_profile"},
        {"content_type": None, "language": None, "metadata": None, "extracted_entities": None},
        {"language": "en"},
        {"published_at": None, "crawled_at": "2024-01-15T10:30:00"},
        {"published_at": "2024-01-15T10:30:00+07:00"},
        {"metadata": {"medical_specialty": "general", "authority_score": 0}},
        {"metadata": {"medical_specialty": ["general"], "authority_score": 100, "tags": [], "more": {}}},
        {"extracted_entities": [{**ENTITY, "start": 0, "end": 8, "more": 1}]},
        {"extracted_entities": None, "entities": [{**ENTITY, "confidence": 1}]},
        {"extracted_entities": [ENTITY], "entities": {"of": "another kind"}},
        {"chunks": [{"id": 1}], "key_phrases": ["a"], "quality_score": 0.7},
        {"source_url": "HTTPS://bộ-y-tế.vn:8443/a?b=c#d"},
    ],
)
def test_what_is_right_is_taken_and_kept_as_it_was_sent(
    crawler: httpx2.Client, fields: dict[str, object]
) -> None:
    item = article(2, **fields)
    assert content(crawler, upload(crawler, item))["record"] == item


def test_the_bytes_stay_as_they_were_but_for_the_ends_of_lines(crawler: httpx2.Client) -> None:
    sent = json.dumps(article(3, price=1.50, big=10**30)).replace("1.5", "1.50").encode()
    reply = crawler.post(UPLOAD, content=sent, headers={"Content-Type": "application/json"})
    path = f"/knowledge-management/content/{reply.json()['content_id']}"
    assert b'"record":' + sent in crawler.get(path).content
    over_lines = json.dumps(article(4), indent=2).encode()
    reply = crawler.post(UPLOAD, content=over_lines, headers={"Content-Type": "application/json"})
    path = f"/knowledge-management/content/{reply.json()['content_id']}"
    assert json.dumps(article(4), separators=(",", ":")).encode() in crawler.get(path).content


def test_a_million_characters_are_taken_and_one_more_is_too_large(crawler: httpx2.Client) -> None:
    whole = (text(5, sentences=200) * 200)[:1_000_000]
    body = refused(crawler.post(UPLOAD, json=article(5, content=whole + "x")), 413, "content_too_large")
    assert body["details"] == [{"field": "content", "error": "Content too long (maximum 1000000 characters)"}]
    said = bulk(crawler, "large", [article(5, content=whole + "x"), article(6)])
    assert [(item["status"], item.get("error")) for item in said["items"]] == [
        ("rejected", "content_too_large"), ("accepted", None),
    ]  # fmt: skip
    assert crawler.post(UPLOAD, json=article(5, content=whole)).status_code == 200


@pytest.mark.parametrize("given", ["sha256:{}", "{}", "SHA256:{}"])
def test_a_hash_that_matches_says_nothing(crawler: httpx2.Client, given: str) -> None:
    item = article(7)
    digest = content(crawler, upload(crawler, item))["content_hash"].removeprefix("sha256:")
    again: dict[str, Any] = article(7, metadata={"content_hash": given.format(digest)})
    assert "warnings" not in crawler.post(UPLOAD, json=again).json()


def test_a_hash_that_does_not_match_is_a_warning(crawler: httpx2.Client) -> None:
    wrong = {"metadata": {"content_hash": "sha256:abc123..."}}
    said = crawler.post(UPLOAD, json=article(8, **wrong)).json()
    assert [each["code"] for each in said["warnings"]] == ["content_hash_mismatch"]
    items = bulk(crawler, "hashes", [article(9), article(10, **wrong)])["items"]
    assert [("warnings" in item, item["status"]) for item in items] == [
        (False, "accepted"),
        (True, "accepted"),
    ]
    wait(crawler, content_id=said["content_id"])
    kept = content(crawler, said["content_id"])["warnings"]
    assert "content_hash_mismatch" in [each["code"] for each in kept]
