"""Batches as Google shows them: long-running operations."""

import string
from datetime import UTC, datetime
from typing import Any

import orjson

from grabient_pipeline.sandbox.batch import Batch, Phase
from grabient_pipeline.sandbox.batches.context import Context
from grabient_pipeline.sandbox.json_values import JsonObject, object_in, objects_in
from grabient_pipeline.sandbox.providers.google.errors import ERROR_INFO
from grabient_pipeline.sandbox.providers.google.requests import RPC_EXPIRED, RPC_INVALID
from grabient_pipeline.sandbox.store import Store, lines_of, now

ID_LETTERS = string.ascii_lowercase + string.digits
_STATES = {
    Phase.VALIDATING: "BATCH_STATE_PENDING",
    Phase.RUNNING: "BATCH_STATE_RUNNING",
    Phase.FINALIZING: "BATCH_STATE_RUNNING",
    Phase.CANCELLING: "BATCH_STATE_RUNNING",
    Phase.COMPLETED: "BATCH_STATE_SUCCEEDED",
    Phase.FAILED: "BATCH_STATE_FAILED",
    Phase.EXPIRED: "BATCH_STATE_EXPIRED",
    Phase.CANCELLED: "BATCH_STATE_CANCELLED",
}
_BATCH_TYPE = "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch"


def state_of(phase: Phase) -> str:
    """Google's word for the state of a batch."""
    return _STATES[phase]


def describe(context: Context, batch: Batch, phase: Phase | None = None, listed: bool = False) -> dict[str, Any]:
    """A batch as a long-running operation.

    Args:
        context: The sandbox.
        batch: The batch.
        phase: Its state, if other than by the clock.
        listed: Whether inline results are left out, as a list of them could be of any size.
    """
    phase = phase or batch.phase(now())
    updated = batch.ended_at if phase.ended else now()
    metadata: dict[str, Any] = {
        "@type": _BATCH_TYPE,
        "model": f"models/{batch.model}",
        "displayName": batch.details["display_name"],
        "createTime": timestamp(context, batch.created),
        "updateTime": timestamp(context, updated),
        "batchStats": _stats(batch, phase),
        "state": _STATES[phase],
        "name": f"batches/{batch.id}",
    }
    if not batch.details["inline"]:
        metadata["inputConfig"] = {"fileName": f"files/{batch.input}"}
    operation: dict[str, Any] = {"name": f"batches/{batch.id}", "metadata": metadata}
    if not phase.ended:
        return operation
    metadata["endTime"] = timestamp(context, updated)
    operation["done"] = True
    if phase is Phase.COMPLETED:
        output = _output(context.store, batch, listed)
        if output is not None:
            metadata["output"] = output
            operation["response"] = {
                "@type": f"{_BATCH_TYPE}Output",
                **output,
            }
    elif phase is Phase.FAILED:
        operation["error"] = {"code": RPC_INVALID, "message": batch.problems[0]["message"]}
    elif phase is Phase.EXPIRED:
        operation["error"] = {"code": RPC_EXPIRED, "message": "The batch expired before it was finished."}
    else:
        operation["error"] = {"code": 1, "message": "The batch was cancelled."}
    return operation


def _output(store: Store, batch: Batch, listed: bool) -> dict[str, Any] | None:
    assert batch.outcome is not None and batch.outcome.output_file is not None
    if not batch.details["inline"]:
        return {"responsesFile": f"files/{batch.outcome.output_file}"}
    if listed:
        return None
    path = store.content("google", batch.outcome.output_file)
    rows = [orjson.loads(line) for line in lines_of(path)]
    return {"inlinedResponses": {"inlinedResponses": rows}}


def _stats(batch: Batch, phase: Phase) -> dict[str, str]:
    stats = {"requestCount": str(batch.request_count)}
    outcome = batch.outcome
    if not phase.ended:
        stats["pendingRequestCount"] = str(batch.request_count)
    elif phase is Phase.COMPLETED and outcome is not None:
        # Zeros are omitted, as everywhere in this API.
        if outcome.succeeded:
            stats["successfulRequestCount"] = str(outcome.succeeded)
        if outcome.errored:
            stats["failedRequestCount"] = str(outcome.errored)
    return stats


def forget_results(operation: JsonObject) -> None:
    """Take the results and their counts out of the operation of a batch that has ended."""
    metadata = operation["metadata"]
    metadata.pop("output", None)
    operation.pop("response", None)
    metadata["batchStats"] = {"requestCount": metadata["batchStats"]["requestCount"]}


def poison(operations: list[JsonObject]) -> list[JsonObject]:
    """Add details to each error among the inline answers of operations."""
    for operation in operations:
        output = object_in(object_in(operation, "metadata"), "output")
        for row in objects_in(object_in(output, "inlinedResponses"), "inlinedResponses"):
            if "error" in row:
                row["error"]["details"] = [{"@type": ERROR_INFO, "reason": "INVALID", "domain": "googleapis.com"}]
    return operations


def foreign_operation(context: Context) -> JsonObject:
    """A batch of another client with the same key, whose only request failed."""
    moment = timestamp(context, now())
    name = "batches/somebody-elses"
    row = {"error": {"code": RPC_INVALID, "message": "Request contains an invalid argument."}}
    metadata = {
        "@type": _BATCH_TYPE,
        "model": "models/gemini-2.5-flash-lite",
        "displayName": "somebody else's",
        "createTime": moment,
        "updateTime": moment,
        "endTime": moment,
        "batchStats": {"requestCount": "1", "failedRequestCount": "1"},
        "state": "BATCH_STATE_SUCCEEDED",
        "name": name,
        "output": {"inlinedResponses": {"inlinedResponses": [row]}},
    }
    return {"name": name, "metadata": metadata, "done": True}


def timestamp(context: Context, moment: float) -> str:
    """A time, given in Unix seconds, as Google states it and in its format."""
    whole = datetime.fromtimestamp(context.stated_time("google", moment), UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S.%f}000Z"
