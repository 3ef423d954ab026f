"""Which of the tagging models are worth their money."""

from typing import Any

import dagster as dg

from grabient_pipeline.defs.assets.metadata import OWNERS, model_scorecard_metadata
from grabient_pipeline.defs.assets.tags import palette_tags
from grabient_pipeline.defs.resources import PipelineResource, explained


@dg.asset(
    group_name="consensus",
    deps=[palette_tags],
    owners=OWNERS,
    kinds={"duckdb", "polars"},
    metadata={"dagster/table_name": "main.model_scorecard"},
    description="Which of the tagging models are worth their money: how much of what they say can be used, how well it "
    "agrees with what is measured and with the other models, what leaving one out would change, and what it costs.",
)
def model_scorecard(pipeline: PipelineResource) -> dg.MaterializeResult[Any]:
    with explained():
        opened = pipeline.open()
        scores = opened.score_models()
        return dg.MaterializeResult(metadata=model_scorecard_metadata(opened.settings.data_dir, scores))
