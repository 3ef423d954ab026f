"""Agreement between raters, and the Pareto front of cost and quality. Pure functions, no database."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import krippendorff
import numpy as np
from numpy.typing import NDArray

# Ratings of one attribute, (models, palettes): a code for each value, -1 where a model gave none.
Ratings = NDArray[np.int8]


def alpha(ratings: Ratings) -> float | None:
    """Krippendorff's alpha for nominal values, from -1 to 1, or None where it is undefined.

    It is undefined if no palette has two ratings, or if all ratings are the same value, since chance alone would then
    agree as much.
    """
    counts = _value_counts(ratings)
    paired = counts[counts.sum(axis=1) >= 2]
    if len(paired) == 0 or np.count_nonzero(paired.sum(axis=0)) < 2:
        return None
    return float(krippendorff.alpha(value_counts=paired, level_of_measurement="nominal"))


def alpha_with_others(attributes: Sequence[Ratings]) -> list[float | None]:
    """For each model, the mean alpha with each other model, over the attributes."""
    models = len(attributes[0]) if attributes else 0
    found: list[list[float]] = [[] for _ in range(models)]
    for ratings in attributes:
        for one, other in combinations(range(models), 2):
            value = alpha(ratings[[one, other]])
            if value is not None:
                found[one].append(value)
                found[other].append(value)
    return [_mean(values) for values in found]


def alpha_of_all(attributes: Sequence[Ratings], without: int | None = None) -> float | None:
    """The mean alpha over the attributes, of all models or of all except row `without`."""
    values = [alpha(ratings if without is None else np.delete(ratings, without, axis=0)) for ratings in attributes]
    return _mean([value for value in values if value is not None])


def efficient(costs: Sequence[float | None], qualities: Sequence[float | None]) -> list[bool]:
    """For each model, whether it is on the Pareto front: no other is as good for less, or better for the same cost.

    A model without a cost or a quality is not.
    """
    known = [
        (cost, quality)
        for cost, quality in zip(costs, qualities, strict=True)
        if cost is not None and quality is not None
    ]
    return [
        cost is not None
        and quality is not None
        and not any(
            other_cost <= cost and other_quality >= quality and (other_cost, other_quality) != (cost, quality)
            for other_cost, other_quality in known
        )
        for cost, quality in zip(costs, qualities, strict=True)
    ]


def _value_counts(ratings: Ratings) -> NDArray[np.int64]:
    """How many models give each value, (palettes, values)."""
    values = int(ratings.max(initial=-1)) + 1
    counts = np.zeros((ratings.shape[1], values), dtype=np.int64)
    for row in ratings:
        rated = np.flatnonzero(row >= 0)
        counts[rated, row[rated]] += 1
    return counts


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
