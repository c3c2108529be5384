// Single keys on lists: j k x e / ? and Escape. What they act on, and how a page says so, is in keys.html.
//
// A key counts as what it writes (event.key). On a keyboard whose letters are not Latin the key in the same
// place counts (event.code), as it does for the browser's own shortcuts there.
"use strict";

(() => {
  const STORED = "ingestbox.keys";
  const TYPES = "input:not([type=checkbox], [type=radio], [type=button], [type=submit], [type=reset]), textarea, select";

  let row = null; // where the reader was last
  let place = 0; // and its number, for when the list is another one by now
  let off = false;

  const help = () => document.getElementById("keys-help");
  const rows = () => [...document.querySelectorAll("[data-keys] [data-row]")].filter((each) => each.checkVisibility());

  function isOn() {
    try {
      return localStorage.getItem(STORED) !== "off";
    } catch {
      return !off; // a browser that keeps nothing
    }
  }

  function turn(on) {
    try {
      if (on) localStorage.removeItem(STORED);
      else localStorage.setItem(STORED, "off");
    } catch {
      off = !on; // for this page, then
    }
  }

  function meant(event) {
    const { key, code } = event;
    if (/^\p{L}$/u.test(key) && !/^\p{Script=Latin}$/u.test(key)) {
      return /^Key[A-Z]$/.test(code) ? code.slice(3).toLowerCase() : "";
    }
    return key.length === 1 ? key.toLowerCase() : key;
  }

  function opener(of) {
    return of.querySelector(`a[href="${CSS.escape(of.dataset.href ?? "")}"]`) ?? of.querySelector("a[href]");
  }

  function current() {
    const focused = document.activeElement?.closest?.("[data-keys] [data-row]");
    if (focused) return focused;
    if (!row) return null;
    if (row.isConnected) return row;
    return rows().find((each) => each.dataset.href === row.dataset.href) ?? null;
  }

  function enter(next) {
    const target = opener(next) ?? next;
    if (target === next) next.tabIndex = -1;
    target.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
    row = next;
    place = rows().indexOf(next);
  }

  function step(by) {
    const all = rows();
    if (!all.length) return false;
    const from = current();
    let to = 0;
    if (from) to = all.indexOf(from) + by;
    else if (row) to = Math.min(place, all.length - 1); // the row is gone: the one in its place
    if (all[to]) enter(all[to]);
    return true;
  }

  function choose() {
    const box = current()?.querySelector("input[type=checkbox]:not(:disabled)");
    box?.click(); // as the mouse does, with all that follows from it
    return Boolean(box);
  }

  function open() {
    const at = current();
    if (!at) return false;
    const link = opener(at);
    if (link) link.click();
    else if (at.dataset.href) location.assign(at.dataset.href);
    return true;
  }

  function search() {
    const field = document.querySelector("[data-search]");
    field?.focus();
    field?.select?.();
    return Boolean(field);
  }

  function showHelp() {
    const dialog = help();
    if (!dialog) return false;
    dialog.querySelector("[data-keys-switch]").checked = isOn();
    dialog.showModal();
    return true;
  }

  function leave() {
    const away = document.querySelector("a[data-leave]");
    if (document.activeElement?.closest?.("[data-keys] [data-row]")) document.activeElement.blur();
    else if (away) away.click();
    else return false;
    row = null;
    return true;
  }

  function leaveSearch(field) {
    if (field.value) return; // the browser empties it first
    const at = current() ?? rows()[0];
    if (at) enter(at);
    else field.blur();
  }

  function pressed(event) {
    if (!(event instanceof KeyboardEvent)) return; // what fills fields in for a reader says so without a key
    if (event.defaultPrevented || event.isComposing || event.keyCode === 229) return;
    if (event.ctrlKey || event.altKey || event.metaKey || event.getModifierState("AltGraph")) return;
    if (document.querySelector("dialog[open], [popover]:popover-open") || !isOn()) return;
    const key = meant(event);
    const target = event.target instanceof Element ? event.target : document.body;
    if (target.closest(TYPES) || target.isContentEditable) {
      if (key === "Escape" && !event.shiftKey && target.matches("[data-search]")) leaveSearch(target);
      return;
    }
    // Many keyboards write these two with Shift.
    if (event.shiftKey && key !== "?" && key !== "/") return;
    if (event.repeat && key !== "j" && key !== "k") return;
    const does = { j: () => step(1), k: () => step(-1), x: choose, e: open, "/": search, "?": showHelp, Escape: leave };
    if (key === "Enter" && target.matches("[data-row]")) does.Enter = open; // a link opens by itself
    if (Object.hasOwn(does, key) && does[key]()) event.preventDefault();
  }

  function swapped() {
    if (!row || row.isConnected || document.activeElement !== document.body) return;
    const all = rows();
    const same = all.find((each) => each.dataset.href === row.dataset.href) ?? all[Math.min(place, all.length - 1)];
    if (same) enter(same);
  }

  function prepare() {
    for (const button of document.querySelectorAll("[data-keys-help]")) button.hidden = false;
  }

  document.addEventListener("keydown", pressed);
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[data-keys-help]")) showHelp();
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches?.("[data-keys-switch]")) turn(event.target.checked);
  });
  document.addEventListener("htmx:after:swap", () => {
    prepare();
    swapped();
  });
  document.addEventListener("DOMContentLoaded", prepare);
})();
