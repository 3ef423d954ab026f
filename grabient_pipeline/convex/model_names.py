"""Which provider and model a document of the earlier system means.

Its names were not checked for the first months. What stands for one model and no other is repaired; what may mean two,
or none that is known, is not guessed at.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from grabient_pipeline.formatting import printable
from grabient_pipeline.providers.catalogue import load_catalogue

# Models that the earlier system asked as well and that are asked no more: (provider, id).
EARLIER_MODELS = (
    ("groq", "llama-3.1-8b-instant"),
    ("groq", "meta-llama/llama-4-maverick-17b-128e-instruct"),
    ("groq", "moonshotai/kimi-k2-instruct"),
    ("openai", "gpt-5-mini"),
    ("openai", "gpt-4.1-mini"),
    ("openai", "gpt-4.1-nano"),
)
# Refinements of the first weeks do not name their model; there was one.
FIRST_REFINING_MODEL = "claude-opus-4-5-20251101"

_BETWEEN = "-_/:"


class UndecidedError(Exception):
    """Which model is meant cannot be decided; the message says why."""


@dataclass(frozen=True, slots=True)
class Named:
    """A model by its right names, and what was repaired, if anything."""

    provider: str
    model: str
    repair: str | None = None


class ModelNames:
    """What the names in documents mean, given the models that are known."""

    def __init__(self, models: Iterable[tuple[str, str]]) -> None:
        self._ids: dict[str, dict[str, str]] = {}
        for provider, model in models:
            ids = self._ids.setdefault(provider, {})
            ids[model.lower()] = model
            # The part behind the slash stands for the whole; a whole name always goes before.
            ids.setdefault(_bare(model), model)

    def resolve(self, provider: str, model: str) -> Named:
        """The model that is meant.

        Raises:
            UndecidedError: the names contradict each other, or mean nothing that is known.
        """
        home, rest = self._home(provider)
        if home is None:
            homes = [each for each in self._ids if self._known(each, model)]
            if len(homes) != 1:
                raise UndecidedError(f"the provider {_shown(provider)} is not known, nor whose the model is")
            home = homes[0]
        said, hinted = self._known(home, model), self._known(home, rest)
        if said and hinted and said != hinted:
            raise UndecidedError(f"the provider {_shown(provider)} and the model {_shown(model)} name two models")
        meant = said or (hinted if not model.strip() else None)
        if meant is None:
            raise UndecidedError(f"{home} has no model {_shown(model)} that is known here")
        repairs = [f"provider {_shown(provider)} is {home}"] if provider != home else []
        repairs += [f"model {_shown(model)} is {meant}"] if model != meant else []
        return Named(home, meant, ", ".join(repairs) or None)

    def _home(self, provider: str) -> tuple[str | None, str]:
        """The provider that a name is or begins with, and the rest of it."""
        name = provider.strip().lower()
        for known in self._ids:
            if name == known:
                return known, ""
            if name.startswith(known) and name[len(known)] in _BETWEEN:
                return known, name[len(known) + 1 :]
        return None, ""

    def _known(self, provider: str, model: str) -> str | None:
        ids = self._ids[provider]
        name = model.strip().lower()
        return ids.get(name) or (ids.get(_bare(name)) if name.startswith((f"{provider}/", "models/")) else None)


@cache
def known_names() -> ModelNames:
    """The models of the catalogue, and those that only the earlier system asked."""
    catalogued = [(model.provider, model.id) for model in load_catalogue().models]
    return ModelNames([*catalogued, *EARLIER_MODELS])


def _bare(model: str) -> str:
    return model.lower().rsplit("/", 1)[-1]


def _shown(text: str) -> str:
    return repr(printable(text, 60, "�")) if text else "'' (none)"
