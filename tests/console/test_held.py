"""What is held is forwarded from its page, or from the inbox together with others."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.console.conftest import Visit
from tests.console.support import inspect
from tests.console.test_issues import desk, message
from tests.families.knowledge.deciding import issue, poor, told
from tests.families.knowledge.support import upload
from tests.harness import until


def test_an_article_of_low_quality_is_forwarded_as_it_is(visit: Visit) -> None:
    person = visit("admin", workspace="held")
    client, page = desk(person).client, person.page
    first, *others = [upload(client, poor(number)) for number in (1, 2, 3)]
    for each in (first, *others):
        issue(client, each)
    person.goto(f"/issues/{issue(client, first)['id']}")
    expect(page.locator("#main")).to_contain_text("is below 0.50")
    inspect(person, "issue-held")
    page.get_by_role("button", name="Forward it as it is").click()
    expect(message(page)).to_contain_text("Row 1 is forwarded as it is.")
    until(lambda: told(client, first), "it is told")
    found = [issue(client, each)["id"] for each in others]
    person.goto(f"/issues/bulk?ids={','.join(found)}")
    page.get_by_label("Forward them as they are").check()
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#main")).to_contain_text("Forward them as they are")
    inspect(person, "bulk-held")
    page.locator(".commit button").first.click()
    until(lambda: all(told(client, each) for each in others), "both are told")
