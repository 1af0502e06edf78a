// What several ranks or devices do to each other: stragglers, devices alone and together, products beside all-reduces; and
// how often a case differs from itself.
function stragglerChart(search) {
  const known = search.members.filter((m) => m.compute_seconds !== null || m.memory_seconds !== null);
  if (known.length < 2) return null;
  const least = (key) => median(known.map((m) => m[key]).filter((v) => v !== null));
  const base = {compute_seconds: least("compute_seconds"), memory_seconds: least("memory_seconds")};
  const probes = [["compute_seconds", "arithmetic", "ours", 0], ["memory_seconds", "memory", "library-mark", 1]];
  const slow = new Set(search.found.map((f) => f.rank));
  return rowChart({
    name: "stragglers",
    title: "Probes of each rank by itself",
    note: "Time over the median of the ranks; right of the line it is slower.",
    zero: 1,
    x: {label: "Time over the median"},
    alt: `Arithmetic and memory probe of ${known.length} ranks over their medians${
        search.found.length ? "; accused: rank " + [...slow].join(", ") : "; nobody is accused"}`,
    rows: known.map((m) => ({
                      label: `rank ${m.rank} ${m.device}${slow.has(m.rank) ? ", accused" : ""}`,
                      points: probes.filter(([key]) => m[key] !== null)
                                  .map(([key, what, tone, marker]) => ({
                                         x: m[key] / base[key],
                                         tone,
                                         marker,
                                         title: `rank ${m.rank} (${m.host}, ${m.device}): ${what} probe ${
                                             withUnit(m[key], "s")}, ${percentOff(m[key], base[key])}`
                                       }))
                    })),
    legend: probes.map(([, name, tone, marker]) => ({name, tone, marker})),
    table: {
      columns: [["Rank", true], ["Host", false], ["Device", false], ["Arithmetic", true], ["Memory", true]],
      rows: () => known.map((m) => [m.rank, m.host, m.device, spanText(m.compute_seconds), spanText(m.memory_seconds)])
    },
  });
}

const spanText = (seconds) => (seconds === null ? "–" : withUnit(seconds, "s"));

function stragglerSearch(search) {
  const columns = [
    ["Rank", true], ["Host", false], ["Device", false], ["Arithmetic", true], ["Memory", true], ["Waits", true],
    ["Arrives after the others by", true], ["Last in", true]
  ];
  const row = (m) => [
    m.rank, m.host, m.device, spanText(m.compute_seconds), spanText(m.memory_seconds), spanText(m.wait_seconds),
    spanText(m.late_seconds), m.late_seconds === null ? "–" : `${m.last} of ${search.operations}`
  ];
  const said = search.reason      ? "Could not be measured: " + search.reason :
      search.found.length === 0   ? `None among ${search.members.length} ranks and their devices.` :
                                    null;
  return [
    said && h("p", {"data-said": "stragglers"}, said),
    search.found.length > 0 &&
        h("ul", {class: "findings accused"},
          search.found.map((f) => h("li", null, h("b", null, f.cause.replace("_", " ") + ": "), f.verdict))),
    search.members.length > 1 && h("div", {class: "wrap", tabindex: "0", role: "region", "aria-label": "Ranks"},
                                   plainTable("What was measured of each", columns, search.members.map(row), true)),
    stragglerChart(search),
    search.pairs.length > 0 && tableOnDemand(
                                   "Connections, pair by pair",
                                   () => plainTable(
                                       "Connections", [["Ranks", false], ["Time of an exchange", true]],
                                       search.pairs.map((p) => [p.ranks.join(" and "), spanText(p.seconds)]))),
    search.notes.map((note) => h("p", {class: "small"}, note))
  ];
}

function stragglersSection() {
  if (!DATA.stragglers.length) return null;
  return section(
      "stragglers", "Stragglers",
      h("p", null,
        "A collective takes all ranks equally long: who holds the others up is found by probes of each rank alone, by when ranks arrive, and by exchanges of pairs."),
      DATA.stragglers.map(stragglerSearch));
}

