"""The jobs: `backfill` brings palettes to submitted batches, `collect` brings what has ended as far as it goes.

Those of the move from the earlier system are in `migrations.py`.
"""

# pyright: reportUnknownMemberType=false
# (Dagster leaves a type argument open in the signature of `define_asset_job`.)

from __future__ import annotations

import dagster as dg

from grabient_pipeline.convex.defs import MIGRATION_JOBS
from grabient_pipeline.defs.assets.batches import provider_assets
from grabient_pipeline.defs.assets.palettes import palettes
from grabient_pipeline.defs.assets.tags import tag_responses

backfill_job = dg.define_asset_job(
    "backfill",
    selection=dg.AssetSelection.assets(palettes, *provider_assets),
    description="Ask every enabled model of every provider that has a key for whatever is missing. Costs money; see "
    "dry_run and max_cost_usd of each provider's asset.",
)

collect_job = dg.define_asset_job(
    "collect",
    selection=dg.AssetSelection.assets(tag_responses).downstream(),
    description="Fetch the results of every batch that has ended, and bring all that follows from them up to date.",
)

JOBS = [backfill_job, collect_job, *MIGRATION_JOBS]
