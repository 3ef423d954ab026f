"""Reserving requests: what is missing, cut into batches, estimated, held against the cap, and recorded.

A reservation is written before anything is sent. The claims of its requests are a unique key of the database, so no two
processes can reserve the same request.
"""

from __future__ import annotations

import datetime as dt
import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np
import orjson
import polars as pl

from grabient_pipeline.batches.custom_ids import CustomIds, custom_id_length, new_submission
from grabient_pipeline.batches.estimate import input_tokens, output_tokens
from grabient_pipeline.batches.ledger import MAX_FAILURES, RECORD_WAIT_SECONDS, insert_batch, release_reserved
from grabient_pipeline.batches.orders import BackfillOrder
from grabient_pipeline.batches.prompt_versions import register_prompt
from grabient_pipeline.batches.request_file import RequestTemplate
from grabient_pipeline.batches.stages import Stage, Subject
from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.errors import CostCapError
from grabient_pipeline.providers.base import BatchIdentity, RequestFormat, Route
from grabient_pipeline.providers.catalogue import Model, load_catalogue
from grabient_pipeline.providers.prices import Price, batch_price, full_price, price_list_version
from grabient_pipeline.warehouse import Warehouse, registered, sql, transaction

_ROWS_PER_FETCH = 512
# Room for the frame of a file, such as the brackets round Anthropic's list.
_FRAME_BYTES = 1024

_Sizes = np.ndarray[tuple[int], np.dtype[np.int64]]
_Positions = np.ndarray[tuple[int], np.dtype[np.int32]]


@dataclass(frozen=True, slots=True)
class Reservation:
    """A batch that is recorded and not sent yet: which requests, and their estimated cost in US dollars.

    `positions`: the index into `seeds` of each request's palette, in the order of the file; `analyses`: the analysis
    index of each request.
    """

    identity: BatchIdentity
    route: Route
    model: Model
    template: RequestTemplate
    seeds: Sequence[str]
    custom_ids: CustomIds
    positions: _Positions
    analyses: _Positions
    estimated_cost_usd: float

    @property
    def submission(self) -> str:
        """Its token, which identifies it at the provider."""
        return self.identity.submission

    @property
    def request_count(self) -> int:
        """How many requests it has."""
        return self.identity.request_count

    def request_ids(self) -> Iterator[str]:
        """Yield the custom id of each request."""
        return self.custom_ids.render(self.positions.tolist(), self.analyses.tolist())

    def requests(self) -> Iterator[tuple[str, str]]:
        """Yield (custom id, seed) of each request."""
        return zip(self.request_ids(), map(self.seeds.__getitem__, self.positions.tolist()), strict=True)


@dataclass(frozen=True, slots=True)
class ProviderModels:
    """A route, how its requests are written, their host, and the models to request there.

    `clock_offset`: the provider's clock minus this machine's; None if it was not measured.
    """

    route: Route
    format: RequestFormat
    endpoint: str
    models: tuple[Model, ...]
    clock_offset: dt.timedelta | None = None


def missing_subjects(
    warehouse: Warehouse, stage: Stage, models: Sequence[Model], order: BackfillOrder
) -> dict[str, Subject]:
    """Return by seed the palettes with a request missing for at least one of the models, oldest first."""
    subjects: dict[str, Subject] = {}
    with warehouse.connect() as connection:
        for model in models:
            parameters = {
                **_request_parameters(stage, model, order.analysis_count),
                **stage.parameters,
                "limit": order.limit,
            }
            rows = connection.execute(sql(__package__, stage.palettes), parameters)
            # In pieces, since a row may carry a whole consensus.
            while piece := rows.fetchmany(_ROWS_PER_FETCH):
                for seed, *row in piece:
                    if seed not in subjects:
                        subjects[seed] = stage.subject(row)
    return subjects


def reserve(
    warehouse: Warehouse,
    stage: Stage,
    requested: Sequence[ProviderModels],
    subjects: Mapping[str, Subject],
    texts: Mapping[str, bytes],
    order: BackfillOrder,
) -> list[Reservation]:
    """Reserve every missing request, in batches as large as the providers accept.

    The database is held throughout. Everything is estimated first; then each model's requests are written in a
    transaction of their own, since one transaction for all would hold them all in memory. A process that dies in
    between leaves batches that were never sent, which `reconcile` releases. A dry run writes nothing.

    Args:
        texts: the user's message about each palette, by seed, as it stands inside a JSON string.
        subjects: the palettes that the texts are about.

    Raises:
        CostCapError: the estimate and what is outstanding exceed the cap; nothing is reserved.
    """
    palettes = _Palettes(
        seeds=list(texts),
        palette_ids=[subjects[seed].palette_id for seed in texts],
        bases=[subjects[seed].source_digest for seed in texts],
        sizes=np.fromiter((len(text) for text in texts.values()), dtype=np.int64, count=len(texts)),
    )
    with warehouse.connect() as connection, registered(connection, "requested", palettes.frame()):
        ((ledger_id,),) = connection.execute("SELECT ledger_id FROM config").fetchall()
        planned: list[list[_PlannedBatch]] = []
        for entry in requested:
            for model in entry.models:
                missing = _missing_requests(connection, stage, model, order)
                planner = _Planner(stage, entry, model, palettes, ledger_id)
                planned.append(planner.plan(missing, planner.expected_output(connection)))
        reservations = [batch.reservation for batches in planned for batch in batches]
        if not order.dry_run:
            _check_cap(connection, reservations, order.max_cost_usd)
            _write_all(connection, stage, planned, order.max_cost_usd)
            crash_point("reserve.written")
    return reservations


