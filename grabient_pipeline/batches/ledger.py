"""The entries of the ledger: each function is one short transaction on the working database.

What may follow what: a reservation is submitted or released; a submitted batch ends; an ended batch is collected.
"""

from __future__ import annotations

import base64
import math
import secrets
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np
import orjson
import polars as pl

from grabient_pipeline.batches.estimate import input_tokens, output_tokens
from grabient_pipeline.batches.request_file import RequestTemplate
from grabient_pipeline.batches.stages import Stage, Subject
from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.errors import CostCapError
from grabient_pipeline.providers.base import BatchProvider
from grabient_pipeline.providers.catalogue import (
    Model,
    Price,
    batch_price,
    full_price,
    load_catalogue,
    price_list_version,
)
from grabient_pipeline.warehouse import Warehouse, sql, transaction

# So often a request may fail before it rests.
MAX_FAILURES = 3

# What a provider said must be written down, whoever else is busy: this much longer than usual is waited for that.
PATIENCE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Reservation:
    """A batch that is written down and not sent yet: which requests, and what they are estimated to cost.

    `positions` has the place in `seeds` of each request's palette, in the order of the file.
    """

    submission: str
    api: str
    model: Model
    template: RequestTemplate
    seeds: Sequence[str]
    positions: np.ndarray[tuple[int], np.dtype[np.int32]]
    estimated_cost_usd: float

    @property
    def request_count(self) -> int:
        return len(self.positions)

    def requests(self) -> Iterator[tuple[str, str]]:
        """(custom id, seed) of each request."""
        for row, position in enumerate(self.positions.tolist()):
            yield custom_id(self.submission, row), self.seeds[position]


@dataclass(frozen=True, slots=True)
class ProviderModels:
    """A provider, and those of its models that are to be asked."""

    provider: BatchProvider
    models: tuple[Model, ...]


def api_name(provider: BatchProvider) -> str:
    """A provider, and how it is asked: `groq`, or `groq:direct`."""
    return f"{provider.key}:direct" if provider.access == "direct" else provider.key


def new_submission() -> str:
    """A token for a batch: 16 characters, lower-case letters and digits, which every provider can carry."""
    return base64.b32encode(secrets.token_bytes(10)).decode().lower()


def custom_id(submission: str, row: int) -> str:
    """The id of a request; its submission can be read from it, which is how a lost Anthropic batch is known."""
    return f"{submission}_{row:06d}"


_ROWS_AT_A_TIME = 512
_CUSTOM_ID_LENGTH = len(custom_id(new_submission(), 0))


def subjects_to_ask(
    warehouse: Warehouse, stage: Stage, models: Sequence[Model], analysis_count: int, limit: int | None
) -> dict[str, Subject]:
    """By seed the palettes that one of the models still has to be asked about, oldest first.

    Args:
        limit: at most so many palettes for each model.
    """
    asked: dict[str, Subject] = {}
    with warehouse.connect() as connection:
        for model in models:
            parameters = {**_request_parameters(stage, model, analysis_count), **stage.parameters, "limit": limit}
            rows = connection.execute(sql(__package__, stage.palettes), parameters)
            # Some at a time, since a row may carry a whole consensus.
            while piece := rows.fetchmany(_ROWS_AT_A_TIME):
                for seed, *row in piece:
                    if seed not in asked:
                        asked[seed] = stage.subject(row)
    return asked


