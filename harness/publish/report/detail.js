// One case: its samples in time order with clock and power beside them, and how they are distributed.
function sampleSeries(record, unit) {
  const {seconds, placement} = record.measurement;
  const n = seconds.length, most = record.measurement.wall_seconds;
  const classes = placement?.length ? placement : seconds.map(() => "");
  const tones = {near: "ours", far: "library-mark", "": "ours"};
  return unique(classes).map(
      (name) => ({
        name: name && "cores " + name,
        tone: tones[name] ?? "second",
        radius: n > 300 ? 1.6 : 2.4,
        points:
            seconds
                .map((v, i) => ({
                       x: (i + 0.5) / n * most,
                       y: v / unit.size,
                       of: classes[i],
                       title: `sample ${i + 1} of ${n}: ${withUnit(v, "s")}${classes[i] ? ", cores " + classes[i] : ""}`
                     }))
                .filter((p) => p.of === name),
      }));
}

const FAR_OUT = 4;  // times the median: from there on a few samples would press all others onto a line

function samplesChart(one, record, unit) {
  const rows =
      record.measurement.seconds.map((v, i) => [i + 1, short(v / unit.size), record.measurement.placement?.[i] ?? ""]);
  return chart({
    name: "samples",
    title: "Samples in time order",
    height: 210,
    note:
        "The line is the median, the band its 95 % interval. Samples carry no time of their own: they are spaced evenly over the case’s time.",
    alt: `${rows.length} samples of ${one.id} in time order, median ${withUnit(one.seconds, "s")}; drift ${
        signed(one.drift)} from the first third to the last`,
    x: {label: "s since the first sample", low: 0, high: record.measurement.wall_seconds},
    y: {label: "Time of a launch, " + unit.name, log: Math.max(...record.measurement.seconds) > FAR_OUT * one.seconds},
    rules: [{across: one.seconds / unit.size, tone: ""}],
    under: (x, y, frame) => s("rect", {
      class: "band",
      x: frame.left,
      width: frame.right - frame.left,
      y: y(one.seconds_high / unit.size),
      height: Math.max(1, y(one.seconds_low / unit.size) - y(one.seconds_high / unit.size))
    }),
    series: sampleSeries(record, unit),
    table: {columns: [["Sample", true], ["Time, " + unit.name, true], ["Cores", false]], rows: () => rows},
  });
}

