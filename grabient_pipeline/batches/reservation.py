"""Reserving a piece of an order: the next missing requests of a model, as many as there is room for, as one batch.

A reservation is written before anything is sent. The claims of its requests are a unique key of the database, so no two
processes can reserve the same request. Nothing is reserved that is not about to be sent, so neither the ledger nor
memory knows how large an order is.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import orjson
import polars as pl

from grabient_pipeline.batches.custom_ids import CustomIds, custom_id_length, new_submission
from grabient_pipeline.batches.estimate import Estimator, Sizes
from grabient_pipeline.batches.ledger import insert_batch
from grabient_pipeline.batches.missing import LateRequests, Wanted, missing_palettes, missing_requests
from grabient_pipeline.batches.order_ledger import Committed, OrderPart, cap_line, committed_costs, is_open
from grabient_pipeline.batches.piece_sizes import FRAME_BYTES, Amounts, admitted, fitting, most_in_piece, piece_size
from grabient_pipeline.batches.prompt_versions import register_prompt
from grabient_pipeline.batches.readiness import NOTHING_BLOCKED, read_blocked
from grabient_pipeline.batches.request_file import RequestTemplate, rendered_contents
from grabient_pipeline.batches.room import Room, room_of
from grabient_pipeline.batches.stages import Stage, Subject
from grabient_pipeline.batches.windows import future_window
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.providers.base import BatchIdentity, RequestFormat, Route
from grabient_pipeline.providers.catalogue import Model, Provider, load_catalogue
from grabient_pipeline.providers.prices import price_list_version
from grabient_pipeline.warehouse import registered, sql, transaction

_Positions = np.ndarray[tuple[int], np.dtype[np.int32]]


@dataclass(frozen=True, slots=True)
class Reservation:
    """A batch that is recorded and not sent yet: which requests, and their estimated cost in US dollars.

    `positions`: the index into `seeds` of each request's palette, in the order of the file; `analyses`: the analysis
    index of each request. `window_hours`: after so many hours its provider ends it; None for ordinary calls.
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
    order_number: int
    window_hours: int | None

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
class Piece:
    """A reservation to be sent, and what is said about its palettes, by seed, as `RequestTemplate.write` takes it."""

    reservation: Reservation
    contents: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class NoPiece:
    """Why nothing is reserved now: what is waited for, or None if nothing is missing."""

    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """A route, how its requests are written, and their host.

    `clock_offset`: the provider's clock minus this machine's; None if it was not measured.
    """

    route: Route
    format: RequestFormat
    endpoint: str
    clock_offset: dt.timedelta | None = None


