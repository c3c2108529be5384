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

  async function copy(button) {
    const text = button.parentElement.querySelector("code").textContent;
    await navigator.clipboard.writeText(text);
    const before = button.textContent;
    button.textContent = document.body.dataset.copied;
    setTimeout(() => { button.textContent = before; }, 2000);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });
  document.addEventListener("DOMContentLoaded", () => localTimes(document));
  document.addEventListener("htmx:after:swap", () => localTimes(document));
  document.addEventListener("htmx:error", () => say(document.body.dataset.offline, "bad"));
  window.ingestbox = { localTimes, say };
})();
