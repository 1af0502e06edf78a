#!/usr/bin/env python3
"""The report page as a reader has it: opened in headless Chromium, sorted, filtered, measured with a ruler."""
import base64
import gzip
import json
import sys
import zlib

import gpu_fixture
import program
from page_probes import CONTRAST, LAYOUT, MOTION
from page_results import fleet, rename, small, with_losses
from program import ROOT, Folder

sys.path.insert(0, str(ROOT / "scripts" / "lib"))
import browser

QUICK = ROOT / "results" / "amd-epyc" / "2026-11-23-7876e77-quick.json"
GEMM = ROOT / "results" / "amd-epyc-zen4" / "2026-11-29-0bf0b58-gemm.json"
STEPS = ROOT / "results" / "amd-epyc-zen4" / "2026-11-29-c8f9266-train-step.json"
HOSTILE = "</script><img src=x onerror=\"window.hacked=1\"><!--<script>{{data}}'&\u2028"


class ReportPage(Folder):
    @classmethod
    def setUpClass(cls):
        cls.view = browser.Browser(browser.find())

    @classmethod
    def tearDownClass(cls):
        cls.view.__exit__()

    def open(self, *results, width=1600):
        self.run_ok("report", *results, "--out", "page.html", "--unsealed")
        self.view.look(width)
        self.view.open(self.folder / "page.html")
        self.clean()

    def clean(self):
        self.assertEqual(self.view.errors(), [])
        self.assertEqual(self.view.requests(), [(self.folder / "page.html").resolve().as_uri()], "nothing but the page itself")

    def ids(self):
        return self.view.run("[...document.querySelectorAll('tr.case')].map((row) => row.dataset.id)")

    def cells(self, key):
        return self.view.run(f"[...document.querySelectorAll('tr.case')].map((row) => row.querySelector('[data-key={key}]')).map((cell) => cell?.dataset.value === undefined ? null : Number(cell.dataset.value))")

    def press(self, key):
        code = {"Enter": 13, "/": 191}[key]
        text = {"Enter": "\r"}.get(key, key)
        self.view.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=text, windowsVirtualKeyCode=code)
        self.view.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)
        self.view.settle()

    def test_its_numbers_are_the_results(self):
        self.open(QUICK)
        records = json.loads(QUICK.read_text())["records"]
        self.assertEqual(self.ids(), [r["id"] for r in records])
        for key, column in (("median_seconds", "seconds"), ("flops_per_second",) * 2, ("bytes_per_second",) * 2, ("bus_bytes_per_second",) * 2):
            self.assertEqual(self.cells(column), [(r["summary"] or {}).get(key) for r in records], key)
        shown = self.view.run("[...document.querySelectorAll('td[data-key=seconds][data-value]')].map((cell) => [cell.textContent, Number(cell.dataset.value)])")
        self.assertIn("Time, ms", self.view.run("document.querySelector('table.cases thead').textContent"))
        for text, seconds in shown:
            decimals = len(text.partition(".")[2])
            self.assertLessEqual(abs(float(text) * 1e-3 - seconds), 0.5001e-3 * 10.0 ** -decimals, text)
        table = json.loads(self.run_ok("table", QUICK, "--format", "json").stdout)
        self.assertEqual(self.cells("percent_of_peak"), [row["percent_of_peak"] for row in table])
        self.assertEqual(self.view.run("resultText(0)"), QUICK.read_text(), "what its button saves")

    def test_what_is_packed_in_it_comes_back(self):
        self.open(QUICK)
        texts = [b"", b"a", b"abc" * 40000, QUICK.read_bytes()[:300_000], bytes((i * i * 2654435761 >> 7) & 255 for i in range(70_000))]
        for text in texts:
            for level, strategy in ((6, zlib.Z_DEFAULT_STRATEGY), (0, zlib.Z_DEFAULT_STRATEGY), (6, zlib.Z_FIXED), (6, zlib.Z_HUFFMAN_ONLY)):
                packer = zlib.compressobj(level, zlib.DEFLATED, 31, 9, strategy)
                packed = base64.b64encode(packer.compress(text) + packer.flush()).decode()
                back = self.view.run(f"btoa(gunzip(Uint8Array.from(atob('{packed}'), (c) => c.charCodeAt(0))).reduce((all, c) => all + String.fromCharCode(c), ''))")
                self.assertEqual(base64.b64decode(back), text, (len(text), level, strategy))
        torn = base64.b64encode(gzip.compress(texts[3])[:5000]).decode()
        self.assertIn("packed data", self.view.run(f"(() => {{ try {{ gunzip(Uint8Array.from(atob('{torn}'), (c) => c.charCodeAt(0))); return 'accepted'; }} catch (error) {{ return error.message; }} }})()"))

    def test_it_sorts_and_filters_by_keyboard(self):
        self.open(QUICK)
        order = self.ids()
        head = "[...document.querySelectorAll('th button')].find((b) => b.textContent === 'GFLOP/s')"
        self.view.run(head + ".focus()")
        self.press("Enter")
        known = [v for v in self.cells("flops_per_second") if v is not None]
        self.assertEqual(known, sorted(known, reverse=True))
        self.assertEqual(self.cells("flops_per_second")[len(known):], [None] * (len(order) - len(known)), "what has none is last")
        self.assertEqual(self.view.run(head + ".closest('th').getAttribute('aria-sort')"), "descending")
        self.press("Enter")
        self.assertEqual([v for v in self.cells("flops_per_second") if v is not None], sorted(known))
        self.press("Enter")
        self.assertEqual(self.ids(), order)
        self.press("/")
        self.view.call("Input.insertText", text="bf16 M=1024")
        self.assertEqual(self.ids(), [i for i in order if "bf16" in i and "m=1024" in i])
        self.view.run("document.querySelector('tr.case .open-case').focus()")
        self.press("Enter")
        self.view.run("new Promise((done) => { const wait = () => document.querySelector('[data-chart=samples] svg') ? done() : setTimeout(wait, 10); wait(); })")
        first = next(r for r in json.loads(QUICK.read_text())["records"] if r["id"] == self.ids()[0])
        self.view.run("document.querySelectorAll('[data-chart=samples] details')[0].open = true")
        self.view.settle()
        self.assertEqual(self.view.run("document.querySelectorAll('[data-chart=samples] details tbody tr').length"), len(first["measurement"]["seconds"]))
        self.assertEqual(self.view.run("document.querySelectorAll('[data-chart=samples] svg .mark').length"), len(first["measurement"]["seconds"]))
        self.clean()

    def laid_out(self, what, least=100):
        for width in (1600, 400):
            self.view.look(width)
            self.view.settle()
            layout = self.view.run(LAYOUT)
            self.assertGreater(layout["count"], least)
            self.assertEqual(layout["bad"][:10], [], f"{what} at {width} pixels")

    def two_machines(self):
        other = small(json.loads(GEMM.read_text()), ("peak", "m=512/", "layout=tn/m=1024/"))
        (self.folder / "gemm.json").write_text(json.dumps(other))
        self.open(QUICK, "gemm.json")

    def test_nothing_overlaps(self):
        self.two_machines()
        self.view.run("[...document.querySelectorAll('.open-case')].slice(8, 9).forEach((button) => button.click())")
        self.view.run("new Promise((done) => { const wait = () => document.querySelector('[data-chart=samples] svg') ? done() : setTimeout(wait, 10); wait(); })")
        self.laid_out("two machines")
        self.clean()

    def test_charts_say_in_words_what_they_show(self):
        self.two_machines()
        for name in ("roofline", "size", "shape", "collective", "machines"):
            self.assertTrue(self.view.run(f"document.querySelector('[data-chart={name}] svg.chart .mark') !== null"), name)
        charts = self.view.run("[...document.querySelectorAll('svg.chart')].map((svg) => [svg.getAttribute('role'), svg.getAttribute('aria-label')])")
        for role, label in charts:
            self.assertEqual(role, "img")
            self.assertGreater(len(label), 20)
        self.view.run("document.querySelectorAll('figure details').forEach((box) => (box.open = true))")
        self.view.settle()
        rows = self.view.run("[...document.querySelectorAll('figure')].map((figure) => figure.querySelectorAll('details tbody tr').length)")
        self.assertEqual(len(rows), len(charts))
        self.assertGreater(min(rows), 0)

    def test_marks_and_ticks_tell_apart(self):
        self.two_machines()
        looks = "[...document.querySelectorAll('[data-chart=%s] .legend li')].map((item) => [item.textContent, item.querySelector('svg').innerHTML])"
        for name in ("size", "shape"):
            legend = self.view.run(looks % name)
            self.assertGreaterEqual(len(legend), 3)
            self.assertEqual(len({look for _, look in legend}), len(legend), legend)
        ratio = self.view.run("logTicks(0.885, 1.13, undefined, 800)")
        self.assertGreater(len(ratio), 2)
        self.assertIn(1, [round(tick, 9) for tick in ratio], "the line of equals has its tick")
        self.assertRegex(self.view.run("document.querySelector('[data-chart=size] svg.chart').getAttribute('aria-label')"), r"highest: .+ [GT]FLOP/s")

    def test_long_and_turning_names(self):
        result = small(json.loads(QUICK.read_text()))
        for record in result["records"]:
            rename(record, kernel="\u202e" + "a_kernel_with_more_parameters_than_anyone_reads_" * 3 + record["case"]["kernel"])
        (self.folder / "r.json").write_text(json.dumps(result))
        self.open("r.json")
        self.assertNotIn("\u202e", self.view.run("document.body.textContent"), "nothing turns what follows it around")
        self.laid_out("long names", least=50)
        self.clean()

    def test_dark_and_light(self):
        self.open(QUICK)
        paper = "getComputedStyle(document.body).backgroundColor"
        light = self.view.run(paper)
        self.view.look(1600, dark=True)
        dark = self.view.run(paper)
        self.assertNotEqual(light, dark)
        self.view.run("document.getElementById('theme').click()")
        self.assertEqual(self.view.run(paper), light, "the reader's choice is over the system's")
        self.assertTrue(self.view.pdf().startswith(b"%PDF"))

    def test_what_a_result_holds_is_inert(self):
        result = small(json.loads(QUICK.read_text()))
        provenance = result["provenance"]
        result["suite"] = provenance["cpu"]["model"] = provenance["system"]["hostname"] = provenance["started_utc"] = HOSTILE
        provenance["findings"] = [{"severity": "warning", "what": HOSTILE, "meaning": HOSTILE, "action": HOSTILE}]
        for record in result["records"]:
            rename(record, kernel=HOSTILE.replace("/", "|") + record["case"]["kernel"])
            record["case"]["labels"] = [HOSTILE]
            record["description"] = record["work"]["convention"] = HOSTILE
        (self.folder / "r.json").write_text(json.dumps(result))
        self.open("r.json")
        self.assertTrue(self.ids())
        self.assertIn(HOSTILE, self.view.run("document.querySelector('.machine').textContent"))
        self.view.run("document.querySelectorAll('.open-case').forEach((button) => button.click())")
        self.view.run("document.querySelectorAll('details').forEach((box) => (box.open = true))")
        self.view.run("new Promise((done) => { const wait = () => document.querySelector('[data-chart=samples] svg') ? done() : setTimeout(wait, 10); wait(); })")
        self.assertEqual(self.view.run("document.querySelectorAll('img').length"), 0)
        self.assertIsNone(self.view.run("window.hacked ?? null"))
        self.clean()

    def test_what_went_wrong_and_what_is_missing_still_makes_a_page(self):
        result = small(json.loads(QUICK.read_text()), ("m=128/",))
        wrong, failed, single = result["records"][:3]
        wrong.update(outcome="wrong", reason="d[1, 2] is 3, expected 4", summary=None)
        wrong["check"].update(ok=False, error_over_allowed=7.0, wrong=3)
        failed.update(outcome="failed", reason="out of memory", summary=None, check=None, measurement=None)
        for key in ("seconds", "placement"):
            single["measurement"][key] = single["measurement"][key][:1]
        result["records"] = [wrong, failed, single]
        (self.folder / "r.json").write_text(json.dumps(result))
        self.open("r.json")
        self.assertEqual(self.view.run("document.querySelector('#verdict h2').textContent"), "Wrong numbers")
        self.assertEqual(self.cells("seconds")[:2], [None, None], "what is wrong has no time")
        self.view.run("document.querySelectorAll('.open-case').forEach((button) => button.click())")
        self.view.run("new Promise((done) => { const wait = () => document.querySelector('[data-chart=samples] svg') ? done() : setTimeout(wait, 10); wait(); })")
        self.laid_out("wrong, failed, and a single sample", least=50)
        self.clean()
        result["records"] = []
        (self.folder / "r.json").write_text(json.dumps(result))
        self.open("r.json")
        self.assertEqual(self.ids(), [])

    def test_a_fleet_its_slow_node_and_a_soak(self):
        fleet(self.folder, json.loads(QUICK.read_text()), slow=3)
        nodes = sorted(self.folder.glob("node*.json"))
        self.open(*nodes)
        self.assertIn("node3", self.view.run("document.querySelector('#fleet table tbody').textContent"))
        self.assertIn("bf16 datasheet 990 TFLOP/s", self.view.run("document.querySelector('[data-chart=roofline]').textContent"))
        self.assertTrue(self.view.run("document.querySelector('#fleet svg text').textContent").startswith("node3"), "the slowest is at the top")
        self.view.run("new Promise((done) => { const wait = () => document.querySelectorAll('#soak [data-chart=soak] svg').length === 2 ? done() : setTimeout(wait, 10); wait(); })")
        self.assertEqual(self.view.run("document.querySelectorAll('#soak [data-chart=clock_mhz] svg').length"), 2)
        self.laid_out("a fleet")
        self.clean()


    def eight_gpus(self, width=1600):
        """A page of every kind of section that GPUs and ranks make."""
        node = gpu_fixture.node(hot=3).result()
        node["records"] = node["records"][::3] + [r for r in node["records"] if "gpu3" in r["id"]]
        made = {"node": node, "soak": gpu_fixture.soaked(), "together": gpu_fixture.together(), "stragglers": gpu_fixture.stragglers()}
        files = [gpu_fixture.write(self.folder / f"{name}.json", result) for name, result in {**made, "steps": with_losses(json.loads(STEPS.read_text()))}.items()]
        self.open(*files, width=width)
        self.view.run("new Promise((done) => { const wait = () => document.querySelector('#soak [data-chart=soak] svg') ? done() : setTimeout(wait, 10); wait(); })")

    def test_eight_gpus_have_every_section(self):
        self.eight_gpus()
        for name in ("cases", "roofline", "throughput", "collectives", "steps", "stragglers", "together", "soak", "method", "data"):
            self.assertTrue(self.view.run(f"document.getElementById('{name}') !== null"), name)
        text = lambda selector: self.view.run(f"document.querySelector({json.dumps(selector)}).textContent")
        self.assertIn("TFLOP/s", text("table.cases thead"))
        self.assertNotIn("PFLOP/s", text("main"))
        self.assertIn("rank 5 (gpu-node-07.example, gpu5): compute probe 20 % slower", text("#stragglers .accused"))
        self.assertEqual(self.view.run("document.querySelectorAll('#soak [data-chart=soak]').length"), 1, "a chart for eight devices")
        self.assertIn("throughput of gpu3 fell 5 % at 1800 s", text("#soak [data-chart=soak]"))
        roofline = text("[data-chart=roofline]")
        for ceiling in ("e4m3 datasheet 1980 TFLOP/s", "bf16 datasheet 990 TFLOP/s", "tf32 datasheet 495 TFLOP/s", "f32 datasheet 67 TFLOP/s", "bf16 measured"):
            self.assertIn(ceiling, roofline)
        self.assertIn("nvls=off", text("[data-chart=collective] .legend"))
        steps = json.loads(STEPS.read_text())["records"]
        self.assertEqual(self.view.run("document.querySelectorAll('#steps [data-chart=step] svg').length"), len(steps))
        self.assertIn(f"{1e3 * steps[0]['details']['seconds_gemm']['value']:.1f} ms", text("#steps [data-chart=step] svg"))
        self.assertEqual(self.view.run("document.querySelectorAll('#steps [data-chart=loss] svg.chart').length"), 1, "older results have no curve")
        self.assertEqual(self.view.run("document.querySelectorAll('#steps [data-chart=loss] svg.chart .mark').length"), 5, "a CPU's steps")
        self.assertIn("6.0000 at the first, 0.7273 at the last; a CPU had 6.0010", self.view.run("document.querySelector('[data-chart=loss] svg.chart').getAttribute('aria-label')"))
        self.view.run("document.querySelector('[data-chart=loss] details').open = true")
        self.view.settle()
        self.assertEqual(self.view.run("[...document.querySelectorAll('[data-chart=loss] tbody tr')].map((row) => row.textContent).slice(4, 6)"), ["53.00003.0010", "62.6667"])
        self.view.run("[...document.querySelectorAll('tr.case .open-case')].find((b) => b.closest('tr').dataset.id.includes('gpu3')).click()")
        self.view.run("new Promise((done) => { const wait = () => document.querySelector('tr.detail [data-chart=power_watts] svg') ? done() : setTimeout(wait, 10); wait(); })")
        self.assertIn("hw thermal 70 % of the time (2.1 s)", text("tr.detail"))
        self.assertEqual(self.view.run("[...document.querySelectorAll('figure')].filter((f) => !f.querySelector('details')).length"), 0, "each chart has its table")
        for width in (1600, 800, 400):
            self.view.look(width)
            self.view.settle()
            layout = self.view.run(LAYOUT)
            self.assertEqual(layout["bad"][:10], [], f"eight GPUs at {width} pixels")
        self.clean()

    def test_it_can_be_read_by_everybody(self):
        self.eight_gpus()
        for dark in (False, True):
            self.view.look(1600, dark=dark)
            found = self.view.run(CONTRAST)
            self.assertGreater(found["count"], 300)
            self.assertEqual(found["bad"], [], "dark" if dark else "light")
        self.assertEqual(self.view.run(MOTION), 0, "nothing moves, whatever the reader prefers")
        self.view.run("window.reached = []; document.addEventListener('focusin', (event) => reached.push(event.target))")
        for _ in range(20):
            self.view.call("Input.dispatchKeyEvent", type="keyDown", key="Tab", code="Tab", windowsVirtualKeyCode=9)
            self.view.call("Input.dispatchKeyEvent", type="keyUp", key="Tab", code="Tab", windowsVirtualKeyCode=9)
            self.assertNotEqual(self.view.run("getComputedStyle(document.activeElement).outlineStyle"), "none", "the focus is seen")
        self.assertGreater(self.view.run("reached.length"), 15)
        self.assertTrue(self.view.run("reached[0].matches('.skip')"), "first a way past the top")
        self.assertTrue(self.view.run("reached.every((e, i) => i === 0 || reached[i - 1].compareDocumentPosition(e) & Node.DOCUMENT_POSITION_FOLLOWING)"), "in the order of reading")


if __name__ == "__main__":
    if not browser.find():
        print("no Chromium here")
        sys.exit(77)
    program.main(__name__)
