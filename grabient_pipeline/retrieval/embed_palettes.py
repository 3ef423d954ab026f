"""The step that keeps `palette_embeddings` up with the palettes: composes their texts and embeds those that are new.

A piece of the palettes at a time, so that memory stays flat, and each piece is written down before the next is asked
for: what was paid for is kept if the network fails halfway. No connection is open while a model is asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from grabient_pipeline.errors import CostCapError
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.retrieval.embedders.base import (
    Embedder,
    EmbeddingModel,
    Vectors,
    estimate_tokens,
    split_into_requests,
)
from grabient_pipeline.tagging.embed_text import Measured, compose_embed_text
from grabient_pipeline.warehouse import Warehouse, sql, transaction

_PALETTES_A_PIECE = 10_000


@dataclass(frozen=True, slots=True)
class EmbedReport:
    """How many palettes there are, how many of their texts were embedded anew, and at which cost (US dollars).

    `removed`: vectors of palettes that are gone.
    """

    model: str
    palettes: int
    embedded: int
    removed: int
    cost_usd: float


@dataclass(frozen=True, slots=True)
class _Text:
    """The embed text of a palette, and how it stands to what has been embedded."""

    seed: str
    text: str
    digest: str
    source: str
    embedded: bool
    same_source: bool


def embed_palettes(
    warehouse: Warehouse, embedder: Embedder, max_cost_usd: float, *, progress: Progress = SILENT
) -> EmbedReport:
    """Embed every text that this model has not embedded, and remove the vectors of palettes that are gone.

    Raises:
        CostCapError: that is estimated to cost more than `max_cost_usd`; nothing was embedded.
        ProviderError: an API says no or cannot be reached; what was embedded until then is kept.
    """
    model = embedder.model
    _check_cap(warehouse, model, max_cost_usd)
    with warehouse.connect() as connection:
        ((total,),) = connection.execute("SELECT count(*) FROM palettes").fetchall()
        removed = len(connection.execute(sql(__package__, "delete_orphaned_embeddings")).fetchall())
    embedded = 0
    cost_usd = 0.0
    for piece in _pieces(warehouse, model):
        fresh = [text for text in piece if not text.embedded]
        restated = [text for text in piece if text.embedded and not text.same_source]
        if fresh:
            cost_usd += _embed(warehouse, embedder, fresh)
        if restated:
            _restate(warehouse, model, restated)
        embedded += len(fresh)
        if fresh:
            progress.advance("embedding", len(piece), total)
    return EmbedReport(model.name, total, embedded, removed, cost_usd)


def _check_cap(warehouse: Warehouse, model: EmbeddingModel, max_cost_usd: float) -> None:
    if not model.usd_per_million_tokens:
        return
    fresh = [len(text.text) for piece in _pieces(warehouse, model) for text in piece if not text.embedded]
    cost = model.cost(estimate_tokens(sum(fresh)))
    if cost > max_cost_usd:
        raise CostCapError(
            f"embedding {len(fresh):,} palettes with {model.name} is estimated to cost ${cost:.4f}, above the cap of "
            f"${max_cost_usd:.2f}; raise GRABIENT_MAX_COST_USD or choose another GRABIENT_EMBEDDING_MODEL"
        )


def _pieces(warehouse: Warehouse, model: EmbeddingModel) -> Iterator[list[_Text]]:
    after = ""
    while True:
        parameters = {"model": model.name, "after": after, "palettes": _PALETTES_A_PIECE}
        with warehouse.connect() as connection:
            rows = connection.execute(sql(__package__, "texts_to_compose"), parameters).fetchall()
        if not rows:
            return
        yield [_text(row, model.dimension) for row in rows]
        after = rows[-1][0]


def _text(row: Sequence[Any], dimension: int) -> _Text:
    seed, source, *measured = row[:8]
    mood, style, seasonal, associations = row[8:12]
    tags = {"mood": mood, "style": style, "seasonal": seasonal, "associations": associations}
    text = compose_embed_text(Measured(*measured), tags)
    digest = hashlib.sha256(text.encode()).hexdigest()
    embedded_dimension, embedded_digest, embedded_source = row[12:]
    return _Text(
        seed,
        text,
        digest,
        source,
        embedded=(embedded_digest, embedded_dimension) == (digest, dimension),
        same_source=embedded_source == source,
    )


def _embed(warehouse: Warehouse, embedder: Embedder, texts: Sequence[_Text]) -> float:
    """Embed the texts and write them down; what it cost."""
    model = embedder.model
    vectors: list[Vectors] = []
    costs: list[float] = []
    for request in split_into_requests([text.text for text in texts], model):
        answer = embedder.embed_texts(request)
        vectors.append(answer.vectors)
        lengths = np.array([len(text) for text in request])
        tokens = estimate_tokens(int(lengths.sum())) if answer.tokens is None else answer.tokens
        # The bill is for the request: each text bears its share of the characters.
        costs += (model.cost(tokens) * lengths / lengths.sum()).tolist()
    frame = pl.DataFrame(
        {
            "seed": [text.seed for text in texts],
            "embedding_model": model.name,
            "dimension": model.dimension,
            "embedding": pl.Series(np.vstack(vectors)).cast(pl.List(pl.Float32)),
            "embed_text": [text.text for text in texts],
            "embed_text_hash": [text.digest for text in texts],
            "text_source": [text.source for text in texts],
            "cost_usd": costs,
        }
    )
    with warehouse.connect() as connection, transaction(connection):
        connection.register("embedded", frame)
        connection.execute(sql(__package__, "merge_embeddings"))
        connection.unregister("embedded")
    return sum(costs)


def _restate(warehouse: Warehouse, model: EmbeddingModel, texts: Sequence[_Text]) -> None:
    frame = pl.DataFrame({"seed": [text.seed for text in texts], "text_source": [text.source for text in texts]})
    with warehouse.connect() as connection, transaction(connection):
        connection.register("restated", frame)
        connection.execute(sql(__package__, "update_text_sources"), {"model": model.name})
        connection.unregister("restated")
