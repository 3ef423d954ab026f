"""All that is searched, in memory: the vectors, the colours and the tags of the published palettes.

Loaded once a process and again when another state has been published. Nothing is approximate: every query looks at
every palette.
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
from grabient_pipeline.retrieval.words import stems_of
from grabient_pipeline.tagging.embed_text import attribute_phrase
from grabient_pipeline.tagging.vocabulary import ATTRIBUTES
from grabient_pipeline.warehouse import connect, sql

Floats = NDArray[np.float32]
Numbers = NDArray[np.int32]
Starts = NDArray[np.int64]

# They mean nothing: what a model takes them to resemble is what it takes anything to resemble.
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

# How well a tag of several words is met by one of them.
PART: Final = 0.5


@dataclass(frozen=True)
class TagIndex:
    """Which palettes have a tag, by the stems of its words; "tropic sea" is a term, and so are "tropic" and "sea".

    The palettes of term t are `palettes[starts[t]:starts[t + 1]]`, and `strengths` says how well each is met.
    """

    terms: Mapping[str, int]
    starts: Starts
    palettes: Numbers
    strengths: Floats

    def palettes_of(self, term: str) -> tuple[Numbers, Floats]:
        """The palettes of a term, each once, and how well they meet it."""
        number = self.terms.get(term)
        if number is None:
            return self.palettes[:0], self.strengths[:0]
        those = slice(int(self.starts[number]), int(self.starts[number + 1]))
        return self.palettes[those], self.strengths[those]


@dataclass(frozen=True)
class SearchIndex:
    """The palettes, numbered from 0: a row each in `palettes` and `vectors`, the last axis of `oklab` (3, steps, n).

    A palette without a vector has one that is all zero. `tags` are all there are, as (field, tag); those of palette p
    are `tag_numbers[tag_starts[p]:tag_starts[p + 1]]`. `looks` (6, n) is what a palette looks like at a glance: the
    average of its colours and how far they spread, in OkLab.
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
        """The similarity that some palette reaches with text that means nothing; asked for once."""
        if not self._floor:
            queries = embedder.embed_queries(_GIBBERISH)
            self._floor.append(float((self.vectors @ queries.T).max()))
        return self._floor[0]

    def __len__(self) -> int:
        return self.palettes.height

    def tags_of(self, palette: int) -> list[tuple[str, str]]:
        """Its tags as (field, tag)."""
        first, last = self.tag_starts[palette : palette + 2].tolist()
        return [self.tags[number] for number in self.tag_numbers[first:last].tolist()]


class IndexCache:
    """The index of the state that was published last, loaded when it is asked for and kept while it is the newest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: tuple[object, SearchIndex] | None = None

    def get(self, published: Path, model: EmbeddingModel) -> SearchIndex:
        """The index for a model. Raises what `load_index` raises."""
        with self._lock:
            state = (published, model, _stamp(published))
            if self._kept is None or self._kept[0] != state:
                # Two at a time would be twice the memory.
                self._kept = None
                self._kept = (state, load_index(published.parent, model))
            return self._kept[1]


def load_index(data_dir: Path, model: EmbeddingModel, palette_ids: Sequence[str] | None = None) -> SearchIndex:
    """Read the published state, of the palettes named or of all.

    Raises:
        WarehouseError: nothing has been published yet.
        SearchError: there are no palettes, or this model has not embedded them.
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
    dimensions = {name: found for name, found, _ in embedded}
    if not dimensions:
        raise SearchError("no palette has been embedded yet; materialise palette_embeddings, then search again")
    if model.name not in dimensions:
        others = " or ".join(dimensions)
        raise SearchError(
            f"the palettes have been embedded with {others}, not with {model.name}; set GRABIENT_EMBEDDING_MODEL to "
            "that, or materialise palette_embeddings"
        )
    if dimensions[model.name] != [model.dimension]:
        lengths = " and ".join(str(dimension) for dimension in dimensions[model.name])
        raise SearchError(
            f"the vectors of {model.name} have {lengths} numbers, and the model now makes {model.dimension}; "
            "materialise palette_embeddings, which embeds the palettes again"
        )


def _stamp(published: Path) -> tuple[int, ...] | None:
    try:
        found = published.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _oklab(hexes: pl.Series) -> Floats:
    digits = hexes.explode().str.strip_prefix("#").str.to_integer(base=16, dtype=pl.UInt32).to_numpy()
    rgb = np.stack([digits >> 16 & 255, digits >> 8 & 255, digits & 255], axis=-1).astype(np.uint8)
    oklab = srgb_to_oklab(rgb).astype(np.float32).reshape(len(hexes), -1, 3)
    return np.ascontiguousarray(oklab.T)


def _tag_index(tags: Sequence[tuple[str, str]], tagged: pl.DataFrame) -> TagIndex:
    """Args: the tags there are, and which palette (`number`) has which (`tag_number`)."""
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
    # Every tag of every palette, once for each of its terms.
    first = _starts(tag_of, len(tags))
    times: Starts = np.diff(first)[tag_numbers]
    place: Starts = (
        np.arange(int(times.sum())) - np.repeat(np.cumsum(times) - times, times) + np.repeat(first[tag_numbers], times)
    )
    key = term_of[place] * (int(palettes.max(initial=0)) + 1) + np.repeat(palettes, times)
    order = np.argsort(key, kind="stable")
    # Of several tags of a palette that meet a term, the one that meets it best.
    groups = np.flatnonzero(np.diff(key[order], prepend=-1))
    kept = order[groups]
    return TagIndex(
        terms=terms,
        starts=_starts(term_of[place][kept], len(terms)),
        palettes=np.repeat(palettes, times)[kept].astype(np.int32),
        strengths=np.maximum.reduceat(strength_of[place][order], groups),
    )


def _starts(numbers: NDArray[np.integer[Any]], count: int) -> Starts:
    """Where each of the numbers 0 to count - 1 begins in a sorted array of them, and the end."""
    return np.concatenate([[0], np.cumsum(np.bincount(numbers, minlength=count))])


def _terms_of(field: str, tag: str) -> list[tuple[str, float]]:
    if field in ATTRIBUTES:
        # Of "high contrast" no word says it alone.
        return [(" ".join(stems_of(attribute_phrase(field, tag))), 1.0)]
    stems = stems_of(tag)
    whole = [(" ".join(stems), 1.0)] if stems else []
    return whole + [(stem, PART) for stem in dict.fromkeys(stems) if len(stems) > 1]
