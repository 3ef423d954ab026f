"""The list of models of a provider: its own table, altered by the armed faults. How it is written is the provider's."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from grabient_pipeline.sandbox.batches.context import Context
from grabient_pipeline.sandbox.capabilities import EmbeddingModel, ModelCapabilities, Models

# Names of snapshots end in the day of their release, with or without hyphens.
_SNAPSHOT = re.compile(r"-(20\d\d)-?(\d\d)-?(\d\d)$")


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model in a list.

    Attributes:
        id: Its name.
        released: When it was released, in Unix seconds; 0 if its name does not say.
        state: Whether it can be called, and for how long.
        ends_on: The day for which its end is announced, if there is one.
        capabilities: What it accepts; None for a model that makes embeddings.
    """

    id: str
    released: int
    state: Literal["active", "deprecated", "retired"]
    ends_on: str | None
    capabilities: ModelCapabilities | None


def list_models(
    context: Context, provider: str, models: Models, embedding_models: Iterable[EmbeddingModel] = ()
) -> list[ListedModel]:
    """The models of a provider, the newest release first; retired ones are marked."""
    gone = context.faults.take("models_gone", provider)
    ending = context.faults.take("models_deprecated", provider)
    gone_names: set[str] = set(gone["models"].split()) if gone else set()
    ending_names: set[str] = set(ending["models"].split()) if ending else set()
    listed: list[ListedModel] = []
    for model in models.values():
        ends_on = model.ends_on
        state: Literal["active", "deprecated", "retired"] = "active" if ends_on is None else "deprecated"
        if ending is not None and model.model in ending_names:
            state, ends_on = "deprecated", ending["ends_on"]
        if model.model in gone_names:
            state = "retired"
        listed.append(ListedModel(model.model, _released(model.answers_as), state, ends_on, model))
    listed += [ListedModel(model.name, 0, "active", None, None) for model in embedding_models]
    return sorted(listed, key=lambda each: -each.released)


def _released(snapshot: str) -> int:
    found = _SNAPSHOT.search(snapshot)
    return int(datetime(*map(int, found.groups()), tzinfo=UTC).timestamp()) if found else 0
