"""Token estimates, from which the cost of a backfill is known before it is submitted."""

from __future__ import annotations

# The providers' tokenizers are not available offline. Prose has about four characters per token, numbers and hex codes
# about two. Both figures are conservative, so that the cap errs on the safe side.
CHARACTERS_PER_PROSE_TOKEN = 4.0
CHARACTERS_PER_NUMBER_TOKEN = 2.0

# From this many responses on, a model's own history is a better estimate than its row in the catalogue.
ENOUGH_HISTORY = 50


def input_tokens(prose: int, numbers: int) -> int:
    """Return the tokens of a request with that many characters of prose and of numbers."""
    return round(prose / CHARACTERS_PER_PROSE_TOKEN + numbers / CHARACTERS_PER_NUMBER_TOKEN)


def output_tokens(expected: float, average: float | None, answers: int) -> float:
    """Return the tokens of a response: the average of enough history, else the expected figure."""
    return average if average is not None and answers >= ENOUGH_HISTORY else expected
