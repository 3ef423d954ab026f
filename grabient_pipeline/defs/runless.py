"""Showing in the Dagster UI what the command line did.

The steps are the same and so is the metadata; only the run is missing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import dagster as dg

from grabient_pipeline.defs.metadata import Metadata


def record_materializations(materializations: Mapping[str, Metadata], command: str) -> None:
    """Report these assets as materialized by a command, in the Dagster instance of `DAGSTER_HOME`.

    Args:
        materializations: metadata by the name of the asset.
        command: the command, such as `grabient import`.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with dg.DagsterInstance.get() as instance:
        for asset, metadata in materializations.items():
            instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    asset_key=asset, description=f"by {command} on the command line", metadata=metadata
                )
            )
