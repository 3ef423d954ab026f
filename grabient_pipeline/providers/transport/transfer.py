"""Files on their way: uploads that are tried again, downloads that are whole or not there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import tenacity

from grabient_pipeline.atomic import write_atomic
from grabient_pipeline.errors import ProviderRefused, ProviderUncertain

T = TypeVar("T")


def retry(operation: Callable[[], T]) -> T:
    """Up to three tries, for what costs nothing when done twice; a refusal is final at once.

    Never for the creation of a batch: there the second try is what pays twice.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(ProviderUncertain),
        stop=tenacity.stop_after_attempt(3),
        wait=tenacity.wait_exponential_jitter(initial=0.5, max=8),
        reraise=True,
    )
    return retrying(operation)


def upload_with_retry(upload: Callable[[], T]) -> T:
    """An upload, tried again; whatever it fails of, no batch has been made, so the failure is a refusal."""
    try:
        return retry(upload)
    except ProviderUncertain as error:
        raise ProviderRefused(error.provider, str(error).removeprefix(f"{error.provider}: ")) from None


def write_chunks(path: Path, chunks: Iterable[bytes]) -> Path:
    """Write chunks to a file that appears once the last of them is there."""

    def write(part: Path) -> None:
        with part.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)

    return write_atomic(path, write)
