"""The pictures of README: a box with the samples in it, as somebody sees it who has just signed in.

Run it by `make pictures`, and look at them.
"""

from __future__ import annotations

import datetime
import json
import tempfile
from pathlib import Path

import httpx2

from ingestbox import samples
from tests.console.support import PASSWORD, Person, chromium
from tests.harness import running, until, wait_job

DOCS = Path(__file__).parents[2] / "docs"
EMAIL = "ann@example.com"

LANE = '[[lanes]]\nname = "central"\nurl = "http://127.0.0.1:9/v1/sync/batches"\n'


def main() -> None:
    """Writes docs/console-home.png, docs/console-issues.png and docs/console-audience.png."""
    with running(Path(tempfile.mkdtemp()), config=LANE) as box, chromium() as browser:
        with box.client() as client:
            wanted = {"email": EMAIL, "roles": ["admin"], "password": PASSWORD}
            client.post("/v1/users", json=wanted).raise_for_status()
            given = {"email": EMAIL, "password": PASSWORD}
            token = client.post("/api/auth/login", json=given).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        with httpx2.Client(base_url=box.url, headers=headers, trust_env=False) as client:
            send_samples(client)
        person = Person(browser, box, viewport={"width": 1200, "height": 760})
        person.email = EMAIL
        person.sign_in()
        person.goto("?range=1h")
        person.page.locator(".chart canvas").first.wait_for()
        person.page.screenshot(path=DOCS / "console-home.png")
        person.goto("/issues")
        person.page.screenshot(path=DOCS / "console-issues.png")
        person.goto("/grids/audience")
        person.page.get_by_role("link", name=samples.UPLOADS[0].uploads[0][0], exact=True).click()
        person.page.locator(".quick .count").first.wait_for()
        person.page.screenshot(path=DOCS / "console-audience.png")
        person.close()


def send_samples(client: httpx2.Client) -> None:
    """All samples, once."""
    for sample in samples.SAMPLES:
        lines = (samples.FOLDER / sample.file).read_text("utf-8").splitlines()
        records = [json.loads(line) for line in lines]
        for start in range(0, len(records), sample.batch):
            batch = {sample.wrap: records[start : start + sample.batch]}
            answer = client.post(sample.path, json=batch).raise_for_status()
            wait_job(client, answer.json()["job_id"])
    for file in samples.FILES:
        content = (samples.FOLDER / file.file).read_bytes()
        name = f"{file.family}-{datetime.date.today():%Y-%m}.csv"  # noqa: DTZ011
        client.post(file.path, files={"file": (name, content)}).raise_for_status()
    for uploads in samples.UPLOADS:
        for _, body in samples.uploads(uploads):
            headers = {"Content-Type": "application/json"}
            client.post(uploads.path, content=body, headers=headers).raise_for_status()
    busy = {"queued", "running"}
    until(lambda: not busy & {job["state"] for job in client.get("/v1/jobs").json()["jobs"]}, "all is done")


if __name__ == "__main__":
    main()
