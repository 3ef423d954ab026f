"""The jobs: `backfill` orders missing responses, `send_on` submits waiting requests, `collect` processes results.

`check_catalogue` runs weekly.
"""

# pyright: reportUnknownMemberType=false
# (Dagster leaves a type argument open in the signature of `define_asset_job`.)

import dagster as dg

from grabient_pipeline.defs.assets.batches import provider_assets
from grabient_pipeline.defs.assets.catalogue import catalogue_findings
from grabient_pipeline.defs.assets.palettes import palettes
from grabient_pipeline.defs.assets.tags import tag_responses
from grabient_pipeline.defs.send_on import send_on_job

backfill_job = dg.define_asset_job(
    "backfill",
    selection=dg.AssetSelection.assets(palettes, *provider_assets),
    description="Orders all missing responses of every model of the panel whose provider has a key, and submits the "
    "batches that there is room for. Costs money; see dry_run and max_cost_usd of each provider's asset.",
)

collect_job = dg.define_asset_job(
    "collect",
    selection=dg.AssetSelection.assets(tag_responses).downstream(),
    description="Fetches the results of every ended batch, and brings everything after them up to date.",
)

check_catalogue_job = dg.define_asset_job(
    "check_catalogue",
    selection=dg.AssetSelection.assets(catalogue_findings),
    description="Asks the providers and the price list whether the catalogue of models is still right. Costs nothing.",
)

# On from the start, like everything that costs nothing.
check_catalogue_weekly = dg.ScheduleDefinition(
    name="check_catalogue_weekly",
    job=check_catalogue_job,
    cron_schedule="0 6 * * 1",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Checks the catalogue on Mondays. The asset check catalogue_current says what is to be changed.",
)

JOBS = [backfill_job, collect_job, send_on_job, check_catalogue_job]
SCHEDULES = [check_catalogue_weekly]
