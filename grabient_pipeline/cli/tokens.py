"""The tokens of models, as `grabient status` and `grabient scorecard` print them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grabient_pipeline.cli import terminal
from grabient_pipeline.formatting import known_count

if TYPE_CHECKING:
    from collections.abc import Iterable

    from grabient_pipeline.batches.status import ModelSummary
    from grabient_pipeline.scorecard import ModelScore


def say_tokens(models: Iterable[tuple[str, ModelSummary | ModelScore]]) -> None:
    """Print a table with one row for each labelled model."""
    headers = ["tokens", "in", "cached", "out", "reasoning"]
    terminal.say_table(
        headers,
        [
            [
                name,
                f"{tokens.input_tokens:,}",
                known_count(tokens.cached_input_tokens),
                f"{tokens.output_tokens:,}",
                known_count(tokens.reasoning_tokens),
            ]
            for name, tokens in models
        ],
        right=headers[1:],
    )
    terminal.say("cached: of those in, from the provider's cache; reasoning: of those out; –: it did not say", "dim")
