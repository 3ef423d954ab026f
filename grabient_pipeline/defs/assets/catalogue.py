"""What the providers and the price list say of the models in the catalogue."""

# pyright: reportUnknownMemberType=false
# (Dagster leaves a type argument open in the signatures of `MetadataValue`.)

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from grabient_pipeline.batches.catalogue_check import CatalogueReport
from grabient_pipeline.defs.metadata import Metadata, rows_table, table_metadata, text_lines
from grabient_pipeline.defs.steps import step_asset
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.providers.catalogue_age import Finding
from grabient_pipeline.warehouse import connect

_COLUMNS = ("model", "in use", "what", "change in catalogue.toml")


@step_asset(
    group="batches",
    table="catalogue_findings",
    kinds={"duckdb"},
    description="What the providers and the price list say of the models in the catalogue: when they end, whether they "
    "are still offered, and what they cost. Asks every provider with a key for its list of models, which costs "
    "nothing. The schedule check_catalogue_weekly does so every week.",
)
def catalogue_findings(context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]) -> Metadata:
    report = pipeline.check_catalogue()
    for line in report.left_out:
        context.log.warning(line)
    return catalogue_findings_metadata(pipeline.settings.data_dir, report)


def catalogue_findings_metadata(data_dir: Path, report: CatalogueReport) -> Metadata:
    """Show who was asked, and what is no longer right."""
    with connect(data_dir) as connection:
        return {
            **table_metadata(connection, "catalogue_findings"),
            "findings": findings_table(report.findings),
            "asked": dg.MetadataValue.text(", ".join(report.sources)),
            **text_lines("left out", report.left_out),
        }


def findings_table(findings: Sequence[Finding]) -> dg.MetadataValue[Any]:
    """Show findings as a table: the model, what is the matter, and the line to change."""
    rows = [(each.model, "yes" if each.in_use else "", each.sentence, each.change) for each in findings]
    return rows_table(_COLUMNS, rows)
