"""How far the open orders have come, and what each model waits for. All of it is read from requests and batches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import duckdb

from grabient_pipeline.batches.adoption import unread_batches
from grabient_pipeline.batches.estimate import Estimator
from grabient_pipeline.batches.ledger import MAX_FAILURES
from grabient_pipeline.batches.missing import LateRequests, Wanted, missing_palettes
from grabient_pipeline.batches.order_ledger import Committed, OrderPart, cap_line, committed_costs, open_parts
from grabient_pipeline.batches.pauses import read_paused_models
from grabient_pipeline.batches.piece_sizes import admitted, even_piece, most_in_piece
from grabient_pipeline.batches.readiness import Blocked, count_for_parts, read_blocked
from grabient_pipeline.batches.room import Room, room_of
from grabient_pipeline.batches.stages import (
    SENDABLE,
    STAGES,
    Stage,
    StageKey,
    asking_again,
    refining_now,
    refreshing_stale,
)
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.errors import UnknownModelError
from grabient_pipeline.providers.base import Route
from grabient_pipeline.providers.catalogue import Model, load_catalogue
from grabient_pipeline.warehouse import sql
from grabient_pipeline.warehouse.spending_pause import read_pause

# What a part waits for: room in the queue, the end of a pause after a refusal, or a person who raises the limit of an
# account, sets a key, resumes a model or all paid steps, raises the cap of the order, or lets adopted batches be read.
WaitKind = Literal["room", "retry-after", "limit", "key", "pause", "cap", "unread batches"]


@dataclass(frozen=True, slots=True)
class Counts:
    """The requests of a part by what became of them.

    `asked`: all that it asks for, those answered before it was made included. `given_up`: failed as often as they may,
    or left because a batch was late. `waiting`: not sent yet. `late`: of these, what late batches did not answer and
    ordinary calls ask for.
    """

    asked: int
    in_flight: int
    answered: int
    given_up: int
    waiting: int
    late: int = 0


@dataclass(frozen=True, slots=True)
class PartProgress:
    """How far a part of an order has come.

    `room`: of the queue of its model; None for ordinary calls. `waits_for`: why nothing can be sent now, in one line,
    and `wait` the kind of it. `ended`: why nothing will ever be sent again. `request_tokens`: about how many input
    tokens a request has.
    """

    part: OrderPart
    counts: Counts
    committed: Committed
    room: Room | None = None
    waits_for: str | None = None
    ended: str | None = None
    wait: WaitKind | None = None
    request_tokens: float = 1.0

    @property
    def is_stuck(self) -> bool:
        """Whether it waits for a person."""
        return self.wait not in (None, "room", "retry-after")

    @property
    def is_capped(self) -> bool:
        """Whether the cap of its order is reached."""
        return self.wait == "cap"

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to send and nothing is under way."""
        return not self.counts.waiting and not self.counts.in_flight

    @property
    def is_finished(self) -> bool:
        """Whether it can be closed: it is complete, or nothing will ever be sent again."""
        return self.is_complete or self.ended is not None

    @property
    def is_sendable(self) -> bool:
        """Whether something can be sent now."""
        return bool(self.sendable)

    @property
    def sendable(self) -> dict[Route, LateRequests]:
        """The routes by which something can be sent now, and how late requests count for each."""
        if self.ended is not None:
            return {}
        routes: dict[Route, LateRequests] = {}
        if self.counts.waiting > self.counts.late and self.waits_for is None:
            routes[self.part.route] = late_requests_of(self.part)
        # Ordinary calls wait for no room.
        lacks_room = self.wait in ("room", "retry-after", "limit")
        if self.part.late_route is not None and self.counts.late and (self.waits_for is None or lacks_room):
            routes[self.part.late_route] = "only"
        return routes


@dataclass(frozen=True)
class View:
    """What counts when the progress of orders is read.

    `stages`: by name and prompt version; orders with another prompt have ended. `is_explicit`: whether a person asks
    for it right now, so that no wait counts but that for room. `ignore_unread`: whether adopted batches whose requests
    are not known yet keep nothing waiting.
    """

    stages: Mapping[StageKey, Stage] = field(default_factory=lambda: SENDABLE)
    is_explicit: bool = False
    ignore_unread: bool = False


