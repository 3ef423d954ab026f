"""Fixtures: galleries built by real pipelines, and a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from grabient_pipeline.follow_up import follow_up
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline.settings import Settings
from grabient_pipeline_tests.chromium import REQUIRED, chromium_path, is_required, open_chromium
from grabient_pipeline_tests.conftest import Workbench

# Text from a model or a file that tries to break out of an element, an attribute, a script or a string.
HOSTILE = [
    "<img src=x onerror=window.broken=1>",
    "</script><script>window.broken=1</script>",
    "<!--<script>",
    "\"'><svg onload=window.broken=1>",
    "javascript:window.broken=1",
    "line\u2028and\u2029paragraph",
    "{{ 7 * 7 }}",
]
HOSTILE_NAME = "<b onmouseover=window.broken=1>bold</b>"
MODELS = ("openai/gpt-4o-mini", "groq/openai/gpt-oss-20b", "google/gemini-2.5-flash-lite")
REFINED, COUNTED, MEASURED = 14, 2, 2


class Gallery:
    """A pipeline whose gallery has been written, and its data."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.path = pipeline.settings.gallery
        self.url = self.path.as_uri()

    def rows(self, sql: str, parameters: object = None) -> list[tuple[Any, ...]]:
        with self.pipeline.warehouse.connect() as connection:
            return connection.execute(sql, parameters).fetchall()

    def value(self, sql: str, parameters: object = None) -> Any:
        ((value,),) = self.rows(sql, parameters)
        return value

    def column(self, name: str) -> list[tuple[str, Any]]:
        """The ids and one column of `searchable_palettes`."""
        with self.pipeline.warehouse.connect() as connection:
            return connection.table("searchable_palettes").project(f"palette_id, {name}").fetchall()

    def ids(self, condition: str) -> set[str]:
        """The ids of the rows of `searchable_palettes` that satisfy a condition."""
        with self.pipeline.warehouse.connect() as connection:
            found = connection.table("searchable_palettes").filter(condition).project("palette_id").fetchall()
        return {palette for (palette,) in found}


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory, sample_rows: list[dict[str, Any]]) -> Gallery:
    """Palettes that are refined, that have only a consensus, and that are untagged; one has hostile tags and name."""
    data_dir = tmp_path_factory.mktemp("gallery")
    with SandboxServer(batch_seconds=0) as server:
        workbench = Workbench(Settings(data_dir, sandbox=True), server)
        pipeline = workbench.pipeline

        def import_palettes(start: int, count: int) -> None:
            file = data_dir / "palettes.jsonl"
            # Far apart in the file, so that the colours differ.
            rows = [sample_rows[(17 * number) % len(sample_rows)] for number in range(start, start + count)]
            named = [
                {"seed": row["seed"], "name": None if number == 0 else row["name"]} for number, row in enumerate(rows)
            ]
            if start == 0:
                named[1]["name"] = HOSTILE_NAME
            file.write_text("\n".join(json.dumps(row) for row in named), "utf-8")
            assert pipeline.import_palettes([file]).imported == count

        import_palettes(0, REFINED)
        workbench.backfill(*MODELS, analysis_count=2)
        workbench.settle()
        _inject_hostile_tags(workbench)
        follow_up(pipeline)
        workbench.settle()
        pipeline.refine_answers()
        _inject_hostile_refinement(workbench)
        _record_basis(workbench)
        import_palettes(REFINED, COUNTED)
        workbench.backfill(MODELS[0], analysis_count=1)
        workbench.settle()
        pipeline.count_consensus()
        import_palettes(REFINED + COUNTED, MEASURED)
        pipeline.build_gallery()
    sources = workbench.rows("SELECT text_source, count(*) FROM searchable_palettes GROUP BY ALL")
    assert dict(sources) == {"refined": REFINED, "consensus": COUNTED, "measured": MEASURED}
    return Gallery(pipeline)


def _inject_hostile_tags(workbench: Workbench) -> None:
    workbench.rows(
        "UPDATE palette_tags SET tags = struct_update(tags, mood := $words::VARCHAR[]) "
        "WHERE tags IS NOT NULL AND seed = (SELECT seed FROM palettes WHERE name = $name)",
        {"words": HOSTILE, "name": HOSTILE_NAME},
    )