def still_reserved(warehouse: Warehouse, reservations: Sequence[Reservation]) -> list[Reservation]:
    """Return the reservations that no other process has released meanwhile."""
    if not reservations:
        return []
    with warehouse.connect(RECORD_WAIT_SECONDS) as connection:
        rows = connection.execute("SELECT submission FROM tag_batches WHERE status = 'reserved'").fetchall()
    reserved = {row[0] for row in rows}
    return [reservation for reservation in reservations if reservation.submission in reserved]


def holds_only(warehouse: Warehouse, reservations: Sequence[Reservation]) -> bool:
    """Whether the ledger has these reservations and nothing else, so that it begins with them."""
    with warehouse.connect(RECORD_WAIT_SECONDS) as connection:
        ((batches,),) = connection.execute("SELECT count(*) FROM tag_batches").fetchall()
    return batches == len(reservations)


def batch_bounds(line_sizes: _Sizes, max_requests: int, max_bytes: int) -> list[tuple[int, int]]:
    """Cut requests of these sizes in bytes into as few batches as the limits allow: (start, end) of each.

    The batches are about equally large where the limits allow it: then they take about as long, and one is stored while
    the next is read.
    """
    ends = [0, *np.cumsum(line_sizes).tolist()]
    room = max_bytes - _FRAME_BYTES
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


@dataclass(frozen=True, slots=True)
class _Palettes:
    """The palettes of an order, by position: seed, id, consensus digest, and the size of their text in bytes."""

    seeds: Sequence[str]
    palette_ids: Sequence[str]
    bases: Sequence[str | None]
    sizes: _Sizes

    def frame(self) -> pl.DataFrame:
        """Return them as a table: seed, position, basis."""
        return pl.DataFrame(
            {
                "seed": self.seeds,
                "position": np.arange(len(self.seeds), dtype=np.int32),
                "basis": pl.Series(self.bases, dtype=pl.String),
            }
        )


@dataclass(frozen=True, slots=True)
class _PlannedBatch:
    """A batch to be recorded, with its requests, its estimated tokens and their price.

    `rows`: position, analysis_index and attempt of each request. `bases`: the consensus digests, by position.
    """

    entry: ProviderModels
    reservation: Reservation
    rows: pl.DataFrame
    bases: Sequence[str | None]
    tokens_in: int
    tokens_out: int
    price: Price


@dataclass(frozen=True, slots=True)
class _Planner:
    """Cuts the missing requests of one model into batches and estimates them."""

    stage: Stage
    entry: ProviderModels
    model: Model
    palettes: _Palettes
    ledger_id: str

    def expected_output(self, connection: duckdb.DuckDBPyConnection) -> float:
        """Tokens of one response: from this model's history where there is enough, else from the catalogue."""
        parameters = {
            "answers": self.stage.answers,
            "provider": self.model.provider,
            "model": self.model.id,
            "prompt_version": self.stage.prompt.version,
        }
        ((average, answers),) = connection.execute(sql(__package__, "typical_output"), parameters).fetchall()
        return output_tokens(self.model.expected_output_tokens * self.stage.output_ratio, average, answers)

    def plan(self, missing: pl.DataFrame, tokens_out: float) -> list[_PlannedBatch]:
        limits = load_catalogue().provider(self.entry.route.provider)
        template = RequestTemplate.of(self.entry.format, self.model, self.stage.payload)
        price = full_price(self.model) if self.entry.route.access == "direct" else batch_price(self.model)
        positions = missing["position"].to_numpy()
        analyses = missing["analysis_index"].to_numpy()
        line_sizes = self.palettes.sizes[positions] + template.line_bytes(custom_id_length(self.stage.name))
        batches: list[_PlannedBatch] = []
        for start, end in batch_bounds(line_sizes, limits.max_requests, limits.max_bytes):
            tokens_in = self._input_tokens(positions[start:end])
            expected_out = math.ceil(tokens_out * (end - start))
            identity = self._identity(end - start)
            reservation = Reservation(
                identity,
                self.entry.route,
                self.model,
                template,
                self.palettes.seeds,
                CustomIds.of(identity, self.palettes.palette_ids, self.palettes.bases),
                positions[start:end],
                analyses[start:end],
                price.cost(tokens_in, expected_out),
            )
            rows, bases = missing[start:end], self.palettes.bases
            batches.append(_PlannedBatch(self.entry, reservation, rows, bases, tokens_in, expected_out, price))
        return batches

    def _identity(self, request_count: int) -> BatchIdentity:
        return BatchIdentity(
            new_submission(), self.ledger_id, self.stage.name, self.model.name, self.stage.prompt.version, request_count
        )

    def _input_tokens(self, positions: _Positions) -> int:
        prose = len(self.stage.prompt.system) + len(orjson.dumps(self.stage.prompt.schema))
        # Few texts differ in length, so each length is estimated once.
        lengths, counts = np.unique(self.palettes.sizes[positions], return_counts=True)
        return sum(
            input_tokens(prose, length) * count for length, count in zip(lengths.tolist(), counts.tolist(), strict=True)
        )


