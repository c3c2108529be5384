// Comfort for every page: times in the reader's zone, copying, and what happens when the box does not answer.
"use strict";

(() => {
  const shortTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const exactTime = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

  function localTimes(root) {
    for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
      const moment = new Date(time.dateTime);
      if (Number.isNaN(moment.valueOf())) continue;
      time.title = `${exactTime.format(moment)} · ${time.dateTime}`;
      time.textContent = shortTime.format(moment);
      time.dataset.local = "";
    }
  }

  function say(text, kind) {
    const message = document.createElement("div");
    message.className = `message ${kind}`;
    message.textContent = text;
    document.getElementById("messages").replaceChildren(message);
  }

  // Without TLS, seen from another machine, a browser has no clipboard for scripts: then the old way, or the reader.
  async function copied(code) {
    if (navigator.clipboard && window.isSecureContext) {
      try {
        await navigator.clipboard.writeText(code.textContent);
        return true;
      } catch { /* not allowed: the old way */ }
    }
    window.getSelection().selectAllChildren(code);
    if (!document.execCommand("copy")) return false;
    window.getSelection().removeAllRanges();
    return true;
  }

  async function copy(button) {
    const done = await copied(button.parentElement.querySelector("code"));
    const before = button.dataset.before || button.textContent;
    button.dataset.before = before;
    button.textContent = done ? document.body.dataset.copied : document.body.dataset.selected;
    setTimeout(() => { button.textContent = before; }, done ? 2000 : 6000);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });
  document.addEventListener("DOMContentLoaded", () => localTimes(document));
  document.addEventListener("htmx:after:swap", () => localTimes(document));
  // What had the focus went with the page before: keys go on from the beginning of this one.
  let main = null;
  document.addEventListener("DOMContentLoaded", () => { main = document.getElementById("main"); });
  document.addEventListener("htmx:after:swap", () => {
    const now = document.getElementById("main");
    const another = now && now !== main;
    main = now;
    // After the others that hear of this: a list puts the reader back to their row.
    queueMicrotask(() => {
      if (another && document.activeElement === document.body) now.focus({ preventScroll: true });
    });
  });
  // What nobody looks at is not asked for: pieces that refresh themselves rest while the tab is hidden. Nor is
  // what is there no more, or not for this reader.
  const gone = new WeakSet();
  document.addEventListener("htmx:before:request", (event) => {
    const polls = event.target.getAttribute("hx-trigger")?.startsWith("every ");
    if (polls && (document.hidden || gone.has(event.target))) event.preventDefault();
  });
  document.addEventListener("htmx:after:request", (event) => {
    if ([403, 404].includes(event.detail.ctx.response.status)) gone.add(event.target);
  });
  document.addEventListener("htmx:error", () => {
    say(document.body.dataset.offline, "bad");
    document.getElementById("messages").firstElementChild.dataset.silent = "";
  });
  // It answers again: what asks by itself goes on, and nobody has to take the sentence away.
  document.addEventListener("htmx:after:swap", () => document.querySelector("#messages > [data-silent]")?.remove());
  window.ingestbox = { localTimes, say };
})();
