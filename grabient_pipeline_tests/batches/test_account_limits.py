"""What an account may hold: a person's word before the tier, and a provider's later word before both."""

from __future__ import annotations

import datetime as dt

import pytest

from grabient_pipeline.batches.account_limits import (
    AccountLimits,
    account_named,
    read_account_limits,
    read_account_settings,
    read_account_tier,
    take_back_tier,
    write_figures,
    write_tier,
)
from grabient_pipeline.errors import SettingsError, UnknownModelError, UnknownTierError
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline_tests.conftest import copy_template

NOW = dt.datetime.now(dt.UTC)
MINI = load_catalogue().model("openai/gpt-4o-mini")
NANO = load_catalogue().model("openai/gpt-5-nano")
HAIKU = load_catalogue().model("anthropic/claude-haiku-4-5-20251001")
FLASH = load_catalogue().model("google/gemini-2.5-flash-lite")
GROQ = load_catalogue().model("groq/openai/gpt-oss-20b")


@pytest.fixture
def warehouse(tmp_path, blank):
    return Pipeline(copy_template(blank, tmp_path / "data"), {}).warehouse


def limits(warehouse, model=MINI, *, unlimited=False) -> AccountLimits:
    with warehouse.connect() as connection:
        return read_account_limits(connection, model, unlimited=unlimited)


def refuse(warehouse, model, kind, named_limit, at=None):
    """Log a refusal that names a limit."""
    row = [f"{kind} {named_limit}", model.provider, model.id, kind, named_limit, at or dt.datetime.now(dt.UTC)]
    with warehouse.connect() as connection:
        connection.execute("INSERT INTO refused_batches VALUES (?, ?, ?, ?, ?, 0, 0, NULL, 'full', ?)", row)


class TestTiers:
    @pytest.mark.parametrize(
        ("model", "figures", "source"),
        [
            (MINI, (2_000_000, None, None), "tier 1 (Tier 1)"),
            (NANO, (2_000_000, None, None), "tier 1, assumed"),
            (GROQ, (2_000_000, None, None), "tier 1, assumed"),
            (FLASH, (10_000_000, None, 100), "tier 1 (Tier 1)"),
            (HAIKU, (None, 200_000, None), "no limit"),
        ],
    )
    def test_without_a_word_it_is_the_first(self, warehouse, model, figures, source):
        found = limits(warehouse, model)
        assert (found.tokens, found.requests, found.jobs) == figures
        assert found.tokens_source == source

    def test_sources_of_figures_that_are_no_limit(self, warehouse):
        assert limits(warehouse, HAIKU).requests_source == "tier 1 (Start)"
        assert limits(warehouse, HAIKU).jobs_source == "no limit"

    def test_only_tokens_are_assumed(self, warehouse):
        found = limits(warehouse, FLASH.model_copy(update={"id": "gemini-9"}))
        assert (found.tokens_source, found.jobs_source) == ("tier 1, assumed", "tier 1 (Tier 1)")

    @pytest.mark.parametrize("word", ["3", "tier 3", " TIER 3 "])
    def test_by_number_or_name(self, warehouse, word):
        assert write_tier(warehouse, "openai", word) == "3"
        assert limits(warehouse).tokens == 40_000_000
        assert limits(warehouse, FLASH).tokens == 10_000_000

    def test_none_is_an_account_without_limits(self, warehouse):
        assert write_tier(warehouse, "google", "None") == "none"
        assert limits(warehouse, FLASH) == AccountLimits(None, None, None, "no limit", "no limit", "no limit")

    def test_taking_it_back(self, warehouse):
        write_tier(warehouse, "openai", "3")
        take_back_tier(warehouse, "openai")
        take_back_tier(warehouse, "openai")
        assert limits(warehouse).tokens == 2_000_000
        assert read_account_settings(warehouse) == []

    def test_unknown_ones(self, warehouse):
        with pytest.raises(UnknownTierError, match=r"no tier '9'; there are 1 \(Tier 1\).*, or none for an account"):
            write_tier(warehouse, "openai", "9")
        with pytest.raises(UnknownModelError, match="no provider 'acme'"):
            write_tier(warehouse, "acme", "1")
        with pytest.raises(UnknownModelError):
            take_back_tier(warehouse, "acme")
        assert read_account_settings(warehouse) == []

    def test_one_that_the_catalogue_no_longer_has(self, warehouse):
        write_tier(warehouse, "openai", "3")
        with warehouse.connect() as connection:
            connection.execute("UPDATE account_limits SET tier = '77'")
        assert limits(warehouse).tokens == 2_000_000

    def test_in_force(self, warehouse):
        with warehouse.connect() as connection:
            assert str(read_account_tier(connection, "openai", unlimited=False)) == "1 (Tier 1), not set"
            assert str(read_account_tier(connection, "openai", unlimited=True)) == "none, the sandbox"
        write_tier(warehouse, "openai", "3")
        with warehouse.connect() as connection:
            assert str(read_account_tier(connection, "openai", unlimited=True)) == "3 (Tier 3), set"


class TestOnTheSandbox:
    def test_nothing_is_limited(self, warehouse):
        assert limits(warehouse, unlimited=True).tokens is None

    def test_unless_it_is_said(self, warehouse):
        write_tier(warehouse, "openai", "1")
        assert limits(warehouse, unlimited=True).tokens == 2_000_000
        assert limits(warehouse, FLASH, unlimited=True).tokens is None

    def test_or_of_one_model(self, warehouse):
        write_figures(warehouse, "openai", NANO.id, tokens=5)
        assert limits(warehouse, NANO, unlimited=True).tokens == 5
        assert limits(warehouse, MINI, unlimited=True).tokens is None

    def test_or_the_provider_names_a_limit(self, warehouse):
        refuse(warehouse, MINI, "tokens", 77)
        assert limits(warehouse, unlimited=True).tokens == 77


