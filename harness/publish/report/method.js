// How every figure on the page follows, and the results back out of it.
const FORMULAS = [
  [
    "Time",
    "the median of the samples, a sample being the time of one launch, or of several divided by their number where one is short; none is discarded"
  ],
  [
    "95 % interval",
    "of the median, by order statistics: the samples of ranks n/2 ± 1.96 · √(n·v) / 2 in order of size, v being the variance inflation of autocorrelated samples; n/v are the independent samples they are worth"
  ],
  ["±%", "half the interval over the median; the small bar shows it on a scale of ±5 %"],
  [
    "FLOP/s, B/s",
    "work over the median time (not the mean of rates); GB = 10⁹ B, GiB = 2³⁰ B; their interval is the time’s, upside down"
  ],
  ["GEMM FLOP", "2 m n k: a multiply and an add for each product"],
  [
    "Attention FLOP",
    "per visible pair of query and key and query head: forward 2 (head_dim + value_dim), backward 2 (3 head_dim + 2 value_dim); masked pairs and the softmax are not counted"
  ],
  ["Bytes", "what must move: every input read once, every output written once"],
  [
    "busbw",
    "S/t times 2 (n−1)/n (all-reduce), (n−1)/n (all-gather, reduce-scatter, all-to-all) or 1 (broadcast, send-receive), of n ranks and S bytes of the largest buffer of a rank"
  ],
  [
    "% of peak",
    "on a GPU, of the dense peak or memory rate in its datasheet; on a CPU, of what its own units reached in the same result, dtype and number of threads"
  ],
  [
    "Measured ceilings",
    "the rate of the 5th percentile of the times of the peak cases in the same result: a disturbed peak would flatter all others"
  ],
  ["% at clock", "of the dense peak at the median clock that was measured, in place of the datasheet’s"],
  ["% of library", "of the fastest vendor library on the same point in the same result"],
  ["% of ceiling", "of the most busbw that links, or a CPU’s memory, allow; a case’s details say how it follows"],
  [
    "Error / allowed",
    "worst over the checked elements of |computed − exact| over 2 √k u_acc Σ|a b| + u_out |exact| for a dot product of length k, u being unit roundoffs; above 1, or not a number, a case is wrong and has no rate"
  ],
  [
    "Power, FLOP/J",
    "mean over the case of all its devices: the energy counter’s growth over a window of at least 1 s, else the mean of readings; a FLOP/s per W is a FLOP per J"
  ],
  ["Clock", "the median of the readings during the samples"],
  ["Drift", "the median of the last third of the samples over that of the first, less 1"],
  ["Modes", "separate peaks of the samples’ density; several say that two speeds were mixed"],
  ["Arithmetic intensity", "FLOP over bytes; under a slope, memory is what limits, under a level, arithmetic"],
  ["Histogram", "bins of 2 (q₇₅ − q₂₅) / ∛n (Freedman and Diaconis), 60 at most"],
  ["Fleet: deficit", "1 − rate / median rate of the devices of one kind in that case"],
  [
    "Fleet: accused",
    "below the median by more than max(3 %, 4 · 1.4826 MAD / median), or distributed otherwise, where the p value survives Bonferroni and Benjamini-Hochberg; or slow in the weighted median over all cases"
  ],
  [
    "Soak: throttled",
    "throughput at least so many percent (5 by default) below the median of the first settled minute, for 10 s"
  ],
  ["Side by side", "ratio of the rates of one id; over cases, the geometric mean"],
];

function methodSection() {
  const rule = DATA.results[0].sampling;
  return section(
      "method", "How it was measured",
      h("p", null,
        `Inputs are seeded and random; outputs are poisoned with NaN before and checked against an fp64 reference after, in the buffers that were timed. “Cold” rotates buffers of at least twice the last-level cache, “hot” uses one set; “burst” takes the clock as it comes, “sustained” waits until it has settled. Samples were taken until the 95 % interval was within ±${
            percent(rule.relative_half_width)}, for ${rule.wall_seconds} s, or ${rule.max_samples} of them.`),
      h("p", null, thinningText() + " Charts draw every sample and every case that the page holds."), facts(FORMULAS));
}

async function saveResult(i, button) {
  try {
    const name = DATA.results[i].file, thinned = DATA.thinning.every > 1 || DATA.thinning.rounded || DATA.thinning.without_ranks;
    download(thinned ? name.replace(/\.json$/, "") + ".thinned.json" : name, await resultText(i), "application/json");
  } catch (error) {
    button.textContent = "could not be unpacked: " + error.message;
  }
}

function dataSection() {
  const rows = DATA.results.map(
      (r, i) => h(
          "tr", null,
          h("td", null,
            h("button", {type: "button", class: "act", "data-save": i, onclick: (event) => saveResult(i, event.target)},
              "Save"),
            " ", r.file),
          h("td", {class: "num"}, Math.ceil(r.bytes / 1000)), h("td", null, r.seal === "intact" ? "intact" : "none"),
          h("td", null, h("code", null, r.sha256))));
  return section(
      "data", "The results in this page", h("p", null, thinningText()),
      h("table", null,
        h("thead", null,
          h("tr", null,
            [["File", null], ["kB", "num"], ["Seal", null], ["SHA-256 of the whole file", null]].map(
                ([t, c]) => h("th", {scope: "col", class: c}, t)))),
        h("tbody", null, rows)),
      h("p", null, "Without a browser, the first of them (archive-1 is the second) and whether it can be true:"),
      h("pre", null,
        "grep -A1 'id=\"archive-0\"' PAGE.html | tail -n1 | base64 -d | gunzip > result.json\nassay validate result.json"),
      h("p", null, "All rows of the table, as flat JSON: ",
        h("button", {
          type: "button",
          class: "act",
          id: "save-rows",
          onclick: () => download("cases.json", JSON.stringify(CASES, null, 1), "application/json")
        },
          "Save the rows")));
}
