"""Open providers: API keys and base URLs from the environment, implementations from the catalogue.

Keys go from the environment into a client and nowhere else: not into logs, tables, metadata or error messages.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol, cast
from urllib.parse import urlsplit

from grabient_pipeline.credentials import check_secret
from grabient_pipeline.errors import MissingKeyError, SettingsError
from grabient_pipeline.http_environment import explain_client_errors
from grabient_pipeline.providers.base import AccessMode, BatchProvider, RequestFormat, Route
from grabient_pipeline.providers.catalogue import Provider, load_catalogue
from grabient_pipeline.providers.transport.connection import Connection, endpoint_of


class ProviderImplementation(RequestFormat, Protocol):
    """A class that the catalogue names in `module`: a request format that opens a batch API when it is called."""

    @staticmethod
    def announced_ends() -> Mapping[str, str]:
        """Return the ends of models that the installed SDK knows of, in its words, by model id; needs no key."""
        ...

    def __call__(self, connection: Connection) -> BatchProvider:
        """Open the provider's batch API."""
        ...


@dataclass(frozen=True)
class Providers:
    """The providers that an environment gives access to.

    `environment` holds the keys and stays out of `repr`. `direct_dir` is where direct calls keep their batches.
    `keep_request_files`: whether uploaded request files stay at the providers when they are of no more use.
    """

    environment: Mapping[str, str] = field(repr=False)
    direct_dir: Path
    keep_request_files: bool = False

    @property
    def keys(self) -> frozenset[str]:
        """The providers whose API key is set; never the keys themselves."""
        return frozenset(provider_keys(self.environment))

    def has_key(self, provider: str) -> bool:
        """Whether the provider's API key is set."""
        return provider in self.keys

    def endpoint(self, provider: str) -> str:
        """Return the host that the provider's requests go to, which needs no API key.

        Raises:
            SettingsError: The base URL is invalid.
        """
        return provider_endpoint(provider, self.environment)

    def account(self, provider: str, salt: str) -> str:
        """Return a digest that differs for each API key and address; it reveals neither.

        Raises:
            MissingKeyError: The provider's API key is not set.
            SettingsError: The key or the base URL is invalid.
        """
        connection = provider_connection(provider, self.environment)
        text = f"{salt} {connection.base_url} {connection.secret}"
        return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()

    def open(self, route: Route) -> BatchProvider:
        """Open a route: the provider's batch API, or ordinary calls presented as one.

        Raises:
            MissingKeyError: The provider's API key is not set; the message names the variable.
            SettingsError: The key, the base URL, the certificates or a proxy cannot be used.
        """
        provider = open_provider(route.provider, self.environment, keep_request_files=self.keep_request_files)
        if route.access == "batch":
            return provider
        from grabient_pipeline.providers.direct import DirectCalls

        return DirectCalls(provider, self.direct_dir)


def provider_keys(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the API keys that are set, by provider. Do not print the result."""
    return {
        provider.key: key
        for provider in load_catalogue().providers.values()
        if (key := environment.get(provider.key_variable, "").strip())
    }


def provider_connection(provider_key: str, environment: Mapping[str, str] = os.environ) -> Connection:
    """Return the API key and the base URL of a provider.

    Raises:
        MissingKeyError: The provider's API key is not set; the message names the variable.
        SettingsError: The key or the base URL is invalid.
    """
    provider = load_catalogue().provider(provider_key)
    key = provider_keys(environment).get(provider.key)
    if key is None:
        raise MissingKeyError(f"{provider.name} left out: {provider.key_variable} is not set")
    check_secret(provider.key_variable, key, "an API key")
    return Connection(provider, key, _base_url(provider, environment))


def provider_endpoint(provider_key: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return the host that a provider's requests go to, which needs no API key.

    Raises:
        SettingsError: The base URL is invalid.
    """
    return endpoint_of(_base_url(load_catalogue().provider(provider_key), environment))


def request_format(provider_key: str, access: AccessMode = "batch") -> RequestFormat:
    """Return how a provider's requests are written, for estimates: it needs no API key and imports no SDK.

    Raises:
        SettingsError: The implementation that the catalogue names cannot be loaded.
    """
    with _import_lock:
        batch_format = _load_implementation(provider_key)
    if access == "batch":
        return batch_format
    from grabient_pipeline.providers.direct import DirectFormat

    return DirectFormat(batch_format)


# Two of the SDKs fail when a library that they inspect is being imported by a third one in another thread.
_import_lock: Final = threading.Lock()


def open_provider(
    provider_key: str, environment: Mapping[str, str] = os.environ, *, keep_request_files: bool = False
) -> BatchProvider:
    """Open the batch API of a provider. Its SDK is imported here and not before.

    Args:
        provider_key: The provider's key in the catalogue.
        environment: The variables with the API key and the base URL.
        keep_request_files: Whether uploaded request files stay at the provider when they are of no more use.

    Raises:
        MissingKeyError: The provider's API key is not set; the message names the variable.
        SettingsError: The key, the base URL, the certificates or a proxy cannot be used.
    """
    connection = replace(provider_connection(provider_key, environment), keep_request_files=keep_request_files)
    with _import_lock, explain_client_errors():
        # Completely, and first: OpenAI's SDK looks for it at its first call, while Groq's may still be importing it.
        importlib.import_module("httpx")
        return _load_implementation(provider_key)(connection)


def announced_ends(provider_key: str) -> Mapping[str, str]:
    """Return the ends of models that the provider's installed SDK knows of, in its words, by model id.

    Needs neither an API key nor a network; imports the SDK where it has such a list.

    Raises:
        SettingsError: The implementation that the catalogue names cannot be loaded, or its SDK has no such list any
            more.
    """
    with _import_lock:
        try:
            return _load_implementation(provider_key).announced_ends()
        except ImportError as error:
            raise SettingsError(f"the SDK of {provider_key} has no list of ends where it was: {error}") from error


def _load_implementation(provider_key: str) -> ProviderImplementation:
    """Import the class that the catalogue names for the provider."""
    reference = load_catalogue().provider(provider_key).module
    module, _, name = reference.partition(":")
    try:
        return cast("ProviderImplementation", getattr(importlib.import_module(module), name))
    except (ImportError, AttributeError) as error:
        raise SettingsError(
            f"catalogue.toml names {reference!r} for the provider {provider_key}, which cannot be loaded: {error}"
        ) from error


def _base_url(provider: Provider, environment: Mapping[str, str]) -> str:
    url = environment.get(provider.base_url_variable, "").strip() or provider.default_base_url
    if not _is_address(url):
        raise SettingsError(
            f"{provider.base_url_variable} is not an address such as {provider.default_base_url}; correct or unset it"
        )
    return url.rstrip("/")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return named and url.isprintable() and " " not in url
