"""What an exception of an SDK means: did the provider do what was asked, and what does a person read?

The four SDKs use two HTTP libraries whose exceptions share names, not classes; so they are told apart by name and by
the status that they carry. Only two things prove that nothing was done: a refusal (4xx), and a connection that never
was.
Whatever else happens to a creation is uncertain.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from grabient_pipeline.errors import ProviderBusy, ProviderError, ProviderRefused, ProviderUncertain
from grabient_pipeline.formatting import printable

_LONGEST_MESSAGE = 300
_LONGEST_WAIT = 24 * 3600.0
# 408 and 409 may speak of a request that went on to be handled.
_UNCERTAIN_CLIENT_ERRORS = {408, 409}
TOO_MANY = 429
# An ordinary call that meets an overload was not answered and is not charged. For the creation of a batch that proves
# nothing.
OVERLOADED = frozenset({TOO_MANY, 503, 529})
_NEVER_CONNECTED = {"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol"}


@contextmanager
def translate_errors(
    provider: str, doing: str, secret: str, busy: frozenset[int] = frozenset({TOO_MANY})
) -> Generator[None]:
    """Turn whatever an SDK raises in the body into a `ProviderError` of one line, without the key.

    Args:
        doing: what was tried, as it stands in the message: "creating the batch".
        secret: the key, which a provider's own message might repeat.
        busy: the statuses that mean "nothing was done, ask later".
    """
    try:
        yield
    except ProviderError:
        raise
    except Exception as error:
        for link in _chain(error):
            if isinstance(link, ProviderError):
                # Our own refusal to send a request, which the SDK took for a failure of the network.
                raise link from None
        message = f"{doing} failed: {_reason(error, secret)}"
        status = status_code(error)
        # Without the chain: tracebacks of SDKs may show headers, and the key with them.
        if status in busy:
            raise ProviderBusy(provider, message, status, _retry_after(error)) from None
        kind = ProviderRefused if _certainly_not_done(error) else ProviderUncertain
        raise kind(provider, message, status) from None


def status_code(error: BaseException) -> int | None:
    """The HTTP status that an SDK's exception carries."""
    for name in ("status_code", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int):
            return value
    return None


def short_text(text: object, limit: int = _LONGEST_MESSAGE) -> str:
    """Return a provider's text as one short line that is safe to show."""
    return printable(str(text).strip(), limit).strip()


def _certainly_not_done(error: BaseException) -> bool:
    status = status_code(error)
    if status is not None:
        return 400 <= status < 500 and status not in _UNCERTAIN_CLIENT_ERRORS
    return any(type(link).__name__ in _NEVER_CONNECTED for link in _chain(error))


def _chain(error: BaseException | None) -> Generator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _retry_after(error: BaseException) -> float | None:
    """Seconds, from the header in which providers say them."""
    headers: object = getattr(getattr(error, "response", None), "headers", None)
    if not isinstance(headers, Mapping):
        return None
    text: object = cast("Mapping[str, Any]", headers).get("retry-after")
    try:
        seconds = float(str(text))
    except ValueError:
        return None
    return seconds if 0 <= seconds < _LONGEST_WAIT else None


def _reason(error: BaseException, secret: str) -> str:
    def shown(text: object) -> str:
        # Before the text is cut short, which could leave a part of the key that is not recognised any more.
        return short_text(str(text).replace(secret, "***"))

    status = status_code(error)
    if status is not None:
        return f"HTTP {status}: {shown(_body_message(error))}"
    names = {type(link).__name__ for link in _chain(error)}
    if names & _NEVER_CONNECTED:
        return "no connection; is the network up and the address right?"
    if any("Timeout" in name for name in names):
        return "no answer in time"
    last = list(_chain(error))[-1]
    return shown(f"{type(last).__name__}: {last}")


def _body_message(error: BaseException) -> object:
    # OpenAI's `body` is the inner object, Groq's and Anthropic's the outer one; Google's `message` is the text.
    body: object = getattr(error, "body", None)
    if isinstance(body, Mapping):
        outer = cast("Mapping[str, Any]", body)
        inner: object = outer.get("error", outer)
        if isinstance(inner, Mapping):
            message = cast("Mapping[str, Any]", inner).get("message")
            if message:
                return message
    return getattr(error, "message", None) or error
