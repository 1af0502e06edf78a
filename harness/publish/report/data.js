// The page's data: what the program wrote into it, and the result files at its end.
const DATA = JSON.parse(unpackedText("data"));

/// Columns to cases; a case has no key where it has no value.  Its shape says its axes.
function casesOf({count, columns}) {
  const out = Array.from({length: count}, () => ({}));
  for (const [key, column] of Object.entries(columns)) {
    const value = column.words ? (i) => (column.at[i] === null ? null : column.words[column.at[i]]) : (i) => column[i];
    out.forEach((one, i) => value(i) !== null && (one[key] = value(i)));
  }
  for (const one of out) {
    const pairs = (one.shape ?? "").split(" ").filter(Boolean).map((pair) => pair.split(/=(.*)/s));
    one.axes = Object.fromEntries(pairs.map(([name, v]) => [name, /^\d+$/.test(v) ? Number(v) : v]));
  }
  return out;
}

const CASES = casesOf(DATA.cases);
const OK_CASES = CASES.filter((one) => one.outcome === "ok");

/// The rate a case is judged by, as the table's % of vendor takes it.
const RATES = [["flops_per_second", "FLOP/s"], ["bus_bytes_per_second", "B/s busbw"], ["bytes_per_second", "B/s"]];
function rateOf(one) {
  const found = RATES.find(([key]) => one[key] !== undefined);
  return found ? {key: found[0], unit: found[1], value: one[found[0]]} : null;
}

/// A rate's interval is the time's, upside down.
function rateInterval(one, rate) {
  const work = rate * one.seconds;
  return [work / one.seconds_high, work / one.seconds_low];
}

const rateText = (one) => {
  const rate = rateOf(one);
  if (!rate) return "";
  const unit = unitFor(rate.value, rate.unit, 1e6), [low, high] = rateInterval(one, rate.value);
  return withInterval(rate.value / unit.size, low / unit.size, high / unit.size) + " " + unit.name;
};

function hardwareOf(provenance) {
  const gpus = (provenance.gpus ?? []).map((gpu) => gpu.name);
  const names = unique(gpus).map(
      (name) =>
          (gpus.filter((one) => one === name).length > 1 ? gpus.filter((one) => one === name).length + " × " : "") +
          name);
  const cpu = provenance.cpu ?? {}, l1 = (cpu.caches ?? []).find((cache) => cache.name === "L1d");
  const detail = [
    cpu.threads && `${cpu.threads} thread${cpu.threads > 1 ? "s" : ""}`,
    !gpus.length && l1 && "L1d " + bytesText(l1.bytes)
  ].filter(Boolean);
  return [...names, (cpu.model ?? "unknown CPU") + (detail.length ? " (" + detail.join(", ") + ")" : "")].join(", ");
}

/// Results of one host and hardware are one machine.
const MACHINES = [
  ...groupBy(DATA.results.map((result, i) => ({...result, index: i})), (result) => JSON.stringify([
    result.provenance.system?.hostname, hardwareOf(result.provenance)
  ])).values()
].map((results, i) => ({
        index: i,
        results,
        hardware: hardwareOf(results[0].provenance),
        host: results[0].provenance.system?.hostname ?? "unknown host"
      }));
const OWN_HOSTS = unique(MACHINES.map((m) => m.host)).length === MACHINES.length;
const SAME_HARDWARE = unique(MACHINES.map((m) => m.hardware)).length < MACHINES.length;
for (const machine of MACHINES)
  [machine.name, machine.brief] = [
    SAME_HARDWARE ? machine.host + ", " + machine.hardware : machine.hardware,
    OWN_HOSTS ? machine.host : machine.hardware
  ];
const MACHINE_OF_RESULT = DATA.results.map((_, i) => MACHINES.find((m) => m.results.some((r) => r.index === i)));
const machineOf = (one) => MACHINE_OF_RESULT[one.result];

/// Ours in the accent, libraries in grey: the same everywhere.
const toneOf = (one) => (one.vendor ? "library-mark" : "ours");
const DTYPES = unique(CASES.map((one) => one.dtype)).sort();
const markerOf = (one) => DTYPES.indexOf(one.dtype) % MARKS.length;

function titleOf(one) {
  const where = MACHINES.length > 1 ? ", " + machineOf(one).name : "";
  return `${one.workload} ${one.kernel} ${one.dtype} ${one.device}, ${one.shape}, ${one.cache} ${one.mode}: ${
      rateText(one)}${where}`;
}

const unpacked = new Map();
/// The text of result `i` as it stands in the page; in a task of its own, so that what was clicked is drawn before.
function resultText(i) {
  if (!unpacked.has(i))
    unpacked.set(i, new Promise((done) => setTimeout(done)).then(() => unpackedText("archive-" + i)));
  return unpacked.get(i);
}

const parsed = new Map();
async function recordOf(one) {
  if (!parsed.has(one.result))
    parsed.set(
        one.result, resultText(one.result).then((text) => new Map(JSON.parse(text).records.map((r) => [r.id, r]))));
  return (await parsed.get(one.result)).get(one.id);
}

/// "tn m=4096 n=4096 k=4096": what is a word says itself, but "on" and "off" say nothing.
const axisText = (name, v) => (typeof v === "string" && v !== "on" && v !== "off" ? v : `${name}=${v}`);
const shapeText = (one) => Object.entries(one.axes).map(([name, v]) => axisText(name, v)).join(" ");

const ordinal = (n) => n + (n === 2 ? "nd" : n === 3 ? "rd" : "th");

function thinningText() {
  const {every, rounded, without_ranks, digits, least_samples} = DATA.thinning;
  if (every === 1 && !rounded && !without_ranks)
    return "The results are in this page byte for byte: their digests are those below.";
  const numbers = rounded ? `times are rounded to ${digits} digits, clocks, powers and temperatures to ${digits - 1}` : "";
  const ranks = without_ranks ? "each rank’s own times are left out" : "";
  const samples = every > 1 ?
      `of each case every ${ordinal(every)} sample is kept, in time order, but at least ${
          least_samples} (of a soak, neighbouring intervals are joined; of clock and power, every ${
          ordinal(every)} reading is kept)` :
      "";
  return `To stay within its size, this page holds the results thinned: ${
          [numbers, ranks, samples].filter(Boolean).join(
              "; ")}. Every figure in tables is from all samples; only the charts of single cases, and what is saved from here, are thinned. A saved result names the digest of the whole one.`;
}
