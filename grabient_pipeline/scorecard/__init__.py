"""Which of the tagging models are worth their money: the table `model_scorecard`, and a picture of it.

    agreement.py   Krippendorff's alpha, and who is efficient: pure
    scoring.py     from the tables to the table, in SQL as far as it goes
    plot.py        quality against cost, as a PNG

Of the providers only their colours are known here, from the catalogue; nothing knows Dagster.
"""

from grabient_pipeline.scorecard.scoring import ModelScore, read_scores, score_models

__all__ = ["ModelScore", "read_scores", "score_models"]
