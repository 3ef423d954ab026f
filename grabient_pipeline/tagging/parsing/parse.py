"""Read one answer: check the finish reason, extract the object, normalise its fields.

`parse_answer` is a pure function of the raw text and the finish reason. Raw answers are stored unchanged, so a better
parser can reread them at no cost. It never raises, and its running time is linear in the length of the text.
"""

from __future__ import annotations

from typing import Final, cast

from grabient_pipeline.tagging.parsing.answer import AnswerError, ParsedAnswer
from grabient_pipeline.tagging.parsing.extract import BLANK, decode_json, find_object
from grabient_pipeline.tagging.parsing.normalise import normalise_tags

# Increment when the result for any text changes: stored answers read by another version are reparsed.
PARSER_VERSION: int = 2

# How the providers report that an answer is complete, truncated or withheld. OpenAI, Groq and Anthropic use lower case,
# Google upper case; the first set serves the fast path and is compared without changing the case.
_COMPLETE_REASONS: Final = frozenset({"stop", "end_turn", "tool_use", "tool_calls", "stop_sequence", "STOP"})
_TRUNCATED_REASONS: Final = frozenset({"length", "max_tokens", "model_context_window_exceeded"})
_REFUSED_REASONS: Final = frozenset(
    {
        "content_filter",
        "refusal",
        "safety",
        "recitation",
        "language",
        "blocklist",
        "prohibited_content",
        "spii",
        "image_safety",
        "image_prohibited_content",
        "image_recitation",
        "model_armor",
        "jailbreak",
    }
)


def parse_answer(text: str | None, finish_reason: str | None = None) -> ParsedAnswer:
    """Read one answer.

    The finish reason takes precedence: a truncated or refused answer is an error even if it contains a complete object,
    because the rest of the answer is unknown. Unknown finish reasons are ignored.
    """
    if finish_reason is not None and finish_reason not in _COMPLETE_REASONS:
        reason = finish_reason.strip().lower()
        if reason in _TRUNCATED_REASONS:
            return ParsedAnswer.failed(AnswerError.TRUNCATED, f"the model was cut off ({reason})")
        if reason in _REFUSED_REASONS:
            return ParsedAnswer.failed(AnswerError.REFUSED, f"the model or its provider declined ({reason})")
    text = text.strip(BLANK) if text else ""
    if not text:
        return ParsedAnswer.failed(AnswerError.NO_TEXT, "there is no text")

    # Nearly all answers are one object and nothing else.
    answer = decode_json(text) if text[0] == "{" else None
    if not isinstance(answer, dict):
        found = find_object(text)
        if isinstance(found, ParsedAnswer):
            return found
        answer = found
    tags = normalise_tags(cast("dict[str, object]", answer))
    if tags is None:
        return ParsedAnswer.failed(AnswerError.EMPTY, "no usable tag in the object")
    return ParsedAnswer(tags, None)
