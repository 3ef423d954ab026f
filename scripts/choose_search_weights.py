"""Choose the weights of the search by grid search, and estimate how well they generalise to other queries.

Every combination of a coarse grid is scored on every query of the evaluation set, over the sample palettes of a data
directory in which they are tagged and embedded. The held-out nDCG is cross-validated: weights are chosen on four of the
five folds and scored on the fifth. The proposed weights are chosen on all queries. Differences within the standard
error are noise, so the script proposes the middle of the combinations that are as good as the best.

    GRABIENT_DATA_DIR=data/demo python scripts/choose_search_weights.py [--record]

`--record` stores the quality of the current weights in `grabient_pipeline/retrieval/ranking.py` (not of the proposed
ones) in `grabient_pipeline/retrieval/evaluation_baseline.json`, for the asset check `search_quality_not_regressed`.
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
from grabient_pipeline.retrieval.evaluation import Baseline, blend_ndcg, judged_queries, sample_index
from grabient_pipeline.retrieval.ranking import WEIGHTS, Weights
from grabient_pipeline.settings import Settings

# Lower weights for vectors and tags would score higher still, but are not considered: a paid embedding model and real
# tagging models deserve more weight than the local model and the sandbox, and few palettes are named as aptly as the
# samples.
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
    """Print the proposed weights, or record the baseline."""
    parser = argparse.ArgumentParser(description="Choose the weights of the search.")
    parser.add_argument(
        "--record", action="store_true", help="store the quality of the current weights as the baseline"
    )
    arguments = parser.parse_args()
    settings = Settings.from_environment()
    embedder = open_embedder(embedding_model(settings.embedding_model))
    if arguments.record:
        record(settings.data_dir, embedder)
        return
    index = sample_index(settings.data_dir, embedder.model)
    floor = index.noise_floor(embedder)
    queries = [each for each in judged_queries(index, embedder) if each.kind != "nothing"]
    candidates = [Weights(*values) for values in itertools.product(*GRID.values())]
    scores = np.array([[blend_ndcg(index, each, floor, weights) for each in queries] for weights in candidates])
    chosen = choose(candidates, scores)
    current = np.array([blend_ndcg(index, each, floor, WEIGHTS) for each in queries])
    held_out = cross_validate(candidates, scores, np.array([each.fold for each in queries]))
    print(f"{len(candidates):,} combinations, {len(queries)} queries, {embedder.model.name}")
    print(f"current   nDCG@10 {current.mean():.4f}  {asdict(WEIGHTS)}")
    print(f"proposed  nDCG@10 {scores[chosen].mean():.4f}  {asdict(candidates[chosen])}")
    print(f"best      nDCG@10 {scores.mean(axis=1).max():.4f}  {asdict(candidates[int(scores.mean(axis=1).argmax())])}")
    print(f"held out  nDCG@10 {held_out.mean():.4f}, by fold {', '.join(f'{value:.3f}' for value in held_out)}")


def choose(candidates: list[Weights], scores: np.ndarray) -> int:
    """Return the index of the middle combination among those that are not significantly worse than the best."""
    best = scores[int(scores.mean(axis=1).argmax())]
    behind = best - scores
    # A paired comparison: all combinations are scored on the same queries.
    error = behind.std(axis=1, ddof=1) / np.sqrt(scores.shape[1])
    as_good = np.flatnonzero(behind.mean(axis=1) <= error)
    values = np.log([[getattr(candidates[number], each.name) for each in fields(Weights)] for number in as_good])
    return int(as_good[int(np.square(values - values.mean(axis=0)).sum(axis=1).argmin())])


def cross_validate(candidates: list[Weights], scores: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Compute nDCG@10 of each fold with weights chosen on the other folds."""
    return np.array(
        [scores[choose(candidates, scores[:, folds != fold])][folds == fold].mean() for fold in np.unique(folds)]
    )


def record(data_dir: Path, embedder: Embedder) -> None:
    """Store the quality of the current weights as the baseline of the embedding model."""
    result = evaluation.evaluate(data_dir, embedder)
    path = Path(evaluation.__file__).with_name("evaluation_baseline.json")
    baseline = Baseline(
        embedding_model=embedder.model.name,
        ndcg=round(result.overall.ndcg["blend"], 4),
        recall=round(result.overall.recall["blend"], 4),
        nothing_right=round(result.nothing_right, 4),
    )
    others = [each for each in orjson.loads(path.read_bytes()) if each["embedding_model"] != baseline.embedding_model]
    path.write_bytes(
        orjson.dumps([*others, baseline.model_dump()], option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    )
    print(baseline)


if __name__ == "__main__":
    main()
