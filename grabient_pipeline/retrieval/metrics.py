"""Ranking metrics over graded relevance: 1 is marginal, 2 relevant, 3 exactly what was meant.

The judged queries are in `evaluation.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def ndcg(ranking: Sequence[Item], grades: Mapping[Item, int], depth: int) -> float:
    """Normalised discounted cumulative gain: 1 for an ideal ranking, 0 if nothing relevant is in the first `depth`.

    The gain is the grade itself, as in trec_eval.
    """
    best = _discounted(sorted(grades.values(), reverse=True)[:depth])
    return _discounted([grades.get(item, 0) for item in ranking[:depth]]) / best if best else 0.0


def recall(ranking: Sequence[Item], grades: Mapping[Item, int], depth: int) -> float:
    """The share of the relevant items that are among the first `depth`."""
    relevant = {item for item, grade in grades.items() if grade > 0}
    return len(relevant.intersection(ranking[:depth])) / len(relevant) if relevant else 0.0


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(place + 2) for place, gain in enumerate(gains))
