"""The state of everything, read from the published database: what is done, pending, spent, and needs attention."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb

from grabient_pipeline.batches.adoption import read_unresolved
from grabient_pipeline.batches.catalogue_check import read_findings
from grabient_pipeline.batches.ledger import MAX_FAILURES
from grabient_pipeline.batches.order_progress import read_progress
from grabient_pipeline.batches.order_status import OrderStatus, read_order_status, stuck_reasons
from grabient_pipeline.batches.pauses import PausedModel, read_paused_models
from grabient_pipeline.batches.price_correction import PriceCorrection, read_price_corrections
from grabient_pipeline.batches.quarantine import QuarantinedRequests, failing_requests
from grabient_pipeline.batches.stages import REFINEMENT, STAGES, TAGGING
from grabient_pipeline.batches.windows import window_of
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.errors import WarehouseError
from grabient_pipeline.formatting import pluralize
from grabient_pipeline.providers.catalogue_age import Finding
from grabient_pipeline.warehouse import connect, sql
from grabient_pipeline.warehouse.snapshots import BackupSummary, backup_dir, summarize
from grabient_pipeline.warehouse.spending_pause import SpendingPause, read_pause


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """A batch that is pending or needs attention. The cost is in US dollars.

    `likely_at`, `latest_at`: when half and nine of ten of its provider's earlier batches would have ended; None before
    there were any. `trouble`: why calls about it fail since `trouble_since`, or what is waited for. `waiting`: the
    requests without a result if the others are stored already. `recorded_window_hours`: None for older batches.
    """

    submission: str
    stage: str
    provider: str
    model: str
    access: str
    batch_id: str | None
    status: str
    provider_status: str | None
    request_count: int
    completed_count: int | None
    estimated_cost_usd: float
    created_at: dt.datetime
    submitted_at: dt.datetime | None
    error: str | None
    likely_at: dt.datetime | None = None
    latest_at: dt.datetime | None = None
    trouble: str | None = None
    trouble_since: dt.datetime | None = None
    waiting: int | None = None
    recorded_window_hours: int | None = None

    @property
    def window_hours(self) -> int:
        """After how many hours its provider ends it."""
        return window_of(self.provider, self.recorded_window_hours)

    @property
    def due_at(self) -> dt.datetime | None:
        """When its provider's window ends; None while the provider is not known to have it."""
        if self.status != "submitted" or self.submitted_at is None or self.access == "direct":
            return None
        return self.submitted_at + dt.timedelta(hours=self.window_hours)

    @property
    def overdue(self) -> bool:
        """Whether it is still pending after its provider's window."""
        return self.due_at is not None and self.due_at < dt.datetime.now(dt.UTC)


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """How a model has done in one of the stages. The cost is in US dollars.

    `cached_input_tokens`: of the input tokens, those read from the provider's cache. `reasoning_tokens`: of the output
    tokens, those of hidden reasoning. Both as far as the responses tell, and None if none does.
    """

    provider: str
    model: str
    answers: int
    usable: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class UnsuccessfulBatch:
    """The last batch of a model, if it ended without doing its work."""

    provider: str
    model: str
    status: str
    error: str | None
    request_count: int


@dataclass(frozen=True)
class Status:
    """Counts and costs in US dollars.

    `paid_and_not_kept`: responses that providers counted and never handed out. `resting_requests`: requests in
    quarantine. `findings`: rows of results that were not as they should be, by kind. `failing`: requests whose last
    attempt failed, by reason. `unsuccessful`: models whose last batch failed as a whole or ended early. `paused`:
    models that nothing is submitted to. `price_corrections`: costs that were booked at a wrong price and corrected.
    `spending_pause`: why nothing is paid for without a person. `unresolved`: batches that may
    contain what the ledger does not know yet. `backups`: the snapshots of this ledger. `orders`: those that are open.
    `catalogue`: what is no longer right in the catalogue about models in use.
    """

    palettes: int
    requests: Mapping[str, int]
    batches: Mapping[str, int]
    answers: int
    usable_answers: int
    consensus: int
    refined: int
    stale: int
    embedded: int
    cost_usd: float
    outstanding_usd: float
    paid_and_not_kept: int
    resting_requests: int
    findings: Mapping[str, int]
    open_batches: tuple[OpenBatch, ...]
    models: tuple[ModelSummary, ...]
    refining_models: tuple[ModelSummary, ...]
    failing: tuple[QuarantinedRequests, ...] = ()
    unsuccessful: tuple[UnsuccessfulBatch, ...] = ()
    paused: tuple[PausedModel, ...] = ()
    price_corrections: tuple[PriceCorrection, ...] = ()
    spending_pause: SpendingPause | None = None
    unresolved: tuple[str, ...] = ()
    backups: BackupSummary = field(default_factory=BackupSummary)
    orders: tuple[OrderStatus, ...] = ()
    catalogue: tuple[Finding, ...] = ()

    @property
    def stuck(self) -> dict[str, str]:
        """What keeps open orders waiting until a person does something, by reason, with what waits."""
        return stuck_reasons(self.orders)

    @property
    def complaints(self) -> list[str]:
        """What keeps models from giving answers, in the providers' words, a line each."""
        return complaints(self.paused, self.unsuccessful, self.failing, self.spending_pause, self.unresolved)


