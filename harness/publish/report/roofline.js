// Every case with FLOP and bytes under the ceilings of its machine, measured and from its datasheet.
function rooflineRules(ceilings, size) {
  const rules = [];
  for (const origin of ["measured", "datasheet"]) {
    const of = ceilings.filter((c) => c.origin === origin);
    const bytes = largest(of.map((c) => c.bytes_per_second ?? 0));
    const flops = groupBy(of.filter((c) => c.flops_per_second), (c) => c.dtype);
    const tops = [...flops].map(([dtype, list]) => [dtype, largest(list.map((c) => c.flops_per_second))]);
    for (const [dtype, top] of tops)
      rules.push({
        top: top / size,
        tone: origin,
        label: `${dtype} ${origin} ${withUnit(top, "FLOP/s")}`,
        path: (x) => [[bytes ? Math.max(x.low, top / bytes) : x.low, top / size], [x.high, top / size]]
      });
    const highest = largest(tops.map(([, top]) => top));
    if (bytes)
      rules.push({
        tone: origin,
        memory: `memory ${origin} ${withUnit(bytes, "B/s")}`,
        path: (x, y) => [
            [Math.max(x.low, y.low * size / bytes), Math.max(x.low * bytes / size, y.low)],
            [
              Math.min(x.high, highest ? highest / bytes : Infinity),
              Math.min(x.high * bytes, highest || Infinity) / size
            ]]
      });
  }
  return rules;
}

function rooflineChart(hardware, device, cases) {
  const ceilings = DATA.ceilings.filter(
      (c) => MACHINE_OF_RESULT[c.result].hardware === hardware && c.device.replace(/\d+$/, "") === device);
  const unit = unitFor(largest([...cases, ...ceilings].map((one) => one.flops_per_second ?? 0)), "FLOP/s");
  const rules = rooflineRules(ceilings, unit.size);
  const kinds = groupBy(cases, (one) => (one.vendor ? "libraries" : "ours") + ", " + one.dtype);
  const memory = rules.filter((r) => r.memory).map((r) => r.memory);
  const least = Math.min(...cases.map((one) => one.flop / one.bytes));
  const ridges = ceilings.filter((c) => c.flops_per_second && c.bytes_per_second)
                     .map((c) => c.flops_per_second / c.bytes_per_second);
  const columns = [["Case", false], ["FLOP/B", true], [unit.name, true], ["% of peak", true]];
  return chart({
    name: "roofline",
    title: hardware + (device === "gpu" ? "" : ", CPU"),
    height: 420,
    note: [
      memory.length ? "Slopes: " + memory.join(", ") + "." : "No memory rate was measured here.",
      ceilings.some((c) => c.flops_per_second) ?
          "" :
          "No arithmetic peak was measured here and no datasheet is known: no ceiling is drawn."
    ].join(" "),
    alt: `Roofline of ${cases.length} cases: rate over arithmetic intensity; ceilings: ${
        rules.map((r) => r.label ?? r.memory).join(", ") || "none"}`,
    x: {
      label: "Arithmetic intensity, FLOP per byte",
      log: true,
      low: Math.min(least / 1.2, ...ridges.map((ridge) => ridge / 2))
    },
    y: {label: unit.name, log: true},
    rules,
    series: [...kinds].map(
        ([name, list]) => ({
          name,
          tone: toneOf(list[0]),
          marker: markerOf(list[0]),
          radius: cases.length > 120 ? 3 : 4,
          points:
              list.map((one) => ({x: one.flop / one.bytes, y: one.flops_per_second / unit.size, title: titleOf(one)}))
        })),
    table: {
      columns,
      rows: () => cases.map(
          (one) =>
              [one.id, short(one.flop / one.bytes),
               withInterval(one.flops_per_second / unit.size, ...rateInterval(one, one.flops_per_second / unit.size)),
               one.percent_of_peak?.toFixed(1) ?? ""])
    },
  });
}

function rooflineSection() {
  const cases = OK_CASES.filter((one) => one.flop && one.bytes && one.workload !== "peak");
  if (!cases.length) return null;
  const groups = groupBy(cases, (one) => machineOf(one).hardware + " " + one.device.replace(/\d+$/, ""));
  return section(
      "roofline", "Roofline",
      h("p", null,
        "Rate over arithmetic intensity (FLOP over the bytes that must move). Full lines are what this machine’s own units and memory reached in the same results, dashed lines are its datasheet. What stays in a cache may pass a memory slope."),
      h("div", {class: groups.size > 1 ? "charts" : null},
        [...groups.values()].map(
            (list) => rooflineChart(machineOf(list[0]).hardware, list[0].device.replace(/\d+$/, ""), list))));
}
