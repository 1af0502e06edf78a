// Who measured, and several machines side by side.
function verdictBox() {
  const v = DATA.verdict;
  const states =
      {0: ["Pass", ""], 1: ["Fail", "bad"], 3: ["Wrong numbers", "bad"], 4: ["Could not be measured", "open"]};
  let [word, tone] = states[v.exit_code] ?? ["Fail", "bad"];
  const wrong = CASES.filter((one) => one.outcome === "wrong").length;
  if (!v.judged && !wrong && v.exit_code === 4) word = "Not judged";
  const counts = [
    ["pass", "pass"], ["fail", "fail"], ["could not measure", "could not be measured"], ["not judged", "not judged"]
  ];
  const accused = DATA.fleet?.accused.length ?? 0;
  if (accused) tone = "bad";
  const outcomes = groupBy(CASES, (one) => one.outcome);
  return h(
      "div", {class: "verdict " + tone, id: "verdict"}, h("h2", null, word),
      v.judged ? h("ul", {class: "counts"},
                   counts.map(([key, text]) => h("li", null, h("b", null, v.counts[key]), " " + text)),
                   accused > 0 && h("li", null, h("b", null, accused), " accused by the fleet")) :
                 h("p", null, unique(v.judgements.filter((j) => j.id === "run").map((j) => j.text)).join("; ")),
      h("ul", {class: "counts muted"},
        [...outcomes].map(
            ([name, list]) =>
                h("li", null, `${list.length} case${list.length > 1 ? "s" : ""} ${name.replace("_", " ")}`))));
}

function judgementsSection() {
  const listed = DATA.verdict.judgements.filter((j) => j.standing !== "pass");
  if (!DATA.verdict.judged) return null;
  const row = (j) =>
      h("tr", null, h("td", {class: j.standing === "fail" ? "outcome-bad" : null}, j.standing), h("td", null, j.host),
        h("td", null, h("code", null, j.id)),
        h("td", null, j.text,
          j.cause && !j.text.includes(j.cause.text) && h("div", {class: "muted"}, `${j.cause.text} (${j.cause.action})`),
          j.source && h("div", {class: "small muted"}, "Expected: " + j.source)));
  const table = (rows) =>
      h("table", {class: "judgements"},
        h("thead", null, h("tr", null, ["Standing", "Host", "Case", "Why"].map((t) => h("th", {scope: "col"}, t)))),
        h("tbody", null, rows.map(row)));
  const rest = DATA.verdict.judgements.filter((j) => j.standing === "pass");
  const failed = listed.filter((j) => j.standing === "fail").length;
  const shown = failed + 3;  // of what could not be measured a few stand for the rest
  const first = listed.slice(0, shown), later = listed.slice(shown);
  return section(
      "judgements", "Verdict, case by case", h("p", null, DATA.verdict.line), first.length ? table(first) : null,
      later.length > 0 && tableOnDemand(`${later.length} more`, () => table(later)),
      rest.length > 0 && tableOnDemand(`${rest.length} that pass`, () => table(rest)));
}

const RUNS_AT_MOST = 6;

/// Machines of one hardware share a card.
function machineCards() {
  return [...groupBy(MACHINES, (m) => m.hardware).values()].map((same) => machineCard({
                                                                  hardware: same[0].hardware,
                                                                  host: same.map((m) => m.host).join(", "),
                                                                  results: same.flatMap((m) => m.results)
                                                                }));
}

