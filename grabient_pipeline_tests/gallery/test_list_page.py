"""The list of palettes in a real browser: its order, the search and the filters."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from grabient_pipeline.palette.colour_spaces import srgb_to_oklab
from grabient_pipeline_tests.gallery.conftest import (
    HOSTILE_NAME,
    MODELS,
    Gallery,
    Visit,
    refined_palette,
    search,
    shown_ids,
)


class TestList:
    def test_every_palette_is_listed(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        expect(page.locator("#count")).to_have_text("18 palettes")
        assert set(shown_ids(page)) == gallery.ids("true")

    def test_a_card_has_a_gradient_and_a_name(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        palette, _, name, colours = refined_palette(gallery)
        card = page.locator(f'.card[href="#{palette}"]')
        expect(card.locator(".card-name")).to_have_text(name)
        gradient = card.locator(".swatch").evaluate("swatch => swatch.style.backgroundImage")
        rgb = ["rgb({}, {}, {})".format(*bytes.fromhex(colour[1:])) for colour in colours]
        assert re.findall(r"rgb\([^)]*\)", gradient) == rgb

    def test_without_a_name_the_colours_are_the_title(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        palette, names = gallery.rows("SELECT palette_id, colour_names FROM palettes WHERE name IS NULL LIMIT 1")[0]
        assert palette in shown_ids(page)
        assert page.text_content(f'.card[href="#{palette}"] .card-name') == ", ".join(names)

    def test_only_visible_cards_are_in_the_document(self, many_palettes: Gallery, visit: Visit) -> None:
        page = visit(many_palettes)
        items = page.locator(".cards li")
        expect(page.locator("#count")).to_have_text("900 palettes")
        assert 8 < items.count() < 60
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        expect(page.locator('.cards li[aria-posinset="900"]')).to_be_in_viewport()
        assert items.count() < 60
        expect(items.first).to_have_attribute("aria-setsize", "900")

    def test_palettes_can_be_sorted(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        palettes = gallery.rows(
            "SELECT palette_id, coalesce(name, array_to_string(colour_names, ', ')), "
            "coalesce((SELECT sum(cost_usd) FROM palette_tags AS tags WHERE tags.seed = palettes.seed), 0) "
            "+ coalesce((SELECT sum(cost_usd) FROM palette_tag_refined AS tags WHERE tags.seed = palettes.seed), 0) "
            "FROM palettes ORDER BY created_at, palette_id"
        )
        titles = {palette: title for palette, title, _ in palettes if title != HOSTILE_NAME}
        costs = {palette: cost for palette, _, cost in palettes}

        def sorted_by(order: str) -> list[str]:
            page.get_by_label("Sort by").select_option(order)
            return shown_ids(page)

        assert sorted_by("newest") == [palette for palette, _, _ in reversed(palettes)]
        by_name = [titles[palette].casefold() for palette in sorted_by("name") if palette in titles]
        assert by_name == sorted(by_name)
        by_cost = [costs[palette] for palette in sorted_by("cost")]
        assert by_cost == pytest.approx(sorted(by_cost, reverse=True), abs=1e-6)
        assert by_cost[0] > by_cost[-1] == 0

    def test_the_default_order_is_by_hue_with_greys_last(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        expect(page.get_by_label("Sort by")).to_have_value("")
        neutral = gallery.ids("temperature = 'neutral'")
        assert neutral
        assert set(shown_ids(page)[-len(neutral) :]) == neutral

    def test_an_empty_gallery_explains_what_to_do(self, empty_gallery: Gallery, visit: Visit) -> None:
        page = visit(empty_gallery)
        expect(page.locator("#count")).to_have_text("0 palettes")
        assert "grabient import" in page.inner_text("#nothing")


class TestSearch:
    def test_a_word_finds_the_palettes_with_it(self, gallery: Gallery, visit: Visit) -> None:
        word = gallery.value(
            "SELECT word FROM (SELECT unnest(associations) AS word FROM searchable_palettes) "
            "WHERE regexp_full_match(word, '[a-z]{5,}') GROUP BY word HAVING count(*) < 9 "
            "ORDER BY count(*) DESC, word LIMIT 1"
        )
        page = visit(gallery)
        search(page, word.upper())
        text = "concat_ws(' ', name, mood, style, seasonal, associations, harmony, colour_names)"
        expected = gallery.ids(f"regexp_matches({text}, '(^|[^a-z]){word}')")
        assert set(shown_ids(page)) == expected
        assert len(expected) < 18
        expect(page.locator("#count")).to_have_text(f"{len(expected)} of 18 palettes")

    def test_every_word_must_match(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        temperature, contrast = gallery.rows(
            "SELECT temperature, contrast FROM palettes GROUP BY ALL ORDER BY count(*), temperature, contrast LIMIT 1"
        )[0]
        search(page, f"{temperature} temperature {contrast} contrast")
        assert set(shown_ids(page)) == gallery.ids(f"temperature = '{temperature}' AND contrast = '{contrast}'")

    def test_accents_are_ignored_and_prefixes_match(self, gallery: Gallery, visit: Visit) -> None:
        palette, _, name, _ = refined_palette(gallery)
        page = visit(gallery)
        search(page, "".join(f"{letter}\u0301" for letter in name[:-1]))
        assert palette in shown_ids(page)

    def test_the_best_match_comes_first(self, gallery: Gallery, visit: Visit) -> None:
        palette, _, name, _ = refined_palette(gallery)
        page = visit(gallery)
        search(page, name)
        assert shown_ids(page)[0] == palette

    def test_an_empty_result_is_explained(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        search(page, "xyzzy")
        expect(page.locator("#nothing")).to_be_visible()
        expect(page.locator(".card")).to_have_count(0)
        page.get_by_role("button", name="Clear all").click()
        expect(page.locator("#count")).to_have_text("18 palettes")

    def test_a_search_has_a_url(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        search(page, "warm")
        page.get_by_label("vibrant").check(force=True)
        expect(page).to_have_url(re.compile(r"#words=warm&saturation=vibrant$"))
        found = shown_ids(page)
        again = visit(gallery, "#words=warm&saturation=vibrant")
        assert shown_ids(again) == found
        expect(again.get_by_role("searchbox")).to_have_value("warm")
        expect(again.get_by_label("vibrant")).to_be_checked()

    def test_invalid_parts_of_a_url_are_ignored(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery, "#sort=constructor&colour=red&harmony=none&model=x&temperature=%3Cb%3E&words=%E0%A4%FF")
        expect(page.locator("#count")).to_have_text("18 palettes")


class TestFilters:
    @pytest.mark.parametrize("field", ["temperature", "contrast", "brightness", "saturation", "harmony", "seasonal"])
    def test_an_option_filters_and_shows_its_count(self, gallery: Gallery, visit: Visit, field: str) -> None:
        # An attribute has one value, other fields have a list.
        values = {palette: value if isinstance(value, list) else [value] for palette, value in gallery.column(field)}
        ((most, _),) = Counter(value for each in values.values() for value in each).most_common(1)
        expected = {palette for palette, each in values.items() if most in each}
        page = visit(gallery)
        box = page.locator(f'input[name="{field}"][value="{most}"]')
        assert box.get_attribute("aria-label") == f"{most}, {len(expected)} palette{'' if len(expected) == 1 else 's'}"
        box.check(force=True)
        assert set(shown_ids(page)) == expected

    def test_options_of_a_group_widen_and_groups_narrow(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        for value in ("warm", "cool"):
            page.locator(f'input[name="temperature"][value="{value}"]').check(force=True)
        page.locator('input[name="saturation"][value="vibrant"]').check(force=True)
        assert set(shown_ids(page)) == gallery.ids("temperature IN ('warm', 'cool') AND saturation = 'vibrant'")

    def test_a_colour_finds_palettes_with_similar_colours(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        ids, oklab = oklab_of(gallery)
        colour = oklab[3, 5]
        code = gallery.rows("SELECT hex[6] FROM palettes WHERE palette_id = $id", {"id": ids[3]})[0][0]
        distances = np.linalg.norm(oklab - colour, axis=2).min(axis=1)
        expected = {ids[place] for place in np.flatnonzero(distances <= 0.1)}
        page.get_by_label("Hex code of a colour").fill(code.upper())
        assert set(shown_ids(page)) == expected
        assert ids[3] in expected
        assert len(expected) < 18
        page.get_by_role("button", name="Any").click()
        expect(page.locator("#count")).to_have_text("18 palettes")
        # A hex code in the search field does the same.
        search(page, code)
        assert set(shown_ids(page)) == expected

    def test_the_colour_picker_fills_in_the_code(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        page.get_by_label("Pick a colour").fill("#b04020")
        expect(page.get_by_label("Hex code of a colour")).to_have_value("#b04020")
        expect(page.locator("#count")).to_contain_text("of 18")

    def test_a_model_shows_only_its_tags(self, gallery: Gallery, visit: Visit) -> None:
        model = MODELS[1]
        provider, _, name = model.partition("/")
        page = visit(gallery)
        page.get_by_label("Tagged by").select_option(model)
        found = shown_ids(page)
        assert 0 < len(found) < 18
        by_palette: dict[str, set[str]] = {}
        for palette, tag in gallery.rows(
            "SELECT palette_id, tag FROM answer_tags JOIN palettes USING (seed) "
            "WHERE provider = $provider AND model = $model AND field IN ('mood', 'style', 'associations')",
            {"provider": provider, "model": name},
        ):
            by_palette.setdefault(palette, set()).add(tag)
        for palette in found:
            tags = page.inner_text(f'.card[href="#{palette}"] .card-tags')
            if palette not in gallery.ids(f"name = '{HOSTILE_NAME}'"):
                assert set(tags.split(", ")) <= by_palette[palette]


def oklab_of(gallery: Gallery) -> tuple[list[str], Any]:
    rows = gallery.rows("SELECT palette_id, hex FROM palettes ORDER BY created_at, palette_id")
    rgb = np.array([[list(bytes.fromhex(colour[1:])) for colour in colours] for _, colours in rows], dtype=np.uint8)
    return [palette for palette, _ in rows], srgb_to_oklab(rgb)


def test_the_page_and_the_pipeline_compute_the_same_oklab(gallery: Gallery, visit: Visit) -> None:
    page = visit(gallery)
    ids, oklab = oklab_of(gallery)
    assert page.evaluate("PALETTES.id") == ids
    np.testing.assert_allclose(np.array(page.evaluate("[...OKLAB]")).reshape(oklab.shape), oklab, atol=1e-6)
