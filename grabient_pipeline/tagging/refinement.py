"""The second stage: a strong model condenses the tags of the tagging models.

Its prompt, its context for a palette, and the parsing of its answer. The four attributes are measured, so the prompt
does not ask for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from grabient_pipeline.palette.colour_data import COLOUR_DATA_FORMAT
from grabient_pipeline.tagging import vocabulary
from grabient_pipeline.tagging.parsing.answer import AnswerError, ParsedAnswer
from grabient_pipeline.tagging.parsing.parse import parse_answer
from grabient_pipeline.tagging.prompts import Prompt, either, listed
from grabient_pipeline.tagging.schema import REFINED_FIELDS, refinement_schema

# Increment when the result for any text changes, unless PARSER_VERSION already covers the change.
REFINEMENT_PARSER_VERSION: Final = 1

# (least, most) words requested for each field. Of more, the first are kept; fewer are accepted.
COUNTS: Final[Mapping[str, tuple[int, int]]] = {
    "mood": (3, 8),
    "style": (2, 6),
    "harmony": (1, 2),
    "seasonal": (0, 3),
    "associations": (10, 20),
}

# Counted tags in the prompt, by field. Enough for outliers worth promoting; a long tail of words that occurred once
# costs tokens and adds little.
MAX_COUNTED_TAGS: Final[Mapping[str, int]] = {
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
    """Return the counted tags in the form of `CONSENSUS_FORMAT`.

    Args:
        total_models: the models that tagged the palette.
        total_analyses: their usable answers.
        counts: by field, entries with `tag`, `answers` and `models`, the most voted first.
    """
    shown: dict[str, object] = {"models": total_models, "answers": total_analyses}
    for field, most in MAX_COUNTED_TAGS.items():
        shown[field] = [[entry["tag"], entry["answers"], len(entry["models"])] for entry in counts[field][:most]]
    return orjson.dumps(shown).decode()


def refinement_message(colour_data: str, consensus: str) -> str:
    """Return the user message for one palette."""
    before, between, after = _split_template(USER_TEMPLATE)
    return f"{before}{colour_data}{between}{consensus}{after}"


def parse_refinement(text: str | None, finish_reason: str | None = None) -> ParsedAnswer:
    """Read one answer like a tagging answer, without the attributes and within `COUNTS`."""
    answer = parse_answer(text, finish_reason)
    if answer.tags is None:
        return answer
    kept = {field: getattr(answer.tags, field)[: COUNTS[field][1]] for field in REFINED_FIELDS}
    if not any(kept.values()):
        return ParsedAnswer(None, f"{AnswerError.EMPTY}: no usable tag in the object")
    tags = answer.tags._replace(**kept, temperature=None, contrast=None, brightness=None, saturation=None)
    return ParsedAnswer(tags, None)


def _split_template(template: str) -> tuple[str, str, str]:
    # Not str.format or two replacements: the values are full of braces, and one may contain the other's placeholder.
    before, rest = template.split("{colour_data}")
    between, after = rest.split("{consensus}")
    return before, between, after


def _range(field: str) -> str:
    least, most = COUNTS[field]
    return f"{least} to {most}"


def refinement_system_prompt() -> str:
    """Return the system prompt of refinement, with the same lists as the parser."""
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
