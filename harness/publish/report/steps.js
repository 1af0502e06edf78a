// Training steps: where their time goes, what follows of the machine's peak, and whether the loss fell.
const PART_ROW = 22;  // pixels of a bar with its name and figure

/// spec: {name, title, note, alt, bars: [{label, value, text}], unit, table}; every bar has its figure beside it.
function barChart(spec) {
  const canvas = h("div", {class: "canvas"});
  let drawnAt = 0;
  const draw = () => {
    const width = Math.round(canvas.clientWidth);
    if (width === 0 || width === drawnAt) return;
    drawnAt = width;
    const over = width < 460, step = over ? 2 * PART_ROW - 8 : PART_ROW;  // the name above its bar, rather than left
    const left = over ? 0 : largest(spec.bars.map((b) => b.label.length)) * CHARACTER + 14;
    const right = width - largest(spec.bars.map((b) => b.text.length)) * CHARACTER - 10;
    const most = largest(spec.bars.map((b) => b.value));
    const bars = spec.bars.map((b, i) => {
      const y = 4 + i * step + (over ? 16 : 0), long = Math.max(1, (right - left) * b.value / most);
      return s(
          "g", null,
          s("text", over ? {x: 0, y: y - 4, class: "strong"} : {x: left - 8, y: y + 12, "text-anchor": "end"}, b.label),
          s("rect", {class: "bar " + (b.tone ?? ""), x: left, y, width: long, height: PART_ROW - 6}),
          s("text", {x: left + long + 6, y: y + 12}, b.text));
    });
    canvas.replaceChildren(
        s("svg", {
          class: "chart",
          viewBox: `0 0 ${width} ${8 + step * spec.bars.length}`,
          role: "img",
          tabindex: "0",
          "aria-label": spec.alt
        },
          bars));
  };
  new ResizeObserver(draw).observe(canvas);
  return h(
      "figure", {"data-chart": spec.name},
      h("figcaption", null, h("h3", null, spec.title), spec.note && h("p", null, spec.note)), canvas,
      tableOnDemand("The chart as a table", () => plainTable(spec.title, spec.table.columns, spec.table.rows())));
}

const percentOff = (a, b) => signed(a / b - 1);

function stepFacts(step) {
  const mfu = step.utilisations.map((u) => `${u.convention} ${percent(u.of_peak)}`).join(", ");
  return facts([
    ["Step", withUnit(step.seconds, "s")],
    ["Tokens/s", String(Math.round(step.tokens_per_second))],
    ["FLOP/s of a rank", withUnit(step.flops_per_second, "FLOP/s", 1e6)],
    [
      "MFU",
      mfu ? `${mfu} (of ${withUnit(step.peak_flops_per_second, "FLOP/s")}, ${step.peak_kernel} on the same ${step.units})` :
            "unknown: no peak of that type was measured"
    ],
    [
      "Tokens per joule",
      step.tokens_per_joule === null ? "unknown: no power was read of all ranks" : short(step.tokens_per_joule)
    ],
    ["Memory of a rank", `${bytesText(step.bytes)}, of which activations ${bytesText(step.activation_bytes)}`],
    ["Loss", step.steps && `${short(step.first_loss)} to ${short(step.last_loss)} in ${step.steps} steps`],
    [
      "From its kernels alone",
      step.projected_seconds && `${withUnit(step.projected_seconds, "s")}; whole steps in turns with them ${withUnit(step.beside_seconds, "s")} (${
          percentOff(step.projected_seconds, step.beside_seconds)})`
    ],
  ]);
}

/// The loss along the steps; a CPU's, where one trained the same beside, over the first of them.
function lossChart(step, one) {
  if (!step.curve) return null;
  const {steps, losses, cpu_losses: cpu} = step.curve, point = (at, loss, who) => ({
    x: at,
    y: loss,
    title: `step ${at}, ${who}: ${loss === null ? "no number" : loss.toFixed(4)}`
  });
  const who = one?.device ?? "this device", last = steps.at(-1);
  const bound = step.required_loss !== null && {across: step.required_loss, tone: "faint", label: `required by step ${step.steps}`};
  const least = step.least_loss !== null && {across: step.least_loss, tone: "datasheet", label: "least possible"};
  const text = (loss) => (loss === null || loss === undefined ? "" : loss.toFixed(4));
  return chart({
    name: "loss",
    title: "Loss",
    note: `Nats a byte, the mean of a step’s batch${
        cpu.length ? `; the first ${cpu.length} steps were trained on a CPU too` : ""}.`,
    height: 210,
    alt: `Loss of ${step.id} along ${last} steps: ${text(losses[0])} at the first, ${text(losses.at(-1))} at the last${
        cpu.length ? `; a CPU had ${text(cpu[0])} at the first and ${text(cpu.at(-1))} at step ${cpu.length}` : ""}`,
    x: {label: "Step", low: 0, high: last},
    y: {label: "Loss", low: 0},
    rules: [bound, least].filter(Boolean),
    series: [
      {name: who, tone: "ours", line: true, marker: null, points: steps.map((at, i) => point(at, losses[i], who))},
      ...(cpu.length ? [{
           name: "a CPU, the same steps",
           tone: "second",
           marker: 1,
           radius: 3,
           points: cpu.map((loss, i) => point(i + 1, loss, "a CPU"))
         }] :
                       [])
    ],
    table: {
      columns: [["Step", true], ["Loss", true], ...(cpu.length ? [["Of a CPU", true]] : [])],
      rows: () => steps.map((at, i) => [at, text(losses[i]), ...(cpu.length ? [text(cpu[at - 1])] : [])])
    },
  });
}

function stepChart(step) {
  const sum = step.parts.reduce((all, part) => all + part.seconds, 0);
  const one = CASES.find((c) => c.id === step.id && c.result === step.result);
  return h(
      "div", null, barChart({
        name: "step",
        title: `${one?.kernel ?? ""} ${one?.dtype ?? ""} on ${one?.device ?? ""}${
            MACHINES.length > 1 && one ? " of " + machineOf(one).name : ""}`,
        note: one ? shapeText(one) : step.id,
        alt: `Time of a training step by kernel class: ${
            step.parts.map((p) => `${p.kernels} ${percent(p.seconds / sum)}`).join(", ")}`,
        bars: step.parts.map((p) => ({
                               label: p.kernels,
                               value: p.seconds,
                               text: `${withUnit(p.seconds, "s")}, ${percent(p.seconds / sum)}`
                             })),
        table: {
          columns: [["Kernels", false], ["Time", true], ["Share", true]],
          rows: () => step.parts.map((p) => [p.kernels, withUnit(p.seconds, "s"), percent(p.seconds / sum)])
        },
      }),
      lossChart(step, one), stepFacts(step));
}

function stepsSection() {
  if (!DATA.train_steps.length) return null;
  return section(
      "steps", "Training steps",
      h("p", null,
        "Whole steps, forward to optimizer, the time of each class of kernels as they ran within one, and the loss as it fell. Gradients were compared with fp64, and the loss had to fall."),
      h("div", {class: "charts"}, DATA.train_steps.map(stepChart)));
}
