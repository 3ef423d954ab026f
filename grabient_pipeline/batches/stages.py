"""What differs between the stages that go through the ledger: the question, and when an answer is of use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from grabient_pipeline.palette import describe_palettes
from grabient_pipeline.providers.base import Question
from grabient_pipeline.tagging import TAGGING_PROMPT, ParsedAnswer, Prompt, parse_answer, user_message


@dataclass(frozen=True)
class Stage:
    """A kind of question that models are asked in batches.

    `texts` turns canonical seeds by seed into what a model is shown of each; `parse` takes an answer's text and its
    finish reason.
    """

    name: str
    prompt: Prompt
    schema_name: str
    texts: Callable[[Mapping[str, str]], dict[str, str]]
    parse: Callable[[str | None, str | None], ParsedAnswer]

    @property
    def question(self) -> Question:
        return Question(self.prompt.system, self.prompt.schema, self.schema_name)


def _tagging_texts(canonical_seeds: Mapping[str, str]) -> dict[str, str]:
    seeds: Sequence[str] = list(canonical_seeds)
    descriptions = describe_palettes(list(canonical_seeds.values()))
    return {
        seed: user_message(description.colour_data.decode())
        for seed, description in zip(seeds, descriptions, strict=True)
    }


TAGGING = Stage(
    name="tagging",
    prompt=TAGGING_PROMPT,
    schema_name="palette_tags",
    texts=_tagging_texts,
    parse=parse_answer,
)
STAGES = {TAGGING.name: TAGGING}
