"""Measures search quality on a judged query set, `evaluation.jsonl`, over the sample palettes.

Each line has a query, its kind, and its relevant palettes by name, with grades from 1 to 3. The queries of kind
"nothing" are meaningless: the right result is no palette. The metrics themselves are in `metrics.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from grabient_pipeline.errors import SearchError
from grabient_pipeline.palette import read_palette
from grabient_pipeline.retrieval.embedders.base import Embedder, EmbeddingModel
from grabient_pipeline.retrieval.find import best_palettes
from grabient_pipeline.retrieval.index import SearchIndex, load_index
from grabient_pipeline.retrieval.metrics import ndcg, recall
from grabient_pipeline.retrieval.query import Query, read_query
from grabient_pipeline.retrieval.ranking import WEIGHTS, Scores, Weights, score
from grabient_pipeline.settings import SAMPLE_PALETTES
from grabient_pipeline.warehouse import connect, sql

DEPTH: Final = 10
# The scores that palettes can be ranked by.
RANKERS: Final = ("embedding", "tags", "colours", "blend")
# A few palettes without usable tags do not matter; with more of them the result says little about the search.
MAX_UNTAGGED_SHARE: Final = 0.1
# How far nDCG may fall below the baseline: the tags, and so the result, vary a little from run to run.
TOLERANCE: Final = 0.02

Kind = Literal["mood", "season", "colour", "hex", "colour map", "style", "thing", "attribute", "nothing"]


class EvaluationQuery(BaseModel):
    """A query and the grades of its relevant palettes, by name; `fold` is its part in cross-validation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    query: str
    kind: Kind
    fold: int = Field(ge=0)
    relevant: dict[str, Annotated[int, Field(ge=1, le=3)]]


class Baseline(BaseModel):
    """The recorded quality with an embedding model, on tags from the sandbox."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    embedding_model: str
    ndcg: float
    recall: float
    nothing_right: float


@dataclass(frozen=True, slots=True)
class Metrics:
    """For one kind of query: how many there are, and nDCG@10 and recall@10 by ranker."""

    kind: str
    queries: int
    ndcg: Mapping[str, float]
    recall: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class TextPrompt:
    """A version of the tagging prompt, whether it has pictures, and how many palettes are found by its tags."""

    version: str
    with_image: bool
    palettes: int


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation.

    Attributes:
        embedding_model: Its name.
        palettes: The number of palettes that were searched.
        text_sources: How many palettes have refined tags, consensus tags, or only measured attributes.
        prompts: Which tagging prompts these tags come from.
        kinds: The metrics of each kind of query, and last those of all meaningful queries ("all").
        nothing_queries: The number of meaningless queries.
        nothing_right: The share of those that returned no palette.
        baseline: The recorded quality, or None if none is recorded for this model.
    """

    embedding_model: str
    palettes: int
    text_sources: Mapping[str, int]
    prompts: tuple[TextPrompt, ...]
    kinds: tuple[Metrics, ...]
    nothing_queries: int
    nothing_right: float
    baseline: Baseline | None

    @property
    def overall(self) -> Metrics:
        """The metrics of all meaningful queries."""
        return self.kinds[-1]

    @property
    def below_baseline(self) -> bool:
        """Whether the quality is worse than the baseline; False without a baseline."""
        return self.baseline is not None and (
            self.overall.ndcg["blend"] < self.baseline.ndcg - TOLERANCE
            or self.nothing_right < self.baseline.nothing_right
        )


@dataclass(frozen=True)
class JudgedQuery:
    """A parsed query of the set, the embedding of its words if it has any, and the grades by palette number."""

    kind: Kind
    fold: int
    query: Query
    vector: np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None
    grades: Mapping[int, int]


# A query, and the numbers of the top palettes by ranker.
_Result = tuple[JudgedQuery, Mapping[str, Sequence[int]]]


@cache
def evaluation_queries() -> tuple[EvaluationQuery, ...]:
    """Load and validate the query set."""
    lines = resources.files(__package__ or "").joinpath("evaluation.jsonl").read_bytes().splitlines()
    return tuple(TypeAdapter(list[EvaluationQuery]).validate_python([orjson.loads(line) for line in lines if line]))


@cache
def recorded_baseline(embedding_model: str) -> Baseline | None:
    """Return the baseline that `scripts/choose_search_weights.py --record` stored for a model, if any."""
    text = resources.files(__package__ or "").joinpath("evaluation_baseline.json").read_bytes()
    baselines = TypeAdapter(list[Baseline]).validate_python(orjson.loads(text))
    return next((each for each in baselines if each.embedding_model == embedding_model), None)


