"""The code location: everything that Dagster sees, put together in one place."""

from __future__ import annotations

from typing import Any

import dagster as dg

from grabient_pipeline.defs.asset_checks import CHECKS
from grabient_pipeline.defs.assets import ASSETS
from grabient_pipeline.defs.jobs import JOBS
from grabient_pipeline.defs.resources import PipelineResource
from grabient_pipeline.defs.sensors import poll_batches


def build_definitions(**overrides: Any) -> dg.Definitions:
    """All definitions; what is given by name (`resources`, `sensors`, ...) takes the place of ours."""
    parts: dict[str, Any] = {
        "assets": ASSETS,
        "asset_checks": CHECKS,
        "jobs": JOBS,
        "sensors": [poll_batches],
        "resources": {"pipeline": PipelineResource()},
        # The steps are short and share one database: a process for each would cost two seconds and win nothing.
        "executor": dg.in_process_executor,
    }
    return dg.Definitions(**{**parts, **overrides})


defs = build_definitions()