def reserve(
    warehouse: Warehouse,
    stage: Stage,
    asked: Sequence[ProviderModels],
    texts: Mapping[str, bytes],
    *,
    subjects: Mapping[str, Subject],
    analysis_count: int,
    limit: int | None,
    max_cost_usd: float,
    dry_run: bool = False,
) -> list[Reservation]:
    """Write down every missing request, in batches as large as the providers take them.

    Nobody else has the database meanwhile. Everything is estimated first; then each model's requests are written in a
    transaction of their own, since one for all would hold them all in memory. Who dies in between leaves batches that
    were never sent, as they are left after the last of them.

    Args:
        texts: what a model is shown of each palette, by seed, as it stands inside a JSON string.
        subjects: the palettes that these are the texts of.
        dry_run: only tell what would be reserved.

    Raises:
        CostCapError: with what is under way already, the estimate is above `max_cost_usd`; nothing is reserved.
    """
    seeds = list(texts)
    sizes = np.fromiter((len(text) for text in texts.values()), dtype=np.int64, count=len(texts))
    with warehouse.connect() as connection:
        bases = pl.Series([subjects[seed].basis for seed in seeds], dtype=pl.String)
        positions = np.arange(len(seeds), dtype=np.int32)
        connection.register("asked", pl.DataFrame({"seed": seeds, "position": positions, "basis": bases}))
        planned: list[list[_Planned]] = []
        for provider, model in [(entry.provider, model) for entry in asked for model in entry.models]:
            missing = _missing(connection, stage, model, analysis_count, limit)
            planned.append(_split(connection, stage, provider, model, missing, seeds, sizes))
        reservations = [batch.reservation for batches in planned for batch in batches]
        if not dry_run:
            _check_cap(connection, reservations, max_cost_usd)
            _write_all(connection, stage, planned, max_cost_usd)
            crash_point("reserve.written")
    return reservations


@dataclass(frozen=True, slots=True)
class _Planned:
    """A batch to be written down, with its requests and its estimated tokens."""

    provider: BatchProvider
    reservation: Reservation
    rows: pl.DataFrame
    tokens_in: int
    tokens_out: int


def _write_all(
    connection: duckdb.DuckDBPyConnection, stage: Stage, planned: Sequence[Sequence[_Planned]], max_cost_usd: float
) -> None:
    written: list[str] = []
    try:
        for batches in planned:
            with transaction(connection):
                # Once more, in the transaction that writes: no two processes can both fit under the cap.
                _check_cap(connection, [batch.reservation for batch in batches], max_cost_usd)
                for batch in batches:
                    _insert(connection, stage, batch)
                connection.execute(
                    "INSERT OR IGNORE INTO prompt_versions (version, stage, content, created_at) "
                    "VALUES (?, ?, ?, now())",
                    [stage.prompt.version, stage.name, stage.prompt.content],
                )
                crash_point("reserve.writing")
            written += [batch.reservation.submission for batch in batches]
    except BaseException:
        # None of them was sent, and none will be.
        for submission in written:
            _release(connection, submission, "not all of what was asked for could be reserved")
        raise


def still_reserved(warehouse: Warehouse, reservations: Sequence[Reservation]) -> list[Reservation]:
    """Those that nobody has released meanwhile."""
    if not reservations:
        return []
    with warehouse.connect(PATIENCE_SECONDS) as connection:
        rows = connection.execute(sql(__package__, "lost_batches")).fetchall()
    reserved = {row[0] for row in rows}
    return [reservation for reservation in reservations if reservation.submission in reserved]


def record_submitted(warehouse: Warehouse, submission: str, batch_id: str) -> None:
    """The provider has it, under this id."""
    with warehouse.connect(PATIENCE_SECONDS) as connection:
        connection.execute(
            "UPDATE tag_batches SET status = 'submitted', batch_id = ?, submitted_at = now(), error = NULL "
            "WHERE submission = ? AND status = 'reserved'",
            [batch_id, submission],
        )


def record_uncertain(warehouse: Warehouse, submission: str, reason: str) -> None:
    """Whether the provider has it is not known: it stays reserved, so that nothing is asked twice."""
    with warehouse.connect(PATIENCE_SECONDS) as connection:
        connection.execute("UPDATE tag_batches SET error = ? WHERE submission = ?", [reason, submission])


def release(warehouse: Warehouse, submission: str, reason: str) -> None:
    """The provider certainly never had it: its requests are free again. What is not reserved stays as it is."""
    with warehouse.connect(PATIENCE_SECONDS) as connection:
        _release(connection, submission, reason)


