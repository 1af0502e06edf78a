// Elements.  Text only ever becomes text, never markup: what a result holds is inert here.
const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

/// Characters that turn around what follows them would make one name look like another.
const TURNING = /[\u202a-\u202e\u2066-\u2069]/g;
const shownText = (text) => String(text).replace(TURNING, "\ufffd");

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on"))
      node.addEventListener(key.slice(2), value);
    else
      node.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(shownText(child)));
  }
  return node;
}

const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG_NAMESPACE, tag), attributes, children);

/// A table of text; `columns` are [heading, isNumber].  As `cards`, each row is one on a narrow screen.
function plainTable(caption, columns, rows, cards = false) {
  const numeric = columns.map(([, number]) => (number ? "num" : null));
  return h(
      "table", {class: cards ? "row-cards" : null}, caption && h("caption", null, caption),
      h("thead", null, h("tr", null, columns.map(([head], i) => h("th", {scope: "col", class: numeric[i]}, head)))),
      h("tbody", null, rows.map((row) => h("tr", null, row.map((cell, i) => h("td", {class: numeric[i], "data-label": cards && columns[i][0]}, cell))))));
}

/// The same, made when it is opened: a page of hundreds of cases opens fast.
function tableOnDemand(label, make) {
  const box = h("details", null, h("summary", null, label));
  box.addEventListener("toggle", () => {
    if (box.open && box.children.length === 1)
      box.append(h("div", {class: "wrap", tabindex: "0", role: "region", "aria-label": label}, make()));
  });
  return box;
}

function choice(label, values, change, names) {
  return h(
      "label", null, label,
      h("select", {onchange: (event) => change(event.target.value)},
        values.map((value, i) => h("option", {value}, names ? names[i] : value))));
}

function section(id, title, ...children) {
  return h("section", {id, "aria-labelledby": id + "-title"}, h("h2", {id: id + "-title"}, title), children);
}

function facts(pairs) {
  return h(
      "dl", {class: "facts"},
      pairs.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false)
          .map(([name, value]) => [h("dt", null, name), h("dd", null, value)]));
}

const unique = (values) => [...new Set(values)];

function groupBy(items, key) {
  const groups = new Map();
  for (const item of items) {
    const name = key(item);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(item);
  }
  return groups;
}

/// Hands the reader a file.
function download(name, text, type) {
  const link = h("a", {href: URL.createObjectURL(new Blob([text], {type})), download: name});
  link.click();
  URL.revokeObjectURL(link.href);
}
