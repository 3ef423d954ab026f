"""The two stages that go through the ledger, as data: which palettes, which prompt, how a response is parsed."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import duckdb
import orjson

from grabient_pipeline.batches.results import merge_palette_tags, merge_refined
from grabient_pipeline.palette import PICTURE_TYPE, describe_palettes, palette_pictures
from grabient_pipeline.providers.base import PromptPayload
from grabient_pipeline.tagging import (
    PARSER_VERSION,
    REFINEMENT_PARSER_VERSION,
    REFINEMENT_PROMPT,
    TAGGING_IMAGE_PROMPT,
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
    """A palette to request a response about: its canonical seed and its `palettes.palette_id`.

    `source_digest`: digest of the consensus that the prompt includes, whose text is `context_text`; None and empty if
    the prompt includes the palette alone. `basis_models`, `basis_answers`: what that consensus was counted from.
    """

    canonical_seed: str
    palette_id: str
    source_digest: str | None = None
    context_text: str = ""
    basis_models: int | None = None
    basis_answers: int | None = None


@dataclass(frozen=True)
class Stage:
    """A kind of request that goes out in batches.

    `palettes`: the SQL statement that selects the palettes to request; `subject` turns each of its rows into a
    `Subject`, and `parameters` are its own beside the usual ones. `texts` renders subjects by seed into user messages.
    `parse` takes a response's text and finish reason. `answers`: the table of parsed responses; `merge` brings it up to
    date with the table or view `parsed` (custom_id, tags, error) of its connection. `output_ratio`: the length of a
    response, relative to a tagging response of the same model. `refresh_stale`: whether to request again what was
    answered with another source digest or, in the second stage, to another prompt. `ask_again`: whether to request what
    ended models, other refiners or older prompts have answered.
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
    refresh_stale: bool = False
    ask_again: bool = False
    parameters: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def key(self) -> tuple[str, str]:
        """Its name and the version of its prompt, to which orders are pinned."""
        return self.name, self.prompt.version

    @property
    def refines(self) -> bool:
        """Whether it asks about a consensus, so that palettes have to be ready for it."""
        return "refine_now" in self.parameters

    @property
    def refines_now(self) -> bool:
        """Whether palettes are refined before everything asked about them is settled."""
        return bool(self.parameters.get("refine_now"))

    @property
    def payload(self) -> PromptPayload:
        """What every request of the stage has in common."""
        picture_type = PICTURE_TYPE if self.prompt.with_image else None
        return PromptPayload(self.prompt.system, self.prompt.schema, self.schema_name, picture_type)

    def pictures(self, subjects: Mapping[str, Subject]) -> dict[str, str]:
        """Return by seed the pictures in base64 that the prompt attaches; none if it attaches none."""
        if not self.prompt.with_image:
            return {}
        canonical_seeds = [subject.canonical_seed for subject in subjects.values()]
        hexes = [orjson.loads(colour_data)["hex"] for colour_data in _DESCRIBED.colour_data(canonical_seeds)]
        return dict(zip(subjects, palette_pictures(hexes), strict=True))


def _colour_data(subjects: Mapping[str, Subject]) -> dict[str, str]:
    canonical_seeds = [subject.canonical_seed for subject in subjects.values()]
    return dict(zip(subjects, _DESCRIBED.colour_data(canonical_seeds), strict=True))


class _Described:
    """The colour data of the palettes described last: the models of an order are asked about the same ones in turn."""

    # With 300 bytes each.
    _MOST: Final = 50_000

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}
        self._lock = threading.Lock()

    def colour_data(self, canonical_seeds: Sequence[str]) -> list[str]:
        """Return the colour data of palettes, in their order."""
        with self._lock:
            found = {seed: self._kept[seed] for seed in canonical_seeds if seed in self._kept}
        missing = [seed for seed in dict.fromkeys(canonical_seeds) if seed not in found]
        described = describe_palettes(missing)
        found.update(
            {seed: description.colour_data.decode() for seed, description in zip(missing, described, strict=True)}
        )
        with self._lock:
            if len(self._kept) + len(missing) > self._MOST:
                self._kept.clear()
            self._kept.update(itertools.islice(((seed, found[seed]) for seed in missing), self._MOST))
        return [found[seed] for seed in canonical_seeds]


