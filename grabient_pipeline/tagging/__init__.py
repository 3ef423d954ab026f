"""The language domain: what models are asked about a palette, and what is made of their answers.

Pure: no Dagster, no database, no network. Which model is asked by which API, and what it costs, is decided
elsewhere.
"""

from grabient_pipeline.tagging.answers import PARSER_VERSION, AnswerError, ParsedAnswer, Tags, parse_answer
from grabient_pipeline.tagging.prompts import TAGGING_PROMPT, Prompt, user_message

__all__ = [
    "PARSER_VERSION",
    "TAGGING_PROMPT",
    "AnswerError",
    "ParsedAnswer",
    "Prompt",
    "Tags",
    "parse_answer",
    "user_message",
]
