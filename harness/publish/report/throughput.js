// Rates by size and by shape, and busbw by message size.
const COLLECTIVE = (one) => one.bus_bytes_per_second !== undefined;
const DASHES = [null, "5 3", "2 3", "8 3 2 3"];

/// A kernel's looks: ours in the accent, then ink; libraries in grey, told apart by their dashes.
function kernelStyles(cases) {
  const styles = new Map();
  let own = 0, others = 0;
  for (const one of cases) {
    if (styles.has(one.kernel)) continue;
    if (one.vendor)
      styles.set(
          one.kernel,
          {tone: "library-mark", dash: DASHES[others++ % DASHES.length], marker: styles.size % MARKS.length});
    else
      styles.set(one.kernel, {
        tone: ["ours", "second", "soft"][own % 3],
        dash: DASHES[Math.floor(own++ / 3) % DASHES.length],
        marker: styles.size % MARKS.length
      });
  }
  return styles;
}

const otherAxes = (one, axis) => JSON.stringify([
  one.kernel, one.dtype, one.device, one.cache, one.mode, one.result,
  Object.entries(one.axes).filter(([name]) => name !== axis)
]);

/// The axis along which most cases stand in a row of three or more: only those are joined by lines.
function sweptAxis(cases) {
  const least = 3;
  const numeric =
      unique(cases.flatMap((one) => Object.keys(one.axes).filter((name) => typeof one.axes[name] === "number")));
  const covered =
      (axis) => [...groupBy(cases.filter((one) => one.axes[axis] !== undefined), (one) => otherAxes(one, axis))
                     .values()]
                    .filter((list) => unique(list.map((one) => one.axes[axis])).length >= least);
  const enough = 0.6 * cases.length;  // a few lines among many dots would say more than is there
  return numeric.map((axis) => ({axis, rows: covered(axis)}))
             .map((one) => ({...one, count: one.rows.flat().length}))
             .filter((one) => one.count >= enough)
             .sort((a, b) => b.count - a.count)[0] ??
      {rows: []};
}

/// Each series has looks of its own: a dtype's mark, unless another of its tone has it.
function apartInLooks(series) {
  const taken = new Set();
  for (const one of series) {
    for (let tries = 0; tries < MARKS.length && taken.has(one.tone + one.marker); ++tries)
      one.marker = (one.marker + 1) % MARKS.length;
    taken.add(one.tone + one.marker);
  }
  return series;
}

/// "cpu_blocked 428 GFLOP/s, onednn 426 GFLOP/s": the highest of each, for those who cannot see the chart.
function fastestInWords(cases, name, key, unit) {
  const most = 6;
  const tops = [...groupBy(cases, name)].map(([what, list]) => [what, largest(list.map((one) => one[key]))]);
  tops.sort((a, b) => b[1] - a[1]);
  return "highest: " + tops.slice(0, most).map(([what, value]) => `${what} ${withUnit(value, unit)}`).join(", ") +
      (tops.length > most ? ` and ${tops.length - most} more` : "");
}

function sizeChart(workload, cases) {
  const {axis, rows} = sweptAxis(cases), lines = new Map(rows.flat().map((one) => [one, otherAxes(one, axis)]));
  const byFlop = cases.every((one) => one.flop), styles = kernelStyles(cases);
  const rate = byFlop ? "flops_per_second" : "bytes_per_second",
        unit = unitFor(largest(cases.map((one) => one[rate])), byFlop ? "FLOP/s" : "B/s");
  const series = apartInLooks([...groupBy(cases, (one) => one.kernel + ", " + one.dtype)].map(([name, list]) => ({
                                                                                   name,
                                                                                   ...styles.get(list[0].kernel),
                                                                                   line: lines.size > 0,
                                                                                   marker: markerOf(list[0]),
                                                                                   radius: 3,
                                                                                   points: list.map((one) => {
                                                                                     const [low, high] =
                                                                                         rateInterval(one, one[rate]);
                                                                                     return {
                                                                                       x: byFlop ? one.flop : one.bytes,
                                                                                       y: one[rate] / unit.size,
                                                                                       low: low / unit.size,
                                                                                       high: high / unit.size,
                                                                                       line: lines.get(one) ?? null,
                                                                                       title: titleOf(one)
                                                                                     };
                                                                                   }),
                                                                                 })));
  return chart({
    name: "size",
    title: `${workload} by size`,
    height: 340,
    note: (lines.size ? `Lines join cases that differ in ${axis} alone. ` : "") + "Bars are 95 % intervals.",
    alt: `${workload}: rate by ${byFlop ? "FLOP" : "bytes"} of a launch, ${cases.length} cases; ${
        fastestInWords(cases, (one) => `${one.kernel} ${one.dtype}`, rate, byFlop ? "FLOP/s" : "B/s")}`,
    x: {label: (byFlop ? "FLOP" : "Bytes") + " of a launch", log: true, format: (v) => withUnit(v, "")},
    y: {label: unit.name, low: 0},
    series,
    table: {
      columns: [["Case", false], [byFlop ? "FLOP" : "Bytes", true], [unit.name, true]],
      rows: () => cases.map(
          (one) =>
              [one.id, short(byFlop ? one.flop : one.bytes),
               withInterval(one[rate] / unit.size, ...rateInterval(one, one[rate] / unit.size))])
    },
  });
}

