"""Opening providers by route, without exposing their keys."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.errors import MissingKeyError, SettingsError, UnknownModelError
from grabient_pipeline.providers.base import AccessMode, Route
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.openai import OpenAIBatches
from grabient_pipeline.providers.registry import Providers, request_format

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
    with pytest.raises(UnknownModelError, match="there is no provider 'unknown-provider'"):
        providers.open(Route("unknown-provider"))


def test_an_invalid_base_url_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="OPENAI_BASE_URL"):
        Providers({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "nonsense"}, tmp_path).open(Route("openai", "direct"))


def test_keys_stay_out_of_repr(providers: Providers) -> None:
    assert SECRET not in f"{providers!r} {providers} {providers.open(Route('openai'))!r}"


@pytest.mark.parametrize("key", load_catalogue().providers)
@pytest.mark.parametrize("access", ["batch", "direct"])
def test_requests_are_written_without_a_key_as_they_are_with_one(key: str, access: AccessMode, tmp_path: Path) -> None:
    without_key = request_format(key, access)
    opened = Providers({load_catalogue().provider(key).key_variable: SECRET}, tmp_path).open(Route(key, access))
    assert (without_key.key, without_key.access, without_key.framing) == (key, access, opened.framing)
    for model in load_catalogue().models:
        if model.provider == key:
            request = without_key.request(model, TAGGING.payload, "a_1", "text")
            assert request == opened.request(model, TAGGING.payload, "a_1", "text")


def test_writing_requests_imports_no_sdk() -> None:
    text = """
import sys
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.registry import request_format
for key in load_catalogue().providers:
    request_format(key, "direct").request
print({"anthropic", "openai", "groq", "google.genai"} & sys.modules.keys())
"""
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_endpoint_needs_no_key(providers: Providers) -> None:
    assert providers.endpoint("groq") == "api.groq.com"
    with pytest.raises(SettingsError, match="OPENAI_BASE_URL"):
        Providers({"OPENAI_BASE_URL": "nonsense"}, Path("direct")).endpoint("openai")


class MistralBatches(OpenAIBatches):
    """A fifth provider."""

    key = "mistral"


@pytest.fixture
def fifth(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Providers]:
    """Add a provider to the catalogue whose `module` is the given one."""
    module = ModuleType("fifth_provider")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(module, "MistralBatches", MistralBatches, raising=False)

    def add(reference: str) -> Providers:
        table = {"key": "mistral", "name": "Mistral", "key_variable": "MISTRAL_API_KEY", "module": reference}
        provider = load_catalogue().provider("openai").model_copy(update=table)
        monkeypatch.setitem(load_catalogue().providers, "mistral", provider)
        return Providers({"MISTRAL_API_KEY": SECRET}, Path("direct"))

    return add


def test_a_fifth_provider_is_opened_by_its_entry_in_the_catalogue(fifth: Callable[[str], Providers]) -> None:
    providers = fifth("fifth_provider:MistralBatches")
    assert providers.keys == {"mistral"}
    assert isinstance(providers.open(Route("mistral")), MistralBatches)


@pytest.mark.parametrize("reference", ["fifth_provider:Mistral", "no_such_module:MistralBatches"])
def test_an_implementation_that_cannot_be_loaded_is_named(fifth: Callable[[str], Providers], reference: str) -> None:
    with pytest.raises(SettingsError, match=f"catalogue.toml names '{reference}' for the provider mistral"):
        fifth(reference).open(Route("mistral"))
