"""Token and cost estimates, from which the cost of an order is known before anything is submitted."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import duckdb
import numpy as np
import orjson

from grabient_pipeline.batches.stages import Stage
from grabient_pipeline.providers.base import AccessMode
from grabient_pipeline.providers.catalogue import Model, load_catalogue
from grabient_pipeline.providers.prices import Price, batch_price, direct_price
from grabient_pipeline.warehouse import sql

# The providers' tokenizers are not available offline. Prose has about four characters per token, numbers and hex codes
# about two. Both figures are conservative, so that the cap errs on the safe side.
CHARACTERS_PER_PROSE_TOKEN: Final = 4.0
CHARACTERS_PER_NUMBER_TOKEN: Final = 2.0

# From this many responses on, a model's own history is a better estimate than these figures and the catalogue.
ENOUGH_HISTORY: Final = 50

Sizes = np.ndarray[tuple[int], np.dtype[np.int64]]
Tokens = np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Estimator:
    """Estimates the requests of one model: their tokens from the sizes of their texts, and their cost.

    `prose`: characters that every request has beside its text. `token_factor`: that of the model. `average_input`:
    tokens of the model's own history with this prompt; None if it is too short. `output_tokens`: of one response.
    `writes_cache`: whether the provider charges for what it puts into its cache without being asked. `picture_tokens`:
    of the attached picture; 0 without one.
    """

    prose: int
    token_factor: float
    average_input: float | None
    output_tokens: float
    price: Price
    writes_cache: bool = False
    picture_tokens: int = 0

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection, stage: Stage, model: Model, access: AccessMode) -> Estimator:
        """Return the estimator of a model and a stage, by its history where there is enough."""
        ((average_input, average_output, answers),) = connection.execute(
            sql(__package__, "typical_usage"),
            {
                "answers": stage.answers,
                "provider": model.provider,
                "model": model.id,
                "prompt_version": stage.prompt.version,
            },
        ).fetchall()
        is_enough = answers >= ENOUGH_HISTORY
        return cls(
            prose=len(stage.prompt.system) + len(orjson.dumps(stage.prompt.schema)),
            token_factor=model.token_factor,
            average_input=average_input if is_enough else None,
            output_tokens=average_output if is_enough else model.expected_output_tokens * stage.output_ratio,
            price=direct_price(model) if access == "direct" else batch_price(model),
            writes_cache=load_catalogue().provider(model.provider).cached_input.writes_unasked,
            picture_tokens=model.images.tokens if stage.prompt.with_image and model.images is not None else 0,
        )

    @property
    def least_input(self) -> float:
        """The fewest input tokens that a request can have."""
        return self._by_characters(np.zeros(1, dtype=np.int64)).item()

    def input_tokens(self, sizes: Sizes) -> Tokens:
        """Return the input tokens of requests with texts of these sizes, in bytes.

        By the model's history the average is right, and a longer text has more.
        """
        tokens = self._by_characters(sizes)
        if self.average_input is None or not len(sizes):
            return tokens
        return tokens * (self.average_input / tokens.mean())

    def cost(self, input_tokens: float, requests: int) -> float:
        """Return the most that so many requests with so many input tokens together cost, in US dollars.

        No token is assumed to come from the provider's cache, whatever the history says: no provider promises that, and
        caches empty within hours. Where writing into the cache costs extra, all of the input is assumed to be written.
        """
        return self._dearest.cost(math.ceil(input_tokens), self.output(requests))

    @property
    def _dearest(self) -> Price:
        usd, written = self.price.input_usd_per_million, self.price.cache_write_usd_per_million
        if not self.writes_cache or written is None:
            return self.price
        return replace(self.price, input_usd_per_million=max(usd, written))

    def output(self, requests: int) -> int:
        """Return the output tokens of so many requests together."""
        return math.ceil(self.output_tokens * requests)

    def _by_characters(self, sizes: Sizes) -> Tokens:
        tokens = self.prose / CHARACTERS_PER_PROSE_TOKEN + sizes / CHARACTERS_PER_NUMBER_TOKEN
        return np.round(tokens * self.token_factor) + self.picture_tokens
