"""The consensus of the models: `palette_tag_consensus`, counted in SQL from the parsed responses."""

from grabient_pipeline.consensus.counting import ConsensusReport, count_consensus

__all__ = ["ConsensusReport", "count_consensus"]
