// Charts as SVG, drawn at the width they have and again when it changes.  Our own script rather than a library's: a
// page has at most some thousand marks, and what it needs most - logarithmic axes, ceilings, text that a screen reader
// finds, lines that print sharp - takes less code here than the smallest library that does it is large.
const MARKS = [
  (r) => `M${- r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${- 2 * r},0`,
  (r) => `M${- r},${- r}h${2 * r}v${2 * r}h${- 2 * r}z`,
  (r) => `M0,${- 1.25 * r}L${1.2 * r},${0.9 * r}H${- 1.2 * r}z`,
  (r) => `M0,${- 1.4 * r}L${1.4 * r},0L0,${1.4 * r}L${- 1.4 * r},0z`,
  (r) => `M0,${1.25 * r}L${1.2 * r},${- 0.9 * r}H${- 1.2 * r}z`,
  (r) => `M${- 0.5 * r},${- 1.2 * r}h${r}v${0.7 * r}h${0.7 * r}v${r}h${- 0.7 * r}v${0.7 * r}h${- r}v${- 0.7 * r}h${
      - 0.7 * r}v${- r}h${0.7 * r}z`,
];
const CHARACTER =
    7;  // pixels of a character of the charts' text, in the widest of usual fonts: pictures do not depend on the font

function niceTicks(low, high, count) {
  const raw = (high - low) / Math.max(1, count), power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((one) => one >= raw) ?? raw;
  const out = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high * (1 + 1e-12) + 1e-12; ++i) out.push(i * step);
  return out.length < 2 && count < 64 ? niceTicks(low, high, 2 * count) : out;
}

/// As many decimals as tell neighbours apart: 172.2, 172.4.
function textOfTicks(ticks) {
  if (ticks.length < 2 || ticks.some((t) => Math.abs(t) >= 1e6)) return short;
  const decimals = Math.max(0, -Math.floor(Math.log10(ticks[1] - ticks[0]) + 1e-9));
  return (value) => value.toFixed(Math.min(20, decimals));
}

function logTicks(low, high, base, room) {
  if (base === 2) {
    const first = Math.ceil(Math.log2(low) - 1e-9), last = Math.floor(Math.log2(high) + 1e-9);
    const step = [1, 2, 4, 5, 10].find((n) => (last - first) / n <= room / 60) ?? 10, out = [];
    for (let i = Math.ceil(first / step) * step; i <= last; i += step) out.push(2 ** i);
    return out;
  }
  const out = [], decades = Math.log10(high / low);
  const steps = decades > 3 ? [1] : decades > 1.5 ? [1, 3] : [1, 2, 3, 5, 7];
  for (let p = Math.floor(Math.log10(low)); p <= Math.ceil(Math.log10(high)); ++p)
    for (const m of steps) {
      const value = m * 10 ** p;
      if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) out.push(value);
    }
  // Less than a decade may hold none of these, or one: then the ends of an axis would be all that it says.
  return out.length > 2 ? out : niceTicks(low, high, Math.max(3, room / 90));
}

/// axis: {label, log, base, format, low, high}; from pixel `from` to pixel `to`
function scaleOf(axis, values, from, to) {
  const known = values.filter((v) => Number.isFinite(v) && (!axis.log || v > 0));
  let low = axis.low ?? Math.min(...known), high = axis.high ?? Math.max(...known);
  if (!known.length) [low, high] = [1, 10];
  if (axis.log) {
    const room = Math.max(1.12, (high / low) ** 0.05);
    if (axis.low === undefined) low /= room;
    if (axis.high === undefined) high *= room;
  } else {
    const room = 0.06 * (high - low) || Math.abs(high) * 0.05 || 1;
    if (axis.low === undefined) low = low >= 0 ? Math.max(0, low - room) : low - room;
    if (axis.high === undefined) high += room;
  }
  const place = axis.log ? (v) => Math.log(v / low) / Math.log(high / low) : (v) => (v - low) / (high - low);
  const scale = (v) => from + place(v) * (to - from);
  scale.low = low;
  scale.high = high;
  const least = 3;  // a single tick says no scale
  scale.ticks = axis.log ? logTicks(low, high, axis.base, Math.abs(to - from)) :
                           niceTicks(low, high, Math.max(least, Math.abs(to - from) / 60));
  scale.text = axis.format ?? (axis.log && high / low > 3 ? short : textOfTicks(scale.ticks));
  return scale;
}