/// Of the lowest 99 % where the highest is far out.
function histogram(values) {
  const all = [...values].sort((a, b) => a - b);
  const far = all.at(-1) > FAR_OUT * quantile(all, 0.5);
  const sorted = far ? all.slice(0, Math.max(1, Math.floor(0.99 * all.length))) : all;
  const width = 2 * (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / Math.cbrt(sorted.length);
  const range = sorted.at(-1) - sorted[0];
  const bins = Math.max(1, Math.min(60, width > 0 ? Math.ceil(range / width) : 1));
  const counts = new Array(bins).fill(0);
  for (const v of sorted) ++counts[range > 0 ? Math.min(bins - 1, Math.floor((v - sorted[0]) / range * bins)) : 0];
  return {low: sorted[0], step: range / bins, counts, beyond: all.length - sorted.length};
}

function distributionChart(one, record, unit) {
  const {low, step, counts, beyond} = histogram(record.measurement.seconds.map((v) => v / unit.size));
  const most = largest(counts), edge = (i) => low + i * step;
  const {p5, p95} = one;
  return chart({
    name: "distribution",
    title: "Distribution",
    height: 210,
    note: `5th percentile ${withUnit(p5, "s")}, median ${withUnit(one.seconds, "s")} (the line), 95th ${
        withUnit(
            p95, "s")}.${beyond ? ` The ${beyond} slowest, up to ${withUnit(one.maximum, "s")}, are not drawn.` : ""}`,
    alt: `Histogram of the times of ${one.id}: ${one.modes} peak${one.modes > 1 ? "s" : ""}, 90 % between ${
        withUnit(p5, "s")} and ${withUnit(p95, "s")}`,
    x: {label: "Time of a launch, " + unit.name},
    y: {label: "Samples", low: 0, high: most * 1.08},
    series: [{
      tone: "soft",
      marker: null,
      points: counts.map(
          (n, i) => (
              {x: edge(i + 0.5), y: n, title: `${short(edge(i))} to ${short(edge(i + 1))} ${unit.name}: ${n} samples`}))
    }],
    under: (x, y) =>
        [counts.map((n, i) => s("rect", {
                      class: "bar",
                      x: x(edge(i)) + 0.5,
                      width: Math.max(1, x(edge(i + 1)) - x(edge(i)) - 1),
                      y: y(n),
                      height: Math.max(0, y(0) - y(n))
                    })),
         s("path", {class: "rule", d: `M${x(one.seconds / unit.size)},${y(0)}V${y(most * 1.05)}`})],
    table: {
      columns: [["From, " + unit.name, true], ["To, " + unit.name, true], ["Samples", true]],
      rows: () => counts.map((n, i) => [short(edge(i)), short(edge(i + 1)), n])
    },
  });
}

const TONES = ["ours", "second", "library-mark", "soft"];

/// What held a device back, what it used, and what went wrong on it or ran beside; only what there is to say.
function telemetryFacts(record) {
  const counts = [
    ["ecc_corrected", "corrected memory errors"], ["ecc_uncorrected", "uncorrected memory errors"],
    ["remapped_rows", "remapped rows"], ["pcie_replays", "PCIe replays"], ["nvlink_errors", "NVLink errors"]
  ];
  const limit = (l) => `${l.reason.replaceAll("_", " ")} ${percent(l.share, 0)} of the time${
      l.seconds === undefined ? "" : ` (${short(l.seconds)} s)`}`;
  return facts((record.telemetry ?? []).flatMap((d) => {
    const wrong = counts.filter(([key]) => d[key] > 0).map(([key, name]) => `${d[key]} ${name}`);
    return [
      [d.device + " held back by", (d.limits ?? []).map(limit).join(", ")],
      [
        d.device + " energy",
        d.energy_joules && `${withUnit(d.energy_joules, "J", 1)} in ${short(d.window_seconds)} s${
                               d.power_cap_watts ? `, cap ${short(d.power_cap_watts)} W` : ""}`
      ],
      [d.device + " errors", [...wrong, ...(d.xids ?? []).map((x) => "Xid " + (x.code ?? x))].join(", ")],
      [d.device + " beside", unique((d.others ?? []).map((o) => o.name)).join(", ")],
    ];
  }));
}

const rangeText = (values) => `${short(values.reduce((a, b) => Math.min(a, b)))} to ${short(largest(values))}`;

/// Clock and power share the samples' axis.
function telemetryCharts(one, record, styles = new Map()) {
  const kinds = [["clock_mhz", "Clock, MHz"], ["power_watts", "Power, W"], ["temperature_celsius", "Temperature, °C"]];
  const devices = record.telemetry ?? [];
  return kinds
      .map(([key, label]) => {
        const series = devices.filter((d) => d.readings?.[key]?.some((v) => v !== null))
                           .map((d, i) => ({
                                  name: d.device,
                                  tone: TONES[i % TONES.length],
                                  dash: DASHES[Math.floor(i / TONES.length) % DASHES.length],
                                  ...styles.get(d.device),
                                  device: d.device,
                                  line: true,
                                  marker: null,
                                  points: d.readings[key]
                                              .map((v, j) => ({
                                                     x: d.readings.seconds[j],
                                                     y: v,
                                                     title: `${d.device}: ${v} at ${short(d.readings.seconds[j])} s`
                                                   }))
                                              .filter((p) => p.y !== null),
                                }));
        series.sort((a, b) => (b.tone === "quiet") - (a.tone === "quiet"));  // behind the others
        return series.length && chart({
                 name: key,
                 title: label,
                 height: 130,
                 alt: `${label} of ${one.id} while it was sampled: ${rangeText(series.flatMap((d) => d.points.map((p) => p.y)))}`,
                 x: {label: "s since the first sample", low: 0, high: record.measurement.wall_seconds},
                 y: {label: ""},
                 series,
                 table: {
                   columns: [["Device", false], ["s", true], [label, true]],
                   rows: () => series.flatMap((d) => d.points.map((p) => [d.device, short(p.x), p.y]))
                 },
               });
      })
      .filter(Boolean);
}

function timeText(one) {
  const unit = unitFor(one.seconds, "s"),
        text = (v) => withInterval(v / unit.size, one.seconds_low / unit.size, one.seconds_high / unit.size);
  return `${text(one.seconds)} ${unit.name}; 95 %: ${text(one.seconds_low)} to ${text(one.seconds_high)}`;
}

function caseFacts(one) {
  const t = one.n === undefined ? null : one,
        work =
            [one.flop && withUnit(one.flop, "FLOP"), one.bytes && withUnit(one.bytes, "B")].filter(Boolean).join(", ");
  return facts([
    ["Median time", t && timeText(one)],
    ["Rate", rateText(one)],
    ["Work", work && `${work} (${one.convention})`],
    [
      "Samples",
      t &&
          `${one.samples}, of them ${t.n} in the summary, worth ${
              t.n_effective === undefined ?
                  "?" :
                  Math.round(t.n_effective)} independent ones (autocorrelation ${short(t.autocorrelation)})`
    ],
    ["Stopped by", t && t.stop.replace("_", " ")],
    ["Drift", t && signed(t.drift)],
    ["Modes", t?.modes],
    ["Cores", t?.placement && t.placement !== "none" && t.placement],
    ["Launches a sample", t?.batch],
    ["In turns with", t && t.in_turns > 1 && `${t.in_turns - 1} other case${t.in_turns > 2 ? "s" : ""}`],
    ["Warm-up", t && withUnit(t.warmup_seconds, "s")],
    ["First launch", one.first_seconds && withUnit(one.first_seconds, "s")],
    [
      "Check",
      one.check_elements &&
          `worst error ${short(one.error_over_allowed ?? NaN)} of the allowed, at ${one.check_where}, ${
              one.check_elements} elements compared`
    ],
    ["Kernel", one.description],
    ["Algorithm", [one.algorithm, one.protocol].filter(Boolean).join(", ")],
    ["Ceiling", one.ceiling],
    ["Reason", one.reason],
  ]);
}

function caseDetail(one) {
  const charts = h("div", {class: "detail-grid"}, h("p", {class: "muted"}, "Unpacking the samples …"));
  const done = async () => {
    const record = await recordOf(one);
    if (!record?.measurement?.seconds?.length) return [h("p", {class: "muted"}, "It has no samples.")];
    const unit = unitFor(one.seconds ?? median(record.measurement.seconds), "s");
    if (one.n === undefined) return [h("p", {class: "muted"}, "It was not right, so its times are no result.")];
    const telemetry = telemetryCharts(one, record);
    return [
      samplesChart(one, record, unit), distributionChart(one, record, unit), ...telemetry, telemetryFacts(record),
      !telemetry.length && h("p", {class: "muted small"}, "Neither clock nor power could be read here.")
    ].filter(Boolean);
  };
  done().then(
      (nodes) => charts.replaceChildren(...nodes),
      (error) => charts.replaceChildren(h("p", null, "The samples could not be unpacked: " + error.message)));
  return h("div", {class: "case-detail"}, h("p", {class: "id"}, one.id), caseFacts(one), charts);
}