def _release(connection: duckdb.DuckDBPyConnection, submission: str, reason: str) -> None:
    with transaction(connection):
        released = connection.execute(
            "UPDATE tag_batches SET status = 'released', error = ?, evidence = ? "
            "WHERE submission = ? AND status = 'reserved' RETURNING submission",
            [reason, reason, submission],
        ).fetchall()
        if released:
            connection.execute(sql(__package__, "release_requests"), {"submission": submission})
            connection.execute(sql(__package__, "release_claims"), {"submission": submission})


def adopt(warehouse: Warehouse, submission: str, batch_id: str, evidence: str) -> bool:
    """The provider has it after all, under this id; False if it is not reserved any more."""
    with warehouse.connect(PATIENCE_SECONDS) as connection:
        adopted = connection.execute(
            "UPDATE tag_batches SET status = 'submitted', batch_id = ?, submitted_at = created_at, error = NULL, "
            "evidence = ?, looked_for_at = now() WHERE submission = ? AND status = 'reserved' RETURNING submission",
            [batch_id, evidence, submission],
        ).fetchall()
    return bool(adopted)


def record_evidence(warehouse: Warehouse, submission: str, evidence: str) -> None:
    """What looking for it has found so far."""
    with warehouse.connect(PATIENCE_SECONDS) as connection:
        connection.execute(
            "UPDATE tag_batches SET evidence = ?, looked_for_at = now() WHERE submission = ? AND status = 'reserved'",
            [evidence, submission],
        )


def _request_parameters(stage: Stage, model: Model, analysis_count: int) -> dict[str, Any]:
    return {
        **_model_parameters(stage, model),
        "analysis_count": analysis_count,
        "max_failures": MAX_FAILURES,
    }


def _model_parameters(stage: Stage, model: Model) -> dict[str, Any]:
    return {
        "stage": stage.name,
        "provider": model.provider,
        "model": model.id,
        "prompt_version": stage.prompt.version,
    }


def _missing(
    connection: duckdb.DuckDBPyConnection, stage: Stage, model: Model, analysis_count: int, limit: int | None
) -> pl.DataFrame:
    """position, basis, analysis_index, attempt of each missing request of this model."""
    parameters = {**_request_parameters(stage, model, analysis_count), "renew": stage.renew}
    missing = connection.sql(sql(__package__, "missing_requests"), params=parameters).pl()
    if limit is None:
        return missing
    palettes = missing["position"].unique(maintain_order=True).head(limit)
    return missing.filter(pl.col("position").is_in(palettes.implode()))


