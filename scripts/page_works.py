#!/usr/bin/python3
"""Test report.html in a browser.

Each check prints one line: "ok NAME: figures" or "FAILED NAME: what". The last line counts them. Exit 0: none failed;
1: some failed; 2: wrong arguments. The pages are those of TREE, of a tree with file names that look like markup, and of one
with 20,000 files; what they show is compared with the JSON of the same run. --shots DIR keeps screenshots.

Needs Chromium or Chrome, its driver, and the system's python3-selenium (scripts/needs.sh browser).
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import checks
from checks import Failed, require, require_same

# The time limit for opening a page of 20,000 files: about five times the usual time, for slow machines.
MAX_SECONDS = 10
# The minimum contrast of text, WCAG 2.2 AA.
MIN_CONTRAST = 4.5

HOSTILE = [
    "<script>alert(1)<",
    'x/"><img src=y onerror=alert(1)>',
    "x/'-alert(1)-'",
    "x/&lt;b&gt;&amp;",
    "x/{{ 7 * 7 }}",
    "x/javascript:alert(1)",
    "x/<!--",
]


# --- pages ----------------------------------------------------------------------


def write(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def package(library, name, imports=""):
    text = f"Package: {name}\nVersion: 1.0\n{imports}Built: R 4.2.2; ; 2022-11-24 00:43:29 UTC; unix\n"
    write(library / name / "DESCRIPTION", text.encode())
    write(library / name / "NAMESPACE")


def hostile_tree(root):
    for name in HOSTILE:
        write(root / name)
        # Its finding also contains the name.
        (root / (name + ".link")).symlink_to("<b>nowhere</b>")
    write(Path(os.fsdecode(os.fsencode(root) + b"/x/bad\xff\x1b[31m")))
    write(root / "include/<i>.h")
    package(root / "site", "<i>p</i>", "Imports: <u>gone</u>\n")


def large_tree(root):
    """20,000 files in 100 packages, some much larger than others."""
    for number in range(100):
        name = f"package{number:02}"
        package(root / "site", name, f"Imports: package{(number + 1) % 100:02}\n")
        for file in range(198):
            length = 200_000 // (1 + file) ** 2 + number
            write(
                root / "site" / name / ("help" if file % 4 == 0 else "extdata") / f"file-{file:03}.bin",
                os.urandom(length),
            )


def page(proof, name, command, *arguments):
    """Writes the page of a run; returns its path."""
    path = proof.work / f"{name}.html"
    run = subprocess.run(
        [proof.layerfit, command, *map(str, arguments), "--format", "html"], capture_output=True, check=False
    )
    require(run.returncode in (0, 1) and run.stdout, f"layerfit {command}: {run.stderr.decode()}")
    path.write_bytes(run.stdout)
    return path


def report_of(proof, *arguments):
    run = subprocess.run([proof.layerfit, *map(str, arguments), "--format", "json"], capture_output=True, check=False)
    return json.loads(run.stdout)


# --- the browser ----------------------------------------------------------------


class Browser:
    """A browser with one page at a time, and its logs."""

    def __init__(self, work, shots):
        self.shots = shots
        options = Options()
        options.binary_location = which("chromium", "google-chrome", "google-chrome-stable")
        for argument in [
            "headless",
            "no-sandbox",
            "disable-gpu",
            "disable-quic",
            "no-first-run",
            "disable-background-networking",
            "disable-component-update",
            "disable-sync",
            "disable-dev-shm-usage",
            f"user-data-dir={work}/profile",
        ]:
            options.add_argument(f"--{argument}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        which("chromedriver")
        self.driver = webdriver.Chrome(options=options)

    def command(self, name, **arguments):
        return self.driver.execute_cdp_cmd(name, arguments)

    def open(self, path, width=1366, height=900, dark=False, still=True, script=True):
        self.command("Emulation.setScriptExecutionDisabled", value=not script)
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        features = {
            "prefers-color-scheme": "dark" if dark else "light",
            "prefers-reduced-motion": "reduce" if still else "no-preference",
        }
        self.command("Emulation.setEmulatedMedia", features=[{"name": n, "value": v} for n, v in features.items()])
        self.driver.get_log("browser"), self.driver.get_log("performance")
        self.driver.get(path.as_uri())
        if script:
            self.wait(lambda: self.js("return document.documentElement.dataset.ready"), "the script did not finish")

    def js(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)

    def wait(self, condition, what, seconds=30):
        end = time.monotonic() + seconds
        while not condition():
            require(time.monotonic() < end, what)
            time.sleep(0.02)

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def click(self, selector):
        element = self.find(selector)
        self.js("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
        element.click()

    def click_text(self, selector, text):
        """Clicks the last of these elements with this text, even outside the viewport."""
        found = self.js(
            "const all = [...document.querySelectorAll(arguments[0])].filter((e) => e.textContent === arguments[1]);"
            "all.at(-1)?.click(); return all.length",
            selector,
            text,
        )
        require(found, f"no {selector} has the text {text}")

    def set(self, selector, value, event):
        """Sets the value of a field, as if it had been typed or chosen."""
        self.js(
            "const e = document.querySelector(arguments[0]); e.value = arguments[1];"
            "e.dispatchEvent(new Event(arguments[2]))",
            selector,
            value,
            event,
        )

    def is_still(self):
        return self.js("return document.querySelector('#map').dataset.still") == "true"

    def texts(self, selector):
        return self.js("return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", selector)

    def press(self, *keys):
        ActionChains(self.driver).send_keys(*keys).perform()

    def click_map(self, across, down):
        """Clicks on the map, at these fractions of its width and height."""
        element = self.find("#map")
        self.js("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
        left, top, width, height = self.js(
            "const r = arguments[0].getBoundingClientRect(); return [r.left, r.top, r.width, r.height]", element
        )
        at = {"x": left + width * across, "y": top + height * down, "button": "left", "clickCount": 1}
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.command("Input.dispatchMouseEvent", type=kind, **at)

    def crumbs(self):
        return self.texts("#crumbs li")

    def quiet(self):
        """Requires that nothing was logged, and only the page was requested."""
        logged = [entry["message"] for entry in self.driver.get_log("browser")]
        require(not logged, f"the console has {logged}")
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        requests = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        others = [url for url in requests if not url.startswith("file://") or not url.endswith(".html")]
        require(not others, f"requests for {others}")
        return len(requests)

    def shot(self, name):
        if self.shots:
            self.driver.save_screenshot(str(self.shots / f"{name}.png"))


def which(*names):
    for name in names:
        if found := shutil.which(name):
            return found
    sys.exit(f"page_works: none of {', '.join(names)} is installed; scripts/needs.sh browser installs them")


# --- checks ---------------------------------------------------------------------


def nothing_is_logged_or_loaded(proof, browser):
    empty = proof.work / "empty"
    empty.mkdir()
    layers = proof.work / "layers"
    subprocess.run(
        [proof.layerfit, "pack", proof.tree, "-o", layers, "-q", *proof.options], capture_output=True, check=False
    )
    pages = {
        "plan": proof.plan,
        "packed": layers / "report.html",
        "analyze": page(proof, "analyze", "analyze", proof.tree, *checks.for_analyze(proof.options)),
        "check": page(proof, "check", "check", layers, *proof.options),
        "too-large": page(
            proof, "too-large", "plan", proof.tree, "--max-zipped", "4MiB", "--max-unzipped", "30MiB", *proof.options
        ),
        "empty": page(proof, "empty", "plan", empty),
        "hostile": proof.hostile,
        "large": proof.large,
    }
    for name, path in pages.items():
        browser.open(path, still=False)
        if name != "empty":
            browser.click_map(0.3, 0.5)
            browser.click("#theme")
            browser.wait(browser.is_still, "still moves")
        try:
            browser.quiet()
        except Failed as failed:
            raise Failed(f"{name}: {failed}") from failed
        browser.shot(name)
    return f"{len(pages)} pages"


def the_map_is_zoomed_by_mouse(proof, browser):
    browser.open(proof.plan, still=False)
    start = browser.crumbs()
    browser.click_map(0.25, 0.4)
    one = browser.crumbs()
    require(len(one) == len(start) + 1 and one[:-1] == start, f"from {start} to {one}")
    require_same(browser.find("#what").text, one[-1], "the title beside the map")
    browser.wait(browser.is_still, "still moves")
    browser.click_map(0.5, 0.4)
    two = browser.crumbs()
    require(len(two) == len(one) + 1, f"from {one} to {two}")
    browser.wait(browser.is_still, "still moves")
    browser.shot("zoomed")
    browser.click(f"#crumbs li:nth-child({len(start)}) button")
    require_same(browser.crumbs(), start, "back at the beginning")
    browser.click("#back")
    require_same(browser.crumbs(), two, "Back")
    return " › ".join(two)


def the_map_is_zoomed_by_keys(proof, browser):
    browser.open(proof.plan)
    start = browser.crumbs()
    browser.js("document.querySelector('#map').focus()")
    said = lambda: browser.find("#said").get_attribute("textContent")  # noqa: E731
    browser.press(Keys.ARROW_RIGHT)
    first = said()
    require(", 1 of " in first, f"said {first!r}")
    browser.press(Keys.ARROW_RIGHT)
    second = said()
    require(second != first and " of " in second, f"said {second!r} after {first!r}")
    browser.press(Keys.ARROW_LEFT)
    require_same(said(), first, "right and left again")
    browser.press(Keys.ENTER)
    inside = browser.crumbs()
    require_same(inside, [*start, first.split(",")[0]], "Enter zooms in")
    # Enter until it is a file, which cannot be entered.
    places = [inside]
    while "Path" not in browser.texts("#facts dt"):
        browser.press(Keys.ENTER)
        places.append(browser.crumbs())
        require(len(places) < 6, f"no file after {places}")
    require_same(places[-1], places[-2], "Enter on a file stays")
    require_same(
        [len(place) for place in places[:-1]], list(range(len(inside), len(inside) + len(places) - 1)), "one step each"
    )
    for place in reversed(places[:-2]):
        browser.press(Keys.ESCAPE)
        require_same(browser.crumbs(), place, "Escape zooms out")
    browser.press(Keys.ESCAPE, Keys.ESCAPE, Keys.ESCAPE)
    require_same(browser.crumbs(), start, "Escape at the top")
    return f"{first}; {second}; {' › '.join(places[-1])}"


def the_keyboard_reaches_everything_and_is_seen(proof, browser):
    browser.open(proof.plan)
    reached = []
    for _ in range(120):
        browser.press(Keys.TAB)
        name, outline = browser.js(
            "const e = document.activeElement;"
            "return [e.id || e.textContent, parseFloat(getComputedStyle(e).outlineWidth)]"
        )
        require(outline >= 2, f"{name!r} has the focus but does not show it")
        reached.append(name)
        if name == "finding-text":
            break
    wanted = ["theme", "show-kept", "show-pruned", "find", "map", "finding-code", "finding-text"]
    require_same([name for name in reached if name in wanted], wanted, "reached by Tab")
    nodes = browser.command("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "link", "textbox", "searchbox", "combobox", "application", "region", "table")
    named = [n for n in nodes if n.get("role", {}).get("value") in roles and not n.get("ignored")]
    nameless = [
        n["role"]["value"] for n in named if n["role"]["value"] != "table" and not n.get("name", {}).get("value")
    ]
    require(not nameless, f"without an accessible name: {nameless}")
    return f"{len(reached)} stops, {len(named)} elements with names"


# Everything that a page of a plan can have ticked: steps, packages and units, and rules that are on.
TICKS = """
const keys = (selector, of) => [...document.querySelectorAll(selector)].map((row) => of(row));
return {
  steps: keys('#table-steps tr:has(input.tick)', (row) => row.querySelector('.option').textContent),
  packages: keys('#table-packages tr:has(input.tick) button.go', (button) => button.textContent),
  units: keys('#table-units tr:has(input.tick) button.go', (button) => button.textContent),
};
"""
# Ticks the boxes of rows that have these texts in their first cell, and returns what is shown then.
TICK = """
document.querySelector('#left-clear').click();
for (const [table, text] of arguments[0]) {
  const row = [...document.querySelectorAll(`#table-${table} tbody tr`)].find((row) =>
    [...row.cells[0].querySelectorAll('.option, button.go')].some((name) => name.textContent === text));
  const box = row.querySelector('input.tick');
  if (table === 'rules' || !box.checked) box.click();
}
const value = (row) => Number(document.querySelector(`#left-table tbody tr:nth-child(${row}) td:nth-child(3)`).dataset.v);
return {
  zipped: value(1), unzipped: value(2), layers: value(3),
  text: document.querySelector('#left-table').textContent,
  summary: document.querySelector('#left-summary').textContent,
  command: document.querySelector('#left-command').textContent,
  toml: document.querySelector('#left-toml').textContent,
};
"""


def tickings(ticks):
    """What to tick: each kind alone, and combinations of all of them."""
    exact = [("steps", step) for step in ticks["steps"] if step != "--bundle" and step != "--repack-rdb"]
    packages = [("packages", name) for name in ticks["packages"]]
    units = [("units", name) for name in ticks["units"] if not name.startswith("pkg:")]
    yield from ([step] for step in exact)
    if "--repack-rdb" in ticks["steps"]:
        yield [("steps", "--repack-rdb")]
    yield from ([package] for package in packages[:6])
    yield from ([unit] for unit in units[:4])
    yield packages[:2]
    yield packages[1:9:2]
    yield packages
    yield [*packages[:3], *exact[:2]]
    yield [*units[:2], exact[-1]]
    yield exact
    yield [*exact, *packages[::2], *units[::3]]
    yield [*exact[::2], *packages[1::3]]
    yield [*exact[1::2], *units]


def ticking_shows_what_plan_keeps(proof, browser):
    """Every figure that ticking shows is that of layerfit with the command that the page shows, to the byte."""
    browser.open(proof.plan)
    require(not browser.find("#left").is_displayed(), "nothing is ticked, but something is shown")
    count = exact = 0
    largest = 0
    for ticked in tickings(browser.js(TICKS)):
        start = time.monotonic()
        shown = browser.js(TICK, ticked)
        largest = max(largest, time.monotonic() - start)
        command = shlex.split(shown["command"])
        require_same(command[:2], ["layerfit", "plan"], "the command")
        # `check` makes the same plan, but not the next steps, which take as long again.
        plan = report_of(proof, "check", *command[2:], *proof.options)
        kept = plan["totals"]["kept"]
        found = (shown["zipped"], shown["unzipped"], shown["layers"])
        expected = (kept["zipped_bytes"], kept["unzipped_bytes"], plan["packing"]["layers"])
        marked = re.search(r"~|up to|at least| to ", shown["text"] + shown["summary"])
        if found != expected and marked and shown["unzipped"] == kept["unzipped_bytes"]:
            # Compressing harder can save a layer, and the number of layers can be a range: then that is shown.
            count += 1
            continue
        require_same(found, expected, f"zipped and unzipped bytes and layers of {shown['command']}")
        count += 1
        exact += 1
        # The lines of layerfit.toml do the same.
        if count % 5 == 0:
            config = proof.work / "ticked.toml"
            config.write_text(shown["toml"] + "\n", encoding="utf-8")
            again = report_of(proof, "check", proof.tree, "--config", config, *proof.options)
            require_same(again["totals"]["kept"], kept, f"with {shown['toml']}")
    require(exact >= 20, f"only {exact} of {count} are exact")
    browser.shot("ticked")
    browser.js("document.querySelector('#left-more').open = true")
    browser.shot("ticked-details")
    browser.click("#left-clear")
    require(not browser.find("#left").is_displayed(), "cleared, but still shown")
    return f"{exact} of {count} tickings to the byte, the others marked; at most {largest * 1000:.0f} ms each"


def rules_that_are_on_can_be_unticked(proof, browser):
    """With weighed files, what a rule drops comes back with its bytes; without, that is marked."""
    rules = [rule["name"] for rule in proof.report["pruned"] if rule["files"]]
    browser.open(proof.plan)
    text = browser.js("return document.querySelector('#table-rules tbody tr th button.go').textContent")
    shown = browser.js(TICK, [["rules", text]])
    require("at least" in shown["text"], f"what was not weighed is not marked: {shown['text']}")
    plan = report_of(proof, *shlex.split(shown["command"])[1:], *proof.options)
    require(shown["zipped"] <= plan["totals"]["kept"]["zipped_bytes"], f"{shown['zipped']} is not at least")
    return f"{len(rules)} rules"


def what_goes_and_what_breaks_is_shown(proof, browser):
    packages = {p["name"]: p for p in proof.report["packages"] if p["kept"]}
    by = lambda name: {other for other, p in packages.items() if name in p["needs"]}  # noqa: E731
    name = max((name for name in packages if by(name)), key=lambda name: (len(by(name)) <= 6, len(by(name)), name))
    browser.open(proof.plan)
    browser.js(TICK, [["packages", name]])
    missing = set(browser.texts("#left-broken > li > button.go"))
    require(by(name) <= missing, f"{by(name)} need {name}, and {missing} is shown")
    browser.js("document.querySelector('#left-more').open = true")
    more = [text for text in browser.texts("#left-details button") if text.startswith("Drop ") and "need" in text]
    require(more, "no button that drops what needs it")
    browser.click_text("#left-details button", more[0])
    ticked = set(browser.texts(".ticked .name"))
    require({f"drop pkg:{other}" for other in by(name) | {name}} <= ticked, f"ticked {ticked}")
    # The box beside the map ticks the same.
    browser.js("document.querySelector('#left-clear').click()")
    browser.click_text("#table-packages tbody th button.go", name)
    frees = browser.js(
        "return [...document.querySelectorAll('#facts dt')].find((e) => e.textContent === 'Frees').nextSibling.textContent"
    )
    browser.js("document.querySelector('#facts input.tick').click()")
    require_same(browser.texts(".ticked .name"), [f"drop pkg:{name}"], "ticked beside the map")
    checked = browser.js(
        "return [...document.querySelectorAll('#table-packages tr:has(input.tick:checked) button.go')][0].textContent"
    )
    require_same(checked, name, "ticked in the table")
    return f"{len(by(name))} packages need {name}; {frees}"


def areas_are_bytes(proof, browser):
    """Boxes fill their parent, do not overlap, and are as large as their share of the bytes."""
    worst = browser.js(
        "const random = (seed) => () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;"
        "const next = random(7); let worst = 0, ratios = [];"
        "for (const count of [1, 2, 7, 200, 5000]) for (const shape of [0.05, 1, 1.5, 40]) {"
        "  const areas = Array.from({length: count}, () => 1 + 3e6 * next() ** 8).sort((a, b) => b - a);"
        "  const sum = areas.reduce((a, b) => a + b), edges = squarify(areas, shape); let total = 0;"
        "  areas.forEach((area, i) => { const [l, t, r, b] = edges.subarray(4 * i, 4 * i + 4);"
        "    const found = (r - l) * (b - t); total += found; worst = Math.max(worst, Math.abs(found - area / sum));"
        "    if (l < -1e-9 || t < -1e-9 || r > 1 + 1e-9 || b > 1 + 1e-9) worst = 9;"
        "    if (shape === 1.5) ratios.push(Math.max((r - l) * shape / (b - t), (b - t) / (r - l) / shape)); });"
        "  worst = Math.max(worst, Math.abs(total - 1)); }"
        "ratios.sort((a, b) => a - b); return [worst, ratios[ratios.length >> 1]];"
    )
    require(worst[0] < 1e-6 and worst[1] < 1.6, f"the largest error is {worst[0]}, the median ratio {worst[1]}")
    browser.open(proof.plan)
    kept = proof.report["totals"]["kept"]
    labels = []
    for button in ("#weigh-unzipped", "#weigh-zipped"):
        browser.click(button)
        labels.append(browser.find("#show-kept").text)
        require_same(browser.find(button).get_attribute("aria-pressed"), "true", button)
    mib = lambda value: f"{value / 2**20:.2f} MiB"  # noqa: E731
    require_same(labels[0], f"Kept {mib(kept['unzipped_bytes'])}", "unzipped")
    layers = proof.report["packing"]["layers"]
    require_same(labels[1], f"Kept {mib(kept['zipped_bytes'] - 22 * layers)}", "zipped")
    return f"error {worst[0]:.1e}, median ratio {worst[1]:.2f}; {', '.join(labels)}"


def a_box_has_an_address(proof, browser):
    browser.open(proof.plan)
    name = proof.report["packages"][0]["name"]
    browser.click_text("#table-packages tbody th button.go", name)
    address = browser.js("return location.hash")
    require(address.startswith("#show=pkg"), f"the address is {address}")
    browser.driver.get("about:blank")
    browser.driver.get(proof.plan.as_uri() + address)
    browser.wait(lambda: browser.find("#what").text == name, f"the address does not show {name}")
    return address


def tables_are_sorted(proof, browser):
    browser.open(proof.plan)
    values = lambda column: browser.js(  # noqa: E731
        "return [...document.querySelectorAll('#table-packages tbody tr')].map((row) => row.cells[arguments[0]])"
        ".map((cell) => cell.dataset.v ?? cell.textContent)",
        column,
    )
    heads = browser.texts("#table-packages thead th")
    column = heads.index("Unzipped")
    button = f"#table-packages thead th:nth-child({column + 1}) button"
    before = values(column)
    for order in ("descending", "ascending"):
        browser.click(button)
        now = [int(value) for value in values(column)]
        require_same(now, sorted(map(int, before), reverse=order == "descending"), f"unzipped bytes, {order}")
        require_same(
            browser.find(f"#table-packages thead th:nth-child({column + 1})").get_attribute("aria-sort"),
            order,
            "aria-sort",
        )
    browser.js("document.querySelector('#table-packages thead button').focus()")
    browser.press(Keys.ENTER)
    names = [name.split(" ")[0] for name in values(0)]
    require_same(names, sorted(names, key=str.lower), "names, by the keyboard")
    bytes_of = {p["name"]: p["unzipped_bytes"] for p in proof.report["packages"]}
    require_same(sorted(map(int, before)), sorted(bytes_of.values()), "the bytes of the JSON")
    return f"{len(names)} packages"


def tables_and_findings_are_filtered(proof, browser):
    browser.open(proof.plan)
    shown = lambda selector: browser.js(  # noqa: E731
        "return [...document.querySelectorAll(arguments[0])].filter((e) => e.offsetParent !== null).length", selector
    )
    libraries = shown("#table-libraries tbody tr")
    require(libraries > 5, f"{libraries} libraries")
    browser.find("#filter-libraries").send_keys("LIBC.so")
    some = shown("#table-libraries tbody tr")
    require(0 < some < libraries, f"{some} of {libraries} libraries have libc.so")
    require(f"{some} of {libraries}" in browser.texts("#libraries output")[0], "the count")

    findings = proof.report["findings"]
    require_same(shown("#finding-list li"), len(findings), "findings")
    severities = sorted({finding["severity"] for finding in findings})
    browser.click(f"#finding-tools button[data-severity={severities[0]}]")
    require_same(shown("#finding-list li"), sum(f["severity"] != severities[0] for f in findings), "without a severity")
    browser.click(f"#finding-tools button[data-severity={severities[0]}]")
    code = findings[-1]["code"]
    browser.set("#finding-code", code, "change")
    require_same(shown("#finding-list li"), sum(f["code"] == code for f in findings), f"with {code}")
    return f"{some} of {libraries} libraries, {len(findings)} findings"


def files_are_found(proof, browser):
    browser.open(proof.plan)
    browser.find("#find").send_keys("base.rdb")
    hits = browser.texts("#found button span")
    require(hits and all("base.rdb" in hit for hit in hits), f"hits {hits}")
    browser.press(Keys.ENTER)
    require_same(browser.texts("#facts dd .name"), [hits[0]], "the path beside the map")
    require(not browser.find("#found").is_displayed(), "the list closes")
    return f"{len(hits)} hits"


def kept_and_pruned_are_switched(proof, browser):
    browser.open(proof.plan)
    browser.click("#show-pruned")
    pressed = [browser.find(id).get_attribute("aria-pressed") for id in ("#show-kept", "#show-pruned")]
    require_same(pressed, ["false", "true"], "pressed")
    require_same(browser.crumbs(), ["Pruned"], "the place in the map")
    rules = {f"{rule['rule']} {rule['name']}" for rule in proof.report["pruned"] if rule["files"]}
    require_same(set(browser.texts("#contents li button")), rules, "rules in the map")
    browser.click("#contents li button")
    require_same(browser.texts("#why b"), ["Why it is safe:", "Breaks:"], "the reasons of a rule")
    browser.shot("pruned")
    browser.click("#show-kept")
    require_same(browser.crumbs()[0], "Kept", "back")
    return f"{len(rules)} rules"


def the_theme_follows_the_system_and_the_button(proof, browser):
    look = (
        "return [getComputedStyle(document.body).backgroundColor,"
        "document.querySelector('#canvas').toDataURL(), document.querySelector('#theme').textContent]"
    )
    browser.open(proof.plan)
    light = browser.js(look)
    browser.open(proof.plan, dark=True)
    dark = browser.js(look)
    browser.shot("dark")
    require(light[0] != dark[0] and light[1] != dark[1], "page and map look the same in dark mode")
    browser.click("#theme")
    require_same(browser.js(look)[::2], [light[0], "Theme: light"], "light by the button")
    browser.click("#theme")
    require_same(browser.js(look)[::2], [dark[0], "Theme: dark"], "dark by the button")
    return f"{light[0]}, {dark[0]}"


CONTRAST = """
const number = (text) => text.match(/[\\d.]+/g).map(Number);
const over = (top, below) => { const a = top[3] ?? 1; return [0, 1, 2].map((i) => top[i] * a + below[i] * (1 - a)); };
const light = (rgb) => rgb.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; })
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
const behind = (e) => {
  const stack = [];
  for (let at = e; at; at = at.parentElement) stack.unshift(number(getComputedStyle(at).backgroundColor));
  return stack.reduce((below, top) => over(top, below), [255, 255, 255]);
};
const least = {};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const e = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || !e.checkVisibility()) continue;
  if (e.closest('.visually-hidden, :disabled, script, noscript')) continue;
  const style = getComputedStyle(e);
  const found = ratio(over(number(style.color), behind(e)), behind(e));
  const key = `${e.tagName} ${e.className}: ${style.color} on ${behind(e)}`;
  least[key] = Math.min(least[key] ?? 99, found);
}
// The backgrounds of text on the canvas: the colour of a kind, and its darker shades for groups and containers.
const text = number(getComputedStyle(document.body).color);
const legend = getComputedStyle(document.querySelector('#legend'));
for (const kind of [0, 1, 2, 3]) {
  const fill = number(getComputedStyle(document.querySelector(`#legend .k${kind}`)).backgroundColor);
  for (const shade of ['rgba(0, 0, 0, 0)', legend.outlineColor, legend.borderTopColor]) {
    least[`map, kind ${kind} under ${shade}`] = ratio(text, over(number(shade), fill));
  }
}
return Object.entries(least).sort((a, b) => a[1] - b[1]);
"""


def text_can_be_read(proof, browser):
    figures = []
    for dark in (False, True):
        browser.open(proof.plan, dark=dark)
        browser.js("document.querySelectorAll('details').forEach((d) => d.open = true)")
        browser.click("#show-pruned")
        least = browser.js(CONTRAST)
        require(len(least) > 30, f"only {len(least)} kinds of text")
        low = [f"{what}: {value:.2f}" for what, value in least if value < MIN_CONTRAST]
        require(not low, "; ".join(low))
        figures.append(f"{least[0][1]:.2f}")
    return f"at least {figures[0]} in light mode and {figures[1]} in dark mode"


def who_needs_what_can_be_followed(proof, browser):
    packages = {p["name"]: p for p in proof.report["packages"] if p["kept"]}
    imports_of = lambda name: [need for need in packages[name]["needs"] if need in packages]  # noqa: E731
    # A list shows a dozen, and the rest on request.
    name = max(packages, key=lambda name: (len(imports_of(name)) if len(imports_of(name)) <= 10 else 0, name))
    browser.open(proof.plan)
    browser.click_text("#table-packages tbody th button.go", name)
    require_same(browser.find("#what").text, name, "the title beside the map")
    rows = browser.texts("#needs-list > .chips:first-of-type > li")
    imports = [text.removeprefix("imports").strip() for text in rows if text.startswith("imports")]
    require_same(sorted(imports), sorted(imports_of(name)), f"what {name} imports")
    needed = imports[0]
    browser.click_text("#needs-list button.go", needed)
    require_same(browser.find("#what").text, needed, "what it needs, clicked")
    users = browser.texts("#users-list > .chips:first-of-type button.go")
    shown = set(users)
    theirs = {p["name"] for p in packages.values() if needed in p["needs"]}
    require(
        shown & theirs and (len(users) >= 12 or theirs <= shown),
        f"{needed} is needed by {theirs}, and {shown} is shown",
    )
    browser.click("#back")
    require_same(browser.find("#what").text, name, "Back")

    # A library is loaded by the files that have it in DT_NEEDED.
    row = browser.js("return document.querySelector('#table-libraries tbody tr').cells[0].textContent")
    loaders = {o["path"] for o in proof.report["objects"] if any(n["soname"] == row for n in o["needed"])}
    browser.click("#table-libraries tbody tr:first-child th button.go")
    directly = browser.texts("#users-list > .chips:first-of-type li")
    loading = {text.removeprefix("loads it").strip() for text in directly if text.startswith("loads it")}
    require(
        loading <= loaders and (len(directly) >= 12 or loading == loaders),
        f"{row} is loaded by {loaders}, shown {loading}",
    )

    # A unit that is a library with its links is needed by what needs its files.
    paths = {n["path"] for o in proof.report["objects"] for n in o["needed"] if (n["path"] or "").startswith("/opt/")}
    unit = next(u for u in browser.texts("#table-units tbody th button.go") if "/opt/" + u.removeprefix("lib:") in paths)
    browser.click_text("#table-units tbody th button.go", unit)
    require(browser.texts("#users-list .chips button.go"), f"{unit} is needed, and nothing is shown that needs it")

    return f"{name} imports {len(imports)}; {needed} is imported by {len(theirs)}; {row} is loaded by {len(loaders)}"


def hostile_names_are_text(proof, browser):
    browser.open(proof.hostile)
    # An alert would make every later command fail.
    names = browser.js("return readFiles(JSON.parse(document.getElementById('data').textContent)).name")
    require(r"x/bad\xff\u{1b}[31m" in names, f"the name that is not UTF-8 is missing: {names}")
    for name in HOSTILE:
        browser.set("#find", name, "input")
        require(name in browser.texts("#found button span"), f"{name} is not found")
        # A group can have the name of its only file, which is listed after it.
        browser.click_text("#found button span", name)
        require_same(browser.texts("#facts dd .name"), [name], "its path")
        element = browser.find("#map")
        ActionChains(browser.driver).move_to_element(element).perform()
    require(any(name in browser.texts("#finding-list button.go") for name in [HOSTILE[0] + ".link"]), "its finding")
    made = browser.texts("img, iframe, u, main b:not(.help b, #why b, td b), main i:not(#legend i)")
    require_same(made, [], "elements created from names")
    require_same(browser.js("return document.scripts.length"), 2, "scripts")
    browser.quiet()
    return f"{len(HOSTILE)} names"


def twenty_thousand_files_open_soon(proof, browser):
    browser.open(proof.large)
    ready = int(browser.js("return document.documentElement.dataset.ready"))
    total = browser.js("return JSON.parse(document.getElementById('data').textContent).unzipped.length")
    start = time.monotonic()
    browser.click_map(0.3, 0.3)
    browser.find("#find").send_keys("file-19")
    zoomed = time.monotonic() - start
    require(total > 19_000, f"{total} files")
    require(ready < MAX_SECONDS * 1000, f"{ready} ms")
    browser.shot("20000-files")
    length = proof.large.stat().st_size / 1e6
    return f"{total} files in {length:.2f} MB open in {ready} ms; a click and a search take {zoomed * 1000:.0f} ms"


def it_fits_a_phone(proof, browser):
    for path in (proof.plan, proof.hostile, proof.large):
        for width in (360, 320):
            browser.open(path, width=width, height=740)
            browser.js("document.querySelectorAll('details').forEach((d) => d.open = true)")
            widths = browser.js("const e = document.scrollingElement; return [e.scrollWidth, e.clientWidth]")
            require_same(widths[0], widths[1], f"width of {path.name}, and visible width, at {width}")
    # Next steps are read beside each other or below each other, and never by scrolling.
    for width in (400, 800, 1000, 1100, 1300, 1900):
        browser.open(proof.plan, width=width, height=740)
        steps = browser.js(
            "const e = document.getElementById('table-steps').parentElement; return [e.scrollWidth, e.clientWidth]"
        )
        require_same(steps[0], steps[1], f"width of the next steps, and visible width, at {width}")
    browser.open(proof.plan, width=360, height=740)
    browser.shot("phone")
    browser.js("document.querySelector('#map-section').scrollIntoView()")
    browser.shot("phone-map")
    start = browser.crumbs()
    browser.click_map(0.2, 0.3)
    require_same(len(browser.crumbs()), len(start) + 1, "a tap zooms")
    return "360 and 320 pixels"


def motion_is_spared_those_who_do_not_want_it(proof, browser):
    still = "document.querySelector('#contents button').click(); return document.querySelector('#map').dataset.still"
    browser.open(proof.plan, still=False)
    require_same(browser.js(still), "false", "with motion, right after a click")
    browser.open(proof.plan, still=True)
    require_same(browser.js(still), "true", "without motion, right after a click")
    require_same(browser.js("return getComputedStyle(document.documentElement).scrollBehavior"), "auto", "scrolling")
    return "both ways"


def without_a_script_all_but_the_map_is_there(proof, browser):
    browser.open(proof.plan, script=False)
    found = lambda selector: browser.driver.find_elements(By.CSS_SELECTOR, selector)  # noqa: E731
    shown = lambda selector: [element for element in found(selector) if element.is_displayed()]  # noqa: E731
    require_same(len(shown("h1")), 1, "the verdict")
    require_same(len(shown("noscript p")), 1, "the note about the map")
    require_same(len(shown("#finding-list li")), len(proof.report["findings"]), "findings")
    require_same(len(shown("#table-packages tbody tr")), len(proof.report["packages"]), "packages")
    require_same(len(shown("#table-steps tbody tr")), len(proof.report["suggestions"]), "next steps")
    dead = [e.get_attribute("outerHTML") for e in shown("button, input, select, canvas")]
    require(not dead, f"without function when scripts are off: {dead}")
    browser.shot("no-script")
    return f"{len(shown('table'))} tables"


CHECKS = [
    nothing_is_logged_or_loaded,
    the_map_is_zoomed_by_mouse,
    the_map_is_zoomed_by_keys,
    the_keyboard_reaches_everything_and_is_seen,
    ticking_shows_what_plan_keeps,
    rules_that_are_on_can_be_unticked,
    what_goes_and_what_breaks_is_shown,
    areas_are_bytes,
    a_box_has_an_address,
    tables_are_sorted,
    tables_and_findings_are_filtered,
    files_are_found,
    kept_and_pruned_are_switched,
    the_theme_follows_the_system_and_the_button,
    text_can_be_read,
    who_needs_what_can_be_followed,
    hostile_names_are_text,
    twenty_thousand_files_open_soon,
    it_fits_a_phone,
    motion_is_spared_those_who_do_not_want_it,
    without_a_script_all_but_the_map_is_there,
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layerfit", default="target/release/layerfit", type=Path)
    parser.add_argument("--shots", type=Path, help="a directory for screenshots")
    checks.add_arguments(parser, CHECKS)
    parser.add_argument("tree", type=Path)
    parser.add_argument("options", nargs="*", help="options for layerfit, after --")
    proof = parser.parse_args()
    if not proof.layerfit.is_file() or not proof.tree.is_dir():
        parser.error(f"{proof.layerfit} or {proof.tree} does not exist")
    proof.layerfit = proof.layerfit.resolve()
    if proof.shots:
        proof.shots.mkdir(parents=True, exist_ok=True)
    # The driver is on this machine and must not be reached through a proxy.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "localhost,127.0.0.1"
    # Neither layerfit's cache nor Chromium's crash reports go to the user's directories.
    with tempfile.TemporaryDirectory(prefix="page-works-") as work:
        proof.work = Path(work)
        os.environ["XDG_CACHE_HOME"] = os.environ["XDG_CONFIG_HOME"] = str(proof.work / "home")
        hostile_tree(proof.work / "hostile-tree")
        large_tree(proof.work / "large-tree")
        proof.plan = page(proof, "plan", "plan", proof.tree, *proof.options)
        proof.report = report_of(proof, "plan", proof.tree, *proof.options)
        proof.hostile = page(proof, "hostile", "plan", proof.work / "hostile-tree")
        proof.large = page(proof, "large", "plan", proof.work / "large-tree")
        browser = Browser(proof.work, proof.shots)
        try:
            return checks.run(CHECKS, proof.only, proof, browser)
        finally:
            browser.driver.quit()


if __name__ == "__main__":
    sys.exit(main())
