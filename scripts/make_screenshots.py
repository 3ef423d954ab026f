"""Make the README's pictures of the Dagster UI anew: `make pictures`. Needs Chromium on the PATH.

A demo with few palettes is run through a real `grabient dev --demo`, and the pages are drawn by headless Chromium.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from grabient_pipeline_tests.dagster_ui import DagsterUI  # noqa: E402

PICTURES = ROOT / "docs" / "images"
PROVIDER_ASSETS = ("anthropic_batches", "openai_batches", "groq_batches", "google_batches")
MARGIN = 24
NAVIGATION_WIDTH, HEADER_HEIGHT, BUTTONS_WIDTH = 245, 165, 60
DOTS_LIGHTNESS = 225
CHROMIUM_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--virtual-time-budget=25000",
)


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("Chromium is needed for the pictures: apt-get install chromium")
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, DagsterUI(Path(folder) / "data") as ui:
        ui.materialize(["palettes", "palette_images"])
        ui.materialize(PROVIDER_ASSETS, {name: {"limit": 5, "analysis_count": 2} for name in PROVIDER_ASSETS})
        ui.turn_on("poll_batches")
        ui.materialize(["tag_responses", "palette_tags"])
        lineage = f"{ui.url}/assets/palettes?view=lineage&lineageScope=downstream&lineageDepth=10"
        draw(chromium, lineage, PICTURES / "asset-graph.png", (2400, 1800))
        trim_graph(PICTURES / "asset-graph.png")


def draw(chromium: str, url: str, path: Path, size: tuple[int, int]) -> None:
    """A picture of a page as it is."""
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                chromium,
                *CHROMIUM_OPTIONS,
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
    """Keep the graph alone: no navigation, no buttons, no empty space round it."""
    with Image.open(path) as page:
        canvas = page.convert("RGB").crop((NAVIGATION_WIDTH, HEADER_HEIGHT, page.width - BUTTONS_WIDTH, page.height))
    # The dots of the canvas are lighter than any line of the graph.
    drawn = canvas.convert("L").point(lambda lightness: 255 if lightness < DOTS_LIGHTNESS else 0)
    left, top, right, bottom = drawn.getbbox() or (0, 0, *canvas.size)
    room = (min(canvas.width, right + MARGIN), min(canvas.height, bottom + MARGIN))
    box = (max(0, left - MARGIN), max(0, top - MARGIN), *room)
    canvas.crop(box).quantize(128).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
