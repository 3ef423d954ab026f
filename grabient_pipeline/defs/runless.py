"""Report what a command did as materializations without a run, with the same metadata as a run of the asset."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg

from grabient_pipeline.defs.assets.batches import provider_metadata
from grabient_pipeline.defs.assets.catalogue import catalogue_findings_metadata
from grabient_pipeline.defs.assets.consensus import palette_tag_consensus_metadata
from grabient_pipeline.defs.assets.embeddings import palette_embeddings_metadata
from grabient_pipeline.defs.assets.gallery import palette_gallery_metadata
from grabient_pipeline.defs.assets.palettes import palettes_metadata
from grabient_pipeline.defs.assets.refinement import palette_tag_refined_metadata, refinement_metadata
from grabient_pipeline.defs.assets.scorecard import model_scorecard_metadata
from grabient_pipeline.defs.assets.tags import palette_tags_metadata, tag_responses_metadata
from grabient_pipeline.defs.metadata import Metadata
from grabient_pipeline.providers.catalogue import Provider, load_catalogue


def _provider_metadata(provider: Provider, data_dir: Path, report: Any) -> Metadata:
    return provider_metadata(data_dir, provider, report)


def _gallery_metadata(_: Path, report: Any) -> Metadata:
    return palette_gallery_metadata(report)


# The metadata of each asset, made from the data directory and the report of its step. In the order of the asset graph:
# an asset that is recorded before its dependencies counts as outdated, and the sensor `refresh_derived` would run it.
METADATA: dict[str, Callable[[Path, Any], Metadata]] = {
    "catalogue_findings": catalogue_findings_metadata,
    "palettes": palettes_metadata,
    **{
        f"{provider.key}_batches": partial(_provider_metadata, provider)
        for provider in load_catalogue().providers.values()
    },
    "tag_responses": tag_responses_metadata,
    "palette_tags": palette_tags_metadata,
    "palette_tag_consensus": palette_tag_consensus_metadata,
    "model_scorecard": model_scorecard_metadata,
    "refinement_batches": refinement_metadata,
    "palette_tag_refined": palette_tag_refined_metadata,
    "palette_embeddings": palette_embeddings_metadata,
    "palette_gallery": _gallery_metadata,
}


def report(data_dir: Path, reports: Mapping[str, object], command: str) -> None:
    """Record assets as materialized by a command, in the Dagster instance of `DAGSTER_HOME`.

    Args:
        data_dir: where the steps published their results.
        reports: the reports of the steps, by asset.
        command: the command, such as `grabient import`.

    Raises:
        ValueError: there is no metadata for an asset.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    metadata = {asset: METADATA[asset](data_dir, reports[asset]) for asset in sorted(reports, key=list(METADATA).index)}
    with dg.DagsterInstance.get() as instance:
        for asset, values in metadata.items():
            instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    asset_key=asset, description=f"by {command} on the command line", metadata=values
                )
            )