/// Those of the ticks whose labels do not meet.
function spaced(ticks, scale, extent) {
  const out = [];
  let end = -Infinity;
  for (const tick of [...ticks].sort((a, b) => scale(a) - scale(b))) {
    const half = extent(tick) / 2, at = scale(tick);
    if (at - half < end) continue;
    out.push(tick);
    end = at + half;
  }
  return out;
}

function legendItem(series) {
  const mark = series.marker === null ?
      null :
      s("path", {d: MARKS[series.marker ?? 0](3.6), transform: "translate(13,6)", class: "mark " + series.tone});
  const line = (series.line || series.rule) && s("path", {
                 d: "M0,6H26",
                 class: series.rule ? "rule " + series.tone : "line " + series.tone,
                 "stroke-dasharray": series.dash
               });
  return h("li", null, s("svg", {viewBox: "0 0 26 12", "aria-hidden": "true"}, line, mark), series.name);
}

/// Heights of labels that would meet, moved apart.
function apart(labels, gap, bottom) {
  labels.sort((a, b) => a.y - b.y);
  for (let i = 1; i < labels.length; ++i) labels[i].y = Math.max(labels[i].y, labels[i - 1].y + gap);
  if (labels.length) labels.at(-1).y = Math.min(labels.at(-1).y, bottom);
  for (let i = labels.length - 2; i >= 0; --i) labels[i].y = Math.min(labels[i].y, labels[i + 1].y - gap);
  return labels;
}

function drawAxes(frame, x, y, spec) {
  const {left, top, right, bottom} = frame;
  const xText = x.text, yText = y.text;
  const xTicks = spaced(x.ticks, x, (t) => xText(t).length * CHARACTER + 10)
                     .filter(
                         (t) => x(t) + xText(t).length * CHARACTER / 2 <= frame.width &&
                             x(t) - xText(t).length * CHARACTER / 2 >= 0);
  const yTicks = spaced(y.ticks, y, () => 18);
  return s(
      "g", {"aria-hidden": "true"}, yTicks.map((t) => s("path", {class: "grid-line", d: `M${left},${y(t)}H${right}`})),
      xTicks.map((t) => s("path", {class: "grid-line", d: `M${x(t)},${top}V${bottom}`})),
      s("path", {class: "axis-line", d: `M${left},${top}V${bottom}H${right}`, fill: "none"}),
      yTicks.map((t) => s("text", {x: left - 6, y: y(t) + 4, "text-anchor": "end"}, yText(t))),
      xTicks.map((t) => s("text", {x: x(t), y: bottom + 16, "text-anchor": "middle"}, xText(t))),
      spec.x.label &&
          s("text", {x: (left + right) / 2, y: bottom + 33, "text-anchor": "middle", class: "strong"}, spec.x.label),
      s("text", {x: 0, y: 11, class: "strong"}, spec.y.label));
}

function drawSeries(series, x, y) {
  const placed = series.points.filter((p) => Number.isFinite(p.x) && Number.isFinite(p.y))
                     .map((p) => ({...p, px: x(p.x), py: y(p.y)}));
  series.placed = placed;
  const paths = series.line ?
      [...groupBy(placed, (p) => (p.line === undefined ? "" : p.line))].filter(([line]) => line !== null) :
      [];
  const radius = series.radius ?? 4;
  return s(
      "g", null, paths.map(([, points]) => s("path", {
                             class: "line " + series.tone,
                             "stroke-dasharray": series.dash,
                             d: points.sort((a, b) => a.x - b.x)
                                    .map((p, i) => (i ? "L" : "M") + p.px.toFixed(1) + "," + p.py.toFixed(1))
                                    .join("")
                           })),
      placed.filter((p) => p.low !== undefined)
          .map((p) => s("path", {
                 class: "whisk " + series.tone,
                 d: `M${p.px.toFixed(1)},${y(p.low).toFixed(1)}V${y(p.high).toFixed(1)}`
               })),
      series.marker !== null && placed.map((p) => s("path", {
                                             class: "mark " + (p.tone ?? series.tone),
                                             d: MARKS[series.marker ?? 0](radius),
                                             transform: `translate(${p.px.toFixed(1)},${p.py.toFixed(1)})`
                                           })));
}

function drawRules(spec, x, y, frame) {
  const rules = spec.rules ?? [];
  const labels = rules.filter((r) => r.label).map((r) => ({text: r.label, y: y(r.points.at(-1)[1]) + 4}));
  return [
    rules.map((r) => s("path", {
                class: "rule " + r.tone,
                d: r.points.map(([vx, vy], i) => (i ? "L" : "M") + x(vx).toFixed(1) + "," + y(vy).toFixed(1)).join("")
              })),
    frame.labels ? apart(labels, 13, frame.bottom).map((l) => s("text", {x: frame.right + 6, y: l.y}, l.text)) : null
  ];
}

