"""What a command did, shown in the Dagster UI of the same data directory."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grabient_pipeline.batches.backfill import BackfillReport
    from grabient_pipeline.batches.collect import CollectReport
    from grabient_pipeline.batches.parse import ParseReport
    from grabient_pipeline.batches.refine import RefinementReport
    from grabient_pipeline.convex.report import ConvexReport
    from grabient_pipeline.defs.metadata import Metadata
    from grabient_pipeline.follow_up import FollowUpReport
    from grabient_pipeline.gallery import GalleryReport
    from grabient_pipeline.imports.palettes import ImportReport
    from grabient_pipeline.settings import Settings


def record_import(settings: Settings, report: ImportReport) -> None:
    """The asset `palettes` is up to date."""

    def metadata() -> dict[str, Metadata]:
        from grabient_pipeline.defs.assets.palettes import palettes_metadata

        return {"palettes": palettes_metadata(settings.data_dir, report)}

    record(settings, "grabient import", metadata)


def record_convex(settings: Settings, report: ConvexReport) -> None:
    """What came from the earlier system is up to date."""

    def metadata() -> dict[str, Metadata]:
        from grabient_pipeline.batches.parse import ParseReport
        from grabient_pipeline.convex.report import TableReport
        from grabient_pipeline.defs.assets.palettes import palettes_metadata
        from grabient_pipeline.defs.assets.tags import palette_tags_metadata
        from grabient_pipeline.imports.palettes import ImportReport

        palettes = report.tables.get("palettes", TableReport())
        answers = report.tables.get("palette_tags", TableReport())
        return {
            "palettes": palettes_metadata(settings.data_dir, ImportReport(palettes.imported, palettes.already_there)),
            "palette_tags": palette_tags_metadata(settings.data_dir, ParseReport(0, answers.imported, 0)),
        }

    if any(table.imported for table in report.tables.values()):
        record(settings, "grabient import-convex", metadata)


def record_backfill(settings: Settings, report: BackfillReport) -> None:
    """The assets of the providers that were asked are up to date."""

    def metadata() -> dict[str, Metadata]:
        from dataclasses import replace

        from grabient_pipeline.defs.assets.batches import provider_metadata
        from grabient_pipeline.providers.catalogue import load_catalogue

        told: dict[str, Metadata] = {}
        for key in dict.fromkeys(batch.model.provider for batch in report.submitted):
            own = replace(report, batches=tuple(each for each in report.batches if each.model.provider == key))
            told[f"{key}_batches"] = provider_metadata(settings.data_dir, load_catalogue().provider(key), own)
        return told

    if report.submitted and not report.dry_run:
        record(settings, "grabient backfill", metadata)


def record_collection(settings: Settings, collected: CollectReport, parsed: ParseReport, after: FollowUpReport) -> None:
    """What came back, and what was made of it, is up to date."""

    def metadata() -> dict[str, Metadata]:
        from grabient_pipeline.defs.assets.consensus import palette_tag_consensus_metadata
        from grabient_pipeline.defs.assets.embeddings import palette_embeddings_metadata
        from grabient_pipeline.defs.assets.gallery import palette_gallery_metadata
        from grabient_pipeline.defs.assets.refinement import palette_tag_refined_metadata
        from grabient_pipeline.defs.assets.scorecard import model_scorecard_metadata
        from grabient_pipeline.defs.assets.tags import palette_tags_metadata, tag_responses_metadata

        embedded = after.embedded
        # In the order of the graph: an asset that is recorded before its dependencies would count as outdated.
        return {
            "tag_responses": tag_responses_metadata(settings.data_dir, collected),
            "palette_tags": palette_tags_metadata(settings.data_dir, parsed),
            "palette_tag_consensus": palette_tag_consensus_metadata(settings.data_dir, after.consensus),
            "model_scorecard": model_scorecard_metadata(settings.data_dir, after.scores),
            "palette_tag_refined": palette_tag_refined_metadata(settings.data_dir, after.refined),
            **({"palette_embeddings": palette_embeddings_metadata(settings.data_dir, embedded)} if embedded else {}),
            "palette_gallery": palette_gallery_metadata(after.gallery),
        }

    record_refinement(settings, after.refinement, "grabient poll")
    if collected.batches or parsed.batches:
        record(settings, "grabient poll", metadata)


def record_refinement(settings: Settings, report: RefinementReport, command: str) -> None:
    """The batches of the second stage are up to date."""

    def metadata() -> dict[str, Metadata]:
        from grabient_pipeline.defs.assets.refinement import refinement_metadata

        return {"refinement_batches": refinement_metadata(settings.data_dir, report)}

    if report.batches.submitted:
        record(settings, command, metadata)


def record_gallery(settings: Settings, report: GalleryReport) -> None:
    """The gallery is up to date."""

    def metadata() -> dict[str, Metadata]:
        from grabient_pipeline.defs.assets.gallery import palette_gallery_metadata

        return {"palette_gallery": palette_gallery_metadata(report)}

    record(settings, "grabient gallery", metadata)


def record(settings: Settings, command: str, metadata: Callable[[], dict[str, Metadata]]) -> None:
    """These assets are up to date; never fails, since the work is done already."""
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.defs.instance import write_dagster_home

    try:
        os.environ["DAGSTER_HOME"] = str(write_dagster_home(settings))
        os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
        from grabient_pipeline.defs.runless import record_materializations

        record_materializations(metadata(), command)
    except Exception as error:
        # The work is done and safe; only its trace in the UI is not there.
        terminal.warn(f"done, but the Dagster UI will not show it ({type(error).__name__})")
