"""Groq's error for JSON that it found invalid: the model has answered, and its text is in the error."""

from typing import Any

from grabient_pipeline.sandbox.model.answers import Answer

STATUS = 400


def failed_generation(answer: Answer, *, readable: bool) -> dict[str, Any]:
    """The body of the error; unless it is to be readable, the model's text is cut in its middle."""
    text = answer.text if readable else answer.text[: len(answer.text) // 2]
    return {
        "error": {
            "message": "Failed to generate JSON. Please adjust your prompt. See 'failed_generation' for more details.",
            "type": "invalid_request_error",
            "code": "json_validate_failed",
            "failed_generation": text,
        }
    }