_DESCRIBED: Final = _Described()


def _tagging_texts(subjects: Mapping[str, Subject]) -> dict[str, str]:
    return {seed: user_message(colour_data) for seed, colour_data in _colour_data(subjects).items()}


def _refinement_texts(subjects: Mapping[str, Subject]) -> dict[str, str]:
    return {
        seed: refinement_message(colour_data, subjects[seed].context_text)
        for seed, colour_data in _colour_data(subjects).items()
    }


def _refinement_subject(row: Sequence[Any]) -> Subject:
    canonical_seed, palette_id, digest, total_models, total_analyses, *counts = row
    text = consensus_text(total_models, total_analyses, dict(zip(FIELDS, counts, strict=True)))
    return Subject(canonical_seed, palette_id, digest, text, total_models, total_analyses)


TAGGING = Stage(
    name="tagging",
    prompt=TAGGING_PROMPT,
    schema_name="palette_tags",
    palettes="palettes_to_tag",
    subject=lambda row: Subject(*row),
    texts=_tagging_texts,
    parse=parse_answer,
    parser_version=PARSER_VERSION,
    answers="palette_tags",
    merge=merge_palette_tags,
)
# Its answers are those of tagging, to another version of the prompt.
TAGGING_WITH_IMAGE = replace(TAGGING, prompt=TAGGING_IMAGE_PROMPT)
REFINEMENT = Stage(
    name="refinement",
    prompt=REFINEMENT_PROMPT,
    schema_name="refined_tags",
    palettes="palettes_to_refine",
    subject=_refinement_subject,
    texts=_refinement_texts,
    parse=parse_refinement,
    # A change of either parser may change the outcome.
    parser_version=1000 * REFINEMENT_PARSER_VERSION + PARSER_VERSION,
    answers="palette_tag_refined",
    merge=merge_refined,
    # 10 to 20 associations and up to 8 moods, but no attributes.
    output_ratio=1.6,
    parameters={"only_stale": False, "refine_now": False},
)
# By name: how responses are parsed and where they belong, which is the same for all prompts of a stage.
STAGES = {stage.name: stage for stage in (TAGGING, REFINEMENT)}
# By name and prompt version: what can be sent.
StageKey = tuple[str, str]
SENDABLE: Final[Mapping[StageKey, Stage]] = {stage.key: stage for stage in (TAGGING, TAGGING_WITH_IMAGE, REFINEMENT)}


def tagging_stage(*, with_image: bool) -> Stage:
    """Return the stage of tagging whose prompt has a picture attached, or that without one."""
    return TAGGING_WITH_IMAGE if with_image else TAGGING


def stages_with(stage: Stage) -> Mapping[StageKey, Stage]:
    """Return what can be sent, with this stage in the place of ours with the same prompt."""
    return {**SENDABLE, stage.key: stage}


def refreshing_stale(stage: Stage, *, only_stale: bool = False) -> Stage:
    """Return the stage that also requests stale responses again, which is paid for again.

    Args:
        only_stale: request nothing else.
    """
    return replace(stage, refresh_stale=True, parameters={**stage.parameters, "only_stale": only_stale})


def asking_again(stage: Stage) -> Stage:
    """Return the stage that also requests what ended models, other refiners or older prompts have answered."""
    return replace(refreshing_stale(stage) if stage.refines else stage, ask_again=True)


def refining_now(stage: Stage) -> Stage:
    """Return the stage that also refines palettes whose other answers are outstanding, so that they will be stale."""
    return replace(stage, parameters={**stage.parameters, "refine_now": True})
