"""The panel: up to ten living models, for no more money than the mission's ten cost."""

import datetime as dt
import statistics

import pytest

from grabient_pipeline.errors import UnknownModelError
from grabient_pipeline.providers.catalogue import Place, load_catalogue
from grabient_pipeline.providers.panel import (
    MAX_PRICE_RATIO,
    mission_price_usd,
    panel_ends,
    place_names,
    request_price,
    resolve_panel,
    resolve_refiner,
)

TODAY = dt.date(2026, 11, 28)
AFTER_NANO = dt.date(2026, 12, 11)
AFTER_MINI = dt.date(2027, 1, 14)
DAYS = (TODAY, AFTER_NANO, AFTER_MINI, dt.date(2027, 6, 1), dt.date(2030, 1, 1))
HAIKU = "anthropic/claude-3-5-haiku-20241022"
OPUS = "anthropic/claude-opus-4-5-20251101"
CATALOGUE = load_catalogue()


def holders(panel):
    return {seat.place: seat.model.name if seat.model else None for seat in panel.seats}


def with_places(*places):
    return CATALOGUE.model_copy(update={"places": places})


def test_today_eight_living_models_of_four_providers_answer():
    panel = resolve_panel(today=TODAY)
    assert holders(panel) == {
        "groq/llama-3.3-70b-versatile": "openai/gpt-5.6-luna",
        "groq/meta-llama/llama-4-scout-17b-16e-instruct": None,
        "groq/qwen/qwen3-32b": None,
        "groq/openai/gpt-oss-120b": "groq/openai/gpt-oss-120b",
        "groq/openai/gpt-oss-20b": "groq/openai/gpt-oss-20b",
        "google/gemini-2.0-flash": "openai/gpt-6-luna",
        "google/gemini-2.5-flash-lite": "google/gemini-2.5-flash-lite",
        "openai/gpt-4o-mini": "openai/gpt-4o-mini",
        "openai/gpt-5-nano": "openai/gpt-5-nano",
        HAIKU: "anthropic/claude-haiku-5-5",
    }
    assert panel.retired == 5
    assert {model.provider for model in panel.models} == set(CATALOGUE.providers)


def test_an_empty_place_says_why():
    reasons = {seat.place: seat.reason for seat in resolve_panel(today=AFTER_NANO).seats if seat.model is None}
    assert reasons == {
        "groq/meta-llama/llama-4-scout-17b-16e-instruct": "its replacement groq/openai/gpt-oss-120b answers for a "
        "place of its own",
        "groq/qwen/qwen3-32b": "groq/qwen/qwen3.8-27b costs 6.8 times the median (grabient panel add "
        "groq/qwen/qwen3.8-27b)",
        "openai/gpt-5-nano": "its replacement openai/gpt-6-luna answers for google/gemini-2.0-flash",
    }


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_whatever_ends_the_panel_lives_costs_no_more_than_the_ten_and_no_model_has_two_places(day):
    panel = resolve_panel(today=day)
    assert panel.models
    assert not any(model.retired(day) for model in panel.models)
    assert len({model.name for model in panel.models}) == len(panel.models)
    assert panel.price_usd <= mission_price_usd()
    median = statistics.median(request_price(model) for model in CATALOGUE.mission)
    for seat in panel.seats:
        assert (seat.model is None) == bool(seat.reason)
        if seat.is_succeeded:
            assert request_price(seat.model) <= MAX_PRICE_RATIO * median


def test_a_later_end_changes_no_other_place():
    today, later = holders(resolve_panel(today=TODAY)), holders(resolve_panel(today=AFTER_MINI))
    assert {place for place in today if today[place] != later[place]} == {"openai/gpt-5-nano", "openai/gpt-4o-mini"}


def test_a_successor_is_the_cheapest_that_its_place_could_get():
    """First of the provider of the one that has ended, then of any."""
    panel = resolve_panel(today=TODAY)
    median = statistics.median(request_price(model) for model in CATALOGUE.mission)
    refining = {CATALOGUE.refiner.model, *CATALOGUE.refiner.successors, "anthropic/claude-opus-5-5"}
    free = {
        model.name: request_price(model)
        for model in CATALOGUE.models
        if not model.retired(TODAY)
        and model.name not in refining
        and model not in CATALOGUE.mission
        and request_price(model) <= MAX_PRICE_RATIO * median
    }
    for seat in sorted(panel.seats, key=lambda seat: CATALOGUE.model(seat.place).ends_on or dt.date.max):
        if seat.is_succeeded:
            own = [name for name in free if name.startswith(seat.place.split("/")[0])]
            assert seat.model.name == min(own or free, key=lambda name: free[name])
            del free[seat.model.name]
    assert not free


