"""What refreshes by itself: assets that are derived and free.

Importing palettes refreshes embeddings and gallery, a new parser the consensus and the scorecard. What costs money
starts only by an explicit run, or by the sensor within the cap.
"""

from typing import Any

import dagster as dg

from grabient_pipeline.defs.assets.consensus import palette_tag_consensus
from grabient_pipeline.defs.assets.embeddings import palette_embeddings
from grabient_pipeline.defs.assets.gallery import palette_gallery
from grabient_pipeline.defs.assets.scorecard import model_scorecard
from grabient_pipeline.retrieval.embedders.registry import is_free

DERIVED = dg.AssetSelection.assets(palette_tag_consensus, model_scorecard, palette_embeddings, palette_gallery)

# Unlike `eager()` it does not wait for dependencies that were never materialized: palettes can be searched before any
# is refined. A dependency that a run updates together with the asset does not count, so a collect run is not repeated.
REFRESH = (
    dg.AutomationCondition.any_deps_updated().since_last_handled()
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
).with_label("refresh when a dependency changes")


def automation_conditions(embedding_model: str) -> dict[dg.AssetKey, dg.AutomationCondition[Any]]:
    """Return the condition of each derived asset; embeddings have none if their model costs money."""
    derived = [palette_tag_consensus, model_scorecard, palette_gallery]
    if is_free(embedding_model):
        derived.append(palette_embeddings)
    return {asset.key: REFRESH for asset in derived}
