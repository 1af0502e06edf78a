// Every case with FLOP and bytes under the ceilings of its machine, measured and from its datasheet.
function rooflineRules(ceilings) {
  const rules = [];
  for (const origin of ["measured", "datasheet"]) {
    const of = ceilings.filter((c) => c.origin === origin);
    const bytes = largest(of.map((c) => c.bytes_per_second ?? 0));
    const flops = groupBy(of.filter((c) => c.flops_per_second), (c) => c.dtype);
    const tops = [...flops].map(([dtype, list]) => [dtype, largest(list.map((c) => c.flops_per_second))]);
    for (const [dtype, top] of tops)
      rules.push({top: top / 1e9, tone: origin, label: `${dtype} ${origin} ${withUnit(top, "FLOP/s")}`,
        path: (x) => [[bytes ? Math.max(x.low, top / bytes) : x.low, top / 1e9], [x.high, top / 1e9]]});
    const highest = largest(tops.map(([, top]) => top));
    if (bytes) rules.push({tone: origin, memory: `memory ${origin} ${withUnit(bytes, "B/s")}`,
      path: (x, y) => [[Math.max(x.low, y.low * 1e9 / bytes), Math.max(x.low * bytes / 1e9, y.low)], [Math.min(x.high, highest ? highest / bytes : Infinity), Math.min(x.high * bytes, highest || Infinity) / 1e9]]});
  }
  return rules;
}

function rooflineChart(machine, device, cases) {
  const ceilings = DATA.ceilings.filter((c) => MACHINE_OF_RESULT[c.result] === machine && c.device.replace(/\d+$/, "") === device);
  const rules = rooflineRules(ceilings);
  const kinds = groupBy(cases, (one) => (one.vendor ? "libraries" : "ours") + ", " + one.dtype);
  const memory = rules.filter((r) => r.memory).map((r) => r.memory);
  const least = Math.min(...cases.map((one) => one.flop / one.bytes));
  const ridges = ceilings.filter((c) => c.flops_per_second && c.bytes_per_second).map((c) => c.flops_per_second / c.bytes_per_second);
  const columns = [["Case", false], ["FLOP/B", true], ["GFLOP/s", true], ["% of peak", true]];
  return chart({
    name: "roofline", title: machine.name + (device === "gpu" ? "" : ", CPU"), height: 420,
    note: [memory.length ? "Slopes: " + memory.join(", ") + "." : "No memory rate was measured here.",
      ceilings.some((c) => c.flops_per_second) ? "" : "No arithmetic peak was measured here and no datasheet is known: no ceiling is drawn."].join(" "),
    alt: `Roofline of ${cases.length} cases: rate over arithmetic intensity; ceilings: ${rules.map((r) => r.label ?? r.memory).join(", ") || "none"}`,
    x: {label: "Arithmetic intensity, FLOP per byte", log: true, low: Math.min(least / 1.2, ...ridges.map((ridge) => ridge / 2))}, y: {label: "GFLOP/s", log: true}, rules,
    series: [...kinds].map(([name, list]) => ({name, tone: toneOf(list[0]), marker: markerOf(list[0]), radius: cases.length > 120 ? 3 : 4,
      points: list.map((one) => ({x: one.flop / one.bytes, y: one.flops_per_second / 1e9, title: titleOf(one)}))})),
    table: {columns, rows: () => cases.map((one) => [one.id, short(one.flop / one.bytes), withInterval(one.flops_per_second / 1e9, ...rateInterval(one, one.flops_per_second / 1e9)), one.percent_of_peak?.toFixed(1) ?? ""])},
  });
}

function rooflineSection() {
  const cases = OK_CASES.filter((one) => one.flop && one.bytes && one.workload !== "peak");
  if (!cases.length) return null;
  const groups = groupBy(cases, (one) => machineOf(one).index + " " + one.device.replace(/\d+$/, ""));
  return section("roofline", "Roofline",
    h("p", null, "Rate over arithmetic intensity (FLOP over the bytes that must move). Full lines are what this machine’s own units and memory reached in the same results, dashed lines are its datasheet. What stays in a cache may pass a memory slope."),
    h("div", {class: groups.size > 1 ? "charts" : null}, [...groups.values()].map((list) => rooflineChart(machineOf(list[0]), list[0].device.replace(/\d+$/, ""), list))));
}
