"""What a client needs to call its provider, and the errors that its calls raise."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import urlsplit

from grabient_pipeline.errors import (
    GrabientError,
    ProviderBusy,
    ProviderError,
    ProviderRefused,
    ProviderUncertain,
)
from grabient_pipeline.http_environment import error_chain, untrusted_certificate
from grabient_pipeline.providers.catalogue import Provider
from grabient_pipeline.providers.transport.errors import (
    TOO_MANY,
    certainly_did_nothing,
    connection_problem,
    error_body,
    is_unreadable,
    retry_after,
    short_text,
    status_code,
)

# Asked where the provider does not know a batch that the ledger has.
SAME_PROJECT: Final = "is it the key of the same project or workspace?"
# Asked where something else than the provider answers at its own address.
SOMETHING_BETWEEN: Final = "is something in between, such as a proxy or a sign-in page?"
_WRONG_PATH: Final = frozenset({404, 405})


def endpoint_of(base_url: str) -> str:
    """Return the host of an address, with its port if one is given, and without a user name or password."""
    return urlsplit(base_url).netloc.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class Connection:
    """A provider, the API key and the address with which it is called. Neither of the two is in `repr`.

    `keep_request_files`: whether uploaded request files stay at the provider when they are of no more use.
    """

    provider: Provider
    secret: str = field(repr=False)
    # It may contain a user name and a password.
    base_url: str = field(repr=False)
    keep_request_files: bool = False

    @property
    def endpoint(self) -> str:
        """The host that is called."""
        return endpoint_of(self.base_url)

    @contextmanager
    def translate_errors(
        self,
        action: str,
        *,
        not_found: str | None = None,
        busy_statuses: frozenset[int] = frozenset({TOO_MANY}),
    ) -> Generator[None]:
        """Turn any exception of an SDK in the body into a `ProviderError` of one line that does not contain the key.

        Args:
            action: The attempted action, as the message names it: "creating the batch".
            not_found: What to ask the reader when the provider does not find what was called for. By default, whether
                the address is right.
            busy_statuses: HTTP statuses that mean that nothing was done and the call can be repeated later.

        Raises:
            ProviderBusy: The provider answered with one of `busy_statuses`.
            ProviderRefused: The provider certainly did nothing.
            ProviderUncertain: The provider may have acted.
        """
        try:
            yield
        except GrabientError:
            raise
        except Exception as error:
            for cause in error_chain(error):
                if isinstance(cause, ProviderError):
                    # Our own refusal to send a request, which the SDK wraps as a connection error.
                    raise cause from None
            message = f"{action} failed: {self._failure_reason(error, not_found)}"
            status = status_code(error)
            # Without the chain, because tracebacks of the SDKs may show headers, and the key in them.
            if status in busy_statuses:
                raise ProviderBusy(self.provider.key, message, status, retry_after(error)) from None
            kind = ProviderRefused if certainly_did_nothing(error) else ProviderUncertain
            raise kind(self.provider.key, message, status) from None

    def require_object(self, answer: object, action: str) -> Mapping[str, Any]:
        """Return the answer to an ordinary call, which is a JSON object.

        Raises:
            ProviderUncertain: It is something else. The error has the status of success: there was an answer, and it
                did not come from the model.
        """
        if isinstance(answer, Mapping):
            return cast("Mapping[str, Any]", answer)
        raise ProviderUncertain(self.provider.key, f"{action} failed: {self._foreign_answer()}", 200)

    def refusal_reason(self, status: int, message: str, *, is_provider: bool, not_found: str | None = None) -> str:
        """Return the reason for a failure that is an error response.

        Args:
            status: The HTTP status.
            message: What the response says.
            is_provider: Whether the response has the form of the provider's errors.
            not_found: As in `translate_errors`.
        """
        reason = f"HTTP {status}: {self._without_secret(message)}"
        question = ""
        if status in _WRONG_PATH or status < 400:
            if is_provider and status == 404 and not_found is not None:
                question = not_found
            elif not (is_provider and self._is_default_address):
                question = self._address_question()
        return f"{reason}; {question}" if question else reason

    def _failure_reason(self, error: Exception, not_found: str | None) -> str:
        if is_unreadable(error):
            return self._foreign_answer()
        status = status_code(error)
        if status is not None:
            body = error_body(error, status)
            return self.refusal_reason(status, body.message, is_provider=body.is_provider, not_found=not_found)
        last = list(error_chain(error))[-1]
        return (
            untrusted_certificate(error)
            or connection_problem(error)
            or self._without_secret(f"{type(last).__name__}: {last}")
        )

    def _foreign_answer(self) -> str:
        return f"the answer is not {self.provider.name}'s; {self._address_question()}"

    def _address_question(self) -> str:
        if self._is_default_address:
            return SOMETHING_BETWEEN
        parts = urlsplit(self.base_url)
        address = self._without_secret(f"{parts.scheme}://{self.endpoint}{parts.path}")
        return f"is {self.provider.base_url_variable} ({address}) right?"

    @property
    def _is_default_address(self) -> bool:
        return self.base_url == self.provider.default_base_url

    def _without_secret(self, text: str) -> str:
        # Before shortening, which could leave a part of the key that would no longer be recognised.
        return short_text(text.replace(self.secret, "***"))
