"""How much raters agree, and which of them nobody beats. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import krippendorff
import numpy as np
from numpy.typing import NDArray

# Ratings of one attribute: a row a model, a column a palette, a code for the value; -1 where there is none.
Ratings = NDArray[np.int8]


def alpha(ratings: Ratings) -> float | None:
    """Krippendorff's alpha for nominal values, from -1 to 1; None where it is not defined.

    It is not defined where no palette has two ratings, or all ratings are one value: then chance alone would agree as
    much.
    """
    counts = _value_counts(ratings)
    paired = counts[counts.sum(axis=1) >= 2]
    if len(paired) == 0 or np.count_nonzero(paired.sum(axis=0)) < 2:
        return None
    return float(krippendorff.alpha(value_counts=paired, level_of_measurement="nominal"))


def alpha_with_others(attributes: Sequence[Ratings]) -> list[float | None]:
    """Of each model the mean alpha with every other, over the attributes."""
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
    """The mean alpha over the attributes of all models, or of all but one."""
    values = [alpha(ratings if without is None else np.delete(ratings, without, axis=0)) for ratings in attributes]
    return _mean([value for value in values if value is not None])


def efficient(costs: Sequence[float | None], qualities: Sequence[float | None]) -> list[bool]:
    """Whether nobody is as good for less, or better for as little; who has no cost or quality is not."""
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
    """How many models give each value, a row a palette."""
    values = int(ratings.max(initial=-1)) + 1
    counts = np.zeros((ratings.shape[1], values), dtype=np.int64)
    for row in ratings:
        rated = np.flatnonzero(row >= 0)
        counts[rated, row[rated]] += 1
    return counts


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
