"""How well the search does on queries whose answers are known: `evaluation.jsonl`, over the sample palettes.

Each of its lines is a query, its kind, and the palettes that answer it, by name, each with a grade from 1 to 3. A query
that means nothing has none, and is answered well by nothing at all.
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
from grabient_pipeline.retrieval.find import best
from grabient_pipeline.retrieval.index import SearchIndex, load_index
from grabient_pipeline.retrieval.metrics import ndcg, recall
from grabient_pipeline.retrieval.ranking import WEIGHTS, Query, Scores, Weights, read_query, score
from grabient_pipeline.settings import SAMPLE_PALETTES

DEPTH: Final = 10
WAYS: Final = ("embedding", "tags", "colours", "blend")
# A palette that no model could describe says little about the search; if many have no tags, neither does the level.
MOST_WITHOUT_TAGS: Final = 0.1
# So much less than recorded may come from tags that came out otherwise.
TOLERANCE: Final = 0.02

Kind = Literal["mood", "season", "colour", "hex", "colour map", "style", "thing", "attribute", "nothing"]


class EvaluationQuery(BaseModel):
    """A query and the palettes that answer it, by name; `fold` is its part when weights are cross-validated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    query: str
    kind: Kind
    fold: int = Field(ge=0)
    relevant: dict[str, Annotated[int, Field(ge=1, le=3)]]


class Level(BaseModel):
    """What has been reached with an embedding model, on the sandbox's tags."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    embedding_model: str
    ndcg: float
    recall: float
    nothing_right: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one kind of query: how many there are, and nDCG@10 and recall@10 of each of the four ways."""

    kind: str
    queries: int
    ndcg: Mapping[str, float]
    recall: Mapping[str, float]


@dataclass(frozen=True)
class Evaluation:
    """`kinds` ends with the figures of all queries that have an answer.

    `nothing_right`: the share of the queries without meaning that got an empty answer. `text_sources`: how many
    palettes have refined tags, counted ones, none.
    """

    embedding_model: str
    palettes: int
    text_sources: Mapping[str, int]
    kinds: tuple[Figures, ...]
    nothing_queries: int
    nothing_right: float
    level: Level | None

    @property
    def overall(self) -> Figures:
        return self.kinds[-1]

    @property
    def below_level(self) -> bool:
        """Whether it is worse than what was once reached with this model."""
        reached = self.level
        return reached is not None and (
            self.overall.ndcg["blend"] < reached.ndcg - TOLERANCE or self.nothing_right < reached.nothing_right
        )


@dataclass(frozen=True)
class AnsweredQuery:
    """A query of the set, read, with the vector that its words have; `grades` by the number of the palette."""

    kind: Kind
    fold: int
    query: Query
    vector: np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None
    grades: Mapping[int, int]


@cache
def evaluation_queries() -> tuple[EvaluationQuery, ...]:
    """The queries of this package, checked."""
    lines = resources.files(__package__ or "").joinpath("evaluation.jsonl").read_bytes().splitlines()
    return tuple(TypeAdapter(list[EvaluationQuery]).validate_python([orjson.loads(line) for line in lines if line]))


@cache
def recorded_level(embedding_model: str) -> Level | None:
    """The level that `benchmarks/search_weights.py` wrote down for a model, if it did."""
    text = resources.files(__package__ or "").joinpath("evaluation_baseline.json").read_bytes()
    levels = TypeAdapter(list[Level]).validate_python(orjson.loads(text))
    return next((level for level in levels if level.embedding_model == embedding_model), None)


