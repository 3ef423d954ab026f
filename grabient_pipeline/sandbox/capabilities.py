"""The types of a provider's own table: what each model accepts, the limits of a batch, and those of the queue.

The tables stand with the providers and are kept apart from the pipeline's catalogue. They were written a second time
from the providers' documents, so that a request which the catalogue wrongly believes to be valid is found.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from grabient_pipeline.sandbox.model.characters import Character
from grabient_pipeline.sandbox.model.prompt_cache import CacheRules
from grabient_pipeline.sandbox.pictures import PictureTokens


@dataclass(frozen=True, slots=True)
class ModelCapabilities:
    """One model: the name in its answers, the parameters that it accepts, and its character."""

    model: str
    answers_as: str
    max_output_tokens: int
    # "strict" always follows a JSON schema, "loose" tries to, "none" rejects one.
    json_schema: Literal["strict", "loose", "none"]
    # Whether temperature, top_p and the penalties can be set.
    sampling: bool = True
    # The values of reasoning_effort (or thinkingLevel); empty if the model has no such parameter.
    efforts: tuple[str, ...] = ()
    default_effort: str = "none"
    # The parameter that controls thinking, besides the effort. With "adaptive", a model decides how long
    # to think, unless that is disabled; with "always" it cannot be.
    thinking: Literal["none", "budget", "level", "format", "include", "adaptive", "always"] = "none"
    # Whether the output limit's older name, max_tokens, is accepted.
    takes_max_tokens: bool = True
    # How prompts are cached without being asked; None if they are not.
    cache: CacheRules | None = None
    # The service tiers that an ordinary call may ask for besides the standard one.
    tiers: frozenset[str] = frozenset()
    # The day for which the provider announces its end. The sandbox answers after it all the same.
    ends_on: str | None = None
    # How many tokens a picture is; None if the model takes none.
    images: PictureTokens | None = None
    character: Character = field(default_factory=Character)


Models = dict[str, ModelCapabilities]


def by_name(*models: ModelCapabilities) -> Models:
    """A table of models by their names."""
    return {model.model: model for model in models}


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """The most that one batch may hold."""

    requests: int
    bytes: int


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """One embedding model: the size of its vectors, and the longest text."""

    name: str
    size: int
    least_size: int
    most_tokens: int
    # Whether shortened vectors are scaled back to length one; where they are not, clients have to do it.
    normalises: bool


QueueKind = Literal["tokens", "requests", "jobs"]
QUEUE_KINDS: tuple[QueueKind, ...] = ("tokens", "requests", "jobs")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueTier:
    """What the batches of an account on one tier may hold at the same time; what is missing or None is unlimited.

    `tokens` are by the beginning of a model's name; the longest that fits counts, and the empty one fits all.
    """

    tokens: Mapping[str, int] = field(default_factory=dict[str, int])
    requests: int | None = None
    jobs: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRules:
    """What a provider limits in the batches that wait or run.

    Attributes:
        kinds: What it counts.
        shared: Those that it counts over all models of an account; the others it counts model by model.
        tiers: The documented sizes, by the number of the tier.
        retry_after: The seconds after which it asks to try again, if it says so.
    """

    kinds: tuple[QueueKind, ...]
    shared: frozenset[QueueKind] = frozenset()
    tiers: Mapping[int, QueueTier]
    retry_after: float | None = None