def read_status(
    data_dir: Path,
    workspace: Workspace | None = None,
    *,
    refinement_model: str | None = None,
    keeps_retired: bool = False,
) -> Status:
    """Read the state as published. Changes nothing.

    Args:
        data_dir: where it was published.
        workspace: whose keys and accounts say what the open orders wait for; without it, the orders are left out.
        refinement_model, keeps_retired: as in `read_findings`.

    Raises:
        WarehouseError: nothing has been published yet.
    """
    with connect(data_dir) as connection:
        return replace(
            _status(connection),
            backups=_backups(connection, data_dir),
            catalogue=tuple(
                each for each in read_findings(connection, refinement_model, keeps_retired=keeps_retired) if each.in_use
            ),
            orders=() if workspace is None else read_order_status(connection, read_progress(connection, workspace)),
        )


def read_complaints(data_dir: Path) -> list[str]:
    """Return what keeps models from giving answers, as published and in the providers' words, a line each.

    Empty before anything is published.
    """
    try:
        with connect(data_dir) as connection:
            return complaints(
                read_paused_models(connection),
                _unsuccessful_batches(connection),
                failing_requests(connection, 1),
                read_pause(connection),
                read_unresolved(connection),
            )
    except WarehouseError:
        return []


def complaints(
    paused: Sequence[PausedModel],
    unsuccessful: Sequence[UnsuccessfulBatch],
    failing: Sequence[QuarantinedRequests],
    pause: SpendingPause | None = None,
    unresolved: Sequence[str] = (),
) -> list[str]:
    """Say which models are paused, whose last batch came to nothing, why requests fail, and what is still unknown."""
    return [
        *([pause.line] if pause else []),
        *unresolved,
        *(each.left_out for each in paused),
        *(
            f"{each.provider}/{each.model}: the last batch ended as {each.status}; what it did not answer is free again"
            + (f": {each.error}" if each.error else "")
            for each in unsuccessful
        ),
        *(
            f"{each.provider}/{each.model}: {pluralize(each.requests, 'request')} failed: {each.reason}"
            for each in failing
        ),
    ]


def _unsuccessful_batches(connection: duckdb.DuckDBPyConnection) -> tuple[UnsuccessfulBatch, ...]:
    rows = connection.execute(sql(__package__, "unsuccessful_batches")).fetchall()
    return tuple(UnsuccessfulBatch(*row) for row in rows)


def failure_reasons(data_dir: Path) -> dict[str, int]:
    """Return why responses could not be used, as published, the most frequent reason first."""
    with connect(data_dir) as connection:
        return dict(connection.execute(sql(__package__, "failure_kinds")).fetchall())


def models_without_usable_answers(data_dir: Path) -> dict[str, str]:
    """Return the models, as `provider/model`, whose answers all failed, with the most frequent reason; as published."""
    with connect(data_dir) as connection:
        return dict(connection.execute(sql(__package__, "models_without_usable_answers")).fetchall())


def model_summaries(connection: duckdb.DuckDBPyConnection, answers: str) -> tuple[ModelSummary, ...]:
    """Summarise each model with responses in a stage's table of answers."""
    stage = next(stage.name for stage in STAGES.values() if stage.answers == answers)
    rows = connection.execute(sql(__package__, "model_summary"), {"answers": answers, "stage": stage}).fetchall()
    return tuple(ModelSummary(*row) for row in rows)


def _status(connection: duckdb.DuckDBPyConnection) -> Status:
    def rows(name: str, parameters: Mapping[str, object] | None = None) -> list[Any]:
        return connection.execute(sql(__package__, name), parameters).fetchall()

    def counts(statement: str) -> dict[str, int]:
        return dict(connection.execute(statement).fetchall())

    ((palettes, answers, usable, consensus, refined, stale, embedded, cost, not_kept),) = rows("status_counts")
    ((outstanding,),) = rows("outstanding_cost")
    ((in_quarantine,),) = rows("quarantined_count", {"max_failures": MAX_FAILURES})
    return Status(
        palettes=palettes,
        requests=counts("SELECT state, count(*) FROM tag_requests GROUP BY state ORDER BY state"),
        batches=counts("SELECT status, count(*) FROM tag_batches GROUP BY status ORDER BY status"),
        answers=answers,
        usable_answers=usable,
        consensus=consensus,
        refined=refined,
        stale=stale,
        embedded=embedded,
        cost_usd=cost,
        outstanding_usd=outstanding,
        paid_and_not_kept=not_kept,
        resting_requests=in_quarantine,
        findings=counts("SELECT kind, count(*) FROM collection_findings GROUP BY kind ORDER BY kind"),
        open_batches=tuple(OpenBatch(*row) for row in rows("open_batches")),
        models=model_summaries(connection, TAGGING.answers),
        refining_models=model_summaries(connection, REFINEMENT.answers),
        failing=tuple(failing_requests(connection, 1)),
        unsuccessful=_unsuccessful_batches(connection),
        paused=tuple(read_paused_models(connection)),
        price_corrections=read_price_corrections(connection),
        spending_pause=read_pause(connection),
        unresolved=tuple(read_unresolved(connection)),
    )


def _backups(connection: duckdb.DuckDBPyConnection, data_dir: Path) -> BackupSummary:
    ((ledger_id,),) = connection.execute("SELECT ledger_id FROM config").fetchall()
    return summarize(backup_dir(data_dir), ledger_id)
