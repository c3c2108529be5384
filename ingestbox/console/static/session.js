// A session that ends while somebody works: the password is asked for in place, and then what they did is done.
"use strict";

(() => {
  const Outcome = { again: "again", refused: "refused" };
  let asking = null;  // one dialog for all requests that meet the end of the session
  let dismissed = false;

  function ask() {
    asking ??= show().finally(() => { asking = null; });
    return asking;
  }

  function show() {
    const template = document.getElementById("session");
    if (!template) return Promise.resolve(Outcome.refused);
    document.body.append(template.content.cloneNode(true));
    const dialog = document.body.lastElementChild;
    const frame = dialog.querySelector("article");
    const form = dialog.querySelector("form");
    const said = dialog.querySelector("[data-said]");
    const button = form.querySelector("[type=submit]");
    let outcome = Outcome.refused;

    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (button.disabled) return;
      button.disabled = true;
      said.textContent = frame.dataset.working;
      try {
        const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
        if (!answer.ok && ![401, 429, 503].includes(answer.status)) throw new Error(answer.statusText);
        if (!answer.ok) {
          said.innerHTML = await answer.text();
          form.elements.password.select();
          form.elements.password.focus();
        } else if (answer.headers.get("X-Signed-In") === frame.dataset.subject) {
          outcome = Outcome.again;
          dismissed = false;
          dialog.close();
        } else {
          said.textContent = "";
          form.hidden = true;
          dialog.querySelector("[data-other]").hidden = false;
          dialog.querySelector("[data-reload]").focus();
        }
      } catch {
        said.textContent = frame.dataset.offline;
      } finally {
        button.disabled = false;
      }
    });
    dialog.querySelector("[data-cancel]").addEventListener("click", () => dialog.close());
    dialog.querySelector("[data-reload]").addEventListener("click", () => location.reload());
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => {
        const other = form.hidden;
        dialog.remove();
        if (other) location.reload();
        else {
          dismissed ||= outcome === Outcome.refused;
          resolve(outcome);
        }
      });
      dialog.showModal();
    });
  }

  // fetch that asks for the password when the session has ended, and then fetches once more.
  async function patient(address, options, wanted = true) {
    for (;;) {
      const answer = await fetch(address, options);
      if (answer.status !== 401 || !wanted || await ask() !== Outcome.again) return answer;
    }
  }

  document.addEventListener("htmx:before:request", (event) => {
    const { ctx } = event.detail;
    const polls = ctx.sourceEvent?.type === "every";
    if (polls && dismissed) {  // who said no is not asked again, until something else is answered
      event.preventDefault();
      return;
    }
    if (polls) ctx.request.headers["X-Poll"] = "1";  // nobody is known to be there
    ctx.fetch = async (address, options) => {
      const first = await fetch(address, options);
      if (first.status !== 401) {
        dismissed = false;
        return first;
      }
      if (polls && dismissed) return first;  // others asked meanwhile
      clearTimeout(ctx.requestTimeout);  // a person takes longer than a box
      return await ask() === Outcome.again ? patient(address, options) : first;
    };
  });

  window.ingestbox.fetch = patient;
})();
