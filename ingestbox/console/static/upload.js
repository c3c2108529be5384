// Files that are dropped or chosen: a line for each, with its preview, how far it is sent, and what became of it.
"use strict";

(() => {
  const form = document.getElementById("upload");
  const words = document.getElementById("words").dataset;
  const input = form.querySelector("input[type=file]");
  const complaints = document.getElementById("file-error");
  const section = document.getElementById("lines");
  const takeAll = section.querySelector("[data-take-all]");
  const extensions = form.dataset.extensions.split(" ");
  const limit = Number(form.dataset.limit);
  const lines = new Set();
  let turn = Promise.resolve(); // files are sent one after the other

  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const unit = (name, digits = 0) =>
    new Intl.NumberFormat(undefined, { style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: digits });
  const percent = new Intl.NumberFormat(undefined, { style: "percent" });

  function size(bytes) {
    const units = words.units.split(" ");
    let at = 0;
    while (bytes >= 1024 && at < units.length - 1) { bytes /= 1024; at += 1; }
    return `${new Intl.NumberFormat(undefined, { maximumFractionDigits: bytes < 10 ? 1 : 0 }).format(bytes)} ${units[at]}`;
  }

  function duration(seconds) {
    if (seconds < 90) return unit("second").format(Math.max(1, Math.round(seconds)));
    return seconds < 5400 ? unit("minute").format(Math.round(seconds / 60)) : unit("hour", 1).format(seconds / 3600);
  }

  // As the box cleans names: nothing that is not seen.
  const clean = (name) => name.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "") || "file";
  const isBook = (file) => /\.xlsx$/i.test(file.name);

  // A key that names this import: the same one again is the same import. Without TLS there is no randomUUID.
  function once() {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (each) => each.toString(16).padStart(2, "0")).join("");
  }

  // The beginning of a large file, up to the end of a line; a line feed of UTF-16 and UTF-32 has more bytes. A line
  // that is longer than half of it is cut: without any of it there may be no row to show.
  async function beginning(file) {
    const most = Number(form.dataset.previewBytes);
    if (file.size <= most || isBook(file)) return file;
    const bytes = new Uint8Array(await file.slice(0, most).arrayBuffer());
    const [a, b, c, d] = bytes;
    let width = 1;
    if (a === 0xff && b === 0xfe) width = c === 0 && d === 0 ? 4 : 2;
    else if (a === 0xfe && b === 0xff) width = 2;
    else if (a === 0 && b === 0 && c === 0xfe && d === 0xff) width = 4;
    const big = width > 1 && a !== 0xff;
    for (let end = bytes.length - (bytes.length % width); end >= most / 2; end -= width) {
      const unitBytes = bytes.subarray(end - width, end);
      if (unitBytes[big ? width - 1 : 0] === 10 && unitBytes.reduce((sum, each) => sum + each, 0) === 10) return file.slice(0, end);
    }
    return file.slice(0, most);
  }

  async function readable(file) {
    try {
      await file.slice(0, 1).arrayBuffer();
      return true;
    } catch {
      return false;
    }
  }

  function message(text, remedy) {
    const box = document.createElement("div");
    box.className = "message bad";
    const strong = document.createElement("strong");
    strong.textContent = text;
    box.append(strong, remedy ? ` ${remedy}` : "");
    return box;
  }

  function pieces(text) {
    const holder = document.createElement("template");
    holder.innerHTML = text;
    return holder.content;
  }

  // What the box says is wrong. A page that something in between made in its place is not shown.
  function refusal(text, status) {
    return pieces(text).querySelector(".message") || message(words.elsewhere, String(status));
  }

  function complaint(file) {
    const name = file.name.toLowerCase();
    if (!extensions.some((each) => name.endsWith(each))) return fill(words.type, { extensions: extensions.join(" ") });
    if (file.size > limit) return fill(words.large, { limit: size(limit) });
    return file.size ? "" : words.empty;
  }

  class Line {
    constructor(file) {
      this.file = file;
      this.once = once();
      this.asking = null; // the preview that is under way
      this.sending = null; // the request that sends the file
      this.node = document.getElementById("line").content.firstElementChild.cloneNode(true);
      this.at = (name) => this.node.querySelector(`[data-${name}]`);
      this.at("name").textContent = clean(file.name);
      this.at("size").textContent = size(file.size);
      const heading = this.node.querySelector("h3");
      heading.id = `line-${this.once}`;
      for (const button of this.node.querySelectorAll("[data-act]")) {
        button.setAttribute("aria-describedby", heading.id);
        button.addEventListener("click", () => this[button.dataset.act]());
      }
      this.shown = this.at("shown");
      this.shown.addEventListener("change", () => this.changed());
      this.shown.addEventListener("submit", (event) => {
        event.preventDefault();
        if (event.submitter && event.submitter.name) this.changed({ [event.submitter.name]: event.submitter.value });
      });
    }

    // What can be done in each state, and what is said of it.
    to(state, text = words[state]) {
      const buttons = {
        ready: ["take", "drop"], unclear: ["drop"], waiting: ["stop"], sending: ["stop"], reading: ["stop"],
        refused: ["retry", "drop"], cut: ["retry", "drop"], stopped: ["retry", "drop"], failed: ["retry", "drop"],
      }[state] || ["drop"];
      const active = document.activeElement;
      this.state = this.node.dataset.state = state;
      for (const button of this.node.querySelectorAll("[data-act]")) button.hidden = !buttons.includes(button.dataset.act);
      // The button that was pressed is gone: the next one takes the focus, so that the keyboard is not lost.
      if (active && active.hidden && this.node.contains(active)) this.node.querySelector("[data-act]:not([hidden])").focus();
      this.node.querySelector("[data-act=drop]").textContent = state === "taken" ? words.hide : words.drop;
      this.at("status").textContent = text;
      this.at("meter").hidden = !["sending", "reading"].includes(state);
      const busy = ["waiting", "sending", "reading", "taken"].includes(state);
      this.at("look").hidden = busy || !this.shown.firstElementChild;
      shownLines();
    }

    fail(state, said, text, remedy = "") {
      this.error(message(text, remedy));
      this.to(state, said);
    }

    error(content) {
      this.at("error").replaceChildren(content);
    }

    body(file, more = {}) {
      const body = new FormData(this.shown);
      for (const [name, value] of Object.entries(more)) body.set(name, value);
      const baseline = form.querySelector("[name=baseline]");
      if (baseline && baseline.checked) body.set("baseline", "true");
      body.set("file", file, this.file.name);
      return body;
    }

    changed(more = {}) {
      this.once = once(); // what was sent before was another import
      this.look(more, words.looking_again);
    }

    async look(more = {}, said = words.looking) {
      if (isBook(this.file) && this.file.size > Number(form.dataset.bookBytes)) {
        this.to("ready", words.no_preview);
        return;
      }
      if (this.asking) this.asking.abort();
      const asking = this.asking = new AbortController();
      const piece = this.shown.firstElementChild;
      this.error("");
      this.busy(true);
      this.to(piece ? this.state : "looking", said);
      let answer, text;
      try {
        const body = this.body(await beginning(this.file), { ...more, whole_bytes: String(this.file.size) });
        answer = await fetch(`${form.action}/preview`, {
          method: "POST", body, headers: { "HX-Request": "true" }, signal: asking.signal,
        });
        text = await answer.text();
      } catch {
        if (asking.signal.aborted) return;
        this.busy(false);
        if (await readable(this.file)) this.fail("failed", words.look_failed, words.cut);
        else this.fail("gone", words.refused, words.gone);
        return;
      }
      if (asking !== this.asking) return;
      this.busy(false);
      if (!answer.ok || !pieces(text).querySelector(".shown")) {
        this.error(refusal(text, answer.status));
        this.to(piece ? "unclear" : "failed", words.look_failed);
        return;
      }
      this.show(text);
    }

    // Nothing is taken while it is not yet shown how it would be read.
    busy(on) {
      const piece = this.shown.firstElementChild;
      if (piece && on) piece.setAttribute("aria-busy", "true");
      else if (piece) piece.removeAttribute("aria-busy");
      for (const button of this.node.querySelectorAll("[data-act=take], [data-act=retry]")) button.disabled = on;
      this.isBusy = on;
    }

    // A new preview in the place of the last: the reader's hand and eye stay where they are.
    show(text) {
      const first = !this.shown.firstElementChild;
      const name = this.shown.contains(document.activeElement) ? document.activeElement.name : "";
      const before = this.shown.querySelector(".columns");
      const top = before ? before.scrollTop : 0;
      this.shown.replaceChildren(pieces(text));
      const columns = this.shown.querySelector(".columns");
      if (columns) columns.scrollTop = top;
      const again = name && this.shown.querySelector(`[name="${CSS.escape(name)}"]`);
      if (again) again.focus();
      const piece = this.shown.firstElementChild;
      const unclear = "missing" in piece.dataset;
      if (first || unclear) this.at("look").open = unclear || [...lines].filter((line) => line.state !== "taken").length === 1; // of several, what needs a look
      this.node.querySelector("[data-act=take]").textContent = piece.dataset.take;
      this.to(unclear ? "unclear" : "ready");
    }

    take() {
      if (this.isBusy || !["ready", "refused", "cut", "stopped"].includes(this.state)) return;
      this.error("");
      this.pressed = performance.now();
      this.to("waiting");
      turn = turn.then(() => (this.state === "waiting" ? this.send() : undefined));
    }

    retry() {
      if (this.state === "failed") this.look();
      else this.take();
    }

    stop() {
      if (performance.now() - this.pressed < 500) return; // the second half of a double click on what was here
      const sending = this.sending;
      this.sending = null;
      this.to("stopped", this.state === "reading" ? words.stopped_late : words.stopped);
      if (sending) sending.abort();
    }

    drop() {
      if (this.asking) this.asking.abort();
      lines.delete(this);
      this.node.remove();
      shownLines();
      input.focus();
    }

    send() {
      const request = this.sending = new XMLHttpRequest();
      const bar = this.node.querySelector("[data-meter] progress");
      const started = performance.now();
      let announced = 0;
      bar.value = 0;
      this.at("figures").textContent = "";
      this.to("sending");
      request.open("POST", form.action);
      request.setRequestHeader("HX-Request", "true");
      request.upload.addEventListener("progress", (event) => {
        if (request !== this.sending || !event.total) return;
        const share = event.loaded / event.total;
        const seconds = (performance.now() - started) / 1000;
        const speed = event.loaded / seconds;
        const left = (event.total - event.loaded) / speed;
        bar.value = share * 100;
        this.at("figures").textContent = fill(seconds > 2 && left > 2 ? words.left : words.done, {
          done: size(event.loaded), all: size(event.total), speed: size(speed), left: duration(left),
        });
        const quarter = Math.floor(share * 4);
        if (quarter > announced && quarter < 4) {
          announced = quarter;
          this.at("announced").textContent = fill(words.announced, { percent: percent.format(quarter / 4) });
        }
      });
      request.upload.addEventListener("load", () => {
        if (request !== this.sending) return;
        bar.removeAttribute("value");
        this.at("figures").textContent = "";
        this.to("reading");
      });
      return new Promise((done) => {
        request.addEventListener("loadend", async () => {
          if (request === this.sending) {
            this.sending = null;
            await this.answered(request);
          }
          done();
        });
        request.send(this.body(this.file, { once: this.once }));
      });
    }

    async answered(request) {
      this.at("announced").textContent = "";
      const answer = pieces(request.responseText);
      if (request.status >= 200 && request.status < 300 && answer.querySelector(".job-progress")) {
        const place = this.at("taken");
        place.replaceChildren(answer);
        window.htmx.process(place);
        window.ingestbox.localTimes(place);
        this.to("taken");
      } else if (request.status >= 400) {
        this.error(refusal(request.responseText, request.status));
        this.to("refused");
      } else if (request.status) {
        this.fail("cut", words.cut_status, words.elsewhere, words.cut_remedy);
      } else if (await readable(this.file)) {
        this.fail("cut", words.cut_status, words.cut, words.cut_remedy);
      } else {
        this.fail("gone", words.refused, words.gone);
      }
    }
  }

  function shownLines() {
    section.hidden = !lines.size;
    document.getElementById("help").hidden = lines.size > 0;
    // All of them: not before the last one is there to be imported.
    const looked = [...lines].every((line) => line.state !== "looking" && !line.isBusy);
    takeAll.hidden = !looked || [...lines].filter((line) => line.state === "ready").length < 2;
  }

  function choose(files) {
    complaints.replaceChildren();
    input.removeAttribute("aria-invalid");
    const taken = [];
    for (const file of files) {
      const wrong = complaint(file);
      if (wrong) {
        input.setAttribute("aria-invalid", "true");
        complaints.append(message(`${clean(file.name)}:`, wrong));
        continue;
      }
      const line = new Line(file);
      lines.add(line);
      section.querySelector("ol").append(line.node);
      line.to("looking");
      taken.push(line);
    }
    input.value = ""; // so that the same file can be chosen again
    (async () => { for (const line of taken) await line.look(); })();
  }

  document.documentElement.classList.add("scripted");
  input.multiple = true;
  input.required = false;
  const title = form.querySelector("[data-several]");
  title.textContent = title.dataset.several;
  complaints.setAttribute("role", "alert");
  input.addEventListener("change", () => choose([...input.files]));
  form.addEventListener("submit", (event) => event.preventDefault());
  takeAll.addEventListener("click", () => {
    for (const line of lines) if (line.state === "ready") line.take();
  });

  // A file that misses the field would otherwise take the place of the page.
  let inside = 0;
  const holdsFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  const dragging = (on) => document.documentElement.classList.toggle("dragging", on);
  window.addEventListener("dragenter", (event) => { if (holdsFiles(event)) { inside += 1; dragging(true); } });
  window.addEventListener("dragleave", (event) => { if (holdsFiles(event)) { inside -= 1; dragging(inside > 0); } });
  window.addEventListener("dragover", (event) => { if (holdsFiles(event)) event.preventDefault(); });
  window.addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    inside = 0;
    dragging(false);
    choose([...event.dataTransfer.files]);
  });

  window.addEventListener("beforeunload", (event) => {
    if ([...lines].some((line) => ["waiting", "sending", "reading"].includes(line.state))) event.preventDefault();
  });
})();