def evaluate(data_dir: Path, embedder: Embedder) -> Evaluation:
    """Ask all queries of the published sample palettes, whatever other palettes there are.

    Raises:
        SearchError: they are not all there, or have no tags, or this model has not embedded them.
    """
    index = sample_index(data_dir, embedder.model)
    floor = index.noise_floor(embedder)
    queries = answered_queries(index, embedder)
    rankings = [_rankings(score(index, each.query, each.vector, floor)) for each in queries]
    by_kind = {kind: [place for place, each in enumerate(queries) if each.kind == kind] for kind in _kinds(queries)}
    nothing = by_kind.pop("nothing", [])
    by_kind["all"] = [place for places in by_kind.values() for place in places]
    return Evaluation(
        embedding_model=embedder.model.name,
        palettes=len(index),
        text_sources=dict(index.palettes["text_source"].value_counts(sort=True).iter_rows()),
        kinds=tuple(
            Figures(
                kind,
                len(places),
                {way: _mean(ndcg(rankings[p][way], queries[p].grades, DEPTH) for p in places) for way in WAYS},
                {way: _mean(recall(rankings[p][way], queries[p].grades, DEPTH) for p in places) for way in WAYS},
            )
            for kind, places in by_kind.items()
        ),
        nothing_queries=len(nothing),
        nothing_right=_mean(float(not rankings[place]["blend"]) for place in nothing),
        level=recorded_level(embedder.model.name),
    )


def sample_index(data_dir: Path, model: EmbeddingModel) -> SearchIndex:
    """The index of the sample palettes alone. Raises what `evaluate` raises."""
    wanted = _sample_palettes()
    index = load_index(data_dir, model, list(wanted.values()))
    if len(index) < len(wanted):
        raise SearchError(
            f"of the {len(wanted)} sample palettes {len(index)} are in {data_dir}; the evaluation needs them all "
            f"(grabient import {SAMPLE_PALETTES})"
        )
    without = int((index.palettes["text_source"] == "measured").sum())
    if without > MOST_WITHOUT_TAGS * len(wanted):
        raise SearchError(
            f"{without} of the {len(wanted)} sample palettes have no tags in {data_dir}; tag them first (grabient demo "
            "does, in a directory of its own)"
        )
    return index


def answered_queries(index: SearchIndex, embedder: Embedder) -> list[AnsweredQuery]:
    """The evaluation set, ready to be scored on an index of the sample palettes."""
    number = {palette_id: place for place, palette_id in enumerate(index.palettes["palette_id"])}
    by_name = {name: number[palette_id] for name, palette_id in _sample_palettes().items()}
    read = [(each, read_query(each.query)) for each in evaluation_queries()]
    texts = [query.text for _, query in read if query.words]
    vectors = iter(embedder.embed_queries(texts))
    return [
        AnsweredQuery(
            each.kind,
            each.fold,
            query,
            next(vectors) if query.words else None,
            {by_name[name]: grade for name, grade in each.relevant.items()},
        )
        for each, query in read
    ]


def blend_ndcg(index: SearchIndex, each: AnsweredQuery, floor: float, weights: Weights = WEIGHTS) -> float:
    """nDCG@10 of the blend for one query: what the weights are chosen by."""
    return ndcg(best(score(index, each.query, each.vector, floor, weights), DEPTH), each.grades, DEPTH)


def _rankings(scores: Scores) -> dict[str, list[int]]:
    """The first palettes of each of the four ways; a way that cannot tell palettes apart has no opinion."""

    def ranking(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> list[int]:
        order = np.argsort(-values, kind="stable")[:DEPTH]
        return [int(palette) for palette in order if values[palette] > 0]

    return {
        "embedding": ranking(scores.vector),
        "tags": ranking(scores.tags),
        "colours": ranking(scores.colours),
        "blend": best(scores, DEPTH),
    }


@cache
def _sample_palettes() -> dict[str, str]:
    """The palette ids of the sample palettes, by name."""
    rows = [orjson.loads(line) for line in SAMPLE_PALETTES.read_bytes().splitlines()]
    return {row["name"]: read_palette(row["seed"]).palette_id for row in rows}


def _kinds(queries: Sequence[AnsweredQuery]) -> dict[str, None]:
    return dict.fromkeys(each.kind for each in queries)


def _mean(values: Iterator[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0
