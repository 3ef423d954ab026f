"""Ordinary calls whose answer is neither a completion nor a plain refusal."""

from __future__ import annotations

import pytest

from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.errors import ProviderRefused, ProviderUncertain, TierUnavailable
from grabient_pipeline.providers.base import FLEX_TIMEOUT_SECONDS, result_rows
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.direct import DirectCalls
from grabient_pipeline.providers.registry import open_provider, request_format
from grabient_pipeline_tests.providers.conftest import each_provider
from grabient_pipeline_tests.providers.go_between import PAGE, json_answer

TEXT = '```json\n{"mood": ["calm"]}\n```'


@pytest.fixture
def open_direct(open_api, go_between, tmp_path):
    """Opens an `Api` whose provider makes ordinary calls through the host between."""
    return lambda key: open_api(key, DirectCalls(open_provider(key, go_between.environment()), tmp_path / "direct", 1))


def rows_of(api, batch_id, folder):
    return list(result_rows(api.provider, api.provider.download(batch_id, folder).files))


def test_an_answer_that_groqs_check_rejects_is_an_answer(open_direct, go_between, tmp_path):
    error = {"code": "json_validate_failed", "message": "no JSON", "failed_generation": TEXT}
    go_between.answer = lambda *_: json_answer({"error": error}, 400)
    api = open_direct("groq")
    batch_id = api.provider.submit(api.submission())
    api.provider.work(batch_id)
    rows = rows_of(api, batch_id, tmp_path)
    assert [(row.outcome, row.text, row.finish_reason) for row in rows] == [
        ("succeeded", TEXT, "json_validate_failed")
    ] * 3
    assert TAGGING.parse(rows[0].text, rows[0].finish_reason).tags is not None
    assert len(go_between.calls) == 3


@each_provider
def test_calls_stop_where_another_host_answers(open_direct, go_between, tmp_path, key):
    """No model was asked, and the other calls would end there too."""
    go_between.answer = lambda *_: PAGE
    api = open_direct(key)
    batch_id = api.provider.submit(api.submission())
    with pytest.raises(ProviderUncertain, match="the answer is not .*'s; is .* right\\?"):
        api.provider.work(batch_id)
    assert len(go_between.calls) == 1
    go_between.answer = lambda *_: None
    api.provider.work(batch_id)
    assert [row.outcome for row in rows_of(api, batch_id, tmp_path)] == ["succeeded"] * 3


def flex_request(key="openai"):
    model = load_catalogue().model("openai/gpt-5-nano")
    return request_format(key, "direct").request(model, TAGGING.payload, "a_1", "text")


def test_only_ordinary_calls_to_models_with_flex_ask_for_it():
    model = load_catalogue().model("openai/gpt-5-nano")
    usual = load_catalogue().model("openai/gpt-4o-mini")
    assert flex_request()["body"]["service_tier"] == "flex"
    assert "service_tier" not in request_format("openai").request(model, TAGGING.payload, "a_1", "text")["body"]
    direct = request_format("openai", "direct").request(usual, TAGGING.payload, "a_1", "text")
    assert "service_tier" not in direct["body"]


def test_a_provider_without_tiers_is_never_asked_for_one():
    with pytest.raises(ValueError, match="cannot ask for the service tier flex"):
        flex_request("groq")


@pytest.mark.parametrize(
    "error",
    [
        {"message": "Invalid service_tier argument", "type": "invalid_request_error", "param": "service_tier"},
        {"message": "Unsupported service_tier: flex", "type": "invalid_request_error"},
        {"message": "This model does not support Flex processing.", "type": "invalid_request_error", "param": None},
    ],
)
def test_a_refused_tier_is_told_from_other_errors(open_direct, go_between, error):
    provider = open_direct("openai").provider
    go_between.answer = lambda *_: json_answer({"error": error}, 400)
    with pytest.raises(TierUnavailable, match="the service tier flex is refused for gpt-5-nano: HTTP 400"):
        provider.ask("gpt-5-nano", flex_request())
    with pytest.raises(ProviderRefused) as refused:
        provider.ask("gpt-5-nano", {**flex_request(), "body": {"model": "gpt-5-nano"}})
    assert not isinstance(refused.value, TierUnavailable)


@pytest.mark.parametrize("status", [400, 404, 422])
def test_another_refusal_at_the_tier_flex_is_about_the_request(open_direct, go_between, status):
    provider = open_direct("openai").provider
    go_between.answer = lambda *_: json_answer({"error": {"message": "temperature", "param": "temperature"}}, status)
    with pytest.raises(ProviderRefused) as refused:
        provider.ask("gpt-5-nano", flex_request())
    assert not isinstance(refused.value, TierUnavailable)


def test_a_call_at_the_tier_flex_has_a_timeout_of_its_own(open_api, go_between, monkeypatch):
    provider = open_api("openai", open_provider("openai", go_between.environment())).provider
    timeouts = []
    original = type(provider._client).with_options

    def with_options(client, **options):
        timeouts.append(options["timeout"])
        return original(client, **options)

    monkeypatch.setattr(type(provider._client), "with_options", with_options)
    provider.ask("gpt-5-nano", flex_request())
    provider.ask("gpt-5-nano", provider.at_tier(flex_request(), "default"))
    assert timeouts[0] == FLEX_TIMEOUT_SECONDS > timeouts[1]


def test_the_row_of_an_answer_names_the_tier_that_served_it(open_api, go_between):
    provider = open_api("openai", open_provider("openai", go_between.environment())).provider
    row = provider.ask("gpt-5-nano", flex_request())
    assert row["response"]["body"]["service_tier"] == "flex"
