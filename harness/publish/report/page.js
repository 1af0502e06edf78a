// The page, from top to bottom.
function themeButton() {
  const modes = ["auto", "light", "dark"];
  let mode = "auto";
  const button = h("button", {type: "button", class: "act", id: "theme"}, "Theme: auto");
  const set = (next) => {
    mode = next;
    if (mode === "auto")
      delete document.documentElement.dataset.theme;
    else
      document.documentElement.dataset.theme = mode;
    button.textContent = "Theme: " + mode;
  };
  button.addEventListener("click", () => set(modes[(modes.indexOf(mode) + 1) % modes.length]));
  return button;
}

function buildPage() {
  const suites = unique(DATA.results.map((r) => r.suite)).join(", ");
  const title = DATA.results_given > 1 ? `${DATA.results_given} results: ${suites}` : suites;
  const sections = [
    judgementsSection(), fleetSection(), casesSection(), rooflineSection(), throughputSection(), collectivesSection(),
    stepsSection(), overlapSection(), stragglersSection(), togetherSection(), soakSection(), selftestSection(),
    sideBySideSection(), methodSection(), dataSection()
  ].filter(Boolean);
  const links = sections.map((one) => h("li", null, h("a", {href: "#" + one.id}, one.querySelector("h2").textContent)));
  document.getElementById("page").replaceChildren(
      h("header", {class: "top"}, h("div", null, h("p", {class: "eyebrow"}, "Assay report"), h("h1", null, title)),
        themeButton()),
      h("main", null, verdictBox(), h("div", {class: "machines"}, machineCards()),
        h("nav", {"aria-label": "Sections"}, h("ul", null, links)), sections),
      h("footer", null,
        `Made by assay ${DATA.version} from ${DATA.results_given} result${
            DATA.results_given > 1 ? "s" : ""}. This page asks no network for anything.`));
}

buildPage();
