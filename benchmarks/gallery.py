"""Latency of the gallery with 10,000 palettes, measured in the browser."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from playwright.sync_api import Browser

from benchmarks.report import Measurement
from benchmarks.synthetic import open_pipeline
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline_tests.chromium import chromium_path, open_chromium

_PALETTES = 10_000
_PAINT_LIMIT_MS = 1000.0
_KEYSTROKE_LIMIT_MS = 50.0
_RUNS = 3
_BETWEEN_KEYS_MS = 80
# Words that a third of the palettes have, and words that few have.
_TYPED = ("mood word 12", "association", "style word 7 mood")

# Measures from the start of the navigation, and from each key press, to the frame that shows the result.
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
# The floor: a page that only shows the typed text.
_BARE_PAGE = """<!doctype html><title>floor</title><input id="words"><p id="answer">-</p>
<script>words.addEventListener("input", () => { answer.textContent = words.value; });</script>"""


def gallery(quick: bool) -> list[Measurement]:
    """Measure the time to the first palettes on the screen and the response time of a keystroke in the search.

    Both are measured in headless Chromium, which paints without a graphics card, from the event to the frame that shows
    the result. The floor is a page that only shows the typed text, which is the share of the browser and the machine.
    Skipped without Chromium.
    """
    if chromium_path() is None:
        return [Measurement("gallery", "skipped: Chromium is not installed")]
    palettes = 1_000 if quick else _PALETTES
    with open_pipeline(palettes) as pipeline, open_chromium() as browser:
        _insert_tags(pipeline)
        started = time.perf_counter()
        report = pipeline.build_gallery()
        building = time.perf_counter() - started
        bare = report.path.with_name("floor.html")
        bare.write_text(_BARE_PAGE)
        paints, keys = _measure_page(browser, report.path)
        bare_paints, bare_keys = _measure_page(browser, bare)
    size = f"{report.size / 1e6:.1f} MB"
    return [
        Measurement(f"gallery: {palettes:,} palettes written", f"{building:.1f} s, {size}"),
        _summarise("palettes on the screen", palettes, paints, bare_paints, _PAINT_LIMIT_MS),
        _summarise("keystroke answered", palettes, keys, bare_keys, _KEYSTROKE_LIMIT_MS),
    ]


def _insert_tags(pipeline: Pipeline) -> None:
    with pipeline.warehouse.connect() as connection:
        connection.execute(Path(__file__).with_name("gallery.sql").read_text("utf-8"))


def _measure_page(browser: Browser, page: Path) -> tuple[list[float], list[float]]:
    """Return the milliseconds to the first palettes of each visit, and of every keystroke of all visits."""
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
            # The pace of a fast typist.
            visit.wait_for_timeout(_BETWEEN_KEYS_MS)
        visit.wait_for_function(f"window.measured.keys.length === {len(words)}")
        measured = visit.evaluate("window.measured")
        paints.append(measured["painted"])
        keys += measured["keys"]
        visit.close()
    return paints, keys


def _summarise(name: str, palettes: int, times: list[float], floor: list[float], limit: float) -> Measurement:
    median = statistics.median(times)
    slow = statistics.quantiles(times, n=20)[-1]
    bare = statistics.median(floor)
    return Measurement(
        f"gallery: {name} ({palettes:,} palettes)",
        f"{median:.0f} ms (95 % within {slow:.0f} ms)",
        floor=f"a bare page: {bare:.0f} ms",
        ratio=median / bare,
        target=f"< {limit:g} ms in the median",
        met=median < limit,
    )
