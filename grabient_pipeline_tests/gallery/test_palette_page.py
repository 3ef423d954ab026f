"""The page of a palette in a real browser: its facts, its tags and copying."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from grabient_pipeline_tests.gallery.conftest import (
    HOSTILE_NAME,
    MODELS,
    Gallery,
    Visit,
    refined_palette,
    shown_ids,
)


class TestPalettePage:
    def test_shows_all_facts(self, gallery: Gallery, visit: Visit) -> None:
        palette, seed, name, colours = refined_palette(gallery)
        page = visit(gallery, f"#{palette}")
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        expect(page).to_have_title(f"{name} – Palettes")
        assert page.locator(".strip-code").all_inner_texts() == colours
        facts = dict(zip(page.locator("dt").all_inner_texts(), page.locator("dd").all_inner_texts(), strict=True))
        attributes = gallery.rows(
            "SELECT temperature, contrast, brightness, saturation FROM palettes WHERE seed = $seed", {"seed": seed}
        )[0]
        assert tuple(facts[each] for each in ("Temperature", "Contrast", "Brightness", "Saturation")) == attributes
        assert (facts["Seed"], facts["ID"]) == (seed, palette)
        assert facts["Refined from"] == "3 models, 1 answer"
        text, tagging, refinement = gallery.rows(
            "SELECT embed_text, (SELECT sum(cost_usd) FROM palette_tags WHERE seed = $seed), cost_usd "
            "FROM current_refinement WHERE seed = $seed",
            {"seed": seed},
        )[0]
        assert page.inner_text(".embed-text") == text
        assert facts["Total"] == f"${tagging + refinement:.4f}"
        assert (facts["Tagging"], facts["Refinement"]) == (f"${tagging:.4f}", f"${refinement:.4f}")

    def test_an_older_refinement_does_not_say_what_it_stood_on(self, gallery: Gallery, visit: Visit) -> None:
        palette = gallery.value("SELECT palette_id FROM palettes WHERE name = $name", {"name": HOSTILE_NAME})
        assert "Refined from" not in visit(gallery, f"#{palette}").locator("dt").all_inner_texts()

    def test_each_tag_shows_its_models(self, gallery: Gallery, visit: Visit) -> None:
        palette, seed, _, _ = refined_palette(gallery)
        page = visit(gallery, f"#{palette}")
        heads = page.locator(".votes .model span").all()
        models = [head.get_attribute("title") for head in heads]
        assert models == sorted(MODELS)
        final = gallery.rows(
            "SELECT final.tag, share, models FROM (SELECT unnest(tags.associations) AS tag FROM current_refinement "
            "WHERE seed = $seed) AS final LEFT JOIN consensus_tags AS votes "
            "ON votes.seed = $seed AND votes.tag = final.tag AND votes.field = 'associations'",
            {"seed": seed},
        )
        assert any(models for _, _, models in final)
        for tag, share, tagged_by in final:
            row = (
                page.locator("tbody", has_text="Associations")
                .get_by_role("row", name=tag, exact=False)
                .filter(has=page.get_by_role("rowheader", name=tag, exact=True))
            )
            cells = row.get_by_role("cell").all_inner_texts()
            if tagged_by is None:
                assert cells == ["added by claude-opus-4-5"]
            else:
                assert cells[:-1] == ["yes" if model in tagged_by else "no" for model in models]
                assert cells[-1] == f"{round(100 * share)}%"

    def test_tags_left_out_can_be_shown(self, gallery: Gallery, visit: Visit) -> None:
        palette, seed, _, _ = refined_palette(gallery)
        page = visit(gallery, f"#{palette}")
        left_out = gallery.rows(
            "SELECT tag FROM consensus_tags WHERE seed = $seed "
            "AND field IN ('mood', 'style', 'seasonal', 'associations') "
            "AND (field, tag) NOT IN (SELECT (field, tag) FROM tag_provenance WHERE seed = $seed)",
            {"seed": seed},
        )
        before = page.locator(".votes tbody th[scope=row]:visible").count()
        page.get_by_label(re.compile("left out")).check()
        assert page.locator(".votes tbody th[scope=row]:visible").count() == before + len(left_out)

    def test_a_tag_links_to_a_search(self, gallery: Gallery, visit: Visit) -> None:
        palette, _, _, _ = refined_palette(gallery)
        page = visit(gallery, f"#{palette}")
        link = page.locator(".votes th[scope=row] a").first
        tag = link.inner_text()
        link.click()
        expect(page.get_by_role("searchbox")).to_have_value(tag)
        assert palette in shown_ids(page)
        page.go_back()
        expect(page.locator("#palette")).to_be_visible()

    @pytest.mark.parametrize("source", ["consensus", "measured"])
    def test_palettes_that_are_not_refined(self, gallery: Gallery, visit: Visit, source: str) -> None:
        palette = min(gallery.ids(f"text_source = '{source}'"))
        page = visit(gallery, f"#{palette}")
        text = page.locator(".tags").inner_text()
        assert ("No model has tagged this palette yet" in text) == (source == "measured")
        expect(page.locator(".strip-code")).to_have_count(11)
        expect(page.locator(".near .card")).to_have_count(6)

    def test_an_unknown_id_links_back(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery, "#zzzzzzzzzzzzzzzz")
        expect(page.get_by_role("heading", level=1)).to_have_text("Palette not found")
        page.get_by_role("link", name="All palettes").click()
        expect(page.locator("#count")).to_have_text("18 palettes")


class TestCopying:
    def copied(self, gallery: Gallery, visit: Visit, button: str) -> tuple[Any, str]:
        palette = refined_palette(gallery)
        page = visit(gallery, f"#{palette[0]}", permissions=["clipboard-read", "clipboard-write"])
        page.get_by_role("button", name=button, exact=True).click()
        expect(page.get_by_role("status")).to_contain_text("copied")
        return palette, page.evaluate("navigator.clipboard.readText()")

    def test_the_seed(self, gallery: Gallery, visit: Visit) -> None:
        (_, seed, _, _), copied = self.copied(gallery, visit, "Copy the seed")
        assert copied == seed

    def test_the_gradient_is_css(self, gallery: Gallery, visit: Visit) -> None:
        (_, _, _, colours), copied = self.copied(gallery, visit, "Copy the CSS gradient")
        stops = ", ".join(f"{colour} {10 * place}%" for place, colour in enumerate(colours))
        assert copied == f"linear-gradient(90deg, {stops})"

    def test_the_hex_codes(self, gallery: Gallery, visit: Visit) -> None:
        (_, _, _, colours), copied = self.copied(gallery, visit, "Copy the list of hex codes")
        assert copied == ", ".join(colours)

    def test_without_the_clipboard_api_copying_still_works(self, gallery: Gallery, visit: Visit) -> None:
        palette, seed, _, _ = refined_palette(gallery)
        page = visit(gallery, f"#{palette}")
        page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
        button = page.get_by_role("button", name="Copy the seed")
        button.click()
        expect(page.get_by_role("status")).to_have_text("Seed copied")
        expect(button).to_be_focused()
        page.get_by_role("searchbox").focus()
        page.keyboard.press("Control+v")
        expect(page.get_by_role("searchbox")).to_have_value(seed)
