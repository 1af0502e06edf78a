// The cases: one table, sortable, filterable, each row opening what its samples show.
function varies(key) { return unique(CASES.map((one) => one[key])).length > 1; }

const has = (key) => CASES.some((one) => one[key] !== undefined && one[key] !== null);

/// One unit for a column: that of its largest value; of times, of the median.
function columnUnit(key, unit, least, pick) {
  const values = CASES.map((one) => one[key]).filter((v) => v > 0);
  return values.length ? unitFor(pick(values), unit, least) : null;
}

const largest = (values) => values.reduce((a, b) => Math.max(a, b), 0);

function caseColumns() {
  const time = columnUnit("seconds", "s", 1e-6, median) ?? {size: 1, name: "s"};
  const energy = columnUnit("flops_per_joule", "FLOP/J", 1e9, largest);
  const rate = (key, label, unit, least) => {
    const scale = columnUnit(key, unit, least, largest);
    return scale && {
      key,
      head: label + scale.name,
      number: true,
      text: (one) => {
        if (one[key] === undefined) return "";
        const [low, high] = rateInterval(one, one[key]);
        return withInterval(one[key] / scale.size, low / scale.size, high / scale.size);
      }
    };
  };
  const plain = (key, head, digits) => has(key) && {
    key,
    head,
    number: true,
    text: (one) =>
        (one[key] === undefined ? "" :
             digits === null    ? short(one[key]) :
                                  one[key].toFixed(digits))
  };
  return [
    {key: "kernel", head: "Kernel", open: true},
    {key: "dtype", head: "Dtype", below: varies("device") ? (one) => one.device : null},
    {
      key: "shape",
      head: "Shape",
      wide: true,
      below: (one) =>
          [one.cache, one.mode, one.labels, MACHINES.length > 1 && machineOf(one).brief].filter(Boolean).join(", ")
    },
    {
      key: "seconds",
      head: "Time, " + time.name,
      number: true,
      text: (one) =>
          (one.seconds === undefined ?
               "" :
               withInterval(one.seconds / time.size, one.seconds_low / time.size, one.seconds_high / time.size))
    },
    {
      key: "width",
      head: "95\u00a0%, ±%",
      number: true,
      value: (one) => one.seconds && 50 * (one.seconds_high - one.seconds_low) / one.seconds,
      text: (one) =>
          (one.seconds === undefined ? "" : (50 * (one.seconds_high - one.seconds_low) / one.seconds).toPrecision(2)),
      after: whisker
    },
    rate("flops_per_second", "", "FLOP/s", 1e9),
    rate("bytes_per_second", "", "B/s", 1e9),
    rate("bus_bytes_per_second", "busbw, ", "B/s", 1e9),
    plain("percent_of_peak", "% of peak", 1),
    plain("percent_at_clock", "% at clock", 1),
    plain("percent_of_ceiling", "% of ceiling", 1),
    plain("percent_of_vendor", "% of library", 1),
    plain("power_watts", "Power, W", 0),
    plain("clock_mhz", "Clock, MHz", 0),
    energy && {
      key: "flops_per_joule",
      head: energy.name,
      number: true,
      text: (one) => (one.flops_per_joule === undefined ? "" : short(one.flops_per_joule / energy.size))
    },
    plain("error_over_allowed", "Error / allowed", null),
    varies("outcome") && {key: "outcome", head: "Outcome", outcome: true},
  ].filter(Boolean);
}

/// The interval on a scale of ±5 % around the median.
function whisker(one) {
  if (one.seconds === undefined) return null;
  const most = 0.05, at = (v) => 32 + 31 * Math.max(-1, Math.min(1, (v / one.seconds - 1) / most));
  const low = at(one.seconds_low), high = at(one.seconds_high);
  return s(
      "svg", {class: "whisker", viewBox: "0 0 64 12", "aria-hidden": "true"},
      s("path", {class: "axis", d: "M1,6H63M32,2V10"}),
      s("path", {d: `M${low.toFixed(1)},6H${high.toFixed(1)}M${low.toFixed(1)},3V9M${high.toFixed(1)},3V9`}));
}

function caseCell(one, column) {
  if (column.open) {
    const button =
        h("button", {
          class: "open-case",
          type: "button",
          "aria-expanded": "false",
          "aria-label": `${one.kernel}: samples and details of ${one.id}`
        },
          one.kernel);
    return h("td", {class: "name"}, button, h("div", {class: "small muted"}, one.workload));
  }
  const raw = column.value ? column.value(one) : one[column.key];
  const text = column.text ? column.text(one) : raw ?? "";
  const attributes = {
    "data-label": column.head,
    "data-key": column.key,
    class: column.number ? "num" :
        column.wide      ? "wide" :
                           null
  };
  if (column.number && raw !== undefined) attributes["data-value"] = raw;
  if (column.outcome) {
    attributes.class = one.outcome === "ok" || one.outcome === "skipped" ? "outcome-ok" : "outcome-bad";
    return h(
        "td", attributes, one.outcome.replaceAll("_", " "),
        one.reason && h("div", {class: "small muted reason"}, one.reason));
  }
  if (text === "") return h("td", attributes);
  return h(
      "td", attributes, text, column.after && column.after(one),
      column.below && h("div", {class: "small muted"}, column.below(one)));
}

