"""Which of the tagging models earn their money."""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from grabient_pipeline.defs.assets.tags import palette_tags
from grabient_pipeline.defs.metadata import Metadata, picture, rows_table, table_metadata, told
from grabient_pipeline.defs.steps import WAREHOUSE_POOL, step_asset
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.scorecard import ModelScore
from grabient_pipeline.scorecard.plot import plot_scores
from grabient_pipeline.warehouse import connect

_FIGURES = ("usable share", "right", "overlap", "alpha", "cost / 1,000 usable (USD)", "hours")
_COLUMNS = ("model", "in the place of", "worth it", *_FIGURES, "cached input tokens", "reasoning tokens")


@step_asset(
    group="consensus",
    deps=[palette_tags],
    table="model_scorecard",
    kinds={"duckdb", "polars"},
    pool=WAREHOUSE_POOL,
    description="Which of the tagging models earn their money: how much of their answers is usable, how well they "
    "agree with what is measured and with the other models, what leaving one out would change, and what it costs.",
)
def model_scorecard(pipeline: dg.ResourceParam[Pipeline]) -> Metadata:
    return model_scorecard_metadata(pipeline.settings.data_dir, pipeline.score_models())


def model_scorecard_metadata(data_dir: Path, scores: Sequence[ModelScore]) -> Metadata:
    """Show the scorecard as a table and as a plot."""
    png = plot_scores(scores)
    with connect(data_dir) as connection:
        return {
            **table_metadata(connection, "model_scorecard"),
            "scorecard": rows_table(_COLUMNS, [_score_row(score) for score in scores]),
            **({"quality against cost": picture("quality against cost", png)} if png else {}),
        }


def _score_row(score: ModelScore) -> tuple[object, ...]:
    figures = (
        score.usable_share,
        score.measured_agreement,
        score.open_overlap,
        score.alpha_with_others,
        None if score.cost_per_usable_usd is None else 1000 * score.cost_per_usable_usd,
        score.median_hours,
    )
    rounded = ("" if value is None else round(value, 4) for value in figures)
    tokens = told(score.cached_input_tokens), told(score.reasoning_tokens)
    return (score.name, score.place, "yes" if score.efficient else "", *rounded, *tokens)
