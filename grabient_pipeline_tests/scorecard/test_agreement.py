"""Krippendorff's alpha against published values, and the Pareto front."""

from __future__ import annotations

import numpy as np
import pytest

from grabient_pipeline.scorecard.agreement import alpha, alpha_of_all, alpha_with_others, efficient


def ratings(*rows):
    return np.array(rows, dtype=np.int8)


def test_alpha_of_krippendorffs_published_example():
    """Four observers, twelve units, nominal data ("Computing Krippendorff's Alpha-Reliability", 2011)."""
    observers = ratings(
        [1, 2, 3, 3, 2, 1, 4, 1, 2, -1, -1, -1],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, -1, 3],
        [-1, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, -1],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, -1],
    )
    assert alpha(observers) == pytest.approx(0.743, abs=0.001)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[0, 1, 0, 1], [0, 1, 0, 1]], 1.0),
        ([[0, 0, 1, 1], [1, 1, 0, 0]], -0.75),
        ([[0, 0, 0], [0, 0, 0]], None),
        ([[0, 1, -1], [-1, -1, 1]], None),
        ([[-1, -1], [-1, -1]], None),
    ],
    ids=["full agreement", "full disagreement", "no variation", "no common palette", "no rating"],
)
def test_alpha(rows, expected):
    assert alpha(ratings(*rows)) == (expected if expected is None else pytest.approx(expected))


def test_an_outlier_agrees_less_and_alpha_rises_without_it():
    attribute = ratings([0, 1, 0, 1, 0], [0, 1, 0, 1, 0], [1, 0, 0, 1, 1])
    first, second, third = alpha_with_others([attribute])
    assert first == second
    assert third < first
    assert alpha_of_all([attribute]) < alpha_of_all([attribute], without=2) == 1.0


def test_a_single_model_has_no_alpha():
    assert alpha_with_others([ratings([0, 1, 0])]) == [None]
    assert alpha_of_all([ratings([0, 1, 0])]) is None
    assert alpha_with_others([]) == []


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(1, 0.5), (2, 0.9), (3, 0.8)], [True, True, False]),
        ([(1, 0.5), (1, 0.6)], [False, True]),
        ([(1, 0.5), (1, 0.5)], [True, True]),
        ([(1, 0.5), (2, 0.5)], [True, False]),
        ([(None, 0.9), (1, None), (2, 0.1)], [False, False, True]),
        ([], []),
    ],
    ids=["costlier and worse", "same cost, better", "equal", "costlier, as good", "unknown values", "no models"],
)
def test_efficient_models_are_the_pareto_front(points, expected):
    assert efficient([cost for cost, _ in points], [quality for _, quality in points]) == expected
