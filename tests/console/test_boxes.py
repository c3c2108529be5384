"""The boxes that send here, in the console: none, well ones, one with a gap and one that was set back."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import msgspec
from playwright.sync_api import expect

from ingestbox.model import Role
from tests.console.conftest import Visit
from tests.console.support import Person, inspect
from tests.forward.support import ticket_line
from tests.harness import BoxProcess

HOSTILE = "b" * 50 + "-._"


def send(box: BoxProcess, name: str, *seqs: int, after: int | None = None, **members: Any) -> None:
    """A batch of another box."""
    by = (members.pop("by", name), members.pop("epoch", "e1"))
    lines = [ticket_line(*by, seq, **members) for seq in seqs]
    body = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    headers = {
        "content-type": "application/x-ndjson",
        "content-digest": f"sha-256=:{digest}:",
        "ingestbox-box": by[0],
        "ingestbox-epoch": by[1],
        "ingestbox-after": str(seqs[0] - 1 if after is None else after),
        "ingestbox-seq": f"{seqs[0]}-{seqs[-1]}",
        "ingestbox-lane": "central",
    }
    with box.client(Role.FORWARDER) as client:
        client.post("/v1/sync/batches", content=body, headers=headers).raise_for_status()


def test_the_page_of_boxes_says_how_to_connect_one_and_then_how_each_is(
    admin: Person, box: BoxProcess
) -> None:
    page = admin.page
    assert admin.goto("/boxes") == 200
    expect(page.get_by_role("heading", name="No box sends here yet")).to_be_visible()
    expect(page.locator(".copy code").first).to_contain_text(f'url = "{box.url}/v1/sync/batches"')
    with box.client() as client:
        own = client.get("/v1/sync/boxes").json()["own"]
    this = page.get_by_role("region", name="This box")
    expect(this.get_by_text(own["box"])).to_be_visible()
    expect(this.get_by_text(own["epoch"])).to_be_visible()
    inspect(admin, "boxes-none")

    send(box, "b7a778904a20a36bb", 1, 2, 3)
    send(box, "b7a778904a20a36bb", 1, 2, epoch="e2")
    send(box, "b-gap", 1)
    send(box, "b-gap", 2_500, 2_501)
    send(box, "b-back", 1)
    send(box, "b-back", 1, object_id="other")
    send(box, HOSTILE, 1)
    send(box, HOSTILE, 2, origin="b-edge", origin_epoch="e1")
    page.get_by_role("link", name="Boxes").first.click()
    headings = page.get_by_role("heading", level=2).all_inner_texts()
    assert [text.split()[0] for text in headings[:2]] == ["b-back", "b-gap"]
    well = page.get_by_role("region", name="b7a778904a20a36bb").first
    expect(well.get_by_text("All here")).to_be_visible()
    expect(well.locator("dt:text-is('Epoch') + dd")).to_have_text(["e2", "e1"])
    expect(well.locator("dt:text-is('Here without a gap up to') + dd")).to_have_text(["2", "3"])
    expect(well.get_by_text(" ago)").first).to_be_visible()
    gap = page.get_by_role("region", name="b-gap").first
    expect(gap.get_by_text("Lines are missing")).to_be_visible()
    expect(gap.get_by_text("after 1, before 2,500, since")).to_be_visible()
    back = page.get_by_role("region", name="b-back").first
    expect(back.get_by_text("Numbers used twice")).to_be_visible()
    expect(back.get_by_text("Start it on a copy of its data folder")).to_be_visible()
    heard = page.get_by_role("region", name="Known from others").first
    expect(heard.get_by_role("row").filter(has_text="b-edge")).to_contain_text(HOSTILE)
    inspect(admin, "boxes")
    # What was missing comes: nobody has to look any more.
    send(box, "b-gap", *range(2, 1_000), after=1)
    send(box, "b-gap", *range(1_000, 2_500))
    page.reload()
    expect(gap.get_by_text("All here")).to_be_visible()


def test_only_who_operates_the_box_sees_the_boxes(visit: Visit) -> None:
    assert visit("editor").goto("/boxes") == 403
    other = visit("admin", workspace="acme")
    assert other.goto("/boxes") == 403
    expect(other.page.get_by_role("link", name="Boxes")).to_have_count(0)