class TestFigures:
    def test_those_of_the_model_come_before_those_of_the_provider(self, warehouse):
        write_figures(warehouse, "openai", None, tokens=100, jobs=7)
        write_figures(warehouse, "openai", MINI.id, tokens=50)
        found = limits(warehouse)
        assert (found.tokens, found.requests, found.jobs) == (50, None, 7)
        assert (found.tokens_source, found.jobs_source) == ("set", "set")
        assert limits(warehouse, NANO).tokens == 100

    def test_they_replace_those_of_the_tier_and_survive_it(self, warehouse):
        write_figures(warehouse, "google", None, tokens=100)
        write_tier(warehouse, "google", "2")
        assert (limits(warehouse, FLASH).tokens, limits(warehouse, FLASH).jobs) == (100, 100)
        write_tier(warehouse, "google", "none")
        assert (limits(warehouse, FLASH).tokens, limits(warehouse, FLASH).jobs) == (100, None)

    def test_what_is_not_named_stays(self, warehouse):
        write_figures(warehouse, "openai", None, tokens=100, jobs=7)
        write_figures(warehouse, "openai", None, requests=9)
        (setting,) = read_account_settings(warehouse)
        assert setting.figures == {"tokens": 100, "requests": 9, "jobs": 7}
        assert setting.name == "openai"

    def test_taking_them_back(self, warehouse):
        write_figures(warehouse, "openai", MINI.id, tokens=100, jobs=7)
        write_figures(warehouse, "openai", MINI.id, taken_back=["tokens"])
        (setting,) = read_account_settings(warehouse)
        assert (setting.name, setting.figures) == ("openai/gpt-4o-mini", {"jobs": 7})
        write_figures(warehouse, "openai", MINI.id, requests=3, taken_back=["jobs"])
        assert read_account_settings(warehouse)[0].figures == {"requests": 3}
        write_figures(warehouse, "openai", MINI.id, taken_back=["requests", "tokens"])
        write_figures(warehouse, "openai", MINI.id, taken_back=["requests"])
        assert read_account_settings(warehouse) == []
        assert limits(warehouse).tokens == 2_000_000

    @pytest.mark.parametrize("figure", [0, -1, 1.5, True, "9", 10**16])
    def test_invalid_ones(self, warehouse, figure):
        with pytest.raises(SettingsError, match="limit of jobs is .* must be a whole number from 1"):
            write_figures(warehouse, "openai", None, tokens=1, jobs=figure)
        assert read_account_settings(warehouse) == []

    def test_unknown_models(self, warehouse):
        with pytest.raises(UnknownModelError):
            write_figures(warehouse, "openai", "gpt-99", tokens=1)
        with pytest.raises(UnknownModelError):
            write_figures(warehouse, "acme", None, tokens=1)

    def test_names(self):
        assert account_named("openai") == ("openai", None)
        assert account_named("openai/gpt-4o-mini") == ("openai", "gpt-4o-mini")
        assert account_named("groq/openai/gpt-oss-20b") == ("groq", "openai/gpt-oss-20b")
        with pytest.raises(UnknownModelError, match="no provider or model 'x/y'; the providers are anthropic, "):
            account_named("x/y")


class TestNamedByTheProvider:
    def test_the_newest_replaces_the_figure_of_its_kind(self, warehouse):
        write_figures(warehouse, "openai", None, tokens=100, jobs=7)
        refuse(warehouse, MINI, "tokens", 90_000)
        refuse(warehouse, MINI, "tokens", 80_000)
        found = limits(warehouse)
        assert (found.tokens, found.jobs) == (80_000, 7)
        assert found.tokens_source == f"named by the provider on {dt.datetime.now(dt.UTC):%d %b}"

    def test_tokens_are_of_the_model_and_the_others_of_all(self, warehouse):
        refuse(warehouse, MINI, "tokens", 90_000)
        refuse(warehouse, MINI, "requests", 9)
        refuse(warehouse, MINI, "jobs", 3)
        found = limits(warehouse, NANO)
        assert (found.tokens, found.requests, found.jobs) == (2_000_000, 9, 3)
        assert limits(warehouse, FLASH).jobs == 100

    def test_what_a_person_says_later_counts(self, warehouse):
        refuse(warehouse, MINI, "tokens", 0)
        assert limits(warehouse).has_no_queue
        write_tier(warehouse, "openai", "2")
        assert limits(warehouse).tokens == 20_000_000
        refuse(warehouse, MINI, "tokens", 5)
        assert limits(warehouse).tokens == 5
        write_figures(warehouse, "openai", MINI.id, tokens=9)
        assert limits(warehouse).tokens == 9

    def test_taking_back_a_figure_leaves_what_was_learned(self, warehouse):
        write_figures(warehouse, "openai", None, tokens=100, jobs=7)
        refuse(warehouse, MINI, "tokens", 90_000)
        write_figures(warehouse, "openai", None, taken_back=["tokens"])
        assert limits(warehouse).tokens == 90_000

    def test_after_30_days_it_is_forgotten(self, warehouse):
        refuse(warehouse, MINI, "tokens", 5, NOW - dt.timedelta(days=30, minutes=1))
        assert limits(warehouse).tokens == 2_000_000
        refuse(warehouse, MINI, "tokens", 6, NOW - dt.timedelta(days=29))
        assert limits(warehouse).tokens == 6

    def test_a_rate_is_no_limit_of_a_queue(self, warehouse):
        refuse(warehouse, MINI, "rate", 5)
        refuse(warehouse, MINI, "other", 5)
        assert limits(warehouse).tokens == 2_000_000
