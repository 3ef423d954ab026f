"""What an order would be: what is missing of each model, what it is estimated to cost, and in how many batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np

from grabient_pipeline.batches.custom_ids import custom_id_length
from grabient_pipeline.batches.estimate import Estimator
from grabient_pipeline.batches.missing import Wanted, last_palette, missing_palettes
from grabient_pipeline.batches.order_ledger import Bound, OrderPart, PlannedPart, predecessors
from grabient_pipeline.batches.orders import BackfillOrder
from grabient_pipeline.batches.piece_sizes import most_in_piece
from grabient_pipeline.batches.readiness import NOTHING_BLOCKED, Blocked, read_blocked
from grabient_pipeline.batches.request_file import RequestTemplate, rendered_contents
from grabient_pipeline.batches.room import room_of
from grabient_pipeline.batches.stages import Stage
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.providers.base import Route
from grabient_pipeline.providers.catalogue import Model, load_catalogue
from grabient_pipeline.providers.registry import request_format

# An order of more palettes is estimated from so many of them.
_SAMPLE: Final = 500


def plan_parts(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    order: BackfillOrder,
    stage: Stage,
    covering: Sequence[OrderPart] = (),
) -> list[PlannedPart]:
    """Return what is missing of each model of an order, less what the parts `covering` ask for already."""
    planner = _Planner(connection, workspace, order, stage, covering)
    planned = [planner.plan(model) for model in order.models]
    return [part for part in planned if part is not None]


@dataclass(frozen=True, slots=True)
class _Planner:
    connection: duckdb.DuckDBPyConnection
    workspace: Workspace
    order: BackfillOrder
    stage: Stage
    covering: Sequence[OrderPart]

    def plan(self, model: Model) -> PlannedPart | None:
        last = last_palette(self.connection)
        if last is None:
            return None
        route = self.order.route(model)
        wanted = Wanted(
            self.stage,
            model,
            self.order.analysis_count,
            last,
            covering=self._covering(model, route),
            blocked=self._blocked(),
            predecessors=predecessors(self.order.place(model), model.name),
        )
        missing = missing_palettes(self.connection, wanted, limit=self.order.limit or _SAMPLE)
        requests = missing.requests if self.order.limit is not None else missing.total
        if not requests:
            return None
        bound = missing.last if self.order.limit is not None and missing.last is not None else last
        sample = dict(list(missing.subjects.items())[:_SAMPLE])
        template = RequestTemplate.of(request_format(route.provider, route.access), model, self.stage.payload)
        contents, text_sizes = rendered_contents(template, self.stage, sample)
        counts = missing.counts[: len(contents)]
        sizes = np.repeat(np.fromiter(map(len, contents.values()), dtype=np.int64, count=len(contents)), counts)
        estimator = Estimator.of(self.connection, self.stage, model, route.access)
        tokens = estimator.input_tokens(np.repeat(text_sizes, counts))
        lines = sizes + template.line_bytes(custom_id_length(self.stage.name))
        scale = requests / len(sizes)
        cost = estimator.cost(float(tokens.sum()) * scale, requests)
        late_cost = None
        if self.order.late_route(model) is not None:
            full = Estimator.of(self.connection, self.stage, model, "direct")
            late_cost = full.cost(float(tokens.sum()) * scale, requests)
        piece = most_in_piece(
            load_catalogue().provider(route.provider),
            room_of(self.connection, self.workspace, model, route.access),
            tokens=float(tokens.mean()),
            line_bytes=float(lines.mean()),
        )
        place = self.order.place(model)
        return PlannedPart(model, route, bound, requests, cost, math.ceil(requests / piece), late_cost, place)

    def _blocked(self) -> Blocked:
        return read_blocked(self.connection, self.workspace.providers.keys) if self.stage.refines else NOTHING_BLOCKED

    def _covering(self, model: Model, route: Route) -> list[tuple[int, Bound]]:
        return [
            (part.analysis_count, part.bound)
            for part in self.covering
            if (part.stage, part.name, part.route, part.prompt_version)
            == (self.stage.name, model.name, route, self.stage.prompt.version)
            and part.refresh_stale >= self.stage.refresh_stale
            and part.refine_now >= self.stage.refines_now
            and part.ask_again >= self.stage.ask_again
        ]
