// Speed over the hours of a soak.
function soakChart(one, record) {
  const soak = record.soak, at = soak.intervals;
  const seconds = at.start_seconds, rate = record.measurement.seconds.map((launch) => 1 / launch);
  const base = soak.throttle ? 1 / soak.throttle.baseline_seconds : 1 / one.seconds;
  const hours = soak.lasted_seconds > 7200, scale = hours ? 3600 : 1;
  const bad = soak.first_corruption && soak.first_corruption.at_seconds / scale;
  const note = [
    `${withUnit(soak.launches, "", 1)} launches in ${
        hours ? short(soak.lasted_seconds / 3600) + " h" :
                short(soak.lasted_seconds) + " s"}; ${soak.corrupted} of ${soak.digested} compared outputs differ.`,
    soak.throttle?.at_seconds != null ?
        `Throughput fell ${soak.throttle_percent} % at ${short(soak.throttle.at_seconds)} s for ${
            short(soak.throttle.lasted_seconds)} s.` :
        soak.throttle ? `It never stayed ${soak.throttle_percent} % below its first settled minute.` :
                        ""
  ].join(" ");
  return h(
      "div", null, chart({
        name: "soak",
        title: `${one.workload} ${one.kernel} ${one.dtype} on ${one.device}${
            MACHINES.length > 1 ? " of " + machineOf(one).host : ""}`,
        note,
        height: 230,
        alt: `Throughput of ${one.id} over ${short(soak.lasted_seconds)} s, 100 % being its first settled minute`,
        x: {label: hours ? "h" : "s", low: 0, high: soak.lasted_seconds / scale},
        y: {label: "% of the first settled minute"},
        rules: [{across: 100, tone: ""}, {across: 100 - soak.throttle_percent, tone: "faint"}],
        under: (x, y, frame) =>
            (bad === null ? null : s("path", {class: "rule bad-mark", d: `M${x(bad)},${frame.top}V${frame.bottom}`})),
        series: [{
          tone: "ours",
          line: true,
          marker: seconds.length > 80 ? null : 0,
          radius: 2,
          points: seconds.map((t, i) => ({
                                x: t / scale,
                                y: 100 * rate[i] / base,
                                title: `${short(t)} s: ${(100 * rate[i] / base).toFixed(1)} %`
                              }))
        }],
        table: {
          columns: [["s", true], ["Launches", true], ["% of the first settled minute", true]],
          rows: () => seconds.map((t, i) => [short(t), at.launches[i], (100 * rate[i] / base).toFixed(2)])
        },
      }),
      telemetryCharts(one, {...record, measurement: {...record.measurement, wall_seconds: soak.lasted_seconds}}));
}

function soakSection() {
  const cases = CASES.filter((one) => one.soak);
  if (!cases.length) return null;
  const place = h("div", {class: "charts"}, h("p", {class: "muted"}, "Unpacking …"));
  Promise.all(cases.map(async (one) => soakChart(one, await recordOf(one))))
      .then(
          (charts) => place.replaceChildren(...charts),
          (error) => place.replaceChildren(h("p", null, "The series could not be unpacked: " + error.message)));
  return section(
      "soak", "Soak",
      h("p", null,
        "Every device at once, for as long as was asked; every output that is looked at must equal the first, which was checked."),
      place);
}
