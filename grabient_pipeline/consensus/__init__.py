"""The consensus of the models: `palette_tag_consensus`, counted in SQL from the parsed answers."""

from grabient_pipeline.consensus.counting import ConsensusReport, count_consensus, tabulate_answers

__all__ = ["ConsensusReport", "count_consensus", "tabulate_answers"]
