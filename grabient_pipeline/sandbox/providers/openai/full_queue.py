"""How OpenAI and Groq refuse a batch that does not fit into the queue: it is created, and fails at once."""

from typing import Any

from grabient_pipeline.sandbox.batch import Batch
from grabient_pipeline.sandbox.batches.queues import FullQueue
from grabient_pipeline.sandbox.capabilities import QueueKind

# The words about tokens and requests, and the code for tokens, are OpenAI's as users report them. The rest is assumed.
_CODES: dict[QueueKind, str] = {
    "tokens": "token_limit_exceeded",
    "requests": "request_limit_exceeded",
    "jobs": "batch_limit_exceeded",
}
_WORDS: dict[QueueKind, tuple[str, str]] = {
    "tokens": ("Enqueued token limit", "enqueued tokens"),
    "requests": ("Enqueued request limit", "enqueued requests"),
    "jobs": ("Concurrent batch limit", "concurrent batches"),
}


def full_queue_problem(batch: Batch, full: FullQueue) -> dict[str, Any]:
    """The error of a batch that did not fit."""
    name, unit = _WORDS[full.kind]
    message = (
        f"{name} reached for {batch.model} in organization org-{batch.account}. Limit: {full.limit:,} {unit}. "
        "Please try again once some in_progress batches have been completed."
    )
    return {"code": _CODES[full.kind], "message": message, "param": None, "line": None}
