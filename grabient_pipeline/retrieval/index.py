"""The search index in memory: embeddings, colours and tags of the published palettes.

Loaded once per process, and again after a new state has been published. Search is exact: every query scores every
palette. Scoring itself is in `ranking.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from grabient_pipeline.errors import SearchError
from grabient_pipeline.palette.colour_spaces import srgb_to_oklab
from grabient_pipeline.retrieval.embedders.base import Embedder, EmbeddingModel, Vectors
from grabient_pipeline.retrieval.words import stem_words
from grabient_pipeline.tagging.embed_text import attribute_phrase
from grabient_pipeline.tagging.vocabulary import ATTRIBUTES
from grabient_pipeline.warehouse import connect, sql

Floats = NDArray[np.float32]
Numbers = NDArray[np.int32]
Starts = NDArray[np.int64]

# Meaningless text. The similarities that a model gives it are its noise floor.
_GIBBERISH: Final = (
    "xqvz jwk",
    "blorptang fizzwick",
    "asdf hjkl",
    "qwrt zxcv",
    "vrumple gnosk",
    "plugh xyzzy",
    "zzyq",
    "florbin dack",
    "mxyzptlk",
    "wug snarp",
    "tkjd ppql",
    "grelb onkify",
    "hnnng",
    "dskfjh sdkjfh",
)

# The strength of a match of one word in a tag of several words.
PARTIAL_MATCH: Final = 0.5


@dataclass(frozen=True)
class TagIndex:
    """An inverted index from terms to palettes.

    A term is the stems of a whole tag ("tropic sea") or of one of its words ("tropic", "sea"). The palettes of term t
    are `palettes[starts[t]:starts[t + 1]]`, and the same slice of `strengths` has how well each matches.
    """

    terms: Mapping[str, int]
    starts: Starts
    palettes: Numbers
    strengths: Floats

    def palettes_of(self, term: str) -> tuple[Numbers, Floats]:
        """The numbers of the palettes that match a term, without duplicates, and how well they match."""
        number = self.terms.get(term)
        if number is None:
            return self.palettes[:0], self.strengths[:0]
        entries = slice(int(self.starts[number]), int(self.starts[number + 1]))
        return self.palettes[entries], self.strengths[entries]


@dataclass(frozen=True)
class SearchIndex:
    """The palettes, numbered from 0 to n - 1, and what they can be found by.

    Attributes:
        model: The embedding model of `vectors`.
        palettes: One row per palette.
        tags: All distinct tags, as (field, tag).
        tag_starts: The tags of palette p are `tag_numbers[tag_starts[p]:tag_starts[p + 1]]`.
        tag_numbers: Positions in `tags`.
        oklab: The colours, (3, steps, n).
        looks: The mean and the standard deviation of a palette's colours in OkLab, (6, n).
        vectors: The embeddings, (n, dimension); zeros for a palette that has none.
        by_name: Terms in the names of palettes.
        by_tag: Terms in all other tags.
    """

    model: EmbeddingModel
    palettes: pl.DataFrame
    tags: Sequence[tuple[str, str]]
    tag_starts: Starts
    tag_numbers: Numbers
    oklab: Floats
    looks: Floats
    vectors: Vectors
    by_name: TagIndex
    by_tag: TagIndex
    _floor: list[float] = field(default_factory=list[float])

    def noise_floor(self, embedder: Embedder) -> float:
        """The highest similarity of any palette to meaningless text; computed on first use."""
        if not self._floor:
            queries = embedder.embed_queries(_GIBBERISH)
            self._floor.append(float((self.vectors @ queries.T).max()))
        return self._floor[0]

    def __len__(self) -> int:
        return self.palettes.height

    def tags_of(self, palette: int) -> list[tuple[str, str]]:
        """The tags of a palette, as (field, tag)."""
        first, last = self.tag_starts[palette : palette + 2].tolist()
        return [self.tags[number] for number in self.tag_numbers[first:last].tolist()]


class IndexCache:
    """Holds the index of the last published state. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cached: tuple[object, SearchIndex] | None = None

    def get(self, published: Path, model: EmbeddingModel) -> SearchIndex:
        """Return the index for a model, reloading it if needed. Raises what `load_index` raises."""
        with self._lock:
            state = (published, model, _file_stamp(published))
            if self._cached is None or self._cached[0] != state:
                # Released first: two at a time would take twice the memory.
                self._cached = None
                self._cached = (state, load_index(published.parent, model))
            return self._cached[1]


