"""The example that clients of knowledge are written by, as it stands: nothing is put in its place but the
host and the token."""

from __future__ import annotations

from typing import Any

import pytest

from ingestbox.model import Role
from tests.families.knowledge.support import article
from tests.harness import BoxProcess, until

CLIENT = '''\
import requests
import json
from typing import Dict, List, Optional

class CareCircleAPIClient:
    def __init__(self, base_url: str, firebase_token: str):
        self.base_url = base_url.rstrip('/')
        self.headers = {
            'Authorization': f'Bearer {firebase_token}',
            'Content-Type': 'application/json',
            'User-Agent': 'CareCircle-Crawler/1.0'
        }
    
    def upload_content(self, content_data: Dict) -> Dict:
        """Upload single content item"""
        url = f"{self.base_url}/knowledge-management/content/upload"
        response = requests.post(url, json=content_data, headers=self.headers)
        return response.json()
    
    def bulk_upload(self, batch_data: Dict) -> Dict:
        """Upload multiple content items"""
        url = f"{self.base_url}/knowledge-management/content/bulk-upload"
        response = requests.post(url, json=batch_data, headers=self.headers)
        return response.json()
    
    def check_status(self, batch_id: str) -> Dict:
        """Check processing status"""
        url = f"{self.base_url}/knowledge-management/content/status"
        params = {'batch_id': batch_id}
        response = requests.get(url, params=params, headers=self.headers)
        return response.json()

# Usage example
client = CareCircleAPIClient(
    base_url="http://localhost:3000",
    firebase_token="your-firebase-jwt-token"
)

# Upload single content
content = {
    "source_id": "ministry-health",
    "source_url": "https://moh.gov.vn/article/123",
    "title": "Healthcare Guidelines 2024",
    "content": "Full Vietnamese content...",
    "content_type": "article",
    "language": "vi"
}

result = client.upload_content(content)
print(f"Upload result: {result}")
'''  # noqa: W293 - as it is written there

RETRY = """\
import time

def upload_with_retry(client, content_data, max_retries=3):
    for attempt in range(max_retries):
        try:
            result = client.upload_content(content_data)
            return result
        except requests.exceptions.HTTPError as e:
            if e.response.status_code == 429:  # Rate limited
                retry_after = int(e.response.headers.get('Retry-After', 60))
                time.sleep(retry_after)
                continue
            raise
    raise Exception("Max retries exceeded")
"""

BATCH = {
    "batch_id": "batch_20240116_001",
    "source_id": "ministry-health",
    "items": [
        {
            "source_url": "https://moh.gov.vn/article/123",
            "title": "Healthcare Guidelines 2024",
            "content": "Content text...",
            "content_type": "article",
            "language": "vi",
            "published_at": "2024-01-15T10:30:00Z",
            "metadata": {"author": "Ministry of Health", "category": "guidelines"},
        },
        {
            "source_url": "https://moh.gov.vn/article/124",
            "title": "Medical Device Regulations",
            "content": "Content text...",
            "content_type": "regulation",
            "language": "vi",
            "published_at": "2024-01-14T14:20:00Z",
            "metadata": {"author": "IMDA", "category": "regulations"},
        },
    ],
}
"""The example of a bulk upload. Its texts are shorter than texts may be, which is told of each."""


def test_the_client_works_as_it_stands(
    box: BoxProcess, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    script = CLIENT.replace("http://localhost:3000", box.url)
    script = script.replace("your-firebase-jwt-token", box.token(Role.INGEST, subject="crawler"))
    names: dict[str, Any] = {"__name__": "example"}
    exec(script, names)
    said = names["result"]
    assert capsys.readouterr().out == f"Upload result: {said}\n"
    short = {"field": "content", "error": "Content too short (minimum 100 characters)"}
    assert said == {
        **said,
        "success": False,
        "error": "validation_failed",
        "message": "Content validation failed",
        "details": [short],
    }
    assert said["request_id"]
    client = names["client"]
    answer = client.bulk_upload(BATCH)
    assert (answer["total_items"], answer["rejected_items"]) == (2, 2)
    assert [item["message"] for item in answer["items"]] == [short["error"]] * 2
    whole = {
        **BATCH,
        "items": [{**item, "content": article(n)["content"]} for n, item in enumerate(_items())],
    }
    answer = client.bulk_upload(whole)
    ids = [item["content_id"] for item in answer["items"]]
    assert answer == {
        "success": True,
        "batch_id": "batch_20240116_001",
        "total_items": 2,
        "accepted_items": 2,
        "rejected_items": 0,
        "status": "processing",
        "processing_estimate": answer["processing_estimate"],
        "items": [
            {"source_url": item["source_url"], "content_id": content_id, "status": "accepted"}
            for item, content_id in zip(_items(), ids, strict=True)
        ],
    }

    def done() -> dict[str, Any] | None:
        status: dict[str, Any] = client.check_status("batch_20240116_001")
        return status if status["processing"] == 0 else None

    status = until(done, "the batch is processed")
    assert (status["total_items"], status["completed"], status["failed"]) == (4, 2, 2)
    assert [item["content_id"] for item in status["items"] if item["status"] == "completed"] == ids
    exec(RETRY, names)
    taken = names["upload_with_retry"](client, article(7))
    assert (taken["success"], taken["status"]) == (True, "queued_for_processing")
    nobody = names["CareCircleAPIClient"](box.url, "of-nobody")
    assert nobody.check_status("b")["error"] == "authentication_failed"


def _items() -> list[dict[str, Any]]:
    items: Any = BATCH["items"]
    return list(items)
