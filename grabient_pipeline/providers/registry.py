"""Keys and addresses of the providers, from the environment; and the four batch APIs by name.

Keys go from the environment into an SDK's client and nowhere else: no log, no table, no metadata, no error message.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from grabient_pipeline.errors import MissingKeyError, SettingsError
from grabient_pipeline.providers.base import BatchProvider, RequestFormat, Route
from grabient_pipeline.providers.catalogue import Provider, load_catalogue


@dataclass(frozen=True, slots=True)
class ProviderCredentials:
    """What an SDK's client needs. The key stays out of whatever is printed."""

    key: str = field(repr=False)
    base_url: str


def provider_keys(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The keys that are set, by provider. Do not print it."""
    return {
        provider.key: key
        for provider in load_catalogue().providers.values()
        if (key := environment.get(provider.key_variable, "").strip())
    }


def provider_credentials(provider_key: str, environment: Mapping[str, str] = os.environ) -> ProviderCredentials:
    """The key and the address of a provider.

    Raises:
        MissingKeyError: the provider has no key; the message names the variable.
        SettingsError: the key or the address in the environment is none.
    """
    provider = load_catalogue().provider(provider_key)
    key = provider_keys(environment).get(provider.key)
    if key is None:
        raise MissingKeyError(f"{provider.name} left out: {provider.key_variable} is not set")
    if not (key.isascii() and key.isprintable()):
        # The HTTP libraries would refuse to send it, and quote it where they say so.
        raise SettingsError(f"{provider.key_variable} has characters that are in no key; copy it again")
    return ProviderCredentials(key, _base_url(provider, environment))


def open_provider(provider_key: str, environment: Mapping[str, str] = os.environ) -> BatchProvider:
    """The batch API of a provider, ready to use; its SDK is imported here and not before.

    Raises:
        MissingKeyError: the provider has no key; the message names the variable.
        SettingsError: the key or the address in the environment is none.
    """
    access = provider_credentials(provider_key, environment)
    with _IMPORTING:
        # Whole before anybody looks: the OpenAI SDK does at its first call, when Groq's may be just importing it.
        importlib.import_module("httpx")
        return _opened(provider_key, access)


@dataclass(frozen=True)
class Providers:
    """The providers that an environment gives access to.

    `environment` holds the keys and stays out of `repr`. `direct_dir` is where direct calls keep their batches.
    """

    environment: Mapping[str, str] = field(repr=False)
    direct_dir: Path

    @property
    def keys(self) -> frozenset[str]:
        """The providers whose API key is set; never the keys themselves."""
        return frozenset(provider_keys(self.environment))

    def has_key(self, provider: str) -> bool:
        """Whether the provider's API key is set."""
        return provider in self.keys

    def request_format(self, route: Route) -> RequestFormat:
        """Return how the route's requests are written. Needs no key."""
        variable = load_catalogue().provider(route.provider).key_variable
        return Providers({**self.environment, variable: "unused"}, self.direct_dir).open(route)

    def open(self, route: Route) -> BatchProvider:
        """Open a route: the provider's batch API, or ordinary calls presented as one.

        Raises:
            MissingKeyError: the provider's API key is not set; the message names the variable.
            SettingsError: the key or the base URL is invalid.
        """
        provider = open_provider(route.provider, self.environment)
        if route.access == "batch":
            return provider
        from grabient_pipeline.providers.direct import DirectCalls

        return DirectCalls(provider, self.direct_dir)


# Two of the SDKs look at a library that a third is just importing in another thread, and fail on the half of it.
_IMPORTING = threading.Lock()


def _opened(provider_key: str, access: ProviderCredentials) -> BatchProvider:
    match provider_key:
        case "anthropic":
            from grabient_pipeline.providers.anthropic import AnthropicBatches

            return AnthropicBatches(access.key, access.base_url)
        case "openai":
            from grabient_pipeline.providers.openai import OpenAIBatches

            return OpenAIBatches(access.key, access.base_url)
        case "groq":
            from grabient_pipeline.providers.groq import GroqBatches

            return GroqBatches(access.key, access.base_url)
        case "google":
            from grabient_pipeline.providers.google import GoogleBatches

            return GoogleBatches(access.key, access.base_url)
        case _:
            raise SettingsError(f"no implementation for the provider {provider_key!r}")


def _base_url(provider: Provider, environment: Mapping[str, str]) -> str:
    url = environment.get(provider.base_url_variable, "").strip() or provider.default_base_url
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(
            f"{provider.base_url_variable} is not an address such as {provider.default_base_url}; correct or unset it"
        )
    return url.rstrip("/")