def _split(
    connection: duckdb.DuckDBPyConnection,
    stage: Stage,
    provider: BatchProvider,
    model: Model,
    missing: pl.DataFrame,
    seeds: Sequence[str],
    sizes: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> list[_Planned]:
    limits = load_catalogue().provider(provider.key)
    template = RequestTemplate.of(provider, model, stage.question)
    positions = missing["position"].to_numpy()
    line_sizes = sizes[positions] + template.line_bytes(_CUSTOM_ID_LENGTH)
    tokens_out = _output_tokens(connection, stage, model)
    prose = len(stage.prompt.system) + len(orjson.dumps(stage.prompt.schema))
    batches: list[_Planned] = []
    for start, end in batch_bounds(line_sizes, limits.max_requests, limits.max_bytes):
        rows = missing[start:end]
        # Few texts differ in length, so there is little to work out.
        lengths, counts = np.unique(sizes[positions[start:end]], return_counts=True)
        tokens_in = sum(
            input_tokens(prose, length) * count for length, count in zip(lengths.tolist(), counts.tolist(), strict=True)
        )
        expected_out = math.ceil(tokens_out * (end - start))
        cost = _price(provider, model).cost(tokens_in, expected_out)
        reservation = Reservation(
            new_submission(), api_name(provider), model, template, seeds, positions[start:end], cost
        )
        batches.append(_Planned(provider, reservation, rows, tokens_in, expected_out))
    return batches


def batch_bounds(
    line_sizes: np.ndarray[tuple[int], np.dtype[np.int64]], max_requests: int, max_bytes: int
) -> list[tuple[int, int]]:
    """Where to cut requests of these sizes into as few batches as the limits allow: (start, end) of each.

    They are about equally large where the limits allow that too: such batches take about as long, and while one is
    taken in, the next is read.
    """
    ends = [0, *np.cumsum(line_sizes).tolist()]
    # The frame of the file, such as the brackets round Anthropic's list, has room in this.
    room = max_bytes - 1024
    full: list[tuple[int, int]] = []
    start = 0
    while start < len(line_sizes):
        end = bisect_right(ends, ends[start] + room) - 1
        end = max(start + 1, min(end, start + max_requests))
        full.append((start, end))
        start = end
    cuts = [len(line_sizes) * number // max(1, len(full)) for number in range(len(full) + 1)]
    equal = list(pairwise(cuts))
    fits = all(end - start <= max_requests and ends[end] - ends[start] <= room for start, end in equal)
    return equal if fits else full


def _output_tokens(connection: duckdb.DuckDBPyConnection, stage: Stage, model: Model) -> float:
    parameters = _model_parameters(stage, model)
    del parameters["stage"]
    average, answers = connection.execute(
        sql(__package__, "typical_output"), {**parameters, "answers": stage.answers}
    ).fetchall()[0]
    return output_tokens(model.expected_output_tokens * stage.output_ratio, average, answers)


def _insert(connection: duckdb.DuckDBPyConnection, stage: Stage, batch: _Planned) -> None:
    provider, reservation = batch.provider, batch.reservation
    model = reservation.model
    price = _price(provider, model)
    custom_ids = (custom_id(reservation.submission, row) for row in range(reservation.request_count))
    reserved = batch.rows.select("analysis_index", "attempt", "basis").with_columns(
        custom_id=pl.Series(custom_ids, dtype=pl.String),
        seed=pl.Series(reservation.seeds, dtype=pl.String).gather(batch.rows["position"]),
        submission=pl.lit(reservation.submission),
    )
    connection.register("reserved", reserved)
    connection.execute(
        sql(__package__, "insert_batch"),
        {
            **_model_parameters(stage, model),
            "submission": reservation.submission,
            "endpoint": provider.endpoint,
            "access": provider.access,
            "request_count": reservation.request_count,
            "parameters": orjson.dumps(
                {
                    **model.parameters,
                    "max_output_tokens": model.max_output_tokens,
                    "structured_output": model.structured_output,
                    "price_list": price_list_version(),
                }
            ).decode(),
            "input_usd_per_million": price.input_usd_per_million,
            "output_usd_per_million": price.output_usd_per_million,
            "estimated_input_tokens": batch.tokens_in,
            "estimated_output_tokens": batch.tokens_out,
            "estimated_cost_usd": reservation.estimated_cost_usd,
        },
    )
    connection.execute(sql(__package__, "insert_requests"), _model_parameters(stage, model))
    connection.execute(sql(__package__, "insert_claims"), _model_parameters(stage, model))
    connection.unregister("reserved")


def _price(provider: BatchProvider, model: Model) -> Price:
    return full_price(model) if provider.access == "direct" else batch_price(model)


def _check_cap(connection: duckdb.DuckDBPyConnection, reservations: Sequence[Reservation], max_cost_usd: float) -> None:
    planned = sum(reservation.estimated_cost_usd for reservation in reservations)
    if not planned:
        return
    ((under_way,),) = connection.execute(sql(__package__, "outstanding_cost")).fetchall()
    if under_way + planned > max_cost_usd:
        requests = sum(reservation.request_count for reservation in reservations)
        raise CostCapError(
            f"{requests:,} requests are estimated to cost ${planned:.2f}"
            + (f", and ${under_way:.2f} is under way" if under_way >= 0.005 else "")
            + f"; that is above the cap of ${max_cost_usd:.2f}. Nothing was submitted. Ask for less "
            "(--limit, --analysis-count, --model) or raise the cap (--max-cost, GRABIENT_MAX_COST_USD)"
        )
