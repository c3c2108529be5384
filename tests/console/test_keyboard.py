"""Single keys on lists: what they do, and when they do nothing."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.console.conftest import Visit
from tests.console.repairs import at_the_api
from tests.console.support import Person, inspect
from tests.harness import BoxProcess
from tests.web.v1.imports import row, upload

PRESS = """([key, options]) => {
  const at = document.activeElement ?? document.body;
  const event = new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true, ...options});
  at.dispatchEvent(event);
  return event.defaultPrevented;
}"""


def inbox(visit: Visit, box: BoxProcess, count: int = 3) -> Person:
    """Somebody whose inbox has so many rows."""
    person = visit("uploader", "editor", "analyst")
    with at_the_api(box, person.email) as client:
        upload(client, "keys", [row(f"key{number}@x.com", company="") for number in range(count)])
    assert person.goto("/issues") == 200
    return person


def rows(page: Page) -> Locator:
    return page.locator("[data-keys] [data-row]")


def row_with_focus(page: Page) -> int:
    """The number of the row that has the focus, from 0; -1: none."""
    found: int = page.evaluate(
        "[...document.querySelectorAll('[data-row]')].findIndex((each) => each.matches(':focus-within'))"
    )
    return found


def pressed(page: Page, key: str, **options: object) -> bool:
    """Presses a key as no driver can; whether the page took it."""
    taken: bool = page.evaluate(PRESS, [key, options])
    return taken


def test_rows_are_gone_through_chosen_opened_and_kept_track_of(visit: Visit, box: BoxProcess) -> None:
    page = inbox(visit, box).page
    hrefs = [rows(page).nth(number).get_attribute("data-href") for number in range(3)]
    assert row_with_focus(page) == -1
    for key, there in (("j", 0), ("k", 0), ("j", 1), ("j", 2), ("j", 2), ("k", 1)):
        page.keyboard.press(key)
        assert row_with_focus(page) == there, key
    page.keyboard.press("x")
    expect(page.locator("input[name=issue]:checked")).to_have_count(1)
    expect(rows(page).nth(1).locator("input")).to_be_checked()
    page.keyboard.press("x")
    expect(page.locator("input[name=issue]:checked")).to_have_count(0)
    page.keyboard.press("e")
    page.wait_for_url(f"**{hrefs[1]}")
    page.go_back()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{hrefs[0]}")
    page.go_back()
    # From the row that was reached with the mouse, too; and out of the list again.
    rows(page).nth(2).locator("input").focus()
    page.keyboard.press("k")
    assert row_with_focus(page) == 1
    page.keyboard.press("Escape")
    assert row_with_focus(page) == -1
    page.keyboard.press("x")
    expect(page.locator("input[name=issue]:checked")).to_have_count(0)
    # The reader stays where they are when the list is another one by now.
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.evaluate("document.querySelector('[data-keys]').dataset.old = ''")
    page.evaluate("htmx.ajax('GET', location.href, {target: 'main', select: 'main', swap: 'outerHTML'})")
    expect(page.locator("[data-old]")).to_have_count(0)
    expect(rows(page).nth(1).get_by_role("link").first).to_be_focused()
    page.keyboard.press("j")
    assert row_with_focus(page) == 2
    expect(page.locator("[data-keys-help]")).to_be_visible()


def test_help_says_what_the_keys_do_and_switches_them_off(visit: Visit, box: BoxProcess) -> None:
    person = inbox(visit, box)
    page = person.page
    dialog = page.get_by_role("dialog", name="Keyboard")
    expect(dialog).to_be_hidden()
    page.keyboard.press("?")
    expect(dialog).to_be_visible()
    inspect(person, "keys-help")
    page.keyboard.press("j")  # nothing happens behind it
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert row_with_focus(page) == -1
    page.keyboard.press("Shift+Slash")  # as on most keyboards
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Keyboard ?").click()
    expect(dialog).to_be_visible()
    # Who has no use for them switches them off, for good.
    page.get_by_role("switch", name="Single keys are on").uncheck()
    page.keyboard.press("Escape")
    for _ in range(2):
        for key in ("j", "?", "/", "x"):
            page.keyboard.press(key)
        assert row_with_focus(page) == -1
        expect(page.get_by_role("dialog")).to_be_hidden()
        page.reload()
    page.get_by_role("button", name="Keyboard ?").click()
    page.get_by_role("switch", name="Single keys are on").check()
    page.keyboard.press("Escape")
    page.locator("main").focus()
    page.keyboard.press("j")
    assert row_with_focus(page) == 0


def test_keys_that_are_somebody_elses_are_left_alone(visit: Visit, box: BoxProcess) -> None:
    page = inbox(visit, box).page
    for key in ("j", "k", "x", "e", "/", "?"):
        for modifier in ("ctrlKey", "altKey", "metaKey"):
            assert not pressed(page, key, **{modifier: True}), (key, modifier)
    assert not pressed(page, "J", shiftKey=True)
    assert not pressed(page, "j", isComposing=True)
    assert not pressed(page, "Process", keyCode=229)
    assert not pressed(page, "a")
    assert not pressed(page, "j", modifierAltGraph=True)
    # As a browser says it when it fills in a field by itself: there is no key. An exception fails the test.
    page.evaluate(
        "document.querySelector('[data-search]').dispatchEvent(new Event('keydown', {bubbles: true}))"
    )
    assert not pressed(page, "Enter")
    assert not pressed(page, "Escape")
    assert row_with_focus(page) == -1
    # What is held down goes on through the rows, and does nothing else over and over.
    assert pressed(page, "j", repeat=True)
    assert pressed(page, "j", repeat=True)
    assert row_with_focus(page) == 1
    assert not pressed(page, "x", repeat=True)
    assert pressed(page, "J")  # Caps Lock
    assert row_with_focus(page) == 2
    # Where letters are not Latin, the place of the key counts; where they are, what it writes.
    assert pressed(page, "л", code="KeyK")
    assert pressed(page, "Ξ".lower(), code="KeyX")
    expect(rows(page).nth(1).locator("input")).to_be_checked()
    assert not pressed(page, "ф", code="KeyA")
    assert not pressed(page, "ø", code="KeyJ")
    assert not pressed(page, "t", code="KeyK")
    assert row_with_focus(page) == 1


def test_in_fields_every_key_writes(admin: Person) -> None:
    page = admin.page
    admin.goto("/audit")
    search = page.locator("[data-search]")
    page.keyboard.press("/")
    expect(search).to_be_focused()
    for key in ("j", "x", "e", "/", "?"):
        page.keyboard.press(key)
    expect(search).to_have_value("jxe/?")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("Escape")  # the browser empties the field
    expect(search).to_have_value("")
    expect(search).to_be_focused()
    page.keyboard.press("Escape")
    assert row_with_focus(page) == 0
    page.get_by_role("combobox", name="Kind of thing").focus()
    page.keyboard.press("j")
    assert row_with_focus(page) == -1
    page.keyboard.press("Escape")
    page.locator("[data-row] td").first.evaluate("(cell) => { cell.contentEditable = 'true'; cell.focus(); }")
    assert not pressed(page, "j")
    # Shift is how some keyboards write a slash.
    page.locator("main").focus()
    assert pressed(page, "/", shiftKey=True)
    expect(search).to_be_focused()
