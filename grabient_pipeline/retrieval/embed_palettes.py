"""The step that keeps `palette_embeddings` up to date: composes the text of each palette and embeds new texts.

Works in pieces, so that memory use stays constant. Each piece is stored before the next is requested, so that paid
results survive a network failure. No database connection is open during a request. The models are in `embedders/`.
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
from grabient_pipeline.warehouse import Warehouse, registered, sql, transaction
from grabient_pipeline.warehouse.spending_pause import spending_pause

_PALETTES_PER_PIECE = 10_000


@dataclass(frozen=True, slots=True)
class EmbedReport:
    """What the step did.

    Attributes:
        model: The embedding model.
        palettes: All palettes in the warehouse.
        embedded: Texts embedded by this run.
        removed: Embeddings removed because their palette no longer exists.
        cost_usd: US dollars.
        held_back: Why nothing was embedded.
    """

    model: str
    palettes: int
    embedded: int
    removed: int
    cost_usd: float
    held_back: str = ""


@dataclass(frozen=True, slots=True)
class _EmbedText:
    """The embed text of a palette, and whether the stored embedding already has this text and source."""

    seed: str
    text: str
    digest: str
    source: str
    embedded: bool
    same_source: bool


def embed_palettes(
    warehouse: Warehouse, embedder: Embedder, max_cost_usd: float, *, progress: Progress = SILENT
) -> EmbedReport:
    """Embed every text that this model has not embedded yet, and remove the embeddings of deleted palettes.

    While what is paid for by itself is paused, a paid model embeds nothing, and the report says so.

    Raises:
        CostCapError: The estimated cost exceeds `max_cost_usd`; nothing was embedded.
        ProviderError: An API rejects a request or cannot be reached; earlier pieces are stored.
    """
    model = embedder.model
    pause = spending_pause(warehouse) if model.usd_per_million_tokens else None
    if pause is not None:
        return EmbedReport(model.name, 0, 0, 0, 0.0, held_back=pause.line)
    _check_cap(warehouse, model, max_cost_usd)
    with warehouse.connect() as connection:
        ((total,),) = connection.execute("SELECT count(*) FROM palettes").fetchall()
        removed = len(connection.execute(sql(__package__, "delete_orphaned_embeddings")).fetchall())
    embedded = 0
    cost_usd = 0.0
    for piece in _pieces(warehouse, model):
        new = [text for text in piece if not text.embedded]
        moved = [text for text in piece if text.embedded and not text.same_source]
        if new:
            cost_usd += _embed(warehouse, embedder, new)
        if moved:
            _update_sources(warehouse, model, moved)
        embedded += len(new)
        if new:
            progress.advance("embedding", len(piece), total)
    return EmbedReport(model.name, total, embedded, removed, cost_usd)


def _check_cap(warehouse: Warehouse, model: EmbeddingModel, max_cost_usd: float) -> None:
    if not model.usd_per_million_tokens:
        return
    lengths = [len(text.text) for piece in _pieces(warehouse, model) for text in piece if not text.embedded]
    cost = model.cost(estimate_tokens(sum(lengths)))
    if cost > max_cost_usd:
        raise CostCapError(
            f"embedding {len(lengths):,} palettes with {model.name} is estimated to cost ${cost:.4f}, above the cap of "
            f"${max_cost_usd:.2f}; raise GRABIENT_MAX_COST_USD or choose another GRABIENT_EMBEDDING_MODEL"
        )


def _pieces(warehouse: Warehouse, model: EmbeddingModel) -> Iterator[list[_EmbedText]]:
    after = ""
    while True:
        parameters = {"model": model.name, "after": after, "palettes": _PALETTES_PER_PIECE}
        with warehouse.connect() as connection:
            rows = connection.execute(sql(__package__, "texts_to_compose"), parameters).fetchall()
        if not rows:
            return
        yield [_compose_text(row, model.dimension) for row in rows]
        after = rows[-1][0]


def _compose_text(row: Sequence[Any], dimension: int) -> _EmbedText:
    seed, source, *measured = row[:8]
    mood, style, seasonal, associations = row[8:12]
    tags = {"mood": mood, "style": style, "seasonal": seasonal, "associations": associations}
    text = compose_embed_text(Measured(*measured), tags)
    digest = hashlib.sha256(text.encode()).hexdigest()
    embedded_dimension, embedded_digest, embedded_source = row[12:]
    return _EmbedText(
        seed,
        text,
        digest,
        source,
        embedded=(embedded_digest, embedded_dimension) == (digest, dimension),
        same_source=embedded_source == source,
    )


def _embed(warehouse: Warehouse, embedder: Embedder, texts: Sequence[_EmbedText]) -> float:
    """Embed and store the texts; return the cost in US dollars."""
    model = embedder.model
    vectors: list[Vectors] = []
    costs: list[float] = []
    for request in split_into_requests([text.text for text in texts], model):
        answer = embedder.embed_texts(request)
        vectors.append(answer.vectors)
        lengths = np.array([len(text) for text in request])
        tokens = estimate_tokens(int(lengths.sum())) if answer.tokens is None else answer.tokens
        # The API bills whole requests: split the cost by characters.
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
    with warehouse.connect() as connection, transaction(connection), registered(connection, "embedded", frame):
        connection.execute(sql(__package__, "merge_embeddings"))
    return sum(costs)


def _update_sources(warehouse: Warehouse, model: EmbeddingModel, texts: Sequence[_EmbedText]) -> None:
    frame = pl.DataFrame({"seed": [text.seed for text in texts], "text_source": [text.source for text in texts]})
    with (
        warehouse.connect() as connection,
        transaction(connection),
        registered(connection, "changed_sources", frame),
    ):
        connection.execute(sql(__package__, "update_text_sources"), {"model": model.name})
