"""The catalogue: every model has a price, a lifecycle and, where it ends, a replacement.

What is expected derives from the catalogue, so that a new model or provider breaks no test; one test locks the ten
models that the pipeline is for.
"""

from __future__ import annotations

import datetime as dt

import pydantic
import pytest

from grabient_pipeline.errors import MissingKeyError, SettingsError, UnknownTierError
from grabient_pipeline.providers.catalogue import (
    Catalogue,
    Provider,
    QueueLimits,
    Tier,
    load_catalogue,
)
from grabient_pipeline.providers.prices import batch_price
from grabient_pipeline.providers.registry import open_provider, provider_keys

TODAY = dt.date(2026, 11, 23)
VARIABLES = {provider.key: provider.key_variable for provider in load_catalogue().providers.values()}
ENABLED = {model.name for model in load_catalogue().mission}
RETIRED = {model.name for model in load_catalogue().mission if model.retired(TODAY)}
TEN = {
    "groq/llama-3.3-70b-versatile",
    "groq/meta-llama/llama-4-scout-17b-16e-instruct",
    "groq/qwen/qwen3-32b",
    "groq/openai/gpt-oss-120b",
    "groq/openai/gpt-oss-20b",
    "google/gemini-2.0-flash",
    "google/gemini-2.5-flash-lite",
    "openai/gpt-4o-mini",
    "openai/gpt-5-nano",
    "anthropic/claude-3-5-haiku-20241022",
}
FOUR = {"anthropic", "openai", "groq", "google"}
RETIRED_OF_THE_TEN = {
    "groq/llama-3.3-70b-versatile",
    "groq/meta-llama/llama-4-scout-17b-16e-instruct",
    "groq/qwen/qwen3-32b",
    "google/gemini-2.0-flash",
    "anthropic/claude-3-5-haiku-20241022",
}


def test_the_ten_models_and_four_providers_are_there():
    assert load_catalogue().providers.keys() >= FOUR
    assert ENABLED >= TEN
    assert RETIRED & TEN == RETIRED_OF_THE_TEN


@pytest.mark.parametrize("model", load_catalogue().models, ids=lambda model: model.name)
def test_every_model_has_a_price_limits_and_a_live_replacement(model):
    price = batch_price(model)
    assert 0 < price.input_usd_per_million < price.output_usd_per_million < 50
    assert model.expected_output_tokens < model.max_output_tokens
    assert model.provider in load_catalogue().providers
    if model.ends_on is not None:
        replacement = load_catalogue().model(model.replacement)
        assert not replacement.retired(TODAY)


@pytest.mark.parametrize(
    ("name", "input_usd", "output_usd"),
    [
        ("openai/gpt-4o-mini", 0.075, 0.30),
        ("openai/gpt-5-nano", 0.025, 0.20),
        ("google/gemini-2.5-flash-lite", 0.05, 0.20),
        ("anthropic/claude-opus-4-5-20251101", 2.50, 12.50),
        ("groq/openai/gpt-oss-120b", 0.075, 0.30),
    ],
)
def test_a_batch_costs_half(name, input_usd, output_usd):
    price = batch_price(load_catalogue().model(name))
    assert price.input_usd_per_million == pytest.approx(input_usd)
    assert price.output_usd_per_million == pytest.approx(output_usd)
    assert price.cost(2_000_000, 1_000_000) == pytest.approx(2 * input_usd + output_usd)


@pytest.mark.parametrize(
    ("name", "today", "lifecycle"),
    [
        ("openai/gpt-5-nano", dt.date(2026, 12, 10), "ends 2026-12-11"),
        ("openai/gpt-5-nano", dt.date(2026, 12, 11), "retired 2026-12-11"),
        ("openai/gpt-5-nano", dt.date(2027, 1, 1), "retired 2026-12-11"),
        ("openai/gpt-4o-mini", TODAY, "ends 2027-01-14"),
        ("groq/qwen/qwen3-32b", TODAY, "retired 2026-07-17"),
        ("groq/openai/gpt-oss-20b", dt.date(2030, 1, 1), "active"),
    ],
)
def test_a_model_is_active_until_its_end_date(name, today, lifecycle):
    model = load_catalogue().model(name)
    assert model.lifecycle(today) == lifecycle
    assert model.retired(today) == lifecycle.startswith("retired")