function drawChart(spec, width) {
  const points = spec.series.flatMap((one) => one.points), rules = spec.rules ?? [];
  const height = spec.height ?? 300;
  const labelled = rules.filter((r) => r.label).map((r) => r.label.length);
  const labels = labelled.length > 0 && width >= 620;
  const bottom = height - (spec.x.label ? 40 : 22);
  const frame = {width, top: 22, bottom, labels, right: width - (labels ? Math.max(...labelled) * CHARACTER + 8 : 10)};
  const y = scaleOf(
      spec.y,
      [
        ...points.flatMap((p) => [p.y, p.low, p.high].filter((v) => v !== undefined)),
        ...rules.map((r) => r.across ?? r.top)
      ],
      frame.bottom, frame.top);
  frame.left = Math.max(...y.ticks.map((t) => y.text(t).length)) * CHARACTER + 10;
  const x = scaleOf(spec.x, points.map((p) => p.x), frame.left, frame.right);
  const extra = typeof spec.under === "function" ? spec.under(x, y, frame) : null;
  const clipped = rules.map(
      (r) =>
          ({...r,
            points: r.across ? [[x.low, r.across], [x.high, r.across]] :
                r.path       ? r.path(x, y) :
                               r.points}));
  const ring = s("path", {class: "focus-ring", d: ""});
  const svg =
      s("svg", {class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", tabindex: "0", "aria-label": spec.alt},
        drawAxes(frame, x, y, spec), extra, drawRules({rules: clipped}, x, y, frame),
        spec.series.map((one) => drawSeries(one, x, y)), ring);
  return {svg, ring, points: spec.series.flatMap((one) => one.placed).sort((a, b) => a.px - b.px || a.py - b.py)};
}

/// The point under the pointer, or the next by arrow keys, is said in words below the chart.
function attachReadout(drawn, readout) {
  let at = -1;
  const show = (i) => {
    at = i;
    const p = drawn.points[i];
    drawn.ring.setAttribute("d", p ? MARKS[0](8) : "");
    if (p) drawn.ring.setAttribute("transform", `translate(${p.px},${p.py})`);
    readout.textContent = p ? shownText(p.title) : "";
  };
  drawn.svg.addEventListener("pointermove", (event) => {
    const box = drawn.svg.getBoundingClientRect(), scale = drawn.svg.viewBox.baseVal.width / box.width;
    const px = (event.clientX - box.left) * scale, py = (event.clientY - box.top) * scale;
    let best = -1, least = 26 ** 2;  // pixels: farther away, no point is meant
    drawn.points.forEach((p, i) => {
      const d = (p.px - px) ** 2 + (p.py - py) ** 2;
      if (d < least) [best, least] = [i, d];
    });
    if (best !== at) show(best);
  });
  drawn.svg.addEventListener("pointerleave", () => show(-1));
  drawn.svg.addEventListener("keydown", (event) => {
    const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
    if (!step || !drawn.points.length) return;
    event.preventDefault();
    show((at + step + drawn.points.length) % drawn.points.length);
  });
}

/// spec: {title, note, alt, x, y, series, rules, under, height, table: {columns, rows}}
/// series: {name, tone, marker, line, dash, points: [{x, y, low, high, title, line}]}
function chart(spec) {
  const readout = h("output", {class: "readout"});
  const canvas = h("div", {class: "canvas"});
  const legend = h("ul", {class: "legend"});
  const figure =
      h("figure", {"data-chart": spec.name},
        h("figcaption", null, h("h3", null, spec.title), spec.note && h("p", null, spec.note)), canvas, legend, readout,
        spec.table &&
            tableOnDemand("The chart as a table", () => plainTable(spec.title, spec.table.columns, spec.table.rows())));
  let drawnAt = 0;
  const draw = () => {
    const width = Math.round(canvas.clientWidth);
    if (width === 0 || width === drawnAt) return;
    drawnAt = width;
    const drawn = drawChart(spec, width);
    canvas.replaceChildren(drawn.svg);
    attachReadout(drawn, readout);
    const rules = (spec.rules ?? [])
                      .filter((r) => r.label && width < 620)
                      .map((r) => ({name: r.label, tone: r.tone, rule: true, marker: null}));
    const named = spec.series.filter((one) => one.name);
    legend.replaceChildren(
        ...(named.length + rules.length > 1 || rules.length ? [...named, ...rules] : []).map(legendItem));
  };
  new ResizeObserver(draw).observe(canvas);
  return figure;
}
