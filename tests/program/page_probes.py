"""What tests of a page ask the browser: whether texts overlap, are too faint, or move."""

# Every piece of text with the box it takes, and what is wrong with how they lie.
LAYOUT = """(() => {
  const boxes = [], bad = [], width = document.documentElement.clientWidth;
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const parent = node.parentElement;
    if (!node.data.trim() || parent.closest("script,style,select,.skip,.hidden,noscript,thead") || !parent.checkVisibility({visibilityProperty: true})) continue;
    range.selectNodeContents(node);
    for (const r of range.getClientRects())
      if (r.width > 0.5) boxes.push({left: r.left, right: r.right, top: r.top + scrollY, bottom: r.bottom + scrollY, text: node.data.trim().slice(0, 60)});
  }
  for (const b of boxes) if (b.left < -0.5 || b.right > width + 0.5) bad.push("beyond the edge: " + b.text);
  for (const e of document.querySelectorAll("svg.chart,button,input,select,table,h1,h2,h3,pre")) {
    const r = e.getBoundingClientRect();
    if (r.width && !e.closest("thead") && (r.left < -0.5 || r.right > width + 0.5)) bad.push("beyond the edge: " + e.tagName + " " + e.className);
  }
  boxes.sort((a, b) => a.top - b.top);
  for (let i = 0; i < boxes.length; ++i)
    for (let j = i + 1; j < boxes.length && boxes[j].top < boxes[i].bottom - 3; ++j) {
      const a = boxes[i], b = boxes[j];
      if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 && Math.min(a.bottom, b.bottom) - b.top > 3) bad.push(`overlap: "${a.text}" and "${b.text}"`);
    }
  if (document.documentElement.scrollWidth > width) bad.push("the page scrolls sideways");
  return {bad, count: boxes.length};
})()"""


# Text that is too faint for its ground: WCAG 2's 4.5, or 3 where it is large.
CONTRAST = """(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number), linear = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ground = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const bad = new Set(), walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let count = 0;
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const e = node.parentElement;
    if (!node.data.trim() || e.closest("script,style,noscript") || !e.checkVisibility({visibilityProperty: true})) continue;
    const style = getComputedStyle(e), ink = parse(e.closest("svg") ? style.fill : style.color);
    const [light, dark] = [luminance(ink), luminance(ground(e))].sort((a, b) => b - a), ratio = (light + 0.05) / (dark + 0.05);
    ++count;
    if (!(ratio >= (parseFloat(style.fontSize) >= 24 ? 3 : 4.5))) bad.add(`${ratio.toFixed(2)}: ${e.tagName} ${e.className?.baseVal ?? e.className} "${node.data.trim().slice(0, 30)}"`);
  }
  return {bad: [...bad].slice(0, 10), count};
})()"""

# What moves by itself, or would.
MOTION = """[...document.querySelectorAll("*")].filter((e) => { const s = getComputedStyle(e);
  return s.animationName !== "none" || parseFloat(s.transitionDuration) > 0 || s.scrollBehavior === "smooth"; }).length"""
