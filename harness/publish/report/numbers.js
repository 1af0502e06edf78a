// Numbers as text.  Digits follow the interval: two of its half width, as `assay table` prints them.
const PREFIXES =
    [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"]];

/// As `assay table` has them: nobody writes 0.79 PFLOP/s of a GPU, nor 4.3 TB/s beside 900 GB/s.
const LARGEST_UNIT = [["FLOP/s", 1e12], ["B/s", 1e9]];

/// The unit that leaves at least 1 before the point of `value`; headings name it, cells are in it.
function unitFor(value, unit, least = 1e-9) {
  const most = LARGEST_UNIT.find(([name]) => unit.startsWith(name))?.[1] ?? Infinity;
  const found =
      PREFIXES.find(([size]) => size >= least && size <= most && Math.abs(value) >= size) ?? [least, "n"];
  return {size: found[0], name: found[1] + unit};
}

/// Mirrors format_with_interval() of harness/publish/units.cpp.
function withInterval(value, low, high) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const mostDigits = 6, digitsWithoutInterval = 3;
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  const halfWidth = (high - low) / 2;
  let last = magnitude - (digitsWithoutInterval - 1);
  if (Number.isFinite(halfWidth) && halfWidth > 0)
    last = Math.max(magnitude - (mostDigits - 1), Math.floor(Math.log10(halfWidth)) - 1);
  last = Math.min(last, magnitude);
  if (last > 0) return String(Math.round(value / 10 ** last) * 10 ** last);
  return value.toFixed(Math.min(20, -last));
}

/// Three digits, for axes and remarks.
function short(value) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3) return value.toExponential(size >= 1e6 ? 1 : 0).replace("e+", "e");
  return String(Number(value.toPrecision(3)));
}

function withUnit(value, unit, least) {
  const {size, name} = unitFor(value, unit, least);
  return short(value / size) + " " + name;
}

const percent = (share, digits = 1) => (100 * share).toFixed(digits) + " %";
const signed = (share, digits = 1) => (share >= 0 ? "+" : "−") + Math.abs(100 * share).toFixed(digits) + " %";

/// 65536 -> "64 KiB"
function bytesText(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  for (; i + 1 < units.length && bytes >= 1024; ++i) bytes /= 1024;
  return short(bytes) + " " + units[i];
}

function quantile(sorted, q) {
  const at = q * (sorted.length - 1), below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}

const median = (values) => quantile([...values].sort((a, b) => a - b), 0.5);
const geometricMean = (values) => Math.exp(values.reduce((sum, v) => sum + Math.log(v), 0) / values.length);
