"""Transfer files: retried uploads, and downloads that are complete or absent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import tenacity

from grabient_pipeline.atomic import write_atomic
from grabient_pipeline.errors import ProviderRefused, ProviderUncertain

Result = TypeVar("Result")


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


def write_chunks(path: Path, chunks: Iterable[bytes]) -> Path:
    """Write chunks to a file that appears only when it is complete."""

    def write(part: Path) -> None:
        with part.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)

    return write_atomic(path, write)
