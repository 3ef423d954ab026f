"""Read exceptions of the SDKs: is it certain that the provider did nothing, and what does a person read?

The SDKs use two HTTP libraries whose exceptions share names but no classes, so they are recognised by name and by HTTP
status. Only two things prove that nothing was done: a client error (4xx), and a connection that was never made.
Everything else is uncertain.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple, cast

from grabient_pipeline.formatting import printable
from grabient_pipeline.http_environment import error_chain

_LONGEST_MESSAGE = 300
_LONGEST_WAIT = 24 * 3600.0
# A request answered with 408 or 409 may have been handled all the same.
_UNCERTAIN_CLIENT_ERRORS = {408, 409}
TOO_MANY = 429
# An overloaded provider does not charge for an ordinary call. For the creation of a batch the status proves nothing.
OVERLOADED = frozenset({TOO_MANY, 503, 529})
# A `ProxyError` is the proxy's refusal to make a connection.
_NEVER_CONNECTED = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"}

# What reading an answer raises that is not the provider's JSON: what is expected in it is not there.
_UNREADABLE: Final = (AttributeError, TypeError, LookupError, StopIteration, json.JSONDecodeError, UnicodeDecodeError)
_UNREADABLE_NAMES: Final = {"APIResponseValidationError", "UnknownApiResponseError", "ValidationError"}


class ErrorBody(NamedTuple):
    """The message of an error response, and whether the provider wrote it: others answer with pages or plain text."""

    message: str
    is_provider: bool


def status_code(error: BaseException) -> int | None:
    """Return the HTTP status of the error response that an SDK's exception stands for, if any."""
    for name in ("status_code", "code"):
        value = getattr(error, name, None)
        # An exception about the content of an answer has the status of success.
        if isinstance(value, int) and value >= 300:
            return value
    return None


def short_text(text: object, limit: int = _LONGEST_MESSAGE) -> str:
    """Return a provider's text as one short line that is safe to show."""
    return printable(str(text).strip(), limit).strip()


def certainly_did_nothing(error: BaseException) -> bool:
    """Whether the provider certainly did not act on the request."""
    status = status_code(error)
    if status is not None:
        return 400 <= status < 500 and status not in _UNCERTAIN_CLIENT_ERRORS
    return not error_names(error).isdisjoint(_NEVER_CONNECTED)


def is_unreadable(error: BaseException) -> bool:
    """Whether there was an answer, and it is not the provider's JSON."""
    if status_code(error) is not None:
        return False
    return isinstance(error, _UNREADABLE) or type(error).__name__ in _UNREADABLE_NAMES


def error_names(error: BaseException) -> set[str]:
    """Return the class names of an exception and its causes."""
    return {type(cause).__name__ for cause in error_chain(error)}


def connection_problem(error: BaseException) -> str | None:
    """Return why a call got no answer; None for another error."""
    names = error_names(error)
    if "ProxyError" in names:
        refusal = next(cause for cause in error_chain(error) if type(cause).__name__ == "ProxyError")
        return f"no connection; the proxy refused it ({short_text(refusal)})"
    if names & _NEVER_CONNECTED:
        return "no connection; is the network up and the address right?"
    if any("Timeout" in name for name in names):
        return "no answer in time"
    return None


def retry_after(error: BaseException) -> float | None:
    """Return the seconds to wait, from the `retry-after` header or from Google's error body."""
    headers: object = getattr(getattr(error, "response", None), "headers", None)
    header: object = cast("Mapping[str, Any]", headers).get("retry-after") if isinstance(headers, Mapping) else None
    text = str(header) if header else _retry_delay(getattr(error, "details", None))
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 <= seconds < _LONGEST_WAIT else None


def _retry_delay(body: object) -> str:
    """Return the seconds of a `RetryInfo` such as `{"retryDelay": "7s"}`; empty without one."""
    details = _field(_field(body, "error"), "details")
    for detail in cast("list[object]", details) if isinstance(details, list) else []:
        delay = _field(detail, "retryDelay")
        if isinstance(delay, str):
            return delay.removesuffix("s")
    return ""


def _field(value: object, name: str) -> object:
    return cast("Mapping[str, object]", value).get(name) if isinstance(value, Mapping) else None


def error_body(error: BaseException, status: int) -> ErrorBody:
    """Return what an error response says. A web page, or a response without a message, says the name of its status."""
    for body in (getattr(error, "body", None), getattr(error, "details", None)):
        message = _provider_message(body)
        if message:
            return ErrorBody(message, is_provider=True)
    text = str(getattr(error, "message", None) or error)
    if text.lstrip().startswith("<") or text == f"Error code: {status}":
        return ErrorBody(_status_phrase(status), is_provider=False)
    return ErrorBody(text, is_provider=False)


def _provider_message(body: object) -> str | None:
    # The body is the inner object for OpenAI and the outer one for the others. What is no JSON, Google's SDK presents
    # as an object without `error`.
    error = _field(body, "error")
    message = _field(error, "message") if error else None if _field(body, "status") else _field(body, "message")
    return str(message) if message else None


def _status_phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "a web page"