function shapeChart(workload, cases) {
  const styles = kernelStyles(cases), byFlop = cases.every((one) => one.flop);
  const rate = byFlop ? "flops_per_second" : "bytes_per_second",
        unit = unitFor(largest(cases.map((one) => one[rate])), byFlop ? "FLOP/s" : "B/s");
  const differing = ["device", "cache", "mode"].filter((key) => unique(cases.map((one) => one[key])).length > 1);
  const label = (one) => [...differing.map((key) => one[key]), one.dtype, shapeText(one)].join(" ");
  const work = (list) => list[0].flop ?? list[0].bytes ?? 0;
  const rows =
      [...groupBy(cases, label)].sort((a, b) => work(b[1]) - work(a[1])).map(([name, list]) => ({
                                                                               label: name,
                                                                               points: list.map((one) => {
                                                                                 const [low, high] =
                                                                                     rateInterval(one, one[rate]);
                                                                                 return {
                                                                                   x: one[rate] / unit.size,
                                                                                   low: low / unit.size,
                                                                                   high: high / unit.size,
                                                                                   tone: styles.get(one.kernel).tone,
                                                                                   marker:
                                                                                       styles.get(one.kernel).marker,
                                                                                   title: titleOf(one)
                                                                                 };
                                                                               }),
                                                                             }));
  return rowChart({
    name: "shape",
    title: `${workload} by shape`,
    note: "The largest first.",
    rows,
    x: {label: unit.name, low: 0},
    alt: `${workload}: the rate of each kernel for ${rows.length} shapes; ${
        fastestInWords(cases, (one) => one.kernel, rate, byFlop ? "FLOP/s" : "B/s")}`,
    legend: [...styles].map(([name, style]) => ({name, tone: style.tone, marker: style.marker})),
    table: {
      columns: [["Case", false], [unit.name, true], ["% of library", true]],
      rows: () => cases.map(
          (one) =>
              [one.id, withInterval(one[rate] / unit.size, ...rateInterval(one, one[rate] / unit.size)),
               one.percent_of_vendor?.toFixed(1) ?? ""])
    },
  });
}

function throughputSection() {
  const cases = OK_CASES.filter((one) => one.workload !== "peak" && !COLLECTIVE(one) && (one.flop || one.bytes));
  if (!cases.length) return null;
  const workloads = unique(cases.map((one) => one.workload));
  const place = h("div", {class: "charts"});
  const picked = {workload: workloads[0], dtype: "", machine: ""};
  const draw = () => {
    const shown = cases.filter(
        (one) => one.workload === picked.workload && (!picked.dtype || one.dtype === picked.dtype) &&
            (picked.machine === "" || machineOf(one).index === Number(picked.machine)));
    place.replaceChildren(
        ...(shown.length ? [sizeChart(picked.workload, shown), shapeChart(picked.workload, shown)] :
                           [h("p", null, "No case is both.")]));
  };
  const set = (key) => (value) => {
    picked[key] = value;
    draw();
  };
  const dtypes = unique(cases.map((one) => one.dtype));
  if (MACHINES.length > 1) picked.machine = "0";
  draw();
  return section(
      "throughput", "Throughput",
      h("div", {class: "tools"}, workloads.length > 1 && choice("Workload", workloads, set("workload")),
        dtypes.length > 1 && choice("Dtype", ["", ...dtypes], set("dtype"), ["all", ...dtypes]),
        MACHINES.length > 1 &&
            choice("Machine", MACHINES.map((m) => String(m.index)), set("machine"), MACHINES.map((m) => m.name))),
      place);
}