/// Of each device the case alone and the one with all busy.
function togetherPairs() {
  const alone = new Map(OK_CASES.filter((one) => !one.axes.together).map((one) => [one.result + " " + one.id, one]));
  return OK_CASES.filter((one) => one.axes.together > 1)
      .map((one) => ({one, lone: alone.get(`${one.result} ${one.id.replace(/\/together=\d+/, "")}`)}))
      .filter((pair) => pair.lone)
      .map((pair) => ({...pair, kept: pair.lone.seconds / pair.one.seconds}));
}

function togetherSection() {
  const pairs = togetherPairs();
  if (!pairs.length) return null;
  return section(
      "together", "Alone and together",
      rowChart({
        name: "together",
        title: "What a device keeps of its lone rate when all are busy",
        zero: 100,
        x: {label: "% of its rate alone"},
        alt: `Rate with all devices busy over the rate alone, of ${pairs.length} cases: ${
            percent(Math.min(...pairs.map((p) => p.kept)))} to ${percent(largest(pairs.map((p) => p.kept)))}`,
        rows: pairs.map((p) => ({
                          label: `${p.one.device} ${p.one.kernel} ${p.one.dtype} ${shapeText(p.lone)}`,
                          points: [{x: 100 * p.kept, tone: toneOf(p.one), title: `${titleOf(p.one)}: ${percent(p.kept)}`}]
                        })),
        legend: [{name: "ours", tone: "ours", marker: 0}, {name: "a library", tone: "library-mark", marker: 0}],
        table: {
          columns: [["Case", false], ["Alone", true], ["Together", true], ["Kept", true]],
          rows: () => pairs.map((p) => [p.one.id, rateText(p.lone), rateText(p.one), percent(p.kept)])
        },
      }));
}

function overlapSection() {
  if (!DATA.overlaps.length) return null;
  return section(
      "overlap", "Products beside all-reduces",
      h("p", null, "Efficiency is the part of the shorter that the longer hides: 0 as one after the other, 1 all of it."),
      h("div", {class: "wrap", tabindex: "0", role: "region", "aria-label": "Overlap"},
        plainTable(
            "At once, and each alone",
            [
              ["At once", false], ["GEMM alone", true], ["All-reduce alone", true], ["Both", true],
              ["GEMM slower", true], ["All-reduce slower", true], ["Efficiency", true], ["95 %", true]
            ],
            DATA.overlaps.map(
                (o) =>
                    [o.point, spanText(o.gemm), spanText(o.all_reduce), spanText(o.both),
                     (o.both / o.gemm).toFixed(2) + "×", (o.both / o.all_reduce).toFixed(2) + "×",
                     o.efficiency.toFixed(2), `${o.efficiency_low.toFixed(2)} to ${o.efficiency_high.toFixed(2)}`]),
            true)));
}

function selftestSection() {
  if (!DATA.selftests.length) return null;
  const resolved = (margin) => (margin === null ? "none" : margin + " %");
  return section(
      "selftest", "A case against itself",
      h("p", null,
        "How often two measurements of the same differed by more than 1, 2 and 5 %, in turns as the kernels of a point are compared, and apart as two runs are. A margin is resolved where at most one in twenty crossed it: a smaller difference is none."),
      h("div", {class: "wrap", tabindex: "0", role: "region", "aria-label": "A case against itself"},
        plainTable(
            "False alarms",
            [
              ["Case", false], ["Compared", false], ["> 1 %", true], ["> 2 %", true], ["> 5 %", true],
              ["Resolves", true], ["Spread", true]
            ],
            DATA.selftests.flatMap(
                (t) => t.compared.map(
                    (c) =>
                        [t.id, c.how, ...c.alarms.map((share) => percent(share)), resolved(c.resolves),
                         percent(t.spread)])),
            true)));
}
