"""The language domain: the prompts, and the tags that are read from the answers.

Pure: no Dagster, no database, no network. Models, APIs and costs are the concern of `providers` and `batches`.
"""

from grabient_pipeline.tagging.embed_text import EMBED_TEXT_RECIPE, Measured, compose_embed_text
from grabient_pipeline.tagging.parsing.answer import AnswerError, ParsedAnswer, Tags
from grabient_pipeline.tagging.parsing.parse import PARSER_VERSION, parse_answer
from grabient_pipeline.tagging.prompts import TAGGING_IMAGE_PROMPT, TAGGING_PROMPT, Prompt, user_message
from grabient_pipeline.tagging.refinement import (
    REFINEMENT_PARSER_VERSION,
    REFINEMENT_PROMPT,
    consensus_text,
    parse_refinement,
    refinement_message,
)

__all__ = [
    "EMBED_TEXT_RECIPE",
    "PARSER_VERSION",
    "REFINEMENT_PARSER_VERSION",
    "REFINEMENT_PROMPT",
    "TAGGING_IMAGE_PROMPT",
    "TAGGING_PROMPT",
    "AnswerError",
    "Measured",
    "ParsedAnswer",
    "Prompt",
    "Tags",
    "compose_embed_text",
    "consensus_text",
    "parse_answer",
    "parse_refinement",
    "refinement_message",
    "user_message",
]