class TestCredentials:
    @pytest.mark.parametrize("provider", VARIABLES)
    def test_a_missing_key_is_named_by_its_variable(self, provider):
        for environment in ({}, {VARIABLES[provider]: "  "}):
            with pytest.raises(MissingKeyError, match=VARIABLES[provider]):
                open_provider(provider, environment)

    @pytest.mark.parametrize("address", ["nonsense", "ftp://x", "http://", "api.openai.com"])
    def test_an_invalid_base_url_is_rejected(self, address):
        with pytest.raises(SettingsError, match="OPENAI_BASE_URL"):
            open_provider("openai", {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": address})

    @pytest.mark.parametrize(
        ("provider", "host"),
        [
            ("anthropic", "api.anthropic.com"),
            ("openai", "api.openai.com"),
            ("groq", "api.groq.com"),
            ("google", "generativelanguage.googleapis.com"),
        ],
    )
    def test_the_default_endpoint_is_that_of_the_provider(self, provider, host):
        assert open_provider(provider, {VARIABLES[provider]: "k"}).endpoint == host

    def test_only_keys_that_are_set_count(self):
        assert provider_keys({"OPENAI_API_KEY": " k ", "GROQ_API_KEY": ""}) == {"openai": "k"}

    @pytest.mark.parametrize("variable", ["GOOGLE_API_KEY", "GEMINI_API_KEY", "ANTHROPIC_AUTH_TOKEN"])
    def test_no_other_variable_is_taken_for_a_key(self, variable):
        assert provider_keys({variable: "k"}) == {}


@pytest.mark.parametrize(
    "corrupt",
    [
        lambda data: data["models"].append(data["models"][0]),
        lambda data: data["models"][0].update(provider="unknown-provider"),
        lambda data: data["models"][0].update(replacement="unknown-provider/nothing"),
        lambda data: data["models"][0].update(replacement=None, ends_on="2026-01-01"),
        lambda data: data["models"][0].update(max_output_tokens=0),
        lambda data: data["models"][0].update(misspelt=1),
        lambda data: data["places"][0].update(model="openai/nothing"),
        lambda data: data["places"][0].update(successors=["openai/gpt-5-nano"]),
        lambda data: data.update(places=[]),
        lambda data: data["checked_prices"]["usd_per_million"].update({"openai/nothing": [1, 2]}),
        lambda data: data["models"][0].update(structured_output="yes"),
        lambda data: data["providers"]["openai"].update(module="grabient_pipeline.providers.openai"),
        lambda data: data["providers"]["openai"].update(colour="red"),
    ],
    ids=[
        "duplicate model",
        "unknown provider",
        "unknown replacement",
        "no replacement",
        "no output limit",
        "unknown field of a model",
        "unknown model with a place",
        "a model with two places",
        "no places",
        "a price of an unknown model",
        "invalid structured output",
        "module without a class",
        "unknown field of a provider",
    ],
)
def test_an_invalid_catalogue_is_rejected(corrupt):
    data = load_catalogue().model_dump()
    data["models"], data["places"] = list(data["models"]), list(data["places"])
    corrupt(data)
    with pytest.raises(pydantic.ValidationError):
        Catalogue.model_validate(data)


class TestTiers:
    def test_every_provider_has_a_first_tier_with_a_source(self):
        for provider in load_catalogue().providers.values():
            assert [tier.number for tier in provider.tiers] == list(range(1, len(provider.tiers) + 1))
            assert all(tier.source.startswith("https://") for tier in provider.tiers)

    def test_every_model_has_a_limit_on_every_tier(self):
        catalogue = load_catalogue()
        for model in catalogue.models:
            for tier in catalogue.provider(model.provider).tiers:
                limits = tier.limits(model.id)
                assert limits.tokens or limits.requests

    @pytest.mark.parametrize(
        ("provider", "model", "tier", "limits"),
        [
            ("openai", "gpt-4o-mini", 1, QueueLimits(2_000_000, None, None, assumed=False)),
            ("openai", "gpt-4o-mini-2024-07-18", 3, QueueLimits(40_000_000, None, None, assumed=False)),
            ("openai", "gpt-5-nano", "tier 2", QueueLimits(20_000_000, None, None, assumed=True)),
            ("anthropic", "claude-3-5-haiku-20241022", 1, QueueLimits(None, 200_000, None, assumed=False)),
            ("anthropic", "claude-opus-4-5-20251101", "scale", QueueLimits(None, 500_000, None, assumed=False)),
            ("google", "gemini-2.5-flash-lite", "1", QueueLimits(10_000_000, None, 100, assumed=False)),
            ("google", "gemini-2.0-flash", 2, QueueLimits(1_000_000_000, None, 100, assumed=False)),
            ("google", "gemini-9", 1, QueueLimits(3_000_000, None, 100, assumed=True)),
            ("groq", "openai/gpt-oss-20b", 1, QueueLimits(2_000_000, None, None, assumed=True)),
        ],
    )
    def test_limits(self, provider, model, tier, limits):
        assert load_catalogue().provider(provider).limits(model, tier) == limits

    @pytest.mark.parametrize("wanted", [0, 4, "Gold", "", "1.0"])
    def test_an_unknown_tier(self, wanted):
        with pytest.raises(UnknownTierError) as caught:
            load_catalogue().provider("anthropic").tier(wanted)
        assert str(caught.value) == f"Anthropic has no tier {wanted!r}; there are 1 (Start), 2 (Build), 3 (Scale)"

    def test_the_numbers_ascend(self):
        provider = load_catalogue().provider("openai")
        fields = provider.model_dump()
        with pytest.raises(ValueError, match="ascending"):
            Provider.model_validate({**fields, "tiers": fields["tiers"][::-1]})

    @pytest.mark.parametrize("change", [{"tokens": 0}, {"tokens": "many"}, {"source": "a friend"}, {"token": 1}])
    def test_invalid_tiers(self, change):
        tier = load_catalogue().provider("openai").tiers[0]
        with pytest.raises(ValueError):
            Tier.model_validate({**tier.model_dump(), **change})
