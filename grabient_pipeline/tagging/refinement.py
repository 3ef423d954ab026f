"""The second stage: a strong model condenses what the tagging models agree on.

Its prompt, what it is shown of a palette, and what is made of its answer. The four attributes are measured and the
model is not asked for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from grabient_pipeline.palette.colour_data import COLOUR_DATA_FORMAT
from grabient_pipeline.tagging import vocabulary
from grabient_pipeline.tagging.parsing.extract import AnswerError, ParsedAnswer, parse_answer
from grabient_pipeline.tagging.prompts import Prompt, either, listed
from grabient_pipeline.tagging.schema import REFINED_FIELDS, refinement_schema

# Raise it when the result for some text changes, apart from what PARSER_VERSION says already.
REFINEMENT_PARSER_VERSION: Final = 1

# (least, most) of each field: what is asked for. Of more, the best are kept; of fewer, what there is.
COUNTS: Final[Mapping[str, tuple[int, int]]] = {
    "mood": (3, 8),
    "style": (2, 6),
    "harmony": (1, 2),
    "seasonal": (0, 3),
    "associations": (10, 20),
}

# Counted tags that are shown of each field. Enough for outliers worth promoting; a long tail of words that one answer
# said once costs tokens and says little.
MOST_SHOWN: Final[Mapping[str, int]] = {
    "mood": 30,
    "style": 25,
    "harmony": 6,
    "temperature": 4,
    "contrast": 3,
    "brightness": 4,
    "saturation": 3,
    "seasonal": 12,
    "associations": 60,
}

CONSENSUS_FORMAT: Final = (
    "counted tags 1: a JSON object without white space; models and answers are totals; each field has"
    " [tag, answers that gave it, models that gave it], the most voted first"
)

USER_TEMPLATE: Final = (
    "Refine the tags of this palette. Colour data (JSON):\n{colour_data}\nCounted tags (JSON):\n{consensus}"
)


def consensus_text(total_models: int, total_analyses: int, counts: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The counted tags as a refining model sees them.

    Args:
        counts: by field, entries with `tag`, `answers` and `models`, the most voted first.
    """
    shown: dict[str, object] = {"models": total_models, "answers": total_analyses}
    for field, most in MOST_SHOWN.items():
        shown[field] = [[entry["tag"], entry["answers"], len(entry["models"])] for entry in counts[field][:most]]
    return orjson.dumps(shown).decode()


def refinement_message(colour_data: str, consensus: str) -> str:
    """What goes with each palette."""
    before, between, after = _cut(USER_TEMPLATE)
    return f"{before}{colour_data}{between}{consensus}{after}"


def parse_refinement(text: str | None, finish_reason: str | None = None) -> ParsedAnswer:
    """Read one answer, with the same care as a tagging answer; the attributes stay empty."""
    answer = parse_answer(text, finish_reason)
    if answer.tags is None:
        return answer
    kept = {field: getattr(answer.tags, field)[: COUNTS[field][1]] for field in REFINED_FIELDS}
    if not any(kept.values()):
        return ParsedAnswer(None, f"{AnswerError.EMPTY}: no usable tag in the object")
    tags = answer.tags._replace(**kept, temperature=None, contrast=None, brightness=None, saturation=None)
    return ParsedAnswer(tags, None)


def _cut(template: str) -> tuple[str, str, str]:
    # Not str.format or two replacements: what is put in is full of braces, and may hold the other place's name.
    before, rest = template.split("{colour_data}")
    between, after = rest.split("{consensus}")
    return before, between, after


def _range(field: str) -> str:
    least, most = COUNTS[field]
    return f"{least} to {most}"


def refinement_system_prompt() -> str:
    """The system prompt of refinement, with the parser's own lists."""
    return f"""\
You are an expert in colour and design. Several models have tagged one gradient palette, each several times; you make \
the final tags by which designers and artists will find it.

You get two JSON objects. The first is the colour data: 11 colours from left to right as hex, rgb, hsl (degrees, \
percent, percent) and lch (CIE lightness, chroma, hue), and names for its main colours. The second has the counted \
tags: how many answers gave each tag, and how many of the models. Many models saying a tag is good evidence; one that \
few said may be the best of all, and one that many said may be a commonplace. Look at the colours and judge.

Answer with one JSON object and nothing else, no explanation and no Markdown:
{{"mood":["..."],"style":["..."],"harmony":["..."],"seasonal":["..."],"associations":["..."]}}

mood: {_range("mood")} emotional words. Not {either(vocabulary.NOT_A_MOOD)}.
style: {_range("style")} movements, eras, aesthetics, cultural or national traditions, or industries.
harmony: {_range("harmony")} of: {listed(vocabulary.HARMONY)}.
seasonal: {_range("seasonal")} seasons or holidays, only from: {listed(vocabulary.SEASONAL)}. [] if nothing is clear.
associations: {_range("associations")} specific, concrete objects, places, materials, textures, environments, \
periods, activities, foods, natural phenomena or cultures. Promote good outliers.

In every list the tag that fits best comes first. Merge tags that mean the same into the word that people would type; \
leave out what the colours contradict; add a tag of your own only where an evident one is missing. All tags are lower \
case and singular, of 1 to 2 words unless listed above. Never use {either(vocabulary.GENERIC_WORDS)}, or other words \
as generic."""


REFINEMENT_PROMPT: Final = Prompt(
    stage="refinement",
    system=refinement_system_prompt(),
    colour_data_format=f"{COLOUR_DATA_FORMAT}\n{CONSENSUS_FORMAT}",
    schema=refinement_schema(COUNTS),
    user=USER_TEMPLATE,
)
