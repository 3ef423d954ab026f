"""How long the gallery of 10,000 palettes keeps people waiting, measured in the browser."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from playwright.sync_api import Browser

from benchmarks.report import Measurement
from benchmarks.synthetic import pipeline
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline_tests.chromium import chromium_path, open_chromium

_PALETTES = 10_000
_PAINT_LIMIT_MS = 1000.0
_KEYSTROKE_LIMIT_MS = 50.0
_RUNS = 3
_BETWEEN_KEYS_MS = 80
# Words that a third of the palettes have, and some few.
_TYPED = ("mood word 12", "association", "style word 7 mood")

# From the start of the navigation, and from the moment of the key, to the frame in which the answer is painted.
_MEASURE = """
window.measured = { painted: null, keys: [] };
const painted = (then) => requestAnimationFrame(() => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => then(performance.now());
  port2.postMessage(null);
});
new MutationObserver((_, observer) => {
  if (!document.querySelector(".card, #answer")) return;
  observer.disconnect();
  painted((now) => { window.measured.painted = now; });
}).observe(document, { subtree: true, childList: true });
addEventListener("input", ({ timeStamp }) => painted((now) => window.measured.keys.push(now - timeStamp)), true);
"""
# What any page needs to show a letter.
_BARE_PAGE = """<!doctype html><title>floor</title><input id="words"><p id="answer">-</p>
<script>words.addEventListener("input", () => { answer.textContent = words.value; });</script>"""


def gallery(quick: bool) -> list[Measurement]:
    """The first palettes on the screen in under 1 s, and a keystroke in the search answered in under 50 ms.

    Both are taken in headless Chromium, which paints without a graphics card, from the event to the frame that shows
    the answer. The floor is a page that does nothing but show the letter: what the browser and a busy machine take
    whatever the page does. Left out where there is no Chromium.
    """
    if chromium_path() is None:
        return [Measurement("gallery", "left out: there is no Chromium here")]
    palettes = 1_000 if quick else _PALETTES
    with pipeline(palettes) as opened, open_chromium() as browser:
        _describe(opened)
        started = time.perf_counter()
        report = opened.build_gallery()
        building = time.perf_counter() - started
        bare = report.path.with_name("floor.html")
        bare.write_text(_BARE_PAGE)
        paints, keys = _measured(browser, report.path)
        bare_paints, bare_keys = _measured(browser, bare)
    size = f"{report.size / 1e6:.1f} MB"
    return [
        Measurement(f"gallery: {palettes:,} palettes written", f"{building:.1f} s, {size}"),
        _within("palettes on the screen", palettes, paints, bare_paints, _PAINT_LIMIT_MS),
        _within("keystroke answered", palettes, keys, bare_keys, _KEYSTROKE_LIMIT_MS),
    ]


def _describe(opened: Pipeline) -> None:
    with opened.warehouse.connect() as connection:
        connection.execute(Path(__file__).with_name("gallery.sql").read_text("utf-8"))


def _measured(browser: Browser, page: Path) -> tuple[list[float], list[float]]:
    """Milliseconds to the first palettes, one a visit; and of every keystroke of all visits."""
    paints: list[float] = []
    keys: list[float] = []
    for words in _TYPED * _RUNS:
        visit = browser.new_page(viewport={"width": 1440, "height": 900})
        visit.add_init_script(_MEASURE)
        visit.goto(page.as_uri())
        visit.wait_for_function("window.measured.painted !== null")
        field = visit.locator("#words")
        for letter in words:
            field.press(letter)
            # As fast as people type who type fast.
            visit.wait_for_timeout(_BETWEEN_KEYS_MS)
        visit.wait_for_function(f"window.measured.keys.length === {len(words)}")
        measured = visit.evaluate("window.measured")
        paints.append(measured["painted"])
        keys += measured["keys"]
        visit.close()
    return paints, keys


def _within(what: str, palettes: int, taken: list[float], floor: list[float], limit: float) -> Measurement:
    median = statistics.median(taken)
    slow = statistics.quantiles(taken, n=20)[-1]
    bare = statistics.median(floor)
    return Measurement(
        f"gallery: {what} ({palettes:,} palettes)",
        f"{median:.0f} ms (95 % within {slow:.0f} ms)",
        floor=f"a bare page: {bare:.0f} ms",
        ratio=median / bare,
        target=f"< {limit:g} ms in the median",
        met=median < limit,
    )
