// Many nodes: who is slow in what.
const FULL_COLOUR = 0.15;  // a deficit of so much has the whole colour

/// Of a long name the end: a node's devices differ there.
function tailLabel(text, room) {
  const most = Math.floor(room / CHARACTER);
  return text.length <= most ? text : "…" + text.slice(-Math.max(1, most - 1));
}

function heatRows(map) {
  const mean = (row) => {
    const known = row.deficits.filter((d) => d !== null);
    return known.length ? median(known) : 0;
  };
  return map.rows
      .map((row) => ({
             name: row.node + (row.device === "cpu" ? "" : " " + row.device),
             deficits: row.deficits,
             all: mean(row)
           }))
      .sort((a, b) => b.all - a.all);
}

function drawHeat(rows, cases, width) {
  const step = 15, top = 6, left = Math.min(0.34 * width, Math.max(...rows.map((r) => r.name.length)) * CHARACTER + 10);
  const cell = (width - left) / cases.length, gap = cell > 5 ? 1 : 0;
  const drawCell = (d, i, y) => s("rect", {
    x: (left + i * cell).toFixed(2),
    y,
    width: Math.max(0.5, cell - gap).toFixed(2),
    height: step - 1,
    class: d === null ? "heat-none" :
        d > 0         ? "heat-slow" :
                        "heat-fast",
    "fill-opacity": d === null ? null : Math.min(1, Math.abs(d) / FULL_COLOUR).toFixed(3)
  });
  return rows.map(
      (row, r) =>
          s("g", null,
            s("text", {x: left - 8, y: top + r * step + 11, "text-anchor": "end"}, tailLabel(row.name, left - 8)),
            s("rect", {class: "heat-back", x: left, y: top + r * step, width: width - left, height: step - 1}),
            row.deficits.map((d, i) => drawCell(d, i, top + r * step))));
}

function heatMap() {
  const map = DATA.fleet.heat_map, all = heatRows(map), most = 60;
  const rows = all.slice(0, most), canvas = h("div", {class: "canvas"}), readout = h("output", {class: "readout"});
  let drawnAt = 0;
  const draw = () => {
    const width = Math.round(canvas.clientWidth);
    if (width === 0 || width === drawnAt) return;
    drawnAt = width;
    const height = 6 + rows.length * 15 + 4;
    const svg =
        s("svg", {
          class: "chart",
          viewBox: `0 0 ${width} ${height}`,
          role: "img",
          tabindex: "0",
          "aria-label": `Heat map: ${rows.length} devices, slowest first, by ${map.cases.length} cases`
        },
          drawHeat(rows, map.cases, width));
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect(),
            left = Math.min(0.34 * width, Math.max(...rows.map((r) => r.name.length)) * CHARACTER + 10);
      const r = Math.floor((event.clientY - box.top - 6) / 15),
            c = Math.floor((event.clientX - box.left - left) / ((width - left) / map.cases.length));
      const d = rows[r]?.deficits[c];
      readout.textContent = c >= 0 && d !== undefined ?
          `${rows[r].name}, ${map.cases[c]}: ${d === null ? "not measured" : signed(-d) + " against the others"}` :
          "";
    });
    canvas.replaceChildren(svg);
  };
  new ResizeObserver(draw).observe(canvas);
  return h(
      "figure", {"data-chart": "fleet"},
      h("figcaption", null, h("h3", null, "Rate against the others of its kind"),
        h("p", null,
          `A row is a device, slowest first; a column is a case. Red is slower, the accent faster, full at ${
              percent(FULL_COLOUR, 0)}.${
              all.length > most ? ` The ${most} slowest of ${all.length} are drawn; the table has all.` : ""}`)),
      canvas, readout,
      tableOnDemand(
          "The chart as a table",
          () => plainTable(
              "Rate against the others",
              [["Device", false], ["Median", true], ["Slowest case", false], ["There", true]], all.map((row) => {
                const worst = row.deficits.reduce(
                    (best, d, i) => (d !== null && d > (row.deficits[best] ?? -Infinity) ? i : best), 0);
                return [
                  row.name, signed(-row.all), map.cases[worst] ?? "",
                  row.deficits[worst] === null ? "" : signed(-row.deficits[worst])
                ];
              }))));
}

function fleetSection() {
  const fleet = DATA.fleet;
  if (!fleet) return null;
  const accused = fleet.accused.map(
      (a) =>
          [a.node + " " + a.device, a.evidence, a.scope, a.evidence === "wrong" ? "" : signed(-a.deficit),
           a.cause ? `${a.cause.text} (${a.cause.action})` : ""]);
  const groups = fleet.groups.map(
      (g) => `${g.hardware}: ${g.nodes} nodes, ${g.devices_judged} devices and ${g.cases_judged} cases judged`);
  return section(
      "fleet", "Fleet", h("p", null, groups.join("; ") + "."), fleet.notes.map((note) => h("p", null, note)),
      accused.length ?
          plainTable(
              "Accused, worst first",
              [["Device", false], ["Evidence", false], ["Where", false], ["Rate", true], ["Cause, action", false]],
              accused) :
          h("p", null, "Nobody is accused."),
      fleet.not_judged.length ?
          plainTable("Not judged", [["Node", false], ["Why", false]], fleet.not_judged.map((g) => [g.node, g.why])) :
          null,
      fleet.heat_map.rows.length ? heatMap() : null);
}