def test_on_request_ended_models_keep_their_places():
    panel = resolve_panel(today=TODAY, include_retired=True)
    assert panel.models == CATALOGUE.mission
    assert (panel.retired, panel.price_usd) == (0, pytest.approx(mission_price_usd()))


def test_a_successor_that_ends_is_succeeded_and_its_answers_count_for_the_place():
    """The answers of the first model count on, and those of a living model that has another place do not."""
    models = tuple(
        model.model_copy(update={"ends_on": dt.date(2026, 12, 1)}) if model.id == "gpt-6-luna" else model
        for model in CATALOGUE.models
    )
    place = Place(model=HAIKU, successors=("openai/gpt-6-luna", "openai/gpt-5.6-luna"))
    catalogue = with_places(place).model_copy(update={"models": models})
    (before,) = resolve_panel(today=TODAY, catalogue=catalogue).seats
    (after,) = resolve_panel(today=AFTER_NANO, catalogue=catalogue).seats
    assert (before.model.name, before.predecessors) == ("openai/gpt-6-luna", (HAIKU,))
    assert (after.model.name, after.predecessors) == ("openai/gpt-5.6-luna", (HAIKU, "openai/gpt-6-luna"))


def test_a_model_that_answers_elsewhere_takes_no_second_place():
    catalogue = with_places(
        Place(model="openai/gpt-4o-mini"),
        Place(model=HAIKU, successors=("openai/gpt-4o-mini",)),
    )
    seat = resolve_panel(today=TODAY, catalogue=catalogue).seats[1]
    assert seat.model is None
    assert seat.reason.startswith("openai/gpt-4o-mini answers for openai/gpt-4o-mini")


def test_the_days_on_which_models_of_the_panel_end():
    assert panel_ends(resolve_panel(today=TODAY), TODAY) == [AFTER_NANO, AFTER_MINI]
    assert panel_ends(resolve_panel(today=AFTER_NANO), AFTER_NANO) == [AFTER_MINI]


class TestNames:
    def test_a_chosen_panel_has_its_places_only(self):
        panel = resolve_panel(["openai/gpt-4o-mini", HAIKU, "google/gemini-3.5-flash-lite"], today=TODAY)
        assert holders(panel) == {
            "openai/gpt-4o-mini": "openai/gpt-4o-mini",
            HAIKU: "anthropic/claude-haiku-5-5",
            "google/gemini-3.5-flash-lite": "google/gemini-3.5-flash-lite",
        }

    def test_a_chosen_model_that_ends_leaves_an_empty_place_with_its_replacement(self):
        (seat,) = resolve_panel(["google/gemini-3.1-flash-lite"], today=dt.date(2027, 5, 7)).seats
        assert seat.model is None
        assert "its replacement is google/gemini-3.5-flash-lite (grabient panel add" in seat.reason

    def test_a_model_that_has_a_place_by_default_keeps_it(self):
        default = resolve_panel(today=TODAY)
        assert place_names(["gpt-6-luna", "qwen/qwen3.8-27b", "openai/gpt-6-luna"], default) == (
            "google/gemini-2.0-flash",
            "groq/qwen/qwen3.8-27b",
        )

    def test_an_unknown_model_is_rejected(self):
        with pytest.raises(UnknownModelError):
            resolve_panel(["openai/gpt-9"])


@pytest.mark.parametrize(
    ("name", "day", "refiner"),
    [
        (OPUS, TODAY, OPUS),
        (OPUS, dt.date(2027, 1, 21), OPUS),
        (OPUS, dt.date(2027, 1, 22), "anthropic/claude-sonnet-5-5"),
        ("openai/gpt-4o-mini", dt.date(2030, 1, 1), "openai/gpt-4o-mini"),
    ],
)
def test_the_refiner_is_succeeded_on_the_day_of_its_end(name, day, refiner):
    assert resolve_refiner(name, today=day).name == refiner
