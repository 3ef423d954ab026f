"""What is missing of a model: the palettes, and of each palette the requests."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import duckdb
import polars as pl

from grabient_pipeline.batches.ledger import MAX_FAILURES
from grabient_pipeline.batches.order_ledger import Bound
from grabient_pipeline.batches.readiness import NOTHING_BLOCKED, Blocked, create_ready_tables
from grabient_pipeline.batches.stages import Stage, Subject
from grabient_pipeline.providers.catalogue import Model
from grabient_pipeline.warehouse import registered, sql

# Requests that a late batch of the order did not answer count like any other, not at all, or are all that counts.
LateRequests = Literal["any", "except", "only"]

_ROWS_PER_FETCH: Final = 512
_COVERING: Final = {
    "analysis_count": pl.Int32,
    "last_palette_at": pl.Datetime("us", "UTC"),
    "last_seed": pl.String,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a model: so many responses about each palette up to the bound.

    `order_number`: the order, if there is one already. `covering`: the analysis counts and bounds of orders that ask
    for a part of it already, which is then not missing. `blocked`: what cannot be sent: palettes to be refined
    wait for it only for a time. `predecessors`: models, as `provider/model`, whose answers count for this one.
    """

    stage: Stage
    model: Model
    analysis_count: int
    bound: Bound
    order_number: int | None = None
    late: LateRequests = "any"
    covering: Sequence[tuple[int, Bound]] = ()
    blocked: Blocked = NOTHING_BLOCKED
    predecessors: tuple[str, ...] = ()

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the statements."""
        return {
            "stage": self.stage.name,
            "provider": self.model.provider,
            "model": self.model.id,
            "prompt_version": self.stage.prompt.version,
            "analysis_count": self.analysis_count,
            "max_failures": MAX_FAILURES,
            "late": self.late,
        }


@dataclass(frozen=True, slots=True)
class MissingPalettes:
    """The oldest palettes with a missing request, by seed.

    `counts`: how many requests are missing of each. `total`: how many are missing of all palettes, also of those that
    are not here. `last`: the last of these palettes; None if there is none.
    """

    subjects: dict[str, Subject] = field(default_factory=dict[str, Subject])
    counts: list[int] = field(default_factory=list[int])
    total: int = 0
    last: Bound | None = None

    @property
    def requests(self) -> int:
        """How many requests are missing of these palettes."""
        return sum(self.counts)


def last_palette(connection: duckdb.DuckDBPyConnection) -> Bound | None:
    """Return the palette that was imported last; None if there is none."""
    rows = connection.execute("SELECT created_at, seed FROM palettes ORDER BY created_at DESC, seed DESC LIMIT 1")
    row = rows.fetchone()
    return None if row is None else Bound(*row)


def missing_palettes(
    connection: duckdb.DuckDBPyConnection, wanted: Wanted, *, limit: int | None = None, requests: int | None = None
) -> MissingPalettes:
    """Return the oldest palettes with a missing request.

    Args:
        limit: the most palettes.
        requests: as many palettes as have so many missing requests.
    """
    most_palettes = min((most for most in (limit, requests) if most is not None), default=None)
    subjects: dict[str, Subject] = {}
    counts: list[int] = []
    found, total, last = 0, 0, None
    with _chosen(connection, wanted) as parameters:
        rows = connection.execute(sql(__package__, wanted.stage.palettes), {**parameters, "limit": most_palettes})
        # In pieces, since a row may carry a whole consensus.
        while piece := rows.fetchmany(_ROWS_PER_FETCH):
            for total, missing, created_at, seed, *row in piece:
                if requests is not None and found >= requests:
                    return MissingPalettes(subjects, counts, int(total), last)
                subjects[seed] = wanted.stage.subject(row)
                counts.append(int(missing))
                found += counts[-1]
                last = Bound(created_at, seed)
    return MissingPalettes(subjects, counts, int(total), last)


def count_unsettled(connection: duckdb.DuckDBPyConnection, wanted: Wanted, limit: int | None) -> int:
    """Count the palettes that would be refined although answers are outstanding, so that they will be stale.

    Args:
        wanted: with a stage that refines now.
        limit: the most palettes that are refined.
    """
    with _chosen(connection, wanted):
        ((count,),) = connection.execute(sql(__package__, "count_unsettled"), {"limit": limit}).fetchall()
    return count


def missing_requests(
    connection: duckdb.DuckDBPyConnection, wanted: Wanted, requested: pl.DataFrame, limit: int
) -> pl.DataFrame:
    """Return position, analysis_index and attempt of the first missing requests.

    Args:
        requested: palettes: seed, position, basis.
    """
    _create_order_tables(connection, wanted)
    stage = wanted.stage
    modes = {"refines": stage.refines, **_modes(stage)}
    parameters = {**wanted.parameters(), **modes, "limit": limit}
    with registered(connection, "requested", requested):
        return connection.sql(sql(__package__, "missing_requests"), params=parameters).pl()


@contextmanager
def _chosen(connection: duckdb.DuckDBPyConnection, wanted: Wanted) -> Generator[dict[str, Any]]:
    """Show the tables from which the palettes of a stage are chosen; the parameters of the statement, but its limit."""
    _create_order_tables(connection, wanted)
    covering = pl.DataFrame(
        [(count, bound.created_at, bound.seed) for count, bound in wanted.covering], schema=_COVERING, orient="row"
    )
    bound = {"last_palette_at": wanted.bound.created_at, "last_seed": wanted.bound.seed}
    parameters = {**wanted.parameters(), **bound}
    with registered(connection, "covering", covering):
        if not wanted.stage.refines:
            yield parameters
            return
        stale = {**_modes(wanted.stage), "only_stale": wanted.stage.parameters["only_stale"]}
        # A palette is refined once.
        del parameters["analysis_count"]
        create_ready_tables(connection, {**parameters, **stale}, MAX_FAILURES, wanted.blocked)
        yield {"refine_now": wanted.stage.refines_now}


def _modes(stage: Stage) -> dict[str, object]:
    """Return what of the answered a stage requests again, as parameters."""
    return {"refresh_stale": stage.refresh_stale, "ask_again": stage.ask_again}


def _create_order_tables(connection: duckdb.DuckDBPyConnection, wanted: Wanted) -> None:
    """Create the temporary tables of what the order has done, and of what other models have answered in its place."""
    of_order = {"order_number": wanted.order_number}
    connection.execute(sql(__package__, "late_requests"), of_order)
    connection.execute(sql(__package__, "refreshed_requests"), of_order)
    of_model = {name: wanted.parameters()[name] for name in ("stage", "provider", "model", "prompt_version")}
    elsewhere = {
        "ask_again": wanted.stage.ask_again,
        "predecessors": list(wanted.predecessors),
        "with_image": wanted.stage.prompt.with_image,
    }
    connection.execute(sql(__package__, "counted_elsewhere"), {**of_model, **elsewhere})
