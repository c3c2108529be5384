// Draws the charts of a page (templates/chart.html) with uPlot, in the colours of the theme; reads them out under the
// pointer and by the arrow keys; draws them anew when the theme changes or htmx brings others.
"use strict";

(() => {
  const HEIGHT = 180;
  const DAY = 86400;
  const number = new Intl.NumberFormat(undefined, { maximumFractionDigits: 3 });
  const short = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 2 });
  const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });
  const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
  const date = (timeZone) => new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone });
  const dates = { local: date(undefined), utc: date("UTC") };
  const minute = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  const drawn = new Map();  // a figure → its Chart

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Each series on top of the sum of those before it: what is drawn first is the highest.
  function stacked(columns) {
    const sums = columns[0].map(() => 0);
    return columns.map((column) => column.map((value, at) => (sums[at] += value ?? 0)));
  }

  const total = (column) => column.reduce((sum, value) => sum + (value ?? 0), 0);
  const last = (column) => column.findLast((value) => value !== null);

  class Chart {
    constructor(figure, points) {
      this.figure = figure;
      this.element = figure.querySelector(".chart");
      this.kind = figure.dataset.chart;
      this.series = JSON.parse(figure.dataset.series);
      this.columns = points.columns;
      this.labels = points.labels;
      this.times = points.times;
      this.length = (this.labels ?? this.times ?? []).length;
      this.step = points.step ?? (this.times?.length > 1 ? this.times[1] - this.times[0] : 60);
      this.bars = this.kind !== "line";
      this.outputs = [...this.figure.querySelectorAll(".chart-key output")];
      this.at = null;
      this.paint();
      this.rest();
      this.listen();
    }

    paint() {
      this.plot?.destroy();
      for (const swatch of this.figure.querySelectorAll(".swatch")) {
        swatch.style.background = color(swatch.dataset.color);
      }
      this.plot = new uPlot(this.options(), this.data(), this.element);
      this.plot.root.setAttribute("aria-hidden", "true");
    }

    // A bar stands in the middle of its interval.
    data() {
      const shift = this.bars ? this.step / 2 : 0;
      const xs = this.labels ? this.labels.map((_, at) => at) : this.times.map((at) => at + shift);
      const columns = this.kind === "stacked" ? stacked(this.columns).reverse() : this.columns;
      return [xs, ...columns];
    }

    options() {
      const fine = color("--fine");
      const line = color("--line");
      const family = getComputedStyle(document.body).fontFamily;
      const axis = { stroke: fine, font: `12px ${family}`, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
      const whole = this.columns.every((column) => column.every((value) => value === null || Number.isInteger(value)));
      return {
        width: this.width(),
        height: HEIGHT,
        padding: [10, 12, 0, 0],
        legend: { show: false },
        tzDate: (at) => (this.step >= DAY ? uPlot.tzDate(new Date(at * 1000), "Etc/UTC") : new Date(at * 1000)),
        cursor: { y: false, drag: { x: false, y: false }, points: { show: !this.bars } },
        scales: { x: { time: !this.labels, range: () => this.reach() }, y: { range: (_, low, high) => this.range(low, high) } },
        axes: [
          { ...axis, grid: { show: false }, ...(this.labels ? this.named() : this.timed()), space: 64 },
          {
            ...axis,
            size: 48,
            values: (_, splits) => splits.map((value) => (value === null ? "" : short.format(value) + this.figure.dataset.unit)),
            ...(whole ? { incrs: [1, 2, 5, 10, 20, 50].concat([1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9].flatMap((n) => [n, 2 * n, 2.5 * n, 5 * n])) } : {}),
          },
        ],
        series: [{}, ...this.drawing()],
        hooks: { setCursor: [(plot) => this.read(plot.cursor.idx)] },
      };
    }

    named() {
      return {
        splits: () => this.labels.map((_, at) => at),
        values: (_, splits) => splits.map((at) => (this.labels[at].length > 14 ? `${this.labels[at].slice(0, 13)}…` : this.labels[at])),
      };
    }

    // The hour, and under the first of each day the date; days that are whole are those of UTC.
    timed() {
      const says = this.step >= DAY ? dates.utc : dates.local;
      const date = (at) => says.format(new Date(at * 1000));
      return {
        values: (_, splits, _axis, _space, every) => splits.map((at, index) => {
          if (every >= DAY) return date(at);
          const first = !index || date(at) !== date(splits[index - 1]);
          return clock.format(new Date(at * 1000)) + (first ? `\n${date(at)}` : "");
        }),
      };
    }

    drawing() {
      const each = this.series.map((series, at) => this.one(color(series.color), at));
      return this.kind === "stacked" ? each.reverse() : each;
    }

    one(shade, at) {
      if (this.kind === "line") return { stroke: shade, width: 2, dash: at ? [6, 3 * at] : undefined, points: { show: this.length < 40, size: 5, fill: shade } };
      const beside = this.kind === "bars" ? this.series.length : 1;
      const unit = this.labels ? 1 : this.step;
      const wide = (0.8 * unit) / beside;
      const disp = {
        x0: { unit: 1, values: (plot) => plot.data[0].map((x) => x - 0.4 * unit + (beside > 1 ? at * wide : 0)) },
        size: { unit: 1, values: () => [wide] },
      };
      return { stroke: shade, fill: shade, width: 0, points: { show: false }, paths: uPlot.paths.bars({ disp }) };
    }

    reach() {
      if (this.labels) return [-0.5, this.length - 0.5];
      const end = this.times[this.length - 1];
      return [this.times[0], this.bars || this.length === 1 ? end + this.step : end];
    }

    range(low, high) {
      const { low: floor, high: ceiling } = this.figure.dataset;
      const bottom = floor === undefined ? Math.min(0, low ?? 0) : Number(floor);
      const top = ceiling === undefined ? (high ?? 0) * 1.08 : Number(ceiling);
      return [bottom, top > bottom ? top : bottom + 1];
    }

    width() {
      return Math.max(160, Math.floor(this.element.clientWidth));
    }

    // What the key says: of one point, or without one of all.
    read(at) {
      if (at === undefined || at === this.at) return;
      this.at = at;
      const { none, unit, total: inAll } = this.figure.dataset;
      const values = at === null ? this.columns.map(this.bars ? total : last) : this.columns.map((column) => column[at]);
      const shown = values.map((value) => (value === null || value === undefined ? none : number.format(value) + unit));
      this.outputs.forEach((output, index) => { output.textContent = shown[index]; });
      const where = at !== null ? this.moment(at) : this.bars ? inAll : this.length ? this.moment(this.length - 1) : "";
      this.figure.querySelector(".chart-at").textContent = where;
      this.element.setAttribute("aria-valuenow", at ?? this.length - 1);
      const said = this.series.map((series, index) => `${series.label} ${shown[index]}`).join(", ");
      this.element.setAttribute("aria-valuetext", `${where}: ${said}`);
    }

    moment(at) {
      if (this.labels) return this.labels[at];
      return (this.step >= DAY ? day : minute).format(new Date(this.times[at] * 1000));
    }

    rest() {
      this.at = undefined;
      this.read(null);
    }

    point(at) {
      const to = Math.min(this.length - 1, Math.max(0, at));
      this.plot.setCursor({ left: this.plot.valToPos(this.plot.data[0][to], "x"), top: 0 });
      this.read(to);
    }

    listen() {
      const { element } = this;
      element.tabIndex = 0;
      element.setAttribute("role", "slider");
      element.setAttribute("aria-label", this.figure.dataset.title);
      element.setAttribute("aria-valuemin", 0);
      element.setAttribute("aria-valuemax", Math.max(0, this.length - 1));
      element.onkeydown = (event) => {
        const at = this.at ?? this.length;
        const steps = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: this.length - 1 };
        const keys = event.ctrlKey || event.altKey || event.metaKey || event.shiftKey;
        if (keys || !(event.key in steps) || !this.length) return;
        event.preventDefault();
        this.point(steps[event.key]);
      };
      element.onblur = () => this.plot.setCursor({ left: -10, top: -10 });
    }

    resize() {
      const width = this.width();
      if (width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
    }
  }

  const watcher = new ResizeObserver((entries) => {
    for (const { target } of entries) drawn.get(target.closest("figure"))?.resize();
  });

  function cell(tag, text, name) {
    const made = document.createElement(tag);
    made.textContent = text;
    if (name) made.className = name;
    return made;
  }

  // The table of a chart whose points were fetched; of others it is in the page.
  function fill(chart) {
    const body = chart.figure.querySelector("tbody");
    const rows = Array.from({ length: chart.length }, (_, at) => {
      const row = document.createElement("tr");
      const head = cell("th", chart.moment(at));
      head.scope = "row";
      row.append(head, ...chart.columns.map((column) => cell("td", column[at] === null ? "–" : number.format(column[at]), "number")));
      return row;
    });
    body.replaceChildren(...(chart.labels ? rows : rows.reverse()));
  }

  async function draw(figure) {
    drawn.set(figure, null);
    const element = figure.querySelector(".chart");
    const { points, source, failed } = figure.dataset;
    let found;
    try {
      found = points ? JSON.parse(points) : await fetched(source);
    } catch {
      element.hidden = false;
      element.textContent = failed;
      return;
    }
    element.hidden = false;
    figure.querySelector(".chart-key").hidden = false;
    const chart = new Chart(figure, found);
    drawn.set(figure, chart);
    if (source) fill(chart);
    watcher.observe(element);
  }

  async function fetched(address) {
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(answer.status);
    return answer.json();
  }

  // What is new is drawn; what htmx brought other points for is drawn anew in its place, which keeps the focus.
  function drawAll() {
    for (const [figure, chart] of drawn) {
      if (figure.isConnected && chart && !figure.querySelector(".chart-key").hidden) continue;
      if (chart) watcher.unobserve(chart.element);
      chart?.plot.destroy();
      drawn.delete(figure);
    }
    for (const figure of document.querySelectorAll("[data-chart]")) if (!drawn.has(figure)) draw(figure);
  }

  // A table that is open stays so.
  let open = [];
  document.addEventListener("htmx:before:swap", () => {
    open = [...document.querySelectorAll(".chart-table[open]")].map((table) => table.closest("figure").id);
  });
  document.addEventListener("DOMContentLoaded", drawAll);
  document.addEventListener("htmx:after:swap", () => {
    drawAll();
    for (const id of open) document.getElementById(id)?.querySelector(".chart-table")?.setAttribute("open", "");
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const chart of drawn.values()) chart?.paint();
  });
})();
