"""Errors in the format of OpenAI and Groq, and the credentials that they require."""

import secrets

from starlette.requests import Request
from starlette.responses import Response

from grabient_pipeline.sandbox.batches.context import KEY_PREFIX
from grabient_pipeline.sandbox.batches.dialect import Rejection
from grabient_pipeline.sandbox.providers.openai.flavour import ChatFlavour
from grabient_pipeline.sandbox.responses import json_response, retry_after_header

ERROR_TYPES = {
    401: "invalid_request_error",
    403: "permission_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
}
CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded"}


def error(
    status: int,
    type_: str = "",
    message: str = "",
    param: str | None = None,
    code: str | None = None,
    *,
    retry_after: float | None = None,
) -> Response:
    """An error in the format of OpenAI and Groq."""
    kind = type_ or ERROR_TYPES.get(status, "invalid_request_error")
    text = message or {429: "Rate limit reached", 503: "Service unavailable"}.get(status, "The server had an error")
    inner = {"message": text, "type": kind, "param": param, "code": code or CODES.get(status)}
    headers = {"x-request-id": f"req_{secrets.token_hex(16)}", **retry_after_header(retry_after)}
    return json_response({"error": inner}, status, headers)


def error_of(rejection: Rejection, status: int | None = None) -> Response:
    """The response to a request that is rejected, with another status if one is given."""
    return error(status or rejection.status, rejection.type, rejection.message, rejection.param, rejection.code)


def reject_call(request: Request, flavour: ChatFlavour) -> Response | None:
    """The response to a call without a valid key, or None."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        return error(401, message=f"You didn't provide an API key. Obtain one from {flavour.key_page}.")
    if not key.startswith(KEY_PREFIX):
        shown = f"{key[:4]}{'*' * 8}{key[-4:]}" if len(key) > 12 else "*" * len(key)
        return error(401, message=flavour.invalid_key.format(shown=shown, page=flavour.key_page))
    return None
