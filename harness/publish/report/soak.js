// Speed over the hours of a soak: a chart for each case, with a line for each device that was soaked with it.
const SOAK_TABLE = [["Device", false], ["s", true], ["Launches", true], ["% of the first settled minute", true]];

/// One device's series, in percent of its first settled minute.
function soakSeries({one, record}) {
  const {soak} = record, base = soak.throttle ? 1 / soak.throttle.baseline_seconds : 1 / one.seconds;
  return {
    device: one.device,
    soak,
    troubled: soak.throttle?.at_seconds != null || soak.corrupted > 0,
    seconds: soak.intervals.start_seconds,
    percents: record.measurement.seconds.map((launch) => 100 / launch / base)
  };
}

function soakNote(all) {
  const {lasted_seconds: lasted, throttle_percent: share} = all[0].soak, who = (d) => (all.length > 1 ? d.device : "it");
  const sum = (key) => all.reduce((total, d) => total + d.soak[key], 0);
  const fell = all.filter((d) => d.soak.throttle?.at_seconds != null)
                   .map((d) => `throughput of ${who(d)} fell ${share} % at ${short(d.soak.throttle.at_seconds)} s for ${
                            short(d.soak.throttle.lasted_seconds)} s`);
  const steady = all.length - fell.length, judged = all.every((d) => d.soak.throttle);
  const rest = !judged || steady === 0 ? [] :
      all.length === 1                 ? [`it never stayed ${share} % below its first settled minute`] :
                                         [`${steady} of ${all.length} devices never stayed ${share} % below theirs`];
  const wrong = all.filter((d) => d.soak.first_corruption)
                    .map((d) => `${d.device} was wrong first at ${short(d.soak.first_corruption.at_seconds)} s`);
  return [
    `${withUnit(sum("launches"), "", 1)} launches in ${
        lasted > 7200 ? short(lasted / 3600) + " h" : short(lasted) + " s"}`,
    `${sum("corrupted")} of ${sum("digested")} compared outputs differ`, ...wrong, ...fell, ...rest
  ].join("; ") + ".";
}

/// Those in trouble in the accent, the others quiet behind them, in one entry of the legend; a single one is in the
/// accent.
function lineStyles(all) {
  const quiet = all.filter((d) => !d.troubled), styles = new Map();
  let accents = 0;
  for (const d of all)
    styles.set(d.device, all.length === 1 ? {tone: "ours", name: ""} :
                   d.troubled             ? {tone: "ours", name: d.device, dash: DASHES[accents++ % DASHES.length]} :
                   d === quiet[0] ? {tone: "quiet", name: quiet.length > 1 ? `${quiet.length} others` : d.device} :
                                    {tone: "quiet", name: ""});
  if (accents === 0 && all.length > 1) styles.get(quiet[0].device).name = `all ${quiet.length} devices`;
  return styles;
}

function soakLines(all, scale) {
  const styles = lineStyles(all);
  return [...all].sort((a, b) => a.troubled - b.troubled).map((d) => ({
                                                                ...styles.get(d.device),
                                                                line: true,
                                                                marker: null,
                                                                points: d.seconds.map((t, i) => ({
                                                                                        x: t / scale,
                                                                                        y: d.percents[i],
                                                                                        title: `${d.device}, ${short(t)} s: ${
                                                                                            d.percents[i].toFixed(1)} %`
                                                                                      }))
                                                              }));
}

function soakChart(members) {
  const one = members[0].one, all = members.map(soakSeries), {soak} = all[0], hours = soak.lasted_seconds > 7200;
  const scale = hours ? 3600 : 1;
  const bad = all.filter((d) => d.soak.first_corruption).map((d) => d.soak.first_corruption.at_seconds / scale);
  const telemetry = members.flatMap((m) => m.record.telemetry ?? []);
  return h(
      "div", null, chart({
        name: "soak",
        title: `${one.workload} ${one.kernel} ${one.dtype} ${shapeText(one)} on ${
            all.length > 1 ? all.length + " devices" : one.device}${
            MACHINES.length > 1 ? " of " + machineOf(one).host : ""}`,
        note: soakNote(all),
        height: 230,
        alt: `Throughput of ${one.id} on ${all.map((d) => d.device).join(", ")} over ${
            short(soak.lasted_seconds)} s, 100 % being the first settled minute`,
        x: {label: hours ? "h" : "s", low: 0, high: soak.lasted_seconds / scale},
        y: {label: "% of the first settled minute"},
        rules: [{across: 100, tone: ""}, {across: 100 - soak.throttle_percent, tone: "faint"}],
        under: (x, y, frame) =>
            bad.map((at) => s("path", {class: "rule bad-mark", d: `M${x(at)},${frame.top}V${frame.bottom}`})),
        series: soakLines(all, scale),
        table: {
          columns: SOAK_TABLE,
          rows: () => all.flatMap(
              (d) => d.seconds.map(
                  (t, i) => [d.device, short(t), d.soak.intervals.launches[i], d.percents[i].toFixed(2)]))
        },
      }),
      telemetryCharts(one, {telemetry, measurement: {wall_seconds: soak.lasted_seconds}}, lineStyles(all)));
}

function soakSection() {
  const cases = CASES.filter((one) => one.soak);
  if (!cases.length) return null;
  const groups = [...groupBy(cases, (one) => JSON.stringify([one.result, one.id.replace(/\/(gpu|core)\d+\//, "/")])).values()];
  const place = h("div", {class: "charts"}, h("p", {class: "muted"}, "Unpacking …"));
  const withRecords = (group) => Promise.all(group.map(async (one) => ({one, record: await recordOf(one)})));
  Promise.all(groups.map(async (group) => soakChart(await withRecords(group))))
      .then(
          (charts) => place.replaceChildren(...charts),
          (error) => place.replaceChildren(h("p", null, "The series could not be unpacked: " + error.message)));
  return section(
      "soak", "Soak",
      h("p", null,
        "Every device at once, for as long as was asked; every output that is looked at must equal the first, which was checked."),
      place);
}
