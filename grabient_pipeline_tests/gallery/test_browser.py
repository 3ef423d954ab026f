"""The gallery in a real browser: colour schemes, keyboard, hostile text and accessibility."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from grabient_pipeline_tests.gallery.conftest import (
    HOSTILE,
    HOSTILE_NAME,
    Gallery,
    Visit,
    refined_palette,
    shown_ids,
)

NARROW = {"width": 375, "height": 700}


class TestLightAndDark:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_follows_the_system_until_the_user_chooses(self, gallery: Gallery, visit: Visit, scheme: str) -> None:
        page = visit(gallery, color_scheme=scheme)
        switch = page.get_by_role("switch", name="Dark mode")
        expect(switch).to_be_checked(checked=scheme == "dark")
        before = lightness(page)
        assert (before < 0.2) == (scheme == "dark")
        switch.click()
        expect(switch).to_be_checked(checked=scheme != "dark")
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
    """The relative luminance (WCAG 2) of a colour variable of the style sheet."""
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
        expect(page.locator(f'.card[href="{focused}"]')).to_be_focused()

    def test_arrow_keys_go_through_the_results(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery, "#words=warm")
        found = shown_ids(page)
        page.goto(f"{gallery.url}#{found[0]}")
        following = page.locator("#palette .next")
        # The address changes before the page does, and a key acts on the palette that is shown.
        expect(following).to_have_attribute("href", f"#{found[1]}")
        for key, place in (("ArrowRight", 1), ("ArrowLeft", 0), ("ArrowLeft", 0)):
            page.keyboard.press(key)
            expect(page).to_have_url(f"{gallery.url}#{found[place]}")
            expect(following).to_have_attribute("href", f"#{found[place + 1]}")

    def test_end_and_home_keys(self, many_palettes: Gallery, visit: Visit) -> None:
        page = visit(many_palettes)
        page.locator(".card").first.focus()
        page.keyboard.press("End")
        last = page.locator('.cards li[aria-posinset="900"] a')
        expect(last).to_be_focused()
        expect(last).to_be_in_viewport()
        page.keyboard.press("Home")
        expect(page.locator('.cards li[aria-posinset="1"] a')).to_be_focused()

    def test_scrolling_keeps_the_focus(self, many_palettes: Gallery, visit: Visit) -> None:
        page = visit(many_palettes)
        page.locator(".card").nth(1).focus()
        page.evaluate("scrollTo(0, 20000)")
        expect(page.locator('.cards li[aria-posinset="1"]')).to_have_count(0)
        page.keyboard.press("ArrowRight")
        third = page.locator('.cards li[aria-posinset="3"] a')
        expect(third).to_be_focused()
        expect(third).to_be_in_viewport()

    def test_filters_are_checkboxes(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        box = page.locator('input[name="temperature"][value="warm"]')
        box.focus()
        outline = box.locator("..").evaluate("chip => getComputedStyle(chip).outlineStyle")
        assert outline == "solid"
        page.keyboard.press("Space")
        assert set(shown_ids(page)) == gallery.ids("temperature = 'warm'")

    def test_every_focused_element_is_outlined(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery, f"#{refined_palette(gallery)[0]}")
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


class TestHostileText:
    def test_is_shown_as_text_on_a_card(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        shown_ids(page)
        card = page.locator(".card", has_text=HOSTILE_NAME)
        expect(card.locator(".card-name")).to_have_text(HOSTILE_NAME)
        assert (card.locator(".card-tags").text_content() or "").startswith(", ".join(HOSTILE[:2]))
        expect(page.locator(".cards img, .cards b, .cards svg, .cards script")).to_have_count(0)

    def test_is_shown_as_text_on_the_palette_page(self, gallery: Gallery, visit: Visit) -> None:
        (palette,) = gallery.ids(f"name = '{HOSTILE_NAME}'")
        page = visit(gallery, f"#{palette}")
        expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE_NAME)
        expect(page).to_have_title(re.compile(re.escape(HOSTILE_NAME)))
        mood = page.locator("tbody", has_text="Mood").locator("th[scope=row]")
        assert mood.all_text_contents()[: len(HOSTILE)] == HOSTILE
        expect(page.locator(".embed-text")).to_have_text(" ".join(HOSTILE))
        # Clicking a tag searches for its text.
        for place, word in enumerate(HOSTILE):
            mood.nth(place).get_by_role("link").click()
            expect(page.get_by_role("searchbox")).to_have_value(word)
            page.go_back()

    def test_no_injected_script_runs(self, gallery: Gallery, visit: Visit) -> None:
        palette = refined_palette(gallery)[0]
        page = visit(gallery, f"#{palette}")
        refused = page.evaluate(
            "() => { try { document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=window.broken=1>');"
            " return 'taken'; } catch (error) { return error.name; } }"
        )
        assert refused == "TypeError"
        expect(page.locator("img")).to_have_count(0)
        assert "TrustedHTML" in visit.messages.pop()


class TestAccessibility:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("viewport", [{"width": 1280, "height": 800}, NARROW], ids=["wide", "narrow"])
    @pytest.mark.parametrize("where", ["list", "palette", "nothing"])
    def test_axe_finds_no_violations(
        self, gallery: Gallery, visit: Visit, scheme: str, viewport: dict[str, int], where: str
    ) -> None:
        fragment = {
            "list": "#temperature=warm",
            "palette": f"#{refined_palette(gallery)[0]}",
            "nothing": "#words=xyzzy",
        }
        page = visit(gallery, fragment[where], color_scheme=scheme, viewport=viewport)
        if viewport == NARROW and where == "list":
            page.get_by_role("button", name="Filters").click()
        result = Axe().run(page)
        assert len(result.response["passes"]) > 15
        assert not result.response["violations"], result.generate_report()

    def test_reduced_motion_is_respected(self, gallery: Gallery, visit: Visit) -> None:
        for motion, still in (("reduce", True), ("no-preference", False)):
            page = visit(gallery, reduced_motion=motion)
            duration = page.locator(".swatch").first.evaluate("swatch => getComputedStyle(swatch).transitionDuration")
            assert (duration == "0s") == still

    def test_the_result_count_is_announced(self, gallery: Gallery, visit: Visit) -> None:
        page = visit(gallery)
        expect(page.locator("#count")).to_have_attribute("aria-live", "polite")

    @pytest.mark.parametrize("where", ["list", "palette"])
    def test_fits_a_small_phone(self, gallery: Gallery, visit: Visit, where: str) -> None:
        fragment = "" if where == "list" else f"#{refined_palette(gallery)[0]}"
        page = visit(gallery, fragment, viewport={"width": 320, "height": 640})
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
