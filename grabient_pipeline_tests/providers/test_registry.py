"""Opening providers: by route, with keys that stay where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from grabient_pipeline.errors import MissingKeyError, SettingsError, UnknownModelError
from grabient_pipeline.providers.base import AccessMode, Route
from grabient_pipeline.providers.registry import Providers

SECRET = "sk-very-secret-1234"


@pytest.fixture
def providers(tmp_path: Path) -> Providers:
    return Providers({"OPENAI_API_KEY": SECRET, "GROQ_API_KEY": "  "}, tmp_path / "direct")


@pytest.mark.parametrize(
    ("route", "label"), [(Route("groq"), "groq"), (Route("groq", "direct"), "groq (direct)")], ids=["batch", "direct"]
)
def test_the_label_of_a_route(route: Route, label: str) -> None:
    assert route.label == label


@pytest.mark.parametrize("access", ["batch", "direct"])
def test_a_route_opens_its_provider(providers: Providers, access: AccessMode) -> None:
    provider = providers.open(Route("openai", access))
    assert (provider.key, provider.access, provider.endpoint) == ("openai", access, "api.openai.com")


def test_only_keys_that_are_set_count(providers: Providers) -> None:
    assert providers.keys == {"openai"}
    assert providers.has_key("openai")
    assert not providers.has_key("groq")


def test_a_route_without_a_key_names_the_variable(providers: Providers) -> None:
    with pytest.raises(MissingKeyError, match="GROQ_API_KEY is not set"):
        providers.open(Route("groq", "direct"))


def test_an_unknown_provider_is_refused(providers: Providers) -> None:
    with pytest.raises(UnknownModelError, match="there is no provider 'mistral'"):
        providers.open(Route("mistral"))


def test_an_invalid_base_url_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="OPENAI_BASE_URL"):
        Providers({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "nonsense"}, tmp_path).open(Route("openai", "direct"))


def test_keys_stay_out_of_repr(providers: Providers) -> None:
    assert SECRET not in f"{providers!r} {providers} {providers.open(Route('openai'))!r}"