def read_progress(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    view: View = View(),
) -> list[PartProgress]:
    """Return the progress of every open part, in the order in which they are sent.

    Args:
        connection: of the working database or of the published one.
        workspace: whose keys and accounts count.
    """
    reader = _Reader(connection, workspace, view)
    return [reader.read(part) for part in open_parts(connection)]


def open_order_cost(parts: Sequence[PartProgress]) -> float:
    """Return what one open order has spent and will spend on what is not sent yet, in US dollars, within its cap.

    Args:
        parts: all of its open parts, at least one.
    """
    committed, cap = parts[0].committed, parts[0].part.max_cost_usd
    unsent = sum(each.counts.waiting * each.part.request_cost_usd for each in parts if each.ended is None)
    return min(max(0.0, cap - committed.outstanding_usd), committed.spent_usd + unsent)


def stage_of(part: OrderPart, stages: Mapping[StageKey, Stage] = SENDABLE) -> Stage | None:
    """Return the stage of a part; None if this program has other prompts than the one that was ordered."""
    stage = stages.get((part.stage, part.prompt_version))
    if stage is None:
        return None
    if part.ask_again:
        stage = asking_again(stage)
    elif part.refresh_stale:
        stage = refreshing_stale(stage)
    return refining_now(stage) if part.refine_now else stage


def model_of(part: OrderPart) -> Model | None:
    """Return the model of a part; None if the catalogue does not have it any more."""
    try:
        return load_catalogue().model(part.name)
    except UnknownModelError:
        return None


def late_requests_of(part: OrderPart) -> LateRequests:
    """Return how what late batches did not answer counts for the batches of a part."""
    return "any" if part.when_late in (None, "again") else "except"