def _inject_hostile_refinement(workbench: Workbench) -> None:
    workbench.rows(
        "UPDATE palette_tag_refined SET embed_text = array_to_string($words, ' '), "
        "tags = struct_update(tags, mood := $words::VARCHAR[], style := $words::VARCHAR[]) "
        "WHERE seed = (SELECT seed FROM palettes WHERE name = $name)",
        {"words": HOSTILE, "name": HOSTILE_NAME},
    )


def _record_basis(workbench: Workbench) -> None:
    """All refinements but that of the hostile palette say what they stood on; that one is like an older one."""
    workbench.rows(
        "UPDATE palette_tag_refined SET consensus_models = CASE WHEN hostile THEN NULL ELSE 3 END, "
        "consensus_answers = CASE WHEN hostile THEN NULL ELSE 1 END "
        "FROM (SELECT seed, coalesce(name = $name, false) AS hostile FROM palettes) AS named "
        "WHERE named.seed = palette_tag_refined.seed",
        {"name": HOSTILE_NAME},
    )


@pytest.fixture(scope="session")
def many_palettes(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """More palettes than fit on a screen; none is tagged."""
    folder = tmp_path_factory.mktemp("many")
    seeds = folder / "seeds.txt"
    seeds.write_text("".join(f"0.5,0.5,0.5,0.5,0.5,0.5,1,1,1,0.{n:03},0.33,0.67\n" for n in range(900)), "utf-8")
    pipeline = Pipeline(Settings(folder / "data"), {})
    assert pipeline.import_palettes([seeds]).imported == 900
    pipeline.build_gallery()
    return Gallery(pipeline)


@pytest.fixture(scope="session")
def empty_gallery(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """A gallery without palettes."""
    pipeline = Pipeline(Settings(tmp_path_factory.mktemp("empty")), {})
    pipeline.build_gallery()
    return Gallery(pipeline)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if chromium_path() is None:
        reason = "Chromium is not installed (apt-get install chromium)"
        if is_required():
            pytest.fail(f"{reason}, and {REQUIRED} forbids skipping tests")
        pytest.skip(reason)
    with open_chromium() as opened:
        yield opened


class Visit:
    """Opens galleries, and records the console messages and requests of their pages."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.contexts: list[BrowserContext] = []
        self.messages: list[str] = []
        self.requests: list[str] = []

    def __call__(self, gallery: Gallery, fragment: str = "", **options: Any) -> Page:
        context = self._browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        self.contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: self.messages.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.messages.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(gallery.url + fragment)
        return page


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Opens galleries; fails if a page logs anything, requests anything but itself, or runs injected code."""
    visits = Visit(browser)
    yield visits
    for context in visits.contexts:
        for page in context.pages:
            assert page.evaluate("window.broken") is None
        context.close()
    assert not visits.messages
    assert {url.partition(":")[0] for url in visits.requests} <= {"file", "data"}
    assert len({url.partition("#")[0] for url in visits.requests if url.startswith("file:")}) == 1


def shown_ids(page: Page) -> list[str]:
    """The ids of the palettes in the list, in order. The viewport is made high enough to show all of them."""
    count = int(re.findall(r"[\d,]+", page.inner_text("#count"))[0].replace(",", ""))
    page.set_viewport_size({"width": 1280, "height": 3000})
    expect(page.locator(".cards li")).to_have_count(count)
    return page.eval_on_selector_all(".cards li a", "links => links.map((link) => link.hash.slice(1))")


def search(page: Page, words: str) -> None:
    """Type words into the search field."""
    page.get_by_role("searchbox", name="Search").fill(words)


def refined_palette(gallery: Gallery) -> Any:
    """The id, seed, name and colours of a refined palette."""
    (row,) = gallery.rows(
        "SELECT palette_id, seed, name, hex FROM searchable_palettes WHERE text_source = 'refined' "
        "AND name IS NOT NULL AND name <> $hostile ORDER BY palette_id LIMIT 1",
        {"hostile": HOSTILE_NAME},
    )
    return row