def load_index(data_dir: Path, model: EmbeddingModel, palette_ids: Sequence[str] | None = None) -> SearchIndex:
    """Load all published palettes, or only those in `palette_ids`.

    Raises:
        WarehouseError: Nothing has been published yet.
        SearchError: There are no palettes, or this model has not embedded them.
    """
    with connect(data_dir) as connection:
        connection.execute(sql(__package__, "number_palettes"), {"palette_ids": palette_ids})
        palettes = connection.sql(sql(__package__, "palettes")).pl()
        if not palettes.height:
            raise SearchError(f"there are no palettes in {data_dir}; import some first (grabient import)")
        _check_embedded(connection.execute(sql(__package__, "embedded_models")).fetchall(), model)
        connection.execute(sql(__package__, "number_tags"))
        tags = connection.execute("SELECT field, tag FROM numbered_tags ORDER BY tag_number").fetchall()
        tagged = connection.sql(sql(__package__, "tags")).pl()
        embedded = connection.sql(sql(__package__, "vectors"), params={"model": model.name}).pl()
    names = [number for number, (field, _) in enumerate(tags) if field == "name"]
    of_names = pl.DataFrame({"tag_number": names}, schema={"tag_number": pl.Int32})
    vectors = np.zeros((palettes.height, model.dimension), dtype=np.float32)
    vectors[embedded["number"].to_numpy()] = embedded["embedding"].explode().to_numpy().reshape(-1, model.dimension)
    oklab = _oklab(palettes["hex"])
    return SearchIndex(
        model=model,
        palettes=palettes,
        tags=tags,
        tag_starts=_starts(tagged["number"].to_numpy(), palettes.height),
        tag_numbers=tagged["tag_number"].to_numpy(),
        oklab=oklab,
        looks=np.concatenate([oklab.mean(axis=1), oklab.std(axis=1)]),
        vectors=vectors,
        by_name=_tag_index(tags, tagged.join(of_names, on="tag_number", how="semi")),
        by_tag=_tag_index(tags, tagged.join(of_names, on="tag_number", how="anti")),
    )


def _check_embedded(embedded: Iterable[tuple[str, list[int], int]], model: EmbeddingModel) -> None:
    dimensions = {name: lengths for name, lengths, _ in embedded}
    if not dimensions:
        raise SearchError("no palette has been embedded yet; materialise palette_embeddings, then search again")
    if model.name not in dimensions:
        others = " or ".join(dimensions)
        raise SearchError(
            f"the palettes have been embedded with {others}, not with {model.name}; set GRABIENT_EMBEDDING_MODEL to "
            "the former, or materialise palette_embeddings"
        )
    if dimensions[model.name] != [model.dimension]:
        lengths = " and ".join(str(dimension) for dimension in dimensions[model.name])
        raise SearchError(
            f"the stored embeddings of {model.name} have {lengths} dimensions, but the model now has "
            f"{model.dimension}; materialise palette_embeddings to embed the palettes again"
        )


def _file_stamp(published: Path) -> tuple[int, ...] | None:
    try:
        status = published.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _oklab(hexes: pl.Series) -> Floats:
    digits = hexes.explode().str.strip_prefix("#").str.to_integer(base=16, dtype=pl.UInt32).to_numpy()
    rgb = np.stack([digits >> 16 & 255, digits >> 8 & 255, digits & 255], axis=-1).astype(np.uint8)
    oklab = srgb_to_oklab(rgb).astype(np.float32).reshape(len(hexes), -1, 3)
    return np.ascontiguousarray(oklab.T)


def _tag_index(tags: Sequence[tuple[str, str]], tagged: pl.DataFrame) -> TagIndex:
    """Build an inverted index.

    Args:
        tags: All distinct tags.
        tagged: One row per palette (`number`) and tag (`tag_number`).
    """
    palettes, tag_numbers = tagged["number"].to_numpy(), tagged["tag_number"].to_numpy()
    terms: dict[str, int] = {}
    of_tags = [
        (number, terms.setdefault(term, len(terms)), strength)
        for number, (field, tag) in enumerate(tags)
        for term, strength in _terms_of(field, tag)
    ]
    tag_of = np.array([tag for tag, _, _ in of_tags], dtype=np.int64)
    term_of = np.array([term for _, term, _ in of_tags], dtype=np.int64)
    strength_of = np.array([strength for _, _, strength in of_tags], dtype=np.float32)
    # Expand: one entry per palette, tag and term of the tag.
    first = _starts(tag_of, len(tags))
    times: Starts = np.diff(first)[tag_numbers]
    place: Starts = (
        np.arange(int(times.sum())) - np.repeat(np.cumsum(times) - times, times) + np.repeat(first[tag_numbers], times)
    )
    key = term_of[place] * (int(palettes.max(initial=0)) + 1) + np.repeat(palettes, times)
    order = np.argsort(key, kind="stable")
    # Several tags of a palette may contain the same term: keep the strongest match.
    groups = np.flatnonzero(np.diff(key[order], prepend=-1))
    kept = order[groups]
    return TagIndex(
        terms=terms,
        starts=_starts(term_of[place][kept], len(terms)),
        palettes=np.repeat(palettes, times)[kept].astype(np.int32),
        strengths=np.maximum.reduceat(strength_of[place][order], groups),
    )


def _starts(numbers: NDArray[np.integer[Any]], count: int) -> Starts:
    """The offsets (count + 1,) at which 0 to count - 1 start in a sorted array of numbers, and its end."""
    return np.concatenate([[0], np.cumsum(np.bincount(numbers, minlength=count))])


def _terms_of(field: str, tag: str) -> list[tuple[str, float]]:
    if field in ATTRIBUTES:
        # Only the whole phrase: neither word of "high contrast" means it alone.
        return [(" ".join(stem_words(attribute_phrase(field, tag))), 1.0)]
    stems = stem_words(tag)
    whole = [(" ".join(stems), 1.0)] if stems else []
    return whole + [(stem, PARTIAL_MATCH) for stem in dict.fromkeys(stems) if len(stems) > 1]
