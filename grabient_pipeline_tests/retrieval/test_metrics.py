"""nDCG and recall, worked out by hand and compared with trec_eval."""

from __future__ import annotations

import math

import numpy as np
import pytest
import pytrec_eval

from grabient_pipeline.retrieval.metrics import ndcg, recall

GRADES = {"a": 3, "b": 2, "c": 1}


@pytest.mark.parametrize(
    ("ranking", "expected"),
    [
        (["a", "b", "c"], 1.0),
        (["a", "b", "c", "x", "y"], 1.0),
        # 2 + 3 / log2(3), of 3 + 2 / log2(3) + 1 / 2.
        (["b", "a"], (2 + 3 / math.log2(3)) / (3 + 2 / math.log2(3) + 0.5)),
        # The best item is fourth: 3 / log2(5).
        (["x", "y", "z", "a"], (3 / math.log2(5)) / (3 + 2 / math.log2(3) + 0.5)),
        ([], 0.0),
        (["x"], 0.0),
    ],
    ids=["best", "more than enough", "swapped", "late", "empty", "wrong"],
)
def test_ndcg_by_hand(ranking: list[str], expected: float) -> None:
    assert ndcg(ranking, GRADES, 10) == pytest.approx(expected)


def test_items_below_the_depth_do_not_count() -> None:
    assert ndcg(["x", "y", "a"], GRADES, 2) == 0
    # The ideal ranking is cut at the depth too.
    assert ndcg(["a", "b"], GRADES, 2) == 1


@pytest.mark.parametrize(
    ("ranking", "depth", "expected"),
    [(["a", "x", "c"], 10, 2 / 3), (["x", "y", "a"], 2, 0.0), (["c", "b", "a"], 3, 1.0), ([], 10, 0.0)],
    ids=["two of three", "too late", "all", "empty"],
)
def test_recall_by_hand(ranking: list[str], depth: int, expected: float) -> None:
    assert recall(ranking, GRADES, depth) == pytest.approx(expected)


def test_without_relevant_items_the_metrics_are_zero() -> None:
    assert (ndcg(["a"], {}, 10), recall(["a"], {}, 10)) == (0.0, 0.0)


def test_metrics_match_trec_eval() -> None:
    rng = np.random.default_rng(3)
    documents = [f"d{number:02}" for number in range(40)]
    for _ in range(50):
        judged = rng.choice(documents, size=rng.integers(1, 20), replace=False)
        grades = {str(document): int(rng.integers(1, 4)) for document in judged}
        ranking = [str(document) for document in rng.permutation(documents)[: rng.integers(1, 30)]]
        run = {document: float(-place) for place, document in enumerate(ranking)}
        theirs = pytrec_eval.RelevanceEvaluator({"q": grades}, {"ndcg_cut.10", "recall.10"}).evaluate({"q": run})["q"]
        assert ndcg(ranking, grades, 10) == pytest.approx(theirs["ndcg_cut_10"])
        assert recall(ranking, grades, 10) == pytest.approx(theirs["recall_10"])