@dataclass
class _Reader:
    """What all parts have in common, read once."""

    connection: duckdb.DuckDBPyConnection
    workspace: Workspace
    view: View

    @cached_property
    def tagging(self) -> dict[tuple[int, str, str], tuple[int, ...]]:
        count_for_parts(self.connection)
        rows = self.connection.execute(sql(__package__, "part_progress"), {"max_failures": MAX_FAILURES}).fetchall()
        return {(number, provider, model): tuple(counts) for number, provider, model, *counts in rows}

    @cached_property
    def committed(self) -> dict[int, Committed]:
        return committed_costs(self.connection)

    @cached_property
    def tokens(self) -> dict[StageKey, dict[str, float]]:
        """Tokens of a request by stage, prompt version and model."""
        known: dict[StageKey, dict[str, float]] = {}
        for stage, version, name, tokens in self.connection.execute(sql(__package__, "request_tokens")).fetchall():
            known.setdefault((stage, version), {})[name] = tokens
        return known

    @cached_property
    def blocked(self) -> Blocked:
        return read_blocked(self.connection, self.workspace.providers.keys)

    @cached_property
    def paused(self) -> dict[str, str]:
        return {each.name: each.left_out for each in read_paused_models(self.connection)}

    @cached_property
    def unread(self) -> dict[str, dict[str, str]]:
        return {stage: {} if self.view.ignore_unread else unread_batches(self.connection, stage) for stage in STAGES}

    @cached_property
    def spending_pause(self) -> str | None:
        pause = read_pause(self.connection)
        return None if pause is None else pause.line

    def read(self, part: OrderPart) -> PartProgress:
        committed = self.committed.get(part.number, Committed())
        model, stage = model_of(part), stage_of(part, self.view.stages)
        ended = _ended(part, model, stage)
        if model is None or stage is None:
            return PartProgress(part, self._counts_without_stage(part), committed, ended=ended)
        counts = self._count(part, model, stage)
        room = None
        if part.access == "batch":
            room = room_of(self.connection, self.workspace, model, part.access, is_explicit=self.view.is_explicit)
        tokens = 1.0 if room is None else self._request_tokens(part, model, stage)
        held = ("cap", cap_line(part, committed)) if part.is_capped(committed) else self._needs_person(part)
        wait, waits_for = held or _lacks_room(room, counts.waiting, tokens, part) or (None, None)
        return PartProgress(part, counts, committed, room, waits_for, ended, wait, tokens)

    def _request_tokens(self, part: OrderPart, model: Model, stage: Stage) -> float:
        """Return about how many input tokens a request has: as in the last batch of the model, else of another one."""
        known = self.tokens.setdefault(stage.key, {})
        if part.name not in known:
            least = Estimator.of(self.connection, stage, model, part.access).least_input
            known[part.name] = max(known.values(), default=least)
        return known[part.name]

    def _needs_person(self, part: OrderPart) -> tuple[WaitKind, str] | None:
        """Return what keeps a part from being sent until a person, or time, has changed something."""
        if self.spending_pause is not None and not self.view.is_explicit:
            return "pause", self.spending_pause
        if part.provider not in self.workspace.providers.keys:
            provider = load_catalogue().provider(part.provider)
            return "key", f"{provider.key_variable} is not set"
        if part.name in self.paused:
            return "pause", self.paused[part.name]
        unread = self.unread[part.stage].get(part.name)
        return None if unread is None else ("unread batches", unread)

    def _count(self, part: OrderPart, model: Model, stage: Stage) -> Counts:
        if part.stage == "tagging":
            asked, in_flight, answered, quarantined, left, late = self.tagging[part.number, part.provider, part.model]
            given_up = quarantined + left
            return Counts(asked, in_flight, answered, given_up, max(0, asked - in_flight - answered - given_up), late)
        wanted = Wanted(stage, model, part.analysis_count, part.bound, part.number, blocked=self.blocked)
        waiting = missing_palettes(self.connection, wanted, limit=1).total
        late = 0
        if waiting and part.when_late in ("leave", "direct"):
            late = missing_palettes(self.connection, replace(wanted, late="only"), limit=1).total
        left = late if part.when_late == "leave" else 0
        in_flight, answered, failed = self._states(part)
        asked = waiting + in_flight + answered
        return Counts(asked, in_flight, answered, failed + left, waiting - left, late - left)

    def _counts_without_stage(self, part: OrderPart) -> Counts:
        in_flight, answered, failed = self._states(part)
        return Counts(part.estimated_requests, in_flight, answered, failed, 0)

    def _states(self, part: OrderPart) -> tuple[int, int, int]:
        """Count the requests of a part's own batches: in flight, succeeded, failed."""
        (counts,) = self.connection.execute(
            sql(__package__, "part_states"),
            {"order_number": part.number, "provider": part.provider, "model": part.model},
        ).fetchall()
        return counts


def _lacks_room(room: Room | None, waiting: int, tokens: float, part: OrderPart) -> tuple[WaitKind, str] | None:
    """Return what a part waits for if nothing more fits into its queue, or too little for another piece."""
    if room is None:
        return None
    if room.refusal is not None:
        kind: WaitKind = "limit" if room.is_hopeless else "retry-after" if room.waits_until is not None else "room"
        return kind, room.refusal
    if not waiting or room.is_idle:
        return None
    size = even_piece(waiting, most_in_piece(load_catalogue().provider(part.provider), room, tokens=tokens))
    tokens_fit = None if room.free_tokens is None else math.floor(room.free_tokens / tokens)
    return None if admitted(room, size, tokens_fit) else ("room", room.lack)


def _ended(part: OrderPart, model: Model | None, stage: Stage | None) -> str | None:
    """Return why nothing can be sent for a part any more, whatever happens."""
    if model is None:
        return f"{part.name} is not in the catalogue any more; grabient models lists its successor"
    if stage is None:
        return f"this version has another {part.stage} prompt than the one that was ordered ({part.prompt_version})"
    if model.retired() and not part.include_retired:
        provider = load_catalogue().provider(part.provider)
        return f"{provider.name} retired {model.name} on {model.ends_on}; its replacement is {model.replacement}"
    return None
