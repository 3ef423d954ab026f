"""Translate exceptions of the SDKs: is it certain that the provider did nothing, and what does a person read?

The SDKs use two HTTP libraries whose exceptions share names but no classes, so they are recognised by name and by HTTP
status. Only two things prove that nothing was done: a client error (4xx), and a connection that was never made.
Everything else is uncertain.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from grabient_pipeline.errors import ProviderBusy, ProviderError, ProviderRefused, ProviderUncertain
from grabient_pipeline.formatting import printable

_LONGEST_MESSAGE = 300
_LONGEST_WAIT = 24 * 3600.0
# A request answered with 408 or 409 may have been handled all the same.
_UNCERTAIN_CLIENT_ERRORS = {408, 409}
TOO_MANY = 429
# An overloaded provider does not charge for an ordinary call. For the creation of a batch the status proves nothing.
OVERLOADED = frozenset({TOO_MANY, 503, 529})
_NEVER_CONNECTED = {"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol"}


@contextmanager
def translate_errors(
    provider: str, action: str, secret: str, busy_statuses: frozenset[int] = frozenset({TOO_MANY})
) -> Generator[None]:
    """Turn any exception of an SDK in the body into a `ProviderError` of one line that does not contain the key.

    Args:
        provider: The provider's key in the catalogue.
        action: The attempted action, as the message names it: "creating the batch".
        secret: The API key, which a provider's message may repeat.
        busy_statuses: HTTP statuses that mean that nothing was done and the call can be repeated later.

    Raises:
        ProviderBusy: The provider answered with one of `busy_statuses`.
        ProviderRefused: The provider certainly did nothing.
        ProviderUncertain: The provider may have acted.
    """
    try:
        yield
    except ProviderError:
        raise
    except Exception as error:
        for cause in _causes(error):
            if isinstance(cause, ProviderError):
                # Our own refusal to send a request, which the SDK wraps as a connection error.
                raise cause from None
        message = f"{action} failed: {_failure_reason(error, secret)}"
        status = status_code(error)
        # Without the chain, because tracebacks of the SDKs may show headers, and the key in them.
        if status in busy_statuses:
            raise ProviderBusy(provider, message, status, _retry_after(error)) from None
        kind = ProviderRefused if _certainly_did_nothing(error) else ProviderUncertain
        raise kind(provider, message, status) from None


def status_code(error: BaseException) -> int | None:
    """Return the HTTP status that an SDK's exception carries, if any."""
    for name in ("status_code", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int):
            return value
    return None


def short_text(text: object, limit: int = _LONGEST_MESSAGE) -> str:
    """Return a provider's text as one short line that is safe to show."""
    return printable(str(text).strip(), limit).strip()


def _certainly_did_nothing(error: BaseException) -> bool:
    status = status_code(error)
    if status is not None:
        return 400 <= status < 500 and status not in _UNCERTAIN_CLIENT_ERRORS
    return any(type(cause).__name__ in _NEVER_CONNECTED for cause in _causes(error))


def _causes(error: BaseException | None) -> Generator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _retry_after(error: BaseException) -> float | None:
    """Return the seconds to wait from the `retry-after` header."""
    headers: object = getattr(getattr(error, "response", None), "headers", None)
    if not isinstance(headers, Mapping):
        return None
    text: object = cast("Mapping[str, Any]", headers).get("retry-after")
    try:
        seconds = float(str(text))
    except ValueError:
        return None
    return seconds if 0 <= seconds < _LONGEST_WAIT else None


def _failure_reason(error: BaseException, secret: str) -> str:
    def without_secret(text: object) -> str:
        # Before shortening, which could leave a part of the key that would no longer be recognised.
        return short_text(str(text).replace(secret, "***"))

    status = status_code(error)
    if status is not None:
        return f"HTTP {status}: {without_secret(_body_message(error))}"
    names = {type(cause).__name__ for cause in _causes(error)}
    if names & _NEVER_CONNECTED:
        return "no connection; is the network up and the address right?"
    if any("Timeout" in name for name in names):
        return "no answer in time"
    last = list(_causes(error))[-1]
    return without_secret(f"{type(last).__name__}: {last}")


def _body_message(error: BaseException) -> object:
    # `body` is the inner object for OpenAI, the outer one for Groq and Anthropic; Google has the text in `message`.
    body: object = getattr(error, "body", None)
    if isinstance(body, Mapping):
        outer = cast("Mapping[str, Any]", body)
        inner: object = outer.get("error", outer)
        if isinstance(inner, Mapping):
            message = cast("Mapping[str, Any]", inner).get("message")
            if message:
                return message
    return getattr(error, "message", None) or error