function collectiveChart(cases) {
  const one = cases[0], styles = kernelStyles(cases),
        unit = unitFor(largest(cases.map((c) => c.bus_bytes_per_second)), "B/s");
  const lineOf = (c) => JSON.stringify(Object.entries(c.axes).filter(([name]) => name !== "bytes"));
  const variant = (c) => Object.entries(c.axes)
                             .filter(([name]) => name !== "bytes" && unique(cases.map((o) => o.axes[name])).length > 1)
                             .map(([name, v]) => axisText(name, v))
                             .join(", ");
  const series = [...groupBy(cases, (c) => [c.kernel, variant(c)].filter(Boolean).join(", "))].map(
      ([name, list], i) => ({
        name,
        ...styles.get(list[0].kernel),
        line: true,
        marker: i % MARKS.length,
        radius: 3,
        points: list.map((c) => {
          const [low, high] = rateInterval(c, c.bus_bytes_per_second);
          return {
            x: c.axes.bytes,
            y: c.bus_bytes_per_second / unit.size,
            low: low / unit.size,
            high: high / unit.size,
            line: lineOf(c),
            title: titleOf(c)
          };
        }),
      }));
  const ceilings = unique(cases.map((c) => c.ceiling_bytes_per_second).filter((v) => v !== undefined));
  const missing =
      unique(cases.filter((c) => c.ceiling_bytes_per_second === undefined).map((c) => c.ceiling).filter(Boolean));
  return chart({
    name: "collective",
    title: `${one.workload}, ${one.dtype}, ${one.axes.ranks ?? "?"} ranks${
        MACHINES.length > 1 ? ", " + machineOf(one).name : ""}`,
    height: 320,
    note: ceilings.length ? unique(cases.map((c) => c.ceiling).filter(Boolean)).slice(0, 2).join("; ") :
                            missing[0] && "No ceiling: " + missing[0].replace(/^no ceiling: /, ""),
    alt: `Bus bandwidth of ${one.workload} by message size; ${
        fastestInWords(cases, (c) => [c.kernel, variant(c)].filter(Boolean).join(", "), "bus_bytes_per_second", "B/s")}${
        ceilings.length ? `; ceiling ${withUnit(ceilings[0], "B/s")}` : ""}`,
    x: {label: "Message", log: true, base: 2, format: bytesText},
    y: {label: "busbw, " + unit.name, low: 0},
    series,
    rules: ceilings.slice(0, 3).map((v) => ({across: v / unit.size, tone: "", label: `ceiling ${withUnit(v, "B/s")}`})),
    table: {
      columns: [
        ["Case", false], ["Message", true], ["Time, µs", true], ["busbw, " + unit.name, true], ["% of ceiling", true]
      ],
      rows: () => cases.map(
          (c) =>
              [c.id, bytesText(c.axes.bytes), withInterval(c.seconds * 1e6, c.seconds_low * 1e6, c.seconds_high * 1e6),
               withInterval(c.bus_bytes_per_second / unit.size, ...rateInterval(c, c.bus_bytes_per_second / unit.size)),
               c.percent_of_ceiling?.toFixed(1) ?? ""])
    },
  });
}

function collectivesSection() {
  const cases = OK_CASES.filter((one) => COLLECTIVE(one) && one.axes.bytes > 0);
  if (!cases.length) return null;
  const groups = [...groupBy(cases, (one) => JSON.stringify([
                    one.workload, one.dtype, one.axes.ranks, one.cache, one.result
                  ])).values()];
  return section(
      "collectives", "Collectives",
      h("p", null,
        "Bus bandwidth by message size: the rate at which a link would have to carry the message, whatever the number of ranks."),
      h("div", {class: groups.length > 1 ? "charts" : null}, groups.map(collectiveChart)));
}
