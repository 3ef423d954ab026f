"""The gallery as people meet it: in a real browser, opened from disk."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from grabient_pipeline.palette.colour_spaces import srgb_to_oklab
from grabient_pipeline_tests.gallery.conftest import HOSTILE, HOSTILE_NAME, MODELS, Gallery, Visit

NARROW = {"width": 375, "height": 700}


def shown(page: Page) -> list[str]:
    """The ids of the palettes in the list, in order; there are few enough for all to be in the document."""
    count = int(re.findall(r"[\d,]+", page.inner_text("#count"))[0].replace(",", ""))
    page.set_viewport_size({"width": 1280, "height": 3000})
    expect(page.locator(".cards li")).to_have_count(count)
    return page.eval_on_selector_all(".cards li a", "links => links.map((link) => link.hash.slice(1))")


def search(page: Page, words: str) -> None:
    page.get_by_role("searchbox", name="Search").fill(words)


def a_refined_palette(gallery: Gallery) -> Any:
    """One of which every kind of tag is known: id, seed, name, hex."""
    (row,) = gallery.rows(
        "SELECT palette_id, seed, name, hex FROM searchable_palettes WHERE text_source = 'refined' "
        "AND name IS NOT NULL AND name <> $hostile ORDER BY palette_id LIMIT 1",
        {"hostile": HOSTILE_NAME},
    )
    return row


class TestList:
    def test_every_palette_is_there(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        assert page.inner_text("#count") == "18 palettes"
        assert set(shown(page)) == gallery.ids("true")

    def test_a_card_has_the_gradient_through_all_colours_and_a_name(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        palette, _, name, colours = a_refined_palette(gallery)
        card = page.locator(f'.card[href="#{palette}"]')
        assert card.locator(".card-name").text_content() == name
        gradient = card.locator(".swatch").evaluate("swatch => swatch.style.backgroundImage")
        rgb = ["rgb({}, {}, {})".format(*bytes.fromhex(colour[1:])) for colour in colours]
        assert re.findall(r"rgb\([^)]*\)", gradient) == rgb

    def test_without_a_name_the_colours_are_the_title(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        palette, names = gallery.rows("SELECT palette_id, colour_names FROM palettes WHERE name IS NULL LIMIT 1")[0]
        assert palette in shown(page)
        assert page.text_content(f'.card[href="#{palette}"] .card-name') == ", ".join(names)

    def test_only_what_can_be_seen_is_in_the_document(self, many_palettes: Gallery, visit: Visit) -> None:
        page = visit(many_palettes)
        items = page.locator(".cards li")
        assert page.inner_text("#count") == "900 palettes"
        assert 8 < items.count() < 60
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        expect(page.locator('.cards li[aria-posinset="900"]')).to_be_in_viewport()
        assert items.count() < 60
        assert items.first.get_attribute("aria-setsize") == "900"

    def test_the_order_can_be_chosen(self, gallery: Gallery, visit: Visit) -> None:
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
            return shown(page)

        assert sorted_by("newest") == [palette for palette, _, _ in reversed(palettes)]
        by_name = [titles[palette].casefold() for palette in sorted_by("name") if palette in titles]
        assert by_name == sorted(by_name)
        by_cost = [costs[palette] for palette in sorted_by("cost")]
        assert by_cost == pytest.approx(sorted(by_cost, reverse=True), abs=1e-6)
        assert by_cost[0] > by_cost[-1] == 0

    def test_hues_go_round_and_greys_come_last(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        assert page.get_by_label("Sort by").input_value() == ""
        neutral = gallery.ids("temperature = 'neutral'")
        assert neutral
        assert set(shown(page)[-len(neutral) :]) == neutral

    def test_with_no_palettes_it_says_what_to_do(self, empty_gallery: Gallery, visit: Visit) -> None:
        page = visit(empty_gallery)
        assert page.inner_text("#count") == "0 palettes"
        assert "grabient import" in page.inner_text("#nothing")


class TestSearch:
    def test_a_word_finds_the_palettes_that_have_it(self, gallery: Gallery, visit: Visit) -> None:
        word = gallery.value(
            "SELECT word FROM (SELECT unnest(associations) AS word FROM searchable_palettes) "
            "WHERE regexp_full_match(word, '[a-z]{5,}') GROUP BY word HAVING count(*) < 9 "
            "ORDER BY count(*) DESC, word LIMIT 1"
        )
        page = visit(gallery)
        search(page, word.upper())
        text = "concat_ws(' ', name, mood, style, seasonal, associations, harmony, colour_names)"
        expected = gallery.ids(f"regexp_matches({text}, '(^|[^a-z]){word}')")
        assert set(shown(page)) == expected
        assert len(expected) < 18
        expect(page.locator("#count")).to_have_text(f"{len(expected)} of 18 palettes")

    def test_every_word_must_fit(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        temperature, contrast = gallery.rows(
            "SELECT temperature, contrast FROM palettes GROUP BY ALL ORDER BY count(*), temperature, contrast LIMIT 1"
        )[0]
        search(page, f"{temperature} temperature {contrast} contrast")
        assert set(shown(page)) == gallery.ids(f"temperature = '{temperature}' AND contrast = '{contrast}'")

    def test_accents_and_the_end_of_a_word_need_not_be_typed(self, gallery: Gallery, visit: Visit) -> None:
        palette, _, name, _ = a_refined_palette(gallery)
        page = visit(gallery)
        search(page, "".join(f"{letter}\u0301" for letter in name[:-1]))
        assert palette in shown(page)

    def test_what_is_found_best_comes_first(self, gallery: Gallery, visit: Visit) -> None:
        palette, _, name, _ = a_refined_palette(gallery)
        page = visit(gallery)
        search(page, name)
        assert shown(page)[0] == palette

    def test_nothing_found_is_said(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        search(page, "xyzzy")
        expect(page.locator("#nothing")).to_be_visible()
        assert page.locator(".card").count() == 0
        page.get_by_role("button", name="Clear all").click()
        expect(page.locator("#count")).to_have_text("18 palettes")

    def test_a_search_has_an_address(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        search(page, "warm")
        page.get_by_label("vibrant").check(force=True)
        expect(page).to_have_url(re.compile(r"#words=warm&saturation=vibrant$"))
        found = shown(page)
        again = visit(gallery, "#words=warm&saturation=vibrant")
        assert shown(again) == found
        assert again.get_by_role("searchbox").input_value() == "warm"
        assert again.get_by_label("vibrant").is_checked()

    def test_an_address_that_makes_no_sense_asks_for_what_it_can(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery, "#sort=constructor&colour=red&harmony=none&model=x&temperature=%3Cb%3E&words=%E0%A4%FF")
        expect(page.locator("#count")).to_have_text("18 palettes")


class TestFilters:
    @pytest.mark.parametrize("field", ["temperature", "contrast", "brightness", "saturation", "harmony", "seasonal"])
    def test_what_is_chosen_is_shown_and_counted(self, gallery: Gallery, visit: Visit, field: str) -> None:
        # A closed field of a palette has one value, an open one a list.
        values = {palette: value if isinstance(value, list) else [value] for palette, value in gallery.column(field)}
        ((most, _),) = Counter(value for each in values.values() for value in each).most_common(1)
        expected = {palette for palette, each in values.items() if most in each}
        page = visit(gallery)
        box = page.locator(f'input[name="{field}"][value="{most}"]')
        assert box.get_attribute("aria-label") == f"{most}, {len(expected)} palette{'' if len(expected) == 1 else 's'}"
        box.check(force=True)
        assert set(shown(page)) == expected

    def test_one_group_widens_and_two_narrow(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        for value in ("warm", "cool"):
            page.locator(f'input[name="temperature"][value="{value}"]').check(force=True)
        page.locator('input[name="saturation"][value="vibrant"]').check(force=True)
        assert set(shown(page)) == gallery.ids("temperature IN ('warm', 'cool') AND saturation = 'vibrant'")

    def test_a_colour_finds_what_is_near_it_to_the_eye(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        ids, oklab = oklab_of(gallery)
        colour = oklab[3, 5]
        code = gallery.rows("SELECT hex[6] FROM palettes WHERE palette_id = $id", {"id": ids[3]})[0][0]
        distances = np.linalg.norm(oklab - colour, axis=2).min(axis=1)
        expected = {ids[place] for place in np.flatnonzero(distances <= 0.1)}
        page.get_by_label("Hex code of a colour").fill(code.upper())
        assert set(shown(page)) == expected
        assert ids[3] in expected
        assert len(expected) < 18
        page.get_by_role("button", name="Any").click()
        expect(page.locator("#count")).to_have_text("18 palettes")
        # A hex code among the words of a search is the same wish.
        search(page, code)
        assert set(shown(page)) == expected

    def test_the_picker_fills_in_the_code(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        page.get_by_label("Pick a colour").fill("#b04020")
        assert page.get_by_label("Hex code of a colour").input_value() == "#b04020"
        expect(page.locator("#count")).to_contain_text("of 18")

    def test_a_model_shows_what_it_said(self, gallery: Gallery, visit: Visit) -> None:
        model = MODELS[1]
        provider, _, name = model.partition("/")
        page = visit(gallery)
        page.get_by_label("Said by").select_option(model)
        found = shown(page)
        assert 0 < len(found) < 18
        said: dict[str, set[str]] = {}
        for palette, tag in gallery.rows(
            "SELECT palette_id, tag FROM answer_tags JOIN palettes USING (seed) "
            "WHERE provider = $provider AND model = $model AND field IN ('mood', 'style', 'associations')",
            {"provider": provider, "model": name},
        ):
            said.setdefault(palette, set()).add(tag)
        for palette in found:
            tags = page.inner_text(f'.card[href="#{palette}"] .card-tags')
            if palette not in gallery.ids(f"name = '{HOSTILE_NAME}'"):
                assert set(tags.split(", ")) <= said[palette]


def oklab_of(gallery: Gallery) -> tuple[list[str], Any]:
    rows = gallery.rows("SELECT palette_id, hex FROM palettes ORDER BY created_at, palette_id")
    rgb = np.array([[list(bytes.fromhex(colour[1:])) for colour in colours] for _, colours in rows], dtype=np.uint8)
    return [palette for palette, _ in rows], srgb_to_oklab(rgb)


def test_the_page_and_the_pipeline_measure_colours_alike(gallery: Gallery, visit: Visit) -> None:
    page = visit(gallery)
    ids, oklab = oklab_of(gallery)
    assert page.evaluate("PALETTES.id") == ids
    np.testing.assert_allclose(np.array(page.evaluate("[...OKLAB]")).reshape(oklab.shape), oklab, atol=1e-6)


class TestPaletteByItsAddress:
    def test_it_tells_all_there_is(self, gallery: Gallery, visit: Visit) -> None:
        palette, seed, name, colours = a_refined_palette(gallery)
        page = visit(gallery, f"#{palette}")
        assert page.get_by_role("heading", level=1).text_content() == name
        expect(page).to_have_title(f"{name} – Palettes")
        assert page.locator(".strip-code").all_inner_texts() == colours
        facts = dict(zip(page.locator("dt").all_inner_texts(), page.locator("dd").all_inner_texts(), strict=True))
        attributes = gallery.rows(
            "SELECT temperature, contrast, brightness, saturation FROM palettes WHERE seed = $seed", {"seed": seed}
        )[0]
        assert tuple(facts[each] for each in ("Temperature", "Contrast", "Brightness", "Saturation")) == attributes
        assert (facts["Seed"], facts["Address"]) == (seed, palette)
        text, tagging, refinement = gallery.rows(
            "SELECT embed_text, (SELECT sum(cost_usd) FROM palette_tags WHERE seed = $seed), cost_usd "
            "FROM current_refinement WHERE seed = $seed",
            {"seed": seed},
        )[0]
        assert page.inner_text(".embed-text") == text
        assert facts["Together"] == f"${tagging + refinement:.4f}"
        assert (facts["Tagging"], facts["Refinement"]) == (f"${tagging:.4f}", f"${refinement:.4f}")

    def test_behind_each_tag_is_who_said_it(self, gallery: Gallery, visit: Visit) -> None:
        palette, seed, _, _ = a_refined_palette(gallery)
        page = visit(gallery, f"#{palette}")
        heads = page.locator(".votes .model span").all()
        models = [head.get_attribute("title") for head in heads]
        assert models == sorted(MODELS)
        final = gallery.rows(
            "SELECT final.tag, share, models FROM (SELECT unnest(tags.associations) AS tag FROM current_refinement "
            "WHERE seed = $seed) AS final LEFT JOIN consensus_tags AS said "
            "ON said.seed = $seed AND said.tag = final.tag AND said.field = 'associations'",
            {"seed": seed},
        )
        assert any(models for _, _, models in final)
        for tag, share, said_by in final:
            row = (
                page.locator("tbody", has_text="Associations")
                .get_by_role("row", name=tag, exact=False)
                .filter(has=page.get_by_role("rowheader", name=tag, exact=True))
            )
            cells = row.get_by_role("cell").all_inner_texts()
            if said_by is None:
                assert cells == ["added by claude-opus-4-5"]
            else:
                assert cells[:-1] == ["yes" if model in said_by else "no" for model in models]
                assert cells[-1] == f"{round(100 * share)}%"

    def test_what_was_left_out_can_be_shown(self, gallery: Gallery, visit: Visit) -> None:
        palette, seed, _, _ = a_refined_palette(gallery)
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

    def test_a_tag_leads_to_the_palettes_that_have_it(self, gallery: Gallery, visit: Visit) -> None:
        palette, _, _, _ = a_refined_palette(gallery)
        page = visit(gallery, f"#{palette}")
        link = page.locator(".votes th[scope=row] a").first
        tag = link.inner_text()
        link.click()
        assert page.get_by_role("searchbox").input_value() == tag
        assert palette in shown(page)
        page.go_back()
        expect(page.locator("#palette")).to_be_visible()

    @pytest.mark.parametrize("source", ["consensus", "measured"])
    def test_before_it_is_refined_it_shows_what_there_is(self, gallery: Gallery, visit: Visit, source: str) -> None:
        palette = min(gallery.ids(f"text_source = '{source}'"))
        page = visit(gallery, f"#{palette}")
        said = page.locator(".said").inner_text()
        assert ("No model has described this palette yet" in said) == (source == "measured")
        assert page.locator(".strip-code").count() == 11
        assert page.locator(".near .card").count() == 6

    def test_an_unknown_address_leads_back(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery, "#zzzzzzzzzzzzzzzz")
        assert page.get_by_role("heading", level=1).inner_text() == "No such palette"
        page.get_by_role("link", name="All palettes").click()
        expect(page.locator("#count")).to_have_text("18 palettes")


class TestCopying:
    def copied(self, gallery: Gallery, visit: Visit, button: str) -> tuple[Any, str]:
        palette = a_refined_palette(gallery)
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

    def test_where_a_page_from_disk_has_no_clipboard_the_old_way_is_taken(self, gallery: Gallery, visit: Visit) -> None:
        palette, seed, _, _ = a_refined_palette(gallery)
        page = visit(gallery, f"#{palette}")
        page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
        button = page.get_by_role("button", name="Copy the seed")
        button.click()
        expect(page.get_by_role("status")).to_have_text("Seed copied")
        expect(button).to_be_focused()
        page.get_by_role("searchbox").focus()
        page.keyboard.press("Control+v")
        assert page.get_by_role("searchbox").input_value() == seed


class TestLightAndDark:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_it_follows_the_system_until_a_person_says_otherwise(
        self, gallery: Gallery, visit: Visit, scheme: str
    ) -> None:
        page = visit(gallery, color_scheme=scheme)
        switch = page.get_by_role("switch", name="Dark mode")
        assert switch.is_checked() == (scheme == "dark")
        before = lightness(page)
        assert (before < 0.2) == (scheme == "dark")
        switch.click()
        assert (lightness(page) < 0.2) != (scheme == "dark")
        page.reload()
        expect(switch).to_be_checked(checked=scheme != "dark")
        assert (lightness(page) < 0.2) != (scheme == "dark")

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize(
        ("front", "back", "least"),
        [
            ("--ink", "--paper", 7),
            ("--ink", "--raised", 7),
            ("--soft", "--paper", 4.5),
            ("--soft", "--raised", 4.5),
            ("--edge", "--paper", 3),
            ("--edge", "--raised", 3),
        ],
        ids=lambda value: str(value),
    )
    def test_contrast(self, gallery: Gallery, visit: Visit, scheme: str, front: str, back: str, least: float) -> None:
        page = visit(gallery, color_scheme=scheme)
        one, other = sorted((luminance(page, front), luminance(page, back)))
        assert (other + 0.05) / (one + 0.05) >= least


def lightness(page: Page) -> float:
    return max(channels(page.evaluate("getComputedStyle(document.body).backgroundColor"))) / 255


def channels(colour: str) -> list[float]:
    return [float(number) for number in re.findall(r"[\d.]+", colour)][:3]


def luminance(page: Page, variable: str) -> float:
    """The relative luminance of a colour of the style sheet, by the definition of WCAG 2."""
    colour = page.evaluate(
        "(variable) => { const { body } = document; body.style.color = `var(${variable})`;"
        " return getComputedStyle(body).color; }",
        variable,
    )
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in channels(colour))]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


class TestKeyboard:
    def test_from_the_list_to_a_palette_and_back(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        page.keyboard.press("Tab")
        expect(page.locator("#skip")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#found")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        expect(page.locator(".card").first).to_be_focused()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        focused = page.evaluate("document.activeElement.hash")
        assert page.evaluate("document.activeElement.parentElement.dataset.position") != "0"
        page.keyboard.press("Enter")
        expect(page.locator("#palette")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator("#browse")).to_be_visible()
        assert page.evaluate("document.activeElement.hash") == focused

    def test_the_arrows_leaf_through_what_was_found(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery, "#words=warm")
        found = shown(page)
        page.goto(f"{gallery.url}#{found[0]}")
        for key, expected in (("ArrowRight", found[1]), ("ArrowLeft", found[0]), ("ArrowLeft", found[0])):
            page.keyboard.press(key)
            expect(page).to_have_url(f"{gallery.url}#{expected}")

    def test_the_end_of_a_long_list_is_one_key_away(self, many_palettes: Gallery, visit: Visit) -> None:
        page = visit(many_palettes)
        page.locator(".card").first.focus()
        page.keyboard.press("End")
        last = page.locator('.cards li[aria-posinset="900"] a')
        expect(last).to_be_focused()
        expect(last).to_be_in_viewport()
        page.keyboard.press("Home")
        expect(page.locator('.cards li[aria-posinset="1"] a')).to_be_focused()

    def test_the_focus_stays_where_the_wheel_leaves_it(self, many_palettes: Gallery, visit: Visit) -> None:
        page = visit(many_palettes)
        page.locator(".card").nth(1).focus()
        page.evaluate("scrollTo(0, 20000)")
        expect(page.locator('.cards li[aria-posinset="1"]')).to_have_count(0)
        page.keyboard.press("ArrowRight")
        third = page.locator('.cards li[aria-posinset="3"] a')
        expect(third).to_be_focused()
        expect(third).to_be_in_viewport()

    def test_a_filter_is_a_checkbox(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        box = page.locator('input[name="temperature"][value="warm"]')
        box.focus()
        outline = box.locator("..").evaluate("chip => getComputedStyle(chip).outlineStyle")
        assert outline == "solid"
        page.keyboard.press("Space")
        assert set(shown(page)) == gallery.ids("temperature = 'warm'")

    def test_every_stop_shows_where_it_is(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery, f"#{a_refined_palette(gallery)[0]}")
        stops = 0
        while True:
            page.keyboard.press("Tab")
            seen = page.evaluate(
                "() => { const e = document.activeElement; const s = getComputedStyle(e);"
                " return e === document.body ? null : [s.outlineStyle, parseFloat(s.outlineWidth)]; }"
            )
            if seen is None:
                break
            stops += 1
            assert seen[0] != "none", page.evaluate("document.activeElement.outerHTML")
            assert seen[1] >= 2
        assert stops > 30


class TestHostileWords:
    def test_they_are_shown_as_text_on_a_card(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        shown(page)
        card = page.locator(".card", has_text=HOSTILE_NAME)
        assert card.locator(".card-name").text_content() == HOSTILE_NAME
        assert (card.locator(".card-tags").text_content() or "").startswith(", ".join(HOSTILE[:2]))
        assert page.locator(".cards img, .cards b, .cards svg, .cards script").count() == 0

    def test_they_are_shown_as_text_on_the_page_of_the_palette(self, gallery: Gallery, visit: Visit) -> None:
        (palette,) = gallery.ids(f"name = '{HOSTILE_NAME}'")
        page = visit(gallery, f"#{palette}")
        assert page.get_by_role("heading", level=1).text_content() == HOSTILE_NAME
        expect(page).to_have_title(re.compile(re.escape(HOSTILE_NAME)))
        mood = page.locator("tbody", has_text="Mood").locator("th[scope=row]")
        assert mood.all_text_contents()[: len(HOSTILE)] == HOSTILE
        assert page.locator(".embed-text").text_content() == " ".join(HOSTILE)
        # Whichever of them is clicked, it is searched for.
        for place, word in enumerate(HOSTILE):
            mood.nth(place).get_by_role("link").click()
            assert page.get_by_role("searchbox").input_value() == word
            page.go_back()

    def test_no_other_script_runs_whoever_puts_it_there(self, gallery: Gallery, visit: Visit) -> None:
        palette = a_refined_palette(gallery)[0]
        page = visit(gallery, f"#{palette}")
        refused = page.evaluate(
            "() => { try { document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=window.broken=1>');"
            " return 'taken'; } catch (error) { return error.name; } }"
        )
        assert refused == "TypeError"
        assert page.locator("img").count() == 0
        assert "TrustedHTML" in visit.complaints.pop()


class TestAccessibility:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("viewport", [{"width": 1280, "height": 800}, NARROW], ids=["wide", "narrow"])
    @pytest.mark.parametrize("where", ["list", "palette", "nothing"])
    def test_axe_finds_nothing(
        self, gallery: Gallery, visit: Visit, scheme: str, viewport: dict[str, int], where: str
    ) -> None:
        fragment = {
            "list": "#temperature=warm",
            "palette": f"#{a_refined_palette(gallery)[0]}",
            "nothing": "#words=xyzzy",
        }
        page = visit(gallery, fragment[where], color_scheme=scheme, viewport=viewport)
        if viewport == NARROW and where == "list":
            page.get_by_role("button", name="Filters").click()
        result = Axe().run(page)
        assert len(result.response["passes"]) > 15
        assert not result.response["violations"], result.generate_report()

    def test_still_for_those_who_want_it_still(self, gallery: Gallery, visit: Visit) -> None:
        for motion, still in (("reduce", True), ("no-preference", False)):
            page = visit(gallery, reduced_motion=motion)
            duration = page.locator(".swatch").first.evaluate("swatch => getComputedStyle(swatch).transitionDuration")
            assert (duration == "0s") == still

    def test_what_was_found_is_said_aloud(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        assert page.locator("#count").get_attribute("aria-live") == "polite"

    @pytest.mark.parametrize("where", ["list", "palette"])
    def test_nothing_is_wider_than_a_small_phone(self, gallery: Gallery, visit: Visit, where: str) -> None:
        fragment = "" if where == "list" else f"#{a_refined_palette(gallery)[0]}"
        page = visit(gallery, fragment, viewport={"width": 320, "height": 640})
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
