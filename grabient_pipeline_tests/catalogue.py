"""What tests derive from the catalogue, so that a new model or provider breaks none of them."""

from __future__ import annotations

from typing import Final

from grabient_pipeline.providers.catalogue import load_catalogue

_CATALOGUE: Final = load_catalogue()

PROVIDERS: Final = tuple(_CATALOGUE.providers)
PROVIDER_ASSETS: Final = tuple(f"{provider}_batches" for provider in PROVIDERS)
KEY_VARIABLES: Final = {provider.key: provider.key_variable for provider in _CATALOGUE.providers.values()}
ADDRESS_VARIABLES: Final = {provider.key: provider.base_url_variable for provider in _CATALOGUE.providers.values()}
# A value for every key, for tests that send nothing.
KEYS: Final = dict.fromkeys(KEY_VARIABLES.values(), "k")
ENABLED: Final = _CATALOGUE.mission

# One model of each provider: the first in the catalogue, except where tests depend on what a model does.
MODELS: Final = {
    **{model.provider: model.name for model in reversed(_CATALOGUE.models)},
    "anthropic": "anthropic/claude-3-5-haiku-20241022",
    "openai": "openai/gpt-4o-mini",
    "groq": "groq/openai/gpt-oss-20b",
    "google": "google/gemini-2.5-flash-lite",
}