def evaluate(data_dir: Path, embedder: Embedder) -> Evaluation:
    """Run all queries over the published sample palettes; other palettes are ignored.

    Raises:
        SearchError: Sample palettes are missing, have no tags, or are not embedded by this model.
    """
    index = sample_index(data_dir, embedder.model)
    floor = index.noise_floor(embedder)
    results = [
        (each, _rankings(score(index, each.query, each.vector, floor))) for each in judged_queries(index, embedder)
    ]
    by_kind: dict[str, list[_Result]] = {}
    for result in results:
        by_kind.setdefault(result[0].kind, []).append(result)
    nothing = by_kind.pop("nothing", [])
    by_kind["all"] = [result for of_kind in by_kind.values() for result in of_kind]
    return Evaluation(
        embedding_model=embedder.model.name,
        palettes=len(index),
        text_sources=dict(index.palettes["text_source"].value_counts(sort=True).iter_rows()),
        prompts=_text_prompts(data_dir),
        kinds=tuple(_measure(kind, of_kind) for kind, of_kind in by_kind.items()),
        nothing_queries=len(nothing),
        nothing_right=_mean(float(not rankings["blend"]) for _, rankings in nothing),
        baseline=recorded_baseline(embedder.model.name),
    )


def sample_index(data_dir: Path, model: EmbeddingModel) -> SearchIndex:
    """Load an index of the sample palettes only. Raises what `evaluate` raises."""
    samples = _sample_palettes()
    index = load_index(data_dir, model, list(samples.values()))
    if len(index) < len(samples):
        raise SearchError(
            f"{len(index)} of the {len(samples)} sample palettes are in {data_dir}; the evaluation needs all of them "
            f"(grabient import {SAMPLE_PALETTES})"
        )
    without = int((index.palettes["text_source"] == "measured").sum())
    if without > MAX_UNTAGGED_SHARE * len(samples):
        raise SearchError(
            f"{without} of the {len(samples)} sample palettes have no tags in {data_dir}; tag them first, or run "
            "grabient demo, which tags them in a separate directory"
        )
    return index


def _text_prompts(data_dir: Path) -> tuple[TextPrompt, ...]:
    with connect(data_dir) as connection:
        rows = connection.execute(sql(__package__, "text_prompts"), {"palette_ids": list(_sample_palettes().values())})
        return tuple(TextPrompt(*row) for row in rows.fetchall())


def judged_queries(index: SearchIndex, embedder: Embedder) -> list[JudgedQuery]:
    """Parse and embed the query set for an index of the sample palettes."""
    number = {palette_id: place for place, palette_id in enumerate(index.palettes["palette_id"])}
    by_name = {name: number[palette_id] for name, palette_id in _sample_palettes().items()}
    parsed = [(each, read_query(each.query)) for each in evaluation_queries()]
    texts = [query.text for _, query in parsed if query.words]
    vectors = iter(embedder.embed_queries(texts))
    return [
        JudgedQuery(
            each.kind,
            each.fold,
            query,
            next(vectors) if query.words else None,
            {by_name[name]: grade for name, grade in each.relevant.items()},
        )
        for each, query in parsed
    ]


def blend_ndcg(index: SearchIndex, each: JudgedQuery, floor: float, weights: Weights = WEIGHTS) -> float:
    """Compute nDCG@10 of the blended score for one query; the weights are chosen by this."""
    return ndcg(best_palettes(score(index, each.query, each.vector, floor, weights), DEPTH), each.grades, DEPTH)


def _measure(kind: str, results: Sequence[_Result]) -> Metrics:
    return Metrics(
        kind,
        len(results),
        {name: _mean(ndcg(rankings[name], query.grades, DEPTH) for query, rankings in results) for name in RANKERS},
        {name: _mean(recall(rankings[name], query.grades, DEPTH) for query, rankings in results) for name in RANKERS},
    )


def _rankings(scores: Scores) -> dict[str, list[int]]:
    """The top palettes of each ranker. Palettes with score 0 are not ranked."""

    def rank(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> list[int]:
        order = np.argsort(-values, kind="stable")[:DEPTH]
        return [int(palette) for palette in order if values[palette] > 0]

    return {
        "embedding": rank(scores.vector),
        "tags": rank(scores.tags),
        "colours": rank(scores.colours),
        "blend": best_palettes(scores, DEPTH),
    }


@cache
def _sample_palettes() -> dict[str, str]:
    """The ids of the sample palettes, by name."""
    rows = [orjson.loads(line) for line in SAMPLE_PALETTES.read_bytes().splitlines()]
    return {row["name"]: read_palette(row["seed"]).palette_id for row in rows}


def _mean(values: Iterator[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0
