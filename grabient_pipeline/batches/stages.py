"""What differs between the stages that go through the ledger: the palettes, the question, what an answer is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb

from grabient_pipeline.batches.refinement_results import merge_refined
from grabient_pipeline.batches.tagged import merge_palette_tags
from grabient_pipeline.palette import describe_palettes
from grabient_pipeline.providers.base import PromptPayload
from grabient_pipeline.tagging import (
    PARSER_VERSION,
    REFINEMENT_PARSER_VERSION,
    REFINEMENT_PROMPT,
    TAGGING_PROMPT,
    ParsedAnswer,
    Prompt,
    consensus_text,
    parse_answer,
    parse_refinement,
    refinement_message,
    user_message,
)
from grabient_pipeline.tagging.vocabulary import FIELDS


@dataclass(frozen=True, slots=True)
class Subject:
    """A palette that a model is asked about.

    `basis`: the digest of what else it is asked on the ground of, which is in `material`; None and empty if there is
    only the palette.
    """

    canonical_seed: str
    basis: str | None = None
    material: str = ""


@dataclass(frozen=True)
class Stage:
    """A kind of question that models are asked in batches.

    `palettes`: the query that tells which palettes there are to ask about, a row each, of which `subject` makes what is
    asked about; it takes `parameters` beside the usual ones. `texts` turns subjects by seed into what a model is shown.
    `parse` takes an answer's text and its finish reason. `answers`: the table of what was made of the answers; `merge`
    brings it up to the table or view `parsed` (custom_id, tags, error) of its connection.
    `output_ratio`: how long an answer is, a tagging answer of the same model being 1. `renew`: whether to ask again
    what was answered on another basis.
    """

    name: str
    prompt: Prompt
    schema_name: str
    palettes: str
    subject: Callable[[Sequence[Any]], Subject]
    texts: Callable[[Mapping[str, Subject]], dict[str, str]]
    parse: Callable[[str | None, str | None], ParsedAnswer]
    parser_version: int
    answers: str
    merge: Callable[[duckdb.DuckDBPyConnection], object]
    output_ratio: float = 1.0
    renew: bool = False
    parameters: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def question(self) -> PromptPayload:
        return PromptPayload(self.prompt.system, self.prompt.schema, self.schema_name)


def _colour_data(subjects: Mapping[str, Subject]) -> dict[str, str]:
    descriptions = describe_palettes([subject.canonical_seed for subject in subjects.values()])
    return {seed: description.colour_data.decode() for seed, description in zip(subjects, descriptions, strict=True)}


def _tagging_texts(subjects: Mapping[str, Subject]) -> dict[str, str]:
    return {seed: user_message(colour_data) for seed, colour_data in _colour_data(subjects).items()}


def _refinement_texts(subjects: Mapping[str, Subject]) -> dict[str, str]:
    return {
        seed: refinement_message(colour_data, subjects[seed].material)
        for seed, colour_data in _colour_data(subjects).items()
    }


def _refinement_subject(row: Sequence[Any]) -> Subject:
    canonical_seed, digest, total_models, total_analyses, *counts = row
    text = consensus_text(total_models, total_analyses, dict(zip(FIELDS, counts, strict=True)))
    return Subject(canonical_seed, digest, text)


TAGGING = Stage(
    name="tagging",
    prompt=TAGGING_PROMPT,
    schema_name="palette_tags",
    palettes="palettes_to_tag",
    subject=lambda row: Subject(row[0]),
    texts=_tagging_texts,
    parse=parse_answer,
    parser_version=PARSER_VERSION,
    answers="palette_tags",
    merge=merge_palette_tags,
)
REFINEMENT = Stage(
    name="refinement",
    prompt=REFINEMENT_PROMPT,
    schema_name="refined_tags",
    palettes="palettes_to_refine",
    subject=_refinement_subject,
    texts=_refinement_texts,
    parse=parse_refinement,
    # Either of the two may change what is made of an answer.
    parser_version=1000 * REFINEMENT_PARSER_VERSION + PARSER_VERSION,
    answers="palette_tag_refined",
    merge=merge_refined,
    # 10 to 20 associations and up to 8 moods, but no attributes.
    output_ratio=1.6,
    parameters={"renew": False, "only_stale": False},
)
STAGES = {stage.name: stage for stage in (TAGGING, REFINEMENT)}


def renewing(stage: Stage, *, only_stale: bool = False) -> Stage:
    """The same stage, asking again about what has changed since it was answered, which is paid for again.

    Args:
        only_stale: ask about nothing else.
    """
    return replace(stage, renew=True, parameters={"renew": True, "only_stale": only_stale})
