"""Resolve the provider and model names in documents of the earlier system.

In its first months names were not validated. A name that can mean only one model is repaired; an ambiguous or unknown
name is an error, never a guess.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from grabient_pipeline.formatting import printable
from grabient_pipeline.providers.catalogue import load_catalogue

# Models that only the earlier system used: (provider, id).
EARLIER_MODELS = (
    ("groq", "llama-3.1-8b-instant"),
    ("groq", "meta-llama/llama-4-maverick-17b-128e-instruct"),
    ("groq", "moonshotai/kimi-k2-instruct"),
    ("openai", "gpt-5-mini"),
    ("openai", "gpt-4.1-mini"),
    ("openai", "gpt-4.1-nano"),
)
# Refinements of the first weeks do not name their model; there was only one.
FIRST_REFINING_MODEL = "claude-opus-4-5-20251101"

_SEPARATORS = "-_/:"


class UnresolvedModelError(Exception):
    """The names are ambiguous or unknown; the message says why."""


class ResolvedModel(NamedTuple):
    """The correct names of a model, and the repair that led to them, if any."""

    provider: str
    model: str
    repair: str | None = None


class ModelResolver:
    """Resolves the names in documents, given the known models as (provider, id)."""

    def __init__(self, models: Iterable[tuple[str, str]]) -> None:
        self._ids: dict[str, dict[str, str]] = {}
        for provider, model in models:
            ids = self._ids.setdefault(provider, {})
            ids[model.lower()] = model
            # The part after the slash is accepted for the full name; a full name takes precedence.
            ids.setdefault(_base_name(model), model)

    def resolve(self, provider: str, model: str) -> ResolvedModel:
        """Return the model that the names mean.

        Raises:
            UnresolvedModelError: the names contradict each other or are unknown.
        """
        known, suffix = self._split_provider(provider)
        if known is None:
            owners = [each for each in self._ids if self._find_id(each, model)]
            if len(owners) != 1:
                raise UnresolvedModelError(f"neither the provider {_quote(provider)} nor the model's is known")
            known = owners[0]
        named, hinted = self._find_id(known, model), self._find_id(known, suffix)
        if named and hinted and named != hinted:
            raise UnresolvedModelError(f"provider {_quote(provider)} and model {_quote(model)} name two models")
        resolved = named or (hinted if not model.strip() else None)
        if resolved is None:
            raise UnresolvedModelError(f"{known} has no known model {_quote(model)}")
        repairs = [f"provider {_quote(provider)} is {known}"] if provider != known else []
        repairs += [f"model {_quote(model)} is {resolved}"] if model != resolved else []
        return ResolvedModel(known, resolved, ", ".join(repairs) or None)

    def _split_provider(self, provider: str) -> tuple[str | None, str]:
        """Return the known provider that a name is or begins with, and the rest of the name."""
        name = provider.strip().lower()
        for known in self._ids:
            if name == known:
                return known, ""
            if name.startswith(known) and name[len(known)] in _SEPARATORS:
                return known, name[len(known) + 1 :]
        return None, ""

    def _find_id(self, provider: str, model: str) -> str | None:
        ids = self._ids[provider]
        name = model.strip().lower()
        return ids.get(name) or (ids.get(_base_name(name)) if name.startswith((f"{provider}/", "models/")) else None)


@cache
def model_resolver() -> ModelResolver:
    """Return the resolver for the models of the catalogue and those that only the earlier system used."""
    catalogued = [(model.provider, model.id) for model in load_catalogue().models]
    return ModelResolver([*catalogued, *EARLIER_MODELS])


def _base_name(model: str) -> str:
    return model.lower().rsplit("/", 1)[-1]


def _quote(text: str) -> str:
    return repr(printable(text, 60, "�")) if text else "'' (none)"
