"""Errors in Anthropic's format, and the credentials that it requires."""

import secrets

from starlette.requests import Request
from starlette.responses import Response

from grabient_pipeline.sandbox.batches.context import KEY_PREFIX
from grabient_pipeline.sandbox.batches.dialect import Rejection
from grabient_pipeline.sandbox.batches.queues import FullQueue
from grabient_pipeline.sandbox.responses import json_response, retry_after_header

VERSIONS = ("2023-01-01", "2023-06-01", "2026-10-21")
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def error(status: int, type_: str = "", message: str = "", *, retry_after: float | None = None) -> Response:
    """An error in Anthropic's format."""
    request_id = f"req_{secrets.token_hex(12)}"
    kind = type_ or ERROR_TYPES.get(status, "api_error")
    document = {
        "type": "error",
        "error": {"type": kind, "message": message or kind.replace("_", " ").capitalize()},
        "request_id": request_id,
    }
    return json_response(document, status, {"request-id": request_id, **retry_after_header(retry_after)})


def deny_batches(status: int | None) -> Response:
    """The response to an account without access to batches."""
    return error(status or 403, message="Your account does not have access to the Message Batches API.")


def queue_full(full: FullQueue, account: str) -> Response:
    """The response to a batch that does not fit into the queue, in the words of Anthropic's other limits."""
    message = (
        f"This request would exceed the rate limit for your organization ({account}) of {full.limit:,} batch requests "
        "in the processing queue. For details, refer to: https://platform.claude.com/docs/en/api/rate-limits. "
        "Please try again later."
    )
    return error(429, message=message, retry_after=full.retry_after)


def reject_call(request: Request) -> Response | None:
    """The response to a call without a valid key or version, or None."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        key = request.headers.get("x-api-key", "")
    if not key:
        return error(401, message="x-api-key header is required")
    if not key.startswith(KEY_PREFIX):
        return error(401, message="invalid x-api-key")
    version = request.headers.get("anthropic-version")
    if version is None:
        return error(400, message="anthropic-version: header is required")
    if version not in VERSIONS:
        return error(400, message=f'anthropic-version: "{version}" is not a valid version')
    return None


def error_of(rejection: Rejection) -> Response:
    """The response to a request that is rejected."""
    return error(rejection.status, rejection.type, rejection.message)