@dataclass(frozen=True, slots=True)
class Demand:
    """What a piece is to be cut from: a part of an order, its model and stage, and where it goes.

    `late`: whether it is about what late batches did not answer. `is_explicit`: whether a person asks for it right now.
    """

    part: OrderPart
    model: Model
    stage: Stage
    destination: Destination
    late: LateRequests = "any"
    is_explicit: bool = False

    @property
    def provider(self) -> Provider:
        """Its provider in the catalogue."""
        return load_catalogue().provider(self.destination.route.provider)

    @property
    def template(self) -> RequestTemplate:
        """One of its requests, to be filled with ids and texts."""
        return RequestTemplate.of(self.destination.format, self.model, self.stage.payload)

    def room(self, connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> Room:
        """Read the room for a batch of it."""
        access = self.destination.route.access
        return room_of(connection, workspace, self.model, access, is_explicit=self.is_explicit)

    def wanted(self, connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> Wanted:
        """Return what is asked of the model."""
        part = self.part
        blocked = read_blocked(connection, workspace.providers.keys) if self.stage.refines else NOTHING_BLOCKED
        return Wanted(
            self.stage,
            self.model,
            part.analysis_count,
            part.bound,
            part.number,
            self.late,
            blocked=blocked,
            predecessors=part.predecessors,
        )


def reserve_piece(workspace: Workspace, demand: Demand) -> Piece | NoPiece:
    """Reserve the next piece of a part, if there is room for one and the order may still spend what it costs.

    The database is free while the contents are written, so that other processes go on.
    """
    with workspace.warehouse.connect() as connection:
        room = demand.room(connection, workspace)
        if (reason := room.refusal) is not None:
            return NoPiece(reason)
        estimator = Estimator.of(connection, demand.stage, demand.model, demand.destination.route.access)
        wanted = demand.wanted(connection, workspace)
        # More than a piece can have: the contents, which make requests longer, are not known yet.
        most = most_in_piece(
            demand.provider,
            room,
            tokens=estimator.least_input,
            line_bytes=demand.template.line_bytes(custom_id_length(demand.stage.name)),
        )
        chosen = missing_palettes(connection, wanted, requests=most)
    if not chosen.subjects:
        return NoPiece()
    contents, text_sizes = rendered_contents(demand.template, demand.stage, chosen.subjects)
    palettes = _Palettes.of(chosen.subjects, contents, text_sizes)
    planner = _Planner(demand, palettes, estimator, chosen.total)
    with workspace.warehouse.connect() as connection, transaction(connection):
        # Again, and in the transaction that writes: another process may have taken the room, the requests or the money.
        if not is_open(connection, demand.part):
            return NoPiece()
        room = demand.room(connection, workspace)
        committed = committed_costs(connection).get(demand.part.number, Committed())
        missing = missing_requests(connection, wanted, palettes.frame(), limit=max(1, chosen.requests))
        planned = planner.plan(connection, missing, room, committed)
        if isinstance(planned, NoPiece):
            return planned
        _insert(connection, demand, palettes, planned)
        register_prompt(connection, demand.stage.prompt)
        crash_point("reserve.writing")
    crash_point("reserve.written")
    return Piece(planned.reservation, contents)


@dataclass(frozen=True, slots=True)
class _Palettes:
    """The palettes that a piece is cut from, by position, and the sizes of their contents and texts in bytes."""

    seeds: Sequence[str]
    subjects: Sequence[Subject]
    sizes: Sizes
    text_sizes: Sizes

    @classmethod
    def of(cls, subjects: Mapping[str, Subject], contents: Mapping[str, bytes], text_sizes: Sizes) -> _Palettes:
        sizes = np.fromiter(map(len, contents.values()), dtype=np.int64, count=len(contents))
        return cls(list(contents), [subjects[seed] for seed in contents], sizes, text_sizes)

    @property
    def ids(self) -> list[str]:
        return [subject.palette_id for subject in self.subjects]

    @property
    def bases(self) -> list[str | None]:
        return [subject.source_digest for subject in self.subjects]

    def frame(self) -> pl.DataFrame:
        """Return them as a table: seed, position, basis."""
        return pl.DataFrame(
            {
                "seed": self.seeds,
                "position": np.arange(len(self.seeds), dtype=np.int32),
                "basis": pl.Series(self.bases, dtype=pl.String),
            }
        )

    def columns(self, positions: pl.Series) -> dict[str, pl.Series]:
        """Return what is recorded of the palettes at these positions."""
        values = {
            "seed": pl.Series(self.seeds, dtype=pl.String),
            "basis": pl.Series(self.bases, dtype=pl.String),
            "basis_models": pl.Series([subject.basis_models for subject in self.subjects], dtype=pl.Int32),
            "basis_answers": pl.Series([subject.basis_answers for subject in self.subjects], dtype=pl.Int32),
        }
        return {name: column.gather(positions) for name, column in values.items()}


@dataclass(frozen=True, slots=True)
class _PlannedPiece:
    """A piece to be recorded. `rows`: position, analysis_index and attempt of each request."""

    reservation: Reservation
    rows: pl.DataFrame
    tokens_in: int
    tokens_out: int
    estimator: Estimator


@dataclass(frozen=True, slots=True)
class _Planner:
    """Cuts a piece from the missing requests. `total`: how many are missing in all."""

    demand: Demand
    palettes: _Palettes
    estimator: Estimator
    total: int

    def plan(
        self, connection: duckdb.DuckDBPyConnection, missing: pl.DataFrame, room: Room, committed: Committed
    ) -> _PlannedPiece | NoPiece:
        if room.refusal is not None or not len(missing):
            return NoPiece(room.refusal)
        template = self.demand.template
        positions = missing["position"].to_numpy()
        lines = self.palettes.sizes[positions] + template.line_bytes(custom_id_length(self.demand.stage.name))
        tokens = self.estimator.input_tokens(self.palettes.text_sizes[positions])
        count = self._cut(lines, tokens, room)
        if not count:
            return NoPiece(room.lack)
        count = self._affordable(tokens[:count], committed)
        if isinstance(count, NoPiece):
            return count
        ((ledger_id,),) = connection.execute("SELECT ledger_id FROM config").fetchall()
        tokens_in = math.ceil(tokens[:count].sum())
        route = self.demand.destination.route
        identity = BatchIdentity(
            new_submission(),
            ledger_id,
            self.demand.stage.name,
            self.demand.model.name,
            self.demand.stage.prompt.version,
            count,
        )
        reservation = Reservation(
            identity,
            route,
            self.demand.model,
            template,
            self.palettes.seeds,
            CustomIds.of(identity, self.palettes.ids, self.palettes.bases),
            positions[:count],
            missing["analysis_index"].to_numpy()[:count],
            self.estimator.cost(tokens_in, count),
            self.demand.part.number,
            None if route.access == "direct" else future_window(connection, route.provider),
        )
        return _PlannedPiece(reservation, missing[:count], tokens_in, self.estimator.output(count), self.estimator)

    def _cut(self, lines: Amounts, tokens: Amounts, room: Room) -> int:
        """Return how many requests go into the piece; 0 if there is too little room."""
        provider = self.demand.provider
        size = piece_size(
            [(lines, provider.max_bytes - FRAME_BYTES), (tokens, room.piece_tokens)],
            max(self.total, len(lines)),
            min(provider.max_requests, room.piece_requests or provider.max_requests, len(lines)),
        )
        count = admitted(room, size, None if room.free_tokens is None else fitting(tokens, room.free_tokens))
        # A ceiling that was set too low must not be the end: one request shows whether it still holds.
        fits_limit = room.limits.tokens is None or tokens[0] <= room.limits.tokens
        return max(count, 1) if room.is_idle and fits_limit and room.free_requests != 0 else count

    def _affordable(self, tokens: Amounts, committed: Committed) -> int | NoPiece:
        """Return how many of these requests the cap of the order admits.

        A piece that does not fit waits for what is outstanding, which may cost less than estimated; then it is cut.
        """
        part = self.demand.part
        left = part.max_cost_usd - committed.total_usd
        if self.estimator.cost(tokens.sum(), len(tokens)) <= left:
            return len(tokens)
        one = self.estimator.cost(float(tokens.sum()) / len(tokens), 1)
        count = min(len(tokens), math.floor(max(0.0, left) / one)) if one else len(tokens)
        if count and not committed.outstanding_usd:
            return count
        return NoPiece(cap_line(part, committed))


def _insert(connection: duckdb.DuckDBPyConnection, demand: Demand, palettes: _Palettes, planned: _PlannedPiece) -> None:
    reservation, model, destination = planned.reservation, demand.model, demand.destination
    clock_offset, price = destination.clock_offset, planned.estimator.price
    of_model = {
        "stage": demand.stage.name,
        "provider": model.provider,
        "model": model.id,
        "prompt_version": demand.stage.prompt.version,
    }
    reserved = planned.rows.select("analysis_index", "attempt").with_columns(
        custom_id=pl.Series(reservation.request_ids(), dtype=pl.String),
        submission=pl.lit(reservation.submission),
        **palettes.columns(planned.rows["position"]),
    )
    with registered(connection, "reserved", reserved):
        insert_batch(
            connection,
            {
                **of_model,
                "submission": reservation.submission,
                "order_number": reservation.order_number,
                "endpoint": destination.endpoint,
                "access": destination.route.access,
                "request_count": reservation.request_count,
                "parameters": _batch_parameters(model, destination.route),
                "service_tier": model.direct_tier if destination.route.access == "direct" else None,
                **price.columns,
                "estimated_input_tokens": planned.tokens_in,
                "estimated_output_tokens": planned.tokens_out,
                "estimated_cost_usd": reservation.estimated_cost_usd,
                "window_hours": reservation.window_hours,
                "clock_offset_seconds": None if clock_offset is None else clock_offset.total_seconds(),
            },
        )
        connection.execute(sql(__package__, "insert_requests"), of_model)
        connection.execute(sql(__package__, "insert_claims"), of_model)


def _batch_parameters(model: Model, route: Route) -> str:
    """What a batch was requested with, as JSON, so that it can be traced later."""
    return orjson.dumps(
        {
            **model.parameters,
            **({"service_tier": "flex"} if route.access == "direct" and model.flex is not None else {}),
            "max_output_tokens": model.max_output_tokens,
            "structured_output": model.structured_output,
            "price_list": price_list_version(),
        }
    ).decode()