function machineCard(machine) {
  const p = machine.results[0].provenance, gpu = (p.gpus ?? [])[0] ?? {}, build = p.build ?? {},
        system = p.system ?? {};
  const libraries =
      Object.entries(p.libraries ?? {})
          .filter(([name, v]) => v && ["openblas", "onednn", "cuda_driver", "cublaslt", "cudnn", "nccl"].includes(name))
          .map(
              ([name, v]) =>
                  `${name} ${typeof v === "string" ? v : v.version ?? v.config?.split(" ").slice(0, 2).join(" ") ?? ""}`
                      .trim());
  const runs = machine.results.map(
      (r) => `${r.suite}, ${r.provenance.started_utc.slice(0, 16).replace("T", " ")} UTC${
          r.complete ? "" : ", not complete"}`);
  if (runs.length > RUNS_AT_MOST)
    runs.splice(RUNS_AT_MOST - 1, runs.length, `and ${runs.length - RUNS_AT_MOST + 1} more`);
  const found = machine.results.flatMap((r) => (r.provenance.findings ?? []).filter((f) => f.severity !== "info"));
  const findings = [...groupBy(found, (f) => f.meaning)].map(
      ([meaning, list]) => `${unique(list.map((f) => f.what)).join("; ")}: ${meaning}`);
  return h(
      "div", {class: "machine"}, h("h3", null, machine.hardware), facts([
        [machine.host.includes(", ") ? "Hosts" : "Host", machine.host],
        ["Runs", h("span", null, runs.map((r, i) => [i > 0 && h("br"), r]))],
        [
          "Threads, ranks",
          p.run &&
              `${unique(machine.results.map((r) => r.provenance.run?.threads)).join(" or ")}, ${
                  unique(machine.results.map((r) => r.provenance.run?.ranks)).join(" or ")}`
        ],
        ["Memory", system.memory_bytes && `${Math.round(system.memory_bytes / 2 ** 30)} GiB`],
        ["Driver", gpu.driver_version], ["Power limit", gpu.power_limit_watts && gpu.power_limit_watts + " W"],
        ["System", [system.os, system.kernel, p.cpu?.hypervisor && "virtual machine"].filter(Boolean).join(", ")],
        [
          "Assay",
          `${build.version ?? ""} at ${
              unique(
                  machine.results.map(
                      (r) => (r.provenance.build?.revision ?? "?") + (r.provenance.build?.dirty ? " (changed)" : "")))
                  .join(", ")}, ${build.compiler ?? ""}`
        ],
        ["Libraries", libraries.join(", ")]
      ]),
      findings.length ? h("ul", {class: "findings"}, findings.map((f) => h("li", null, f))) : null);
}

/// Of the same case on two machines, how their rates compare.
function ratiosTo(base, other) {
  const of = (machine) => new Map(OK_CASES.filter((one) => machineOf(one) === machine).map((one) => [one.id, one]));
  const theirs = of(other);
  return [...of(base)]
      .filter(([id]) => theirs.has(id) && rateOf(theirs.get(id)))
      .map(([id, one]) => ({id, one, two: theirs.get(id), ratio: rateOf(theirs.get(id)).value / rateOf(one).value}));
}

function sideBySide(base, other) {
  const pairs = ratiosTo(base, other).filter((p) => p.one.workload !== "peak").sort((a, b) => b.ratio - a.ratio);
  if (!pairs.length) return null;
  const means = [...groupBy(pairs, (p) => `${p.one.workload} ${p.one.kernel}, ${p.one.dtype}`)].map(
      ([name, list]) =>
          [name, list.length, geometricMean(list.map((p) => p.ratio)).toFixed(2),
           Math.min(...list.map((p) => p.ratio)).toFixed(2), largest(list.map((p) => p.ratio)).toFixed(2)]);
  return h(
      "div", null,
      plainTable(
          `Rate of ${other.name} over that of ${base.name}`,
          [
            ["Kernel", false], ["Cases in common", true], ["Geometric mean, ×", true], ["Least, ×", true],
            ["Most, ×", true]
          ],
          means),
      rowChart({
        name: "machines",
        title: `${other.name} over ${base.name}`,
        note: "Right of the line it is faster.",
        zero: 1,
        x: {label: "Ratio of rates", log: true},
        alt: `Ratio of the rates of ${pairs.length} cases that both machines measured: ${
            pairs.at(-1).ratio.toFixed(2)} to ${pairs[0].ratio.toFixed(2)}, geometric mean ${
            geometricMean(pairs.map((p) => p.ratio)).toFixed(2)}`,
        rows: pairs.map((p) => ({
                          label: `${p.one.kernel} ${p.one.dtype} ${shapeText(p.one)}`,
                          points: [{
                            x: p.ratio,
                            tone: toneOf(p.one),
                            title: `${p.id}: ${rateText(p.one)} and ${rateText(p.two)}, ${p.ratio.toFixed(2)}×`
                          }]
                        })),
        legend: [{name: "ours", tone: "ours", marker: 0}, {name: "a library", tone: "library-mark", marker: 0}],
        table: {
          columns: [["Case", false], [base.name, true], [other.name, true], ["Ratio", true]],
          rows: () => pairs.map((p) => [p.id, rateText(p.one), rateText(p.two), p.ratio.toFixed(3)])
        },
      }));
}

function sideBySideSection() {
  if (MACHINES.length < 2) return null;
  // Where there is a fleet, it compares nodes of one hardware: here, one of each hardware is left.
  const others = DATA.fleet ?
      [...groupBy(MACHINES, (m) => m.hardware).values()].map((same) => same[0]).filter((m) => m !== MACHINES[0]) :
      MACHINES.slice(1);
  const charts = others.map((other) => sideBySide(MACHINES[0], other)).filter(Boolean);
  return charts.length ? section(
                             "machines", "Machines side by side",
                             h("p", null,
                               `Cases with the same id on both, against ${
                                   MACHINES[0].name}. Revisions of Assay may differ: they are named at the top.`),
                             charts) :
                         null;
}