class CaseTable {
  constructor() {
    this.columns = caseColumns();
    this.sortKey = null;
    this.descending = false;
    this.filters = {text: "", workload: "", dtype: "", outcome: ""};
    this.status = h("p", {class: "small muted", role: "status"});
    this.body = h("tbody");
    this.heads = this.columns.map(
        (column) =>
            h("th", {scope: "col", class: column.number ? "num" : null},
              h("button", {type: "button", onclick: () => this.sortBy(column.key)}, column.head)));
    this.rows = CASES.map((one) => this.rowOf(one));
    const many = 13;  // columns; from there on they stand closer
    this.table = h(
        "table", {class: "cases" + (this.columns.length > many ? " many" : "")},
        h("caption", {class: "hidden"}, "The cases; a heading’s button sorts, a kernel’s button opens its samples"),
        h("thead", null, h("tr", null, this.heads)), this.body);
    this.place = h("div", {class: "wrap", tabindex: "0", role: "region", "aria-label": "Cases"}, this.table);
    this.element = h("div", null, this.tools(), this.status, this.place);
    this.show();
    new ResizeObserver(() => this.fit()).observe(this.place);
  }

  /// A table where it fits, else a card for each case.
  fit() {
    const width = this.place.clientWidth;
    if (width === 0 || width === this.fitted) return;
    this.fitted = width;
    this.element.classList.remove("cards");
    this.element.classList.toggle("cards", this.table.scrollWidth > width + 1);
  }

  rowOf(one) {
    const row =
        h("tr", {class: "case" + (one.vendor ? " library" : ""), "data-id": one.id, "data-result": one.result},
          this.columns.map((column) => caseCell(one, column)));
    const button = row.querySelector(".open-case");
    button.addEventListener("click", () => {
      const open = button.getAttribute("aria-expanded") === "true";
      button.setAttribute("aria-expanded", String(!open));
      if (open) return row.detail.remove();
      row.detail = h("tr", {class: "detail"}, h("td", {colspan: this.columns.length}, caseDetail(one)));
      row.after(row.detail);
    });
    const words = [
      one.id, one.labels, one.outcome, one.accelerator, MACHINES.length > 1 ? machineOf(one).name : ""
    ].join(" ").toLowerCase();
    return {one, row, words};
  }

  tools() {
    const set = (key) => (value) => {
      this.filters[key] = value;
      this.show();
    };
    const pick = (label, key) => {
      const values = unique(CASES.map((one) => one[key])).sort();
      return values.length > 1 && choice(label, ["", ...values], set(key), ["all", ...values]);
    };
    this.search = h("input", {
      type: "search",
      id: "filter",
      placeholder: "words that the id holds: bf16 m=4096",
      oninput: (event) => set("text")(event.target.value)
    });
    const sorts = choice(
        "Sort by", ["", ...this.columns.map((c) => c.key)], (key) => this.sortBy(key || null),
        ["order of the run", ...this.columns.map((c) => c.head)]);
    sorts.classList.add("narrow-only");
    return h(
        "div", {class: "tools"}, h("label", {class: "grow"}, "Filter ( / )", this.search), pick("Workload", "workload"),
        pick("Dtype", "dtype"), pick("Outcome", "outcome"), sorts);
  }

  sortBy(key) {
    const column = this.columns.find((one) => one.key === key);
    // What is measured is best first; words and times as one reads them.
    const first = Boolean(column?.number) && key !== "seconds" && key !== "width";
    if (this.sortKey === key && this.descending !== first)
      [this.sortKey, this.descending] = [null, false];
    else if (this.sortKey === key)
      this.descending = !this.descending;
    else
      [this.sortKey, this.descending] = [key, first];
    this.heads.forEach((head, i) => {
      if (this.columns[i].key === this.sortKey)
        head.setAttribute("aria-sort", this.descending ? "descending" : "ascending");
      else
        head.removeAttribute("aria-sort");
    });
    this.show();
  }

  shown() {
    const words = this.filters.text.toLowerCase().split(/\s+/).filter(Boolean);
    const keep = ({one, words: all}) => words.every((word) => all.includes(word)) &&
        ["workload", "dtype", "outcome"].every((key) => !this.filters[key] || one[key] === this.filters[key]);
    const rows = this.rows.filter(keep);
    const column = this.columns.find((one) => one.key === this.sortKey);
    if (!column) return rows;
    const value = ({one}) => (column.value ? column.value(one) : one[column.key]);
    const way = this.descending ? -1 : 1;
    return rows.sort((a, b) => {
      const [u, v] = [value(a), value(b)];
      if (u === undefined || v === undefined)
        return (u === undefined) - (v === undefined);  // what was not measured is last
      return way * (typeof u === "number" ? u - v : String(u).localeCompare(String(v), "en", {numeric: true}));
    });
  }

  show() {
    const rows = this.shown();
    this.body.replaceChildren(...rows.flatMap(
        ({row}) => (
            row.detail && row.querySelector(".open-case").getAttribute("aria-expanded") === "true" ? [row, row.detail] :
                                                                                                     [row])));
    this.status.textContent = `${rows.length} of ${CASES.length} cases`;
  }
}

function casesSection() {
  const table = new CaseTable();
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName)) return;
    event.preventDefault();
    table.search.focus();
  });
  const left = DATA.results_given > DATA.results.length ?
      h("p", null,
        `Shown are the cases of ${DATA.results.length} of ${
            DATA.results_given} results: of those accused below, and the first others.`) :
      null;
  return section("cases", "Cases", left, table.element, DATA.notes.map((note) => h("p", {class: "small"}, note)));
}
