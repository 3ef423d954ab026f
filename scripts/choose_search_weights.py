"""Choose the weights of the search's blend by measurement, and tell how much of the gain would hold on other queries.

Every combination of a coarse grid is scored on every query of the evaluation set, over the sample palettes of a data
directory where they are tagged and embedded. What is reported as reached is cross-validated: the weights are chosen on
four of the five folds of the set and scored on the fifth. The weights to use are then chosen on all queries. Among
combinations that differ by less than the standard error of the best, that is luck, so the one nearest to the middle of
them is taken and not the very best.

    GRABIENT_DATA_DIR=data/demo python scripts/choose_search_weights.py [--record]

`--record` writes the level that the weights of `grabient_pipeline/retrieval/ranking.py` reach (not those that are
proposed) to `grabient_pipeline/retrieval/evaluation_baseline.json`, for the check in Dagster.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import orjson

from grabient_pipeline.retrieval import evaluation
from grabient_pipeline.retrieval.embedders.base import Embedder
from grabient_pipeline.retrieval.embedders.registry import embedding_model, open_embedder
from grabient_pipeline.retrieval.evaluation import Level, answered_queries, blend_ndcg, sample_index
from grabient_pipeline.retrieval.ranking import WEIGHTS, Weights
from grabient_pipeline.settings import Settings

# Lower weights of vectors and tags would do better still here, and are not considered: the vectors of a model that
# costs money and the tags of real models deserve more trust than those of the local model and of the sandbox, and the
# sample palettes are named as aptly as few others are.
GRID = {
    "vector": (0.12, 0.25, 0.5),
    "colours": (1.0, 2.0, 4.0),
    "tag": (0.4, 0.6, 0.8),
    "things": (0.05, 0.1, 0.2),
    "near": (0.1, 0.14, 0.2),
    "near_name": (0.14, 0.18, 0.22),
    "share": (0.15, 0.3, 0.6),
    "alike": (0.25, 0.5, 1.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Choose the weights of the search.")
    parser.add_argument("--record", action="store_true", help="write down the level that the present weights reach")
    wanted = parser.parse_args()
    settings = Settings.from_environment()
    embedder = open_embedder(embedding_model(settings.embedding_model))
    if wanted.record:
        record(settings.data_dir, embedder)
        return
    index = sample_index(settings.data_dir, embedder.model)
    floor = index.noise_floor(embedder)
    queries = [each for each in answered_queries(index, embedder) if each.kind != "nothing"]
    candidates = [Weights(*values) for values in itertools.product(*GRID.values())]
    scores = np.array([[blend_ndcg(index, each, floor, weights) for each in queries] for weights in candidates])
    chosen = choose(candidates, scores)
    present = np.array([blend_ndcg(index, each, floor, WEIGHTS) for each in queries])
    held_out = cross_validated(candidates, scores, np.array([each.fold for each in queries]))
    print(f"{len(candidates):,} combinations, {len(queries)} queries, {embedder.model.name}")
    print(f"present   nDCG@10 {present.mean():.4f}  {asdict(WEIGHTS)}")
    print(f"proposed  nDCG@10 {scores[chosen].mean():.4f}  {asdict(candidates[chosen])}")
    print(f"the best  nDCG@10 {scores.mean(axis=1).max():.4f}  {asdict(candidates[int(scores.mean(axis=1).argmax())])}")
    print(f"held out  nDCG@10 {held_out.mean():.4f}, by fold {', '.join(f'{value:.3f}' for value in held_out)}")


def choose(candidates: list[Weights], scores: np.ndarray) -> int:
    """The number of the combination to use: of those that the best does not beat for certain, the one in the middle."""
    best = scores[int(scores.mean(axis=1).argmax())]
    behind = best - scores
    # The queries are the same for all, so it is the differences that have an error.
    error = behind.std(axis=1, ddof=1) / np.sqrt(scores.shape[1])
    as_good = np.flatnonzero(behind.mean(axis=1) <= error)
    values = np.log([[getattr(candidates[number], each.name) for each in fields(Weights)] for number in as_good])
    return int(as_good[int(np.square(values - values.mean(axis=0)).sum(axis=1).argmin())])


def cross_validated(candidates: list[Weights], scores: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """nDCG@10 of each fold by weights that were chosen without it."""
    return np.array(
        [scores[choose(candidates, scores[:, folds != fold])][folds == fold].mean() for fold in np.unique(folds)]
    )


def record(data_dir: Path, embedder: Embedder) -> None:
    reached = evaluation.evaluate(data_dir, embedder)
    path = Path(evaluation.__file__).with_name("evaluation_baseline.json")
    level = Level(
        embedding_model=embedder.model.name,
        ndcg=round(reached.overall.ndcg["blend"], 4),
        recall=round(reached.overall.recall["blend"], 4),
        nothing_right=round(reached.nothing_right, 4),
    )
    others = [each for each in orjson.loads(path.read_bytes()) if each["embedding_model"] != level.embedding_model]
    path.write_bytes(
        orjson.dumps([*others, level.model_dump()], option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    )
    print(level)


if __name__ == "__main__":
    main()
