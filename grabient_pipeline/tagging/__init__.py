"""The language domain: what models are asked about a palette, and what is made of their answers.

Pure: no Dagster, no database, no network. Which model is asked by which API, and what it costs, is decided
elsewhere.
"""

from grabient_pipeline.tagging.embed_text import EMBED_TEXT_RECIPE, Measured, compose_embed_text
from grabient_pipeline.tagging.parsing.extract import PARSER_VERSION, AnswerError, ParsedAnswer, Tags, parse_answer
from grabient_pipeline.tagging.prompts import TAGGING_PROMPT, Prompt, user_message
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
