"""Errors in Google's format, and the credentials that it requires."""

from starlette.requests import Request
from starlette.responses import Response

from grabient_pipeline.sandbox.batches.context import KEY_PREFIX
from grabient_pipeline.sandbox.batches.dialect import Rejection
from grabient_pipeline.sandbox.batches.queues import FullQueue
from grabient_pipeline.sandbox.json_values import JsonObject
from grabient_pipeline.sandbox.providers.google.models import INLINE_BYTES, VERSION
from grabient_pipeline.sandbox.responses import json_response

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
_QUOTA_FAILURE = "type.googleapis.com/google.rpc.QuotaFailure"
_HELP = "type.googleapis.com/google.rpc.Help"
_LIMITS_PAGE = "https://ai.google.dev/gemini-api/docs/rate-limits"
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


def error(
    status: int,
    type_: str = "",
    message: str = "",
    details: list[JsonObject] | None = None,
    *,
    retry_after: float | None = None,
) -> Response:
    """An error in Google's format; `type_` is the status word. The time to retry is in the body only."""
    word = type_ or _STATUSES.get(status, "UNKNOWN")
    text = message or word.replace("_", " ").capitalize()
    details = [*details] if details else []
    if retry_after is not None:
        text = f"{text} Please retry in {retry_after:g}s."
        details.append({"@type": _RETRY_INFO, "retryDelay": f"{retry_after:g}s"})
    inner: JsonObject = {"code": status, "message": text, "status": word}
    if details:
        inner["details"] = details
    return json_response({"error": inner}, status)


def deny_batches(status: int | None) -> Response:
    """The response to an account without access to batches."""
    if status is None or status == 400:
        message = "Batches are not available on the free tier. Please enable billing on your project."
        return error(400, "FAILED_PRECONDITION", message)
    if status == 429:
        message = "You exceeded your current quota, please check your plan and billing details."
        violation = {"quotaId": "BatchEnqueuedTokensPerModel-FreeTier", "quotaValue": "0"}
        return error(429, message=message, details=[{"@type": _QUOTA_FAILURE, "violations": [violation]}])
    return error(status, message="Batches are not available to this project.")


def queue_full(full: FullQueue) -> Response:
    """The response to a batch that does not fit into the queue. Google says neither what is full nor its limit."""
    message = (
        "You exceeded your current quota, please check your plan and billing details. For more information on this "
        f"error, head to: {_LIMITS_PAGE}. To monitor your current usage, head to: https://ai.dev/rate-limit. "
    )
    links = [{"description": "Learn more about Gemini API quotas", "url": _LIMITS_PAGE}]
    return error(429, message=message, details=[{"@type": _HELP, "links": links}], retry_after=full.retry_after)


def no_model(model: str, method: str) -> Response:
    """The response to a call of a model that does not exist or does not have this method."""
    message = f"models/{model} is not found for API version {VERSION}, or is not supported for {method}."
    return error(404, message=message)


def too_large() -> Response:
    """The response to a request body above the limit."""
    return error(400, message=f"Request payload size exceeds the limit: {INLINE_BYTES} bytes.")


def error_of(rejection: Rejection) -> Response:
    """The response to a request that is rejected."""
    return error(rejection.status, message=rejection.message)


def no_file(name: str) -> Response:
    """The response to a request for an unknown file."""
    return error(403, message=f"You do not have permission to access the File {name} or it may not exist.")


def no_batch(request: Request) -> Response:
    """The response to a request for an unknown batch."""
    return error(404, message=f"Could not find the batch: batches/{request.path_params['id']}")


def reject_call(request: Request) -> Response | None:
    """The response to a call without a valid key, or None."""
    if request.url.path.startswith(f"/google/upload/{VERSION}/files/"):
        # The upload URL itself authorises the call.
        return None
    key = request.headers.get("x-goog-api-key") or request.query_params.get("key")
    if not key:
        return error(
            403,
            message="Method doesn't allow unregistered callers (callers without established identity). "
            "Please use API Key or other form of API consumer identity to call this API.",
        )
    if not key.startswith(KEY_PREFIX):
        reason = {
            "@type": ERROR_INFO,
            "reason": "API_KEY_INVALID",
            "domain": "googleapis.com",
            "metadata": {"service": "generativelanguage.googleapis.com"},
        }
        return error(400, message="API key not valid. Please pass a valid API key.", details=[reason])
    return None
