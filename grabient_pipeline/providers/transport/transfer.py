"""Transfer files: retried uploads, and downloads that are complete or absent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, Protocol, TypeVar

import tenacity

from grabient_pipeline.atomic import write_atomic
from grabient_pipeline.errors import ProviderRefused, ProviderUncertain
from grabient_pipeline.providers.transport.connection import SOMETHING_BETWEEN

Result = TypeVar("Result")

_PAGE_TYPES: Final = ("text/html", "application/xhtml")
_BEFORE_CONTENT: Final = b"\xef\xbb\xbf \t\r\n"
_HEAD_BYTES: Final = 256


class StreamedResponse(Protocol):
    """A response whose body is still to be read; every SDK has a class of its own."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, found by their names in lower case."""
        ...

    def iter_bytes(self) -> Iterable[bytes]:
        """Yield the decoded body in chunks."""
        ...


def retry(operation: Callable[[], Result]) -> Result:
    """Run an operation up to three times while its outcome is uncertain; a refusal is final.

    Only for operations that cost nothing when repeated. Never for the creation of a batch: a second try pays twice.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(ProviderUncertain),
        stop=tenacity.stop_after_attempt(3),
        wait=tenacity.wait_exponential_jitter(initial=0.5, max=8),
        reraise=True,
    )
    return retrying(operation)


def upload_with_retry(upload: Callable[[], Result]) -> Result:
    """Run an upload with retries. No failed upload creates a batch, so every failure is a refusal.

    Raises:
        ProviderRefused: The upload failed.
    """
    try:
        return retry(upload)
    except ProviderUncertain as error:
        raise ProviderRefused(error.provider, str(error).removeprefix(f"{error.provider}: ")) from None


def write_response(provider: str, path: Path, response: StreamedResponse) -> Path:
    """Write the results in a response to a file that appears only when it is complete.

    Raises:
        ProviderUncertain: The response is a web page.
    """
    if response.headers.get("content-type", "").strip().lower().startswith(_PAGE_TYPES):
        raise _web_page(provider)

    def write(part: Path) -> None:
        with part.open("wb") as file:
            for chunk in response.iter_bytes():
                file.write(chunk)

    return write_results(provider, path, write)


def write_results(provider: str, path: Path, write: Callable[[Path], object]) -> Path:
    """Write results, with a function that is given the path, to a file that appears only when it is complete.

    Raises:
        ProviderUncertain: The content is a web page: a result begins with a brace.
    """

    def write_and_check(part: Path) -> None:
        write(part)
        with part.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        if head.lstrip(_BEFORE_CONTENT).startswith(b"<"):
            raise _web_page(provider)

    return write_atomic(path, write_and_check)


def _web_page(provider: str) -> ProviderUncertain:
    return ProviderUncertain(
        provider,
        f"downloading the results failed: the answer is a web page, not results; {SOMETHING_BETWEEN}",
    )
