"""Everything that follows from collected responses, in order: from the consensus to the gallery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grabient_pipeline.batches.orders import RefinementRequest
from grabient_pipeline.batches.parse import ParseReport
from grabient_pipeline.batches.refine import RefinementReport
from grabient_pipeline.consensus import ConsensusReport
from grabient_pipeline.errors import GrabientError
from grabient_pipeline.gallery import GalleryReport
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.retrieval.embed_palettes import EmbedReport
from grabient_pipeline.scorecard import ModelScore


@dataclass(frozen=True)
class FollowUpReport:
    """What each step did; `embedded` is None if `not_embedded` says why not."""

    consensus: ConsensusReport
    scores: Sequence[ModelScore]
    refinement: RefinementReport
    refined: ParseReport
    gallery: GalleryReport
    embedded: EmbedReport | None = None
    not_embedded: str = ""


def follow_up(pipeline: Pipeline, *, refine: bool = True, progress: Progress = SILENT) -> FollowUpReport:
    """Bring everything after the parsed responses as far as it can go now.

    Args:
        refine: whether palettes that are ready are submitted for refinement.
    """
    consensus = pipeline.count_consensus()
    scores = pipeline.score_models()
    refinement = pipeline.refine_within_cap(RefinementRequest(), progress=progress) if refine else RefinementReport()
    refined = pipeline.refine_answers(progress=progress)
    try:
        embedded = pipeline.embed_palettes(progress=progress)
        not_embedded = embedded.held_back
    except GrabientError as error:
        # An embedding API that refuses concerns search only.
        embedded, not_embedded = None, str(error)
    return FollowUpReport(consensus, scores, refinement, refined, pipeline.build_gallery(), embedded, not_embedded)
