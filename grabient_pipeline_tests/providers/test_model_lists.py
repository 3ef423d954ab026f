"""The lists of models through the real SDKs, on the sandbox."""

from __future__ import annotations

import datetime as dt

import pytest

from grabient_pipeline.errors import ProviderError
from grabient_pipeline.providers.base import OfferedModel, Route
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.registry import Providers, announced_ends, open_provider
from grabient_pipeline.providers.transport.rows import read_day
from grabient_pipeline.sandbox.discovery import PROVIDERS as SANDBOX_PROVIDERS
from grabient_pipeline_tests.providers.conftest import each_provider
from grabient_pipeline_tests.providers.go_between import PAGE, json_answer


def listed(api):
    models = list(api.provider.list_models())
    assert len({each.id for each in models}) == len(models)
    return {each.id: each for each in models}


@each_provider
class TestEveryProvider:
    def test_every_model_of_the_catalogue_is_listed(self, open_api, key):
        models = listed(open_api(key))
        assert models.keys() >= {each.id for each in load_catalogue().models if each.provider == key}
        assert not any(each.is_retired or each.unreadable_end for each in models.values())

    @pytest.mark.parametrize("fault", ["short_pages", "empty_page"])
    def test_odd_pages(self, open_api, key, fault):
        api = open_api(key)
        api.arm("short_pages", size=2)
        if fault == "empty_page":
            api.arm("empty_page", 1)
        assert listed(api).keys() >= SANDBOX_PROVIDERS[key].models.keys()

    def test_a_model_that_is_gone(self, open_api, key):
        api = open_api(key)
        name = sorted(SANDBOX_PROVIDERS[key].models)[0]
        api.arm("models_gone", models=name)
        if key == "anthropic":
            assert listed(api)[name].is_retired
        else:
            assert name not in listed(api)

    def test_a_refused_call(self, open_api, key, monkeypatch):
        monkeypatch.setattr("time.sleep", lambda seconds: None)
        api = open_api(key)
        api.arm("down", status=403)
        with pytest.raises(ProviderError, match=r"asking for the list of models failed: HTTP 403") as caught:
            list(api.provider.list_models())
        assert caught.value.needs_person
        assert "sandbox-" not in str(caught.value)

    @pytest.mark.parametrize("answer", [PAGE, json_answer([]), json_answer({"data": [{}], "models": [{}]})])
    def test_what_is_not_the_providers_answer(self, key, go_between, answer):
        provider = open_provider(key, go_between.environment())
        go_between.answer = lambda method, path: answer
        with pytest.raises(ProviderError, match=r"asking for the list of models failed: the answer is not"):
            list(provider.list_models())

    def test_ordinary_calls_list_the_same(self, server, tmp_path, key):
        providers = Providers(server.environment(), tmp_path)
        direct, batch = (providers.open(Route(key, access)) for access in ("direct", "batch"))
        assert list(direct.list_models()) == list(batch.list_models())
        assert direct.announced_ends() == batch.announced_ends()


class TestEnds:
    def test_openai(self, open_api):
        models = listed(open_api("openai"))
        assert models["gpt-5-nano"] == OfferedModel("gpt-5-nano", dt.date(2026, 12, 11))
        assert models["gpt-6-luna"].ends_on is None

    def test_anthropic(self, open_api):
        models = listed(open_api("anthropic"))
        assert models["claude-opus-4-5-20251101"] == OfferedModel(
            "claude-opus-4-5-20251101", dt.date(2027, 1, 22), is_deprecated=True, takes_batches=True
        )
        assert models["claude-haiku-5-5"] == OfferedModel("claude-haiku-5-5", takes_batches=True)

    def test_anthropic_without_a_day(self, open_api):
        api = open_api("anthropic")
        api.arm("models_deprecated", models="claude-haiku-5-5")
        model = listed(api)["claude-haiku-5-5"]
        assert (model.is_deprecated, model.ends_on, model.is_retired) == (True, None, False)

    def test_groq(self, open_api):
        api = open_api("groq")
        api.arm("models_deprecated", models="openai/gpt-oss-20b")
        assert [each.id for each in api.provider.list_models() if each.is_retired] == ["openai/gpt-oss-20b"]

    def test_google_says_which_models_take_batches(self, open_api):
        models = listed(open_api("google"))
        assert models["gemini-2.5-flash-lite"].takes_batches is True
        assert models["gemini-embedding-001"].takes_batches is False


def test_what_the_installed_sdks_know_needs_no_key():
    assert {key: bool(announced_ends(key)) for key in SANDBOX_PROVIDERS} == {
        "anthropic": True,
        "google": False,
        "groq": False,
        "openai": False,
    }


def test_every_end_that_anthropics_sdk_announces_can_be_read():
    for model, text in announced_ends("anthropic").items():
        day, unreadable = read_day(text)
        assert day is not None and unreadable is None, model
    assert read_day(announced_ends("anthropic")["claude-opus-4-5-20251101"]) == (dt.date(2027, 1, 22), None)


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("2026-12-11", dt.date(2026, 12, 11)),
        ("2026-12-11T23:30:00-02:00", dt.date(2026, 12, 12)),
        (dt.datetime(2026, 12, 11, tzinfo=dt.UTC), dt.date(2026, 12, 11)),
        ("November 3rd, 2026", dt.date(2026, 11, 3)),
        ("March 1, 2027", dt.date(2027, 3, 1)),
    ],
)
def test_days(value, day):
    assert read_day(value) == (day, None)


@pytest.mark.parametrize("value", ["soon", "February 31st, 2027", "Brumaire 3rd, 2027", "9" * 500, 20270101, {}, ""])
def test_what_is_no_day_is_kept_shortened(value):
    day, text = read_day(value)
    assert day is None
    assert text is not None and len(text) <= 61


def test_nothing_is_no_day():
    assert read_day(None) == (None, None)
