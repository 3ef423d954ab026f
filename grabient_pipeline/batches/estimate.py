"""What a backfill will cost, before a cent is spent."""

from __future__ import annotations

# No tokenizer of the four providers can be had offline. Prose runs to about four characters a token; rows of numbers
# and hex codes to about two. Both lean to the dear side, so that the cap errs that way too.
CHARACTERS_A_TOKEN_OF_PROSE = 4.0
CHARACTERS_A_TOKEN_OF_NUMBERS = 2.0

# From this many answers on, our own history of a model tells more than its row in the catalogue.
ENOUGH_HISTORY = 50


def input_tokens(prose: int, numbers: int) -> int:
    """Tokens of a request with that many characters of prose and of numbers."""
    return round(prose / CHARACTERS_A_TOKEN_OF_PROSE + numbers / CHARACTERS_A_TOKEN_OF_NUMBERS)


def output_tokens(expected: float, average: float | None, answers: int) -> float:
    """Tokens of an answer: the average of our own history where there is enough of it, else the catalogue's figure."""
    return average if average is not None and answers >= ENOUGH_HISTORY else expected
