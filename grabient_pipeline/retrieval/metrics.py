"""How good a ranking is, by what people said of each palette: 1 fits a little, 2 fits, 3 is what was meant."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def ndcg(ranking: Sequence[Item], grades: Mapping[Item, int], depth: int) -> float:
    """Normalised discounted cumulative gain: the grades from the top, each worth less the lower it stands.

    1 for the best ranking there is. The gain is the grade itself, as in trec_eval.
    """
    best = _discounted(sorted(grades.values(), reverse=True)[:depth])
    return _discounted([grades.get(item, 0) for item in ranking[:depth]]) / best if best else 0.0


def recall(ranking: Sequence[Item], grades: Mapping[Item, int], depth: int) -> float:
    """The share of what fits that is among the first `depth`."""
    fitting = {item for item, grade in grades.items() if grade > 0}
    return len(fitting.intersection(ranking[:depth])) / len(fitting) if fitting else 0.0


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(place + 2) for place, gain in enumerate(gains))
