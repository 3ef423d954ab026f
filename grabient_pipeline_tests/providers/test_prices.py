"""Prices are those of a request's tier on a day, and agree with a second price list."""

from __future__ import annotations

import datetime as dt
import tomllib
from pathlib import Path

import pytest

from grabient_pipeline.providers import prices
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.prices import (
    REQUEST_TOKENS,
    batch_price,
    booked_price,
    direct_price,
    direct_ratio,
    full_price,
    input_usd_per_million,
    known_batch_price,
    price_on,
)
from grabient_pipeline.retrieval.embedders.registry import MODELS as EMBEDDING_MODELS

TODAY = dt.date(2026, 11, 27)
SECOND_LIST = {
    model: price
    for source in tomllib.loads(Path(__file__).with_name("second_price_list.toml").read_text("utf-8")).values()
    for model, price in source["usd_per_million"].items()
}
PAID_EMBEDDING_MODELS = [model for model in EMBEDDING_MODELS if model.provider is not None]


@pytest.mark.parametrize("model", load_catalogue().models, ids=lambda model: model.name)
def test_a_model_has_flex_exactly_if_the_price_list_has_that_price(model):
    """And the price is that of a batch; for a model without flex, the list answers with the full price."""
    from genai_prices import Usage, calc_price

    input_tokens, output_tokens = REQUEST_TOKENS
    flex = calc_price(
        Usage(input_tokens=input_tokens, output_tokens=output_tokens),
        model_ref=model.id,
        provider_id=model.provider,
        price_context={"service_tier": "flex"},
    )
    # Only of OpenAI are calls at this tier sent.
    expected = full_price(model) if model.provider != "openai" else direct_price(model)
    assert float(flex.total_price) == pytest.approx(expected.cost(input_tokens, output_tokens))
    is_half = expected == batch_price(model)
    assert is_half == (model.flex is not None)
    assert direct_ratio(model) == (1.0 if is_half else 2.0)


@pytest.mark.parametrize("model", load_catalogue().models, ids=lambda model: model.name)
def test_every_model_of_the_catalogue_costs_what_a_second_list_says(model):
    assert model.name in SECOND_LIST, "add its price to second_price_list.toml, with source and date"
    input_usd, output_usd = SECOND_LIST[model.name]
    price = full_price(model)
    assert price.input_usd_per_million == pytest.approx(input_usd)
    assert price.output_usd_per_million == pytest.approx(output_usd)
    assert batch_price(model).input_usd_per_million == pytest.approx(input_usd / 2)
    assert batch_price(model).output_usd_per_million == pytest.approx(output_usd / 2)


@pytest.mark.parametrize("model", PAID_EMBEDDING_MODELS, ids=lambda model: model.name)
def test_every_embedding_model_costs_what_a_second_list_says(model):
    assert model.usd_per_million_tokens == pytest.approx(SECOND_LIST[model.name][0])


def test_the_cost_of_a_batch_by_hand():
    # 1,000 requests with 1,600 tokens in and 450 out: 1.6 million at $0.05 are $0.08, and 0.45 million at $0.25 are
    # $0.1125. By ordinary calls it is twice as much.
    luna = load_catalogue().model("openai/gpt-6-luna")
    assert batch_price(luna).cost(1_600_000, 450_000) == pytest.approx(0.1925)
    assert full_price(luna).cost(1_600_000, 450_000) == pytest.approx(0.385)
    assert known_batch_price("openai", "gpt-6-luna") == batch_price(luna)


def test_the_length_of_a_request_decides_its_tier():
    short = price_on(TODAY, "openai", "gpt-6-luna", (272_000, 400))
    long = price_on(TODAY, "openai", "gpt-6-luna", (272_001, 400))
    assert (short.input_usd_per_million, short.output_usd_per_million) == (0.10, 0.50)
    assert (long.input_usd_per_million, long.output_usd_per_million) == (0.20, 0.75)


def test_an_embedding_model_is_asked_for_one_request_too():
    # A chat model, because no embedding model in the list has tiers.
    assert input_usd_per_million("openai", "gpt-6-luna") == pytest.approx(0.10)


def test_a_price_is_that_of_its_day():
    assert price_on(dt.date(2026, 7, 29), "openai", "gpt-5.6-luna").input_usd_per_million == pytest.approx(1.00)
    assert price_on(dt.date(2026, 7, 30), "openai", "gpt-5.6-luna").input_usd_per_million == pytest.approx(0.20)


def test_a_process_that_runs_for_days_follows_the_price(monkeypatch):
    days = iter([dt.date(2026, 12, 31), dt.date(2027, 1, 1)])
    monkeypatch.setattr(prices, "_today", lambda: next(days))
    before, after = (known_batch_price("google", "gemini-3.8-flash") for _ in range(2))
    assert before is not None
    assert after == before.times(2)


def test_a_model_that_the_list_does_not_have_has_no_price():
    assert known_batch_price("openai", "no-such-model") is None
    with pytest.raises(LookupError):
        price_on(TODAY, "openai", "no-such-model")


@pytest.mark.parametrize(
    ("name", "cached", "written", "written_hour"),
    [
        ("anthropic/claude-haiku-4-5-20251001", 0.05, 0.625, 1.0),
        ("openai/gpt-6-luna", 0.005, 0.0625, 0.0625),
        ("openai/gpt-5-nano", 0.0025, None, None),
        ("openai/gpt-4o-mini", None, None, None),
        ("groq/openai/gpt-oss-120b", None, None, None),
        ("google/gemini-2.5-flash-lite", 0.01, None, None),
    ],
)
def test_what_a_batch_takes_off_cached_input_differs(name, cached, written, written_hour):
    """None is the price of any other input."""
    price = batch_price(load_catalogue().model(name))
    found = price.cached_input_usd_per_million, price.cache_write_usd_per_million
    assert found == (pytest.approx(cached), pytest.approx(written))
    assert price.cache_write_hour_usd_per_million == pytest.approx(written_hour)


def test_ordinary_calls_cost_what_their_tier_costs():
    standard = booked_price("openai", "gpt-5-nano", "direct")
    assert standard.cached_input_usd_per_million == pytest.approx(0.005)
    assert booked_price("openai", "gpt-5-nano", "direct", "flex") == standard.times(0.5)
    assert booked_price("openai", "gpt-5-nano", "direct", "no-such-tier") == standard
