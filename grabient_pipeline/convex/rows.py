"""Rows read from the documents of an export, and the frames in which the database gets them.

Pure: `documents` fills the rows, the writers register the frames. Times are microseconds since 1970, UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, Final, NamedTuple, get_type_hints

import polars as pl

from grabient_pipeline.providers.prices import Price

# Submissions from the earlier system have this prefix, which no other submission can have.
SUBMISSION_PREFIX: Final = "convex-"


class Source(NamedTuple):
    """A document's line in its table, from 1, and its id."""

    line_number: int
    convex_id: str


class SettingRow(NamedTuple):
    """A document of `config`."""

    line_number: int
    convex_id: str
    analysis_count: int


class PaletteRow(NamedTuple):
    """A document of `palettes`."""

    line_number: int
    convex_id: str
    created: int | None
    seed: str
    image_url: str | None


class PromptRow(NamedTuple):
    """A document of `prompt_versions`."""

    line_number: int
    convex_id: str
    created: int | None
    version: str
    stage: str
    content: str
    message: str | None


class BatchRow(NamedTuple):
    """A document of `tag_batches` or `refinement_batches`; `adopted`: it is in progress and can be polled from here."""

    line_number: int
    convex_id: str
    created: int | None
    submission: str
    stage: str
    provider: str
    model: str
    batch_id: str | None
    status: str
    request_count: int
    completed_count: int
    failed_count: int
    prompt_version: str
    submitted: int | None
    ended: int | None
    error: str | None
    convex_fields: str | None
    repair: str | None
    adopted: bool


class AnswerRow(NamedTuple):
    """A document of `palette_tags` or `palette_tag_refined`, or a result of an adopted batch.

    `text`: the tags as JSON, exactly as in the document, which is the input of the parser. `reason`: why they are not
    usable. `tags`: the parsed tags as JSON. `convex_fields`: fields of the document that have no column, as JSON.
    """

    line_number: int
    convex_id: str
    created: int | None
    custom_id: str
    submission: str
    seed: str
    provider: str
    model: str
    analysis_index: int | None
    run_number: int | None
    prompt_version: str
    outcome: str
    text: str | None
    finish_reason: str | None
    error: str | None
    input_tokens: int | None
    output_tokens: int | None
    reason: str | None
    tags: str | None
    convex_fields: str | None
    repair: str | None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_hour_tokens: int | None = None
    reasoning_tokens: int | None = None


_POLARS_TYPES: Final = {
    int: pl.Int64(),
    int | None: pl.Int64(),
    str: pl.String(),
    str | None: pl.String(),
    bool: pl.Boolean(),
}


def rows_frame(rows: Sequence[tuple[Any, ...]], row_type: type[tuple[Any, ...]]) -> pl.DataFrame:
    """Return rows as a frame with the columns of their type; `created` becomes `convex_created_at`."""
    fields = get_type_hints(row_type)
    columns: Iterable[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * len(fields)
    frame = pl.DataFrame(
        [
            pl.Series(name, column, dtype=_POLARS_TYPES[kind])
            for (name, kind), column in zip(fields.items(), columns, strict=True)
        ]
    )
    return frame.with_columns(timestamp("created").alias("convex_created_at")).drop("created")


def answers_frame(answers: Sequence[AnswerRow], parser_version: int) -> pl.DataFrame:
    """Return answers as the table `incoming_answers`."""
    return rows_frame(answers, AnswerRow).with_columns(pl.lit(parser_version).alias("parser_version"))


def timestamp(column: str) -> pl.Expr:
    """Return a column of microseconds as timestamps."""
    return pl.col(column).cast(pl.Datetime("us", "UTC"))


def price_columns(prices: Sequence[Price]) -> list[pl.Series]:
    """Return prices as columns with the names that they have in `tag_batches`."""
    names = [field.name for field in fields(Price)]
    return [pl.Series(name, [price.columns[name] for price in prices], dtype=pl.Float64) for name in names]
