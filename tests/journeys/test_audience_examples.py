"""The examples that clients of audience are written by, as they stand: cURL in a shell, JavaScript on a page
of the box. Nothing is put in their place but the host, the token and the upload's id."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from ingestbox.model import Role
from tests.console.support import PASSWORD, chromium, new_user
from tests.harness import PATIENCE, BoxProcess

UPLOAD = """\
# Basic upload
curl -X POST "http://localhost:3000/api/audience/batch-upload" \\
  -H "Content-Type: application/json" \\
  -H "Authorization: Bearer YOUR_TOKEN" \\
  -d '{
    "upload_name": "test_upload",
    "records": [
      {"business_email": "test@example.com", "first_name": "Test"}
    ]
  }'
"""

LIST = """\
# List uploads
curl -X GET "http://localhost:3000/api/audience/batch-upload" \\
  -H "Authorization: Bearer YOUR_TOKEN"
"""

ONE = """\
# Get specific upload
curl -X GET "http://localhost:3000/api/audience/batch-upload/UPLOAD_ID" \\
  -H "Authorization: Bearer YOUR_TOKEN"
"""

SCRIPT = """\
// Upload batch data
const response = await fetch('/api/audience/batch-upload', {
  method: 'POST',
  headers: {
    'Content-Type': 'application/json',
    'Authorization': `Bearer ${token}`
  },
  body: JSON.stringify({
    upload_name: 'my_upload',
    records: [
      { business_email: 'user@company.com', first_name: 'John' }
    ]
  })
});

const result = await response.json();
console.log('Upload ID:', result.upload_id);
"""

UPLOAD_ID = re.compile(r"upl_\d{13}_[0-9a-z]{9}")


def shell(box: BoxProcess, example: str, token: str, upload_id: str = "") -> dict[str, Any]:
    """What an example prints, once it is typed into a shell."""
    typed = example.replace("http://localhost:3000", box.url).replace("YOUR_TOKEN", token)
    done = subprocess.run(
        ["bash", "-euc", typed.replace("UPLOAD_ID", upload_id)],
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_the_commands_work_as_they_stand(box: BoxProcess) -> None:
    token = box.token(Role.ANALYST, subject="shell")
    taken = shell(box, UPLOAD, token)
    assert UPLOAD_ID.fullmatch(taken["upload_id"])
    assert re.fullmatch(r"sess_\d{13}_[0-9a-z]{9}", taken["session_token"])
    assert taken == {
        "status": "success",
        "upload_id": taken["upload_id"],
        "session_token": taken["session_token"],
        "rows_received": 1,
        "message": "Batch upload successful",
    }
    listed = shell(box, LIST, token)
    (line,) = listed["uploads"]
    assert listed["status"] == "success"
    wanted = {"upload_id": taken["upload_id"], "upload_name": "test_upload", "rows_received": 1}
    assert {**wanted, "status": "uploaded"}.items() <= line.items()
    one = shell(box, ONE, token, taken["upload_id"])
    assert {**wanted, "status": "success", "created_at": line["created_at"]}.items() <= one.items()
    assert one["records"] == [{"business_email": "test@example.com", "first_name": "Test"}]
    assert one["fields"] == ["business_email", "first_name"]
    assert shell(box, LIST, "of-nobody")["status"] == "error"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Browser, box: BoxProcess) -> Iterator[Page]:
    context = browser.new_context(base_url=box.url)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("where", ["/docs", "/console/login"])
def test_the_script_works_as_it_stands_on_a_page_of_the_box(box: BoxProcess, page: Page, where: str) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(where)
    subject = f"script{where.replace('/', '-')}"
    result = page.evaluate(
        f"async (token) => {{ {SCRIPT} return result; }}", box.token(Role.ANALYST, subject=subject)
    )
    assert (result["status"], result["rows_received"]) == ("success", 1)
    assert [line for line in said if line.startswith("Upload")] == [f"Upload ID: {result['upload_id']}"]
    with box.client(Role.ANALYST) as client:
        client.headers["Authorization"] = f"Bearer {box.token(Role.ANALYST, subject=subject)}"
        one = client.get(f"/api/audience/batch-upload/{result['upload_id']}").raise_for_status().json()
    assert (one["upload_name"], one["records"][0]["first_name"]) == ("my_upload", "John")


def test_somebody_signed_in_at_the_console_is_nobody_to_a_script_without_a_token(
    box: BoxProcess, page: Page
) -> None:
    given: dict[str, str | float | bool] = {"email": new_user(box), "password": PASSWORD}
    answer = page.request.post("/console/login", form=given, headers={"Origin": box.url}, max_redirects=0)
    assert answer.status == 303
    page.goto("/console")
    assert "/console/login" not in page.url, "the cookie is there"
    status = page.evaluate(
        """async () => (await fetch('/api/audience/batch-upload', {credentials: 'include'})).status"""
    )
    assert status == 401
    without = SCRIPT.replace("'Authorization': `Bearer ${token}`", "'X-Nothing': 'here'")
    assert without != SCRIPT
    result = page.evaluate(f"async () => {{ {without} return result; }}")
    assert (result["status"], result["code"]) == ("error", "not_authenticated")