def _missing_requests(
    connection: duckdb.DuckDBPyConnection, stage: Stage, model: Model, order: BackfillOrder
) -> pl.DataFrame:
    """Return position, analysis_index and attempt of each missing request of this model."""
    parameters = {
        **_request_parameters(stage, model, order.analysis_count),
        "refresh_stale": stage.refresh_stale,
    }
    missing = connection.sql(sql(__package__, "missing_requests"), params=parameters).pl()
    if order.limit is None:
        return missing
    palettes = missing["position"].unique(maintain_order=True).head(order.limit)
    return missing.filter(pl.col("position").is_in(palettes.implode()))


def _write_all(
    connection: duckdb.DuckDBPyConnection,
    stage: Stage,
    planned: Sequence[Sequence[_PlannedBatch]],
    max_cost_usd: float,
) -> None:
    written: list[str] = []
    try:
        for batches in planned:
            with transaction(connection):
                # Again, in the transaction that writes: no two processes can both fit under the cap.
                _check_cap(connection, [batch.reservation for batch in batches], max_cost_usd)
                for batch in batches:
                    _insert(connection, stage, batch)
                register_prompt(connection, stage.prompt)
                crash_point("reserve.writing")
            written += [batch.reservation.submission for batch in batches]
    except BaseException:
        # None of them was sent, and none will be.
        for submission in written:
            release_reserved(connection, submission, "the order could not be reserved as a whole")
        raise


def _insert(connection: duckdb.DuckDBPyConnection, stage: Stage, batch: _PlannedBatch) -> None:
    reservation = batch.reservation
    model = reservation.model
    clock_offset = batch.entry.clock_offset
    reserved = batch.rows.select("analysis_index", "attempt").with_columns(
        custom_id=pl.Series(reservation.request_ids(), dtype=pl.String),
        seed=pl.Series(reservation.seeds, dtype=pl.String).gather(batch.rows["position"]),
        basis=pl.Series(batch.bases, dtype=pl.String).gather(batch.rows["position"]),
        submission=pl.lit(reservation.submission),
    )
    with registered(connection, "reserved", reserved):
        insert_batch(
            connection,
            {
                **_model_parameters(stage, model),
                "submission": reservation.submission,
                "endpoint": batch.entry.endpoint,
                "access": reservation.route.access,
                "request_count": reservation.request_count,
                "parameters": _batch_parameters(model),
                "input_usd_per_million": batch.price.input_usd_per_million,
                "output_usd_per_million": batch.price.output_usd_per_million,
                "estimated_input_tokens": batch.tokens_in,
                "estimated_output_tokens": batch.tokens_out,
                "estimated_cost_usd": reservation.estimated_cost_usd,
                "clock_offset_seconds": None if clock_offset is None else clock_offset.total_seconds(),
            },
        )
        connection.execute(sql(__package__, "insert_requests"), _model_parameters(stage, model))
        connection.execute(sql(__package__, "insert_claims"), _model_parameters(stage, model))


def _batch_parameters(model: Model) -> str:
    """What a batch was requested with, as JSON, so that it can be traced later."""
    return orjson.dumps(
        {
            **model.parameters,
            "max_output_tokens": model.max_output_tokens,
            "structured_output": model.structured_output,
            "price_list": price_list_version(),
        }
    ).decode()


def _check_cap(connection: duckdb.DuckDBPyConnection, reservations: Sequence[Reservation], max_cost_usd: float) -> None:
    planned = sum(reservation.estimated_cost_usd for reservation in reservations)
    if not planned:
        return
    ((outstanding,),) = connection.execute(sql(__package__, "outstanding_cost")).fetchall()
    if outstanding + planned > max_cost_usd:
        requests = sum(reservation.request_count for reservation in reservations)
        raise CostCapError(
            f"{requests:,} requests are estimated to cost ${planned:.2f}"
            + (f", and ${outstanding:.2f} is outstanding" if outstanding >= 0.005 else "")
            + f"; that is above the cap of ${max_cost_usd:.2f}. Nothing was submitted. Request less "
            "(--limit, --analysis-count, --model) or raise the cap (--max-cost, GRABIENT_MAX_COST_USD)"
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
