// Rows of dots: a line for each shape, a dot for each kernel or machine.
const ROWS_AT_FIRST = 24;

function rowLabel(text, room) {
  const most = Math.floor(room / CHARACTER);
  return text.length <= most ? text : text.slice(0, Math.max(1, most - 1)) + "…";
}

function drawRows(spec, width, rows) {
  const over = width < 620;  // the label above its line rather than left of it
  const step = over ? 34 : 19, top = 24,
        left = over ? 8 : Math.min(0.5 * width, Math.max(...rows.map((r) => r.label.length)) * CHARACTER + 12);
  const height = top + rows.length * step + 28, right = width - 14, bottom = height - 28;
  const x = scaleOf(
      spec.x,
      [
        ...spec.rows.flatMap((r) => r.points.flatMap((p) => [p.x, p.low, p.high].filter((v) => v !== undefined))),
        spec.zero
      ].filter((v) => v !== undefined),
      left, right);
  const text = x.text;
  const ticks =
      spaced(x.ticks, x, (t) => text(t).length * CHARACTER + 12)
          .filter((t) => x(t) + text(t).length * CHARACTER / 2 <= width && x(t) - text(t).length * CHARACTER / 2 >= 0);
  const placed = [];
  const lines = rows.map((row, i) => {
    const y = top + i * step + (over ? 24 : step / 2);
    return s(
        "g", null,
        s("text", over ? {x: left, y: y - 9, class: "strong over"} : {x: left - 10, y: y + 4, "text-anchor": "end"},
          rowLabel(row.label, over ? width - 16 : left - 10)),
        s("path", {class: "grid-line", d: `M${left},${y}H${right}`}), row.points.map((p) => {
          placed.push({...p, px: x(p.x), py: y});
          return [
            p.low !== undefined &&
                s("path", {class: "whisk " + p.tone, d: `M${x(p.low).toFixed(1)},${y}H${x(p.high).toFixed(1)}`}),
            s("path",
              {class: "mark " + p.tone, d: MARKS[p.marker ?? 0](4), transform: `translate(${x(p.x).toFixed(1)},${y})`})
          ];
        }));
  });
  const ring = s("path", {class: "focus-ring", d: ""});
  const svg =
      s("svg", {class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", tabindex: "0", "aria-label": spec.alt},
        s("text", {x: left, y: 11, class: "strong"}, spec.x.label),
        ticks.map(
            (t) =>
                [s("path", {class: "grid-line", d: `M${x(t)},${top}V${bottom}`}),
                 s("text", {x: x(t), y: bottom + 16, "text-anchor": "middle"}, text(t))]),
        spec.zero !== undefined && s("path", {class: "rule", d: `M${x(spec.zero)},${top}V${bottom}`}), lines, ring);
  return {svg, ring, points: placed};
}

/// spec: {name, title, note, alt, x, zero, rows: [{label, points: [{x, low, high, tone, marker, title}]}], legend,
/// table}
function rowChart(spec) {
  const canvas = h("div", {class: "canvas"}), readout = h("output", {class: "readout"});
  let all = spec.rows.length <= ROWS_AT_FIRST * 1.25, drawnAt = 0;
  const more =
      h("button", {
        type: "button",
        class: "act",
        onclick: () => {
          all = true;
          more.remove();
          drawnAt = 0;
          draw();
        }
      },
        `Show all ${spec.rows.length}`);
  const draw = () => {
    const width = Math.round(canvas.clientWidth);
    if (width === 0 || width === drawnAt) return;
    drawnAt = width;
    const drawn = drawRows(spec, width, all ? spec.rows : spec.rows.slice(0, ROWS_AT_FIRST));
    canvas.replaceChildren(drawn.svg);
    attachReadout(drawn, readout);
  };
  new ResizeObserver(draw).observe(canvas);
  const drawnSomewhere = (item) => spec.rows.some((row) => row.points.some((p) => p.tone === item.tone));
  return h(
      "figure", {"data-chart": spec.name},
      h("figcaption", null, h("h3", null, spec.title), spec.note && h("p", null, spec.note)), canvas,
      h("ul", {class: "legend"}, spec.legend.filter(drawnSomewhere).map(legendItem)), readout, all ? null : more,
      tableOnDemand("The chart as a table", () => plainTable(spec.title, spec.table.columns, spec.table.rows())));
}
