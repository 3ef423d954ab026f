"""What a model finds of a prompt in its provider's cache, and what it puts there.

A provider remembers the beginnings of recent prompts of each model. Here that is the prompt that all requests of a kind
share, and the whole of a prompt that comes again. Requests in a batch are taken one after the other, so the first of a
kind that a model ever gets finds nothing, and what it finds depends on nothing but the requests before it.
"""

from dataclasses import dataclass

# No provider promises a hit: of sixteen prompts whose beginning is there, one is answered by a machine without it.
_MISSES_IN_256 = 16


@dataclass(frozen=True, slots=True)
class CacheRules:
    """How a provider caches the prompts of a model without being asked.

    Attributes:
        least: The fewest tokens that are cached.
        step: Cached tokens are a multiple of this.
        bills_writes: Whether what is put into the cache is told and billed.
    """

    least: int
    step: int = 1
    bills_writes: bool = False

    def kept(self, tokens: float) -> int:
        """How much of the first tokens of a prompt is cached."""
        return int(tokens) // self.step * self.step if tokens >= self.least else 0


class PromptCache:
    """The cache of all models of one sandbox. Not for use by several threads."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, int], int] = {}

    def has(self, model: str, ordinal: int, kind: int, *, is_first: bool) -> bool:
        """Whether the beginning of this kind of prompt is there, and put it there.

        Args:
            model: The model.
            ordinal: The number of batches of the model before this one.
            kind: The identity of what prompts of this kind share.
            is_first: Whether this is the first prompt of its kind in the batch. A batch that is processed again after
                it was cancelled finds what it found before.
        """
        return self._since.setdefault((model, kind), ordinal) < ordinal or not is_first


def read_and_written(rules: CacheRules | None, tokens: int, found: float, draw: int) -> tuple[int, int]:
    """The tokens of a prompt that are read from the cache, and those that are put there and billed for it.

    Args:
        rules: How the model's prompts are cached; None if they are not.
        tokens: All tokens of the prompt.
        found: How many of its first tokens are in the cache.
        draw: A byte that decides whether the machine that answers has them.
    """
    if rules is None:
        return 0, 0
    read = min(rules.kept(found), tokens) if draw >= _MISSES_IN_256 else 0
    return read, rules.kept(tokens) - read if rules.bills_writes else 0
