"""Compares the tagging models by quality and cost: the table `model_scorecard`, and a plot of it.

    agreement.py   Krippendorff's alpha and the Pareto front, as pure functions
    scoring.py     computes and stores the scorecard, mostly in SQL
    plot.py        quality against cost, as a PNG

Of the providers only their colours are known here, from the catalogue; nothing knows Dagster.
"""

from grabient_pipeline.scorecard.scoring import (
    ModelScore,
    comparable_versions,
    compare_prompts,
    read_places,
    read_scores,
    score_models,
)

__all__ = ["ModelScore", "comparable_versions", "compare_prompts", "read_places", "read_scores", "score_models"]
