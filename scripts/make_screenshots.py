"""Render the pictures of the documentation: `make pictures`, or name some of them. Needs Chromium on the PATH.

The asset graph is drawn from a real `grabient dev --demo` with few palettes, the gallery from `grabient demo` with all
of them, both by headless Chromium. The gallery is set in the typeface of the system; the pictures are with Inter
(Debian: fonts-inter).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from grabient_pipeline.providers.catalogue import load_catalogue  # noqa: E402
from grabient_pipeline_tests.chromium import OPTIONS, chromium_path, open_chromium  # noqa: E402
from grabient_pipeline_tests.dagster_ui import DagsterUI  # noqa: E402

PICTURES = ROOT / "docs" / "images"
PROVIDER_ASSETS = tuple(f"{provider}_batches" for provider in load_catalogue().providers)
MARGIN = 24
NAVIGATION_WIDTH, HEADER_HEIGHT, BUTTONS_WIDTH = 245, 165, 60
DOTS_LIGHTNESS = 225
LARGEST_BYTES = 300_000


def main() -> None:
    """Make all pictures, or those named on the command line."""
    chromium = chromium_path()
    if chromium is None:
        sys.exit("Chromium is needed for the pictures: apt-get install chromium")
    PICTURES.mkdir(parents=True, exist_ok=True)
    pictures = {"dagster": lambda: draw_dagster(chromium), "gallery": draw_gallery}
    for name in sys.argv[1:] or pictures:
        if name not in pictures:
            sys.exit(f"no picture {name!r}; there are {', '.join(pictures)}")
        pictures[name]()


def draw_dagster(chromium: str) -> None:
    """Take the asset graph and the page of one asset."""
    with tempfile.TemporaryDirectory() as folder, DagsterUI(Path(folder) / "data") as ui:
        ui.materialize(["palettes", "palette_images"])
        ui.materialize(PROVIDER_ASSETS, {name: {"limit": 5, "analysis_count": 2} for name in PROVIDER_ASSETS})
        ui.start_sensor("poll_batches")
        ui.wait_for(lambda: all_done(ui), 240, "both stages to be collected")
        lineage = f"{ui.url}/assets/palettes?view=lineage&lineageScope=downstream&lineageDepth=10"
        draw(chromium, lineage, PICTURES / "asset-graph.png", (2400, 1800))
        trim_graph(PICTURES / "asset-graph.png")
        with open_chromium() as browser:
            page = browser.new_page(viewport={"width": 1600, "height": 1400}, color_scheme="light")
            page.goto(f"{ui.url}/assets/palette_tags?view=overview")
            # The metadata of the last run is below the columns.
            page.get_by_text("Columns", exact=True).first.click()
            page.get_by_text("usable", exact=False).first.wait_for()
            page.wait_for_load_state("networkidle")
            page.screenshot(path=PICTURES / "asset-page.png")
        with Image.open(PICTURES / "asset-page.png") as picture:
            picture.quantize(128).save(PICTURES / "asset-page.png", optimize=True)
        check_size(PICTURES / "asset-page.png")


def all_done(ui: DagsterUI) -> bool:
    """Whether nothing is under way any more, so that the pages are whole."""
    refined = "SELECT count(*) > 0 AND bool_and(collected_at IS NOT NULL) FROM tag_batches WHERE stage = 'refinement'"
    return ui.holds(refined) and set(ui.runs("collect")) == {"SUCCESS"}


def draw_gallery() -> None:
    """Take the list in the light theme and the page of a palette in the dark theme."""
    with tempfile.TemporaryDirectory() as folder:
        command = [Path(sys.executable).with_name("grabient"), "demo"]
        subprocess.run(command, env={**os.environ, "GRABIENT_DATA_DIR": folder}, check=True, capture_output=True)
        url = (Path(folder) / "demo" / "gallery" / "index.html").as_uri()
        with open_chromium() as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
            page.goto(url)
            page.screenshot(path=PICTURES / "gallery.png")
            page.close()
            page = browser.new_page(viewport={"width": 1280, "height": 1280}, color_scheme="dark")
            page.goto(f"{url}#words=quilez+copper+sky")
            page.locator(".card").first.click()
            page.locator("#palette h1").wait_for()
            page.screenshot(path=PICTURES / "gallery-palette.png")
    for name in ("gallery", "gallery-palette"):
        path = PICTURES / f"{name}.png"
        with Image.open(path) as picture:
            picture.load()
        # Recompressing halves the size.
        picture.save(path, optimize=True)
        check_size(path)


def check_size(path: Path) -> None:
    """Print the size of a picture, and exit if it is too large."""
    size = path.stat().st_size
    print(f"{path.relative_to(ROOT)}: {size // 1000} kB")
    if size > LARGEST_BYTES:
        sys.exit(f"{path} is larger than {LARGEST_BYTES // 1000} kB")


def draw(chromium: str, url: str, path: Path, size: tuple[int, int]) -> None:
    """Take a screenshot of a page."""
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                chromium,
                "--headless",
                *OPTIONS,
                # Enough time to lay out the graph.
                "--virtual-time-budget=25000",
                f"--user-data-dir={profile}",
                f"--window-size={size[0]},{size[1]}",
                f"--screenshot={path}",
                url,
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )


def trim_graph(path: Path) -> None:
    """Crop the picture to the graph, without navigation, buttons and empty space."""
    with Image.open(path) as page:
        canvas = page.convert("RGB").crop((NAVIGATION_WIDTH, HEADER_HEIGHT, page.width - BUTTONS_WIDTH, page.height))
    # The dots of the background are lighter than any line of the graph.
    drawn = canvas.convert("L").point([255] * DOTS_LIGHTNESS + [0] * (256 - DOTS_LIGHTNESS))
    left, top, right, bottom = drawn.getbbox() or (0, 0, *canvas.size)
    corner = (min(canvas.width, right + MARGIN), min(canvas.height, bottom + MARGIN))
    box = (max(0, left - MARGIN), max(0, top - MARGIN), *corner)
    canvas.crop(box).quantize(128).save(path, optimize=True)
    check_size(path)


if __name__ == "__main__":
    main()
