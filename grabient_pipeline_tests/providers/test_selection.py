"""Which models a backfill asks: those that are named, else the panel, and of these those that can be asked."""

import datetime as dt

import pytest

from grabient_pipeline.errors import UnknownModelError
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.panel import resolve_panel
from grabient_pipeline.providers.selection import select_models

TODAY = dt.date(2026, 11, 28)
VARIABLES = {provider.key: provider.key_variable for provider in load_catalogue().providers.values()}
EVERY_KEY = dict.fromkeys(VARIABLES, "k")
MISSION = {model.name for model in load_catalogue().mission}


def names(models):
    return {model.name for model in models}


def test_by_default_the_panel_of_the_day_is_selected():
    selection = select_models(keys=EVERY_KEY, today=TODAY)
    assert selection.models == resolve_panel(today=TODAY).models
    assert selection.places["anthropic/claude-haiku-5-5"] == "anthropic/claude-3-5-haiku-20241022"
    assert not any(model.retired(TODAY) for model in selection.models)


def test_one_line_says_that_models_have_successors():
    selection = select_models(keys=EVERY_KEY, today=TODAY)
    assert selection.left_out == ("5 of the mission's models are retired; their successors answer (grabient panel)",)


@pytest.mark.parametrize(
    ("panel", "lines"),
    [
        (["openai/gpt-6-luna"], ()),
        (
            ["google/gemini-2.0-flash"],
            ("1 of the panel's models is retired; its successor answers (grabient panel)",),
        ),
    ],
)
def test_a_chosen_panel_is_selected(panel, lines):
    selection = select_models(keys=EVERY_KEY, panel=panel, today=TODAY)
    assert (names(selection.models), selection.left_out) == ({"openai/gpt-6-luna"}, lines)


def test_retired_models_are_selected_on_request():
    selection = select_models(keys=EVERY_KEY, include_retired=True, today=TODAY)
    assert (names(selection.models), selection.left_out, selection.places) == (MISSION, (), {})


def test_a_named_model_that_is_retired_is_left_out_with_its_replacement():
    selection = select_models(["claude-3-5-haiku-20241022"], keys=EVERY_KEY, today=TODAY)
    (line,) = selection.left_out
    assert "its replacement is anthropic/claude-haiku-5-5" in line
    assert "--include-retired" in line


@pytest.mark.parametrize("missing", VARIABLES)
def test_a_missing_key_is_named_once_by_its_variable(missing):
    keys = {provider: key for provider, key in EVERY_KEY.items() if provider != missing}
    selection = select_models(keys=keys, include_retired=True, today=TODAY)
    assert names(selection.models) == {name for name in MISSION if not name.startswith(f"{missing}/")}
    (line,) = selection.left_out
    assert f"{VARIABLES[missing]} is not set" in line


def test_only_named_models_are_selected():
    selection = select_models(["gpt-4o-mini", "openai/gpt-6-luna", "gpt-4o-mini"], keys=EVERY_KEY, today=TODAY)
    assert [model.name for model in selection.models] == ["openai/gpt-4o-mini", "openai/gpt-6-luna"]


def test_only_models_of_named_providers_are_selected():
    selection = select_models(providers=["openai"], keys=EVERY_KEY, today=TODAY)
    assert names(selection.models) == {
        "openai/gpt-4o-mini",
        "openai/gpt-5-nano",
        "openai/gpt-5.6-luna",
        "openai/gpt-6-luna",
    }


def test_named_models_of_other_providers_are_left_out():
    selection = select_models(["openai/gpt-4o-mini"], ["groq"], keys=EVERY_KEY, today=TODAY)
    assert selection.models == ()


@pytest.mark.parametrize("name", ["gpt-9", "openai/", "", "groq/gpt-4o-mini", "OPENAI/gpt-4o-mini"])
def test_an_unknown_model_is_rejected(name):
    with pytest.raises(UnknownModelError, match="grabient models"):
        select_models([name], keys=EVERY_KEY)


def test_an_unknown_provider_is_rejected():
    with pytest.raises(UnknownModelError, match=f"there are {', '.join(VARIABLES)}"):
        select_models(providers=["unknown-provider"], keys=EVERY_KEY)
