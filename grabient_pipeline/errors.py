"""The errors that a person is meant to read.

Each is one line that says what is wrong and what to do; the command line prints it and ends with status 1, a Dagster
step fails with it. What is not here is a fault of ours and shows its traceback.

    GrabientError
    ├── SettingsError        a variable or option that cannot be used
    ├── ImportFileError      a file of palettes that cannot be read at all
    ├── MigrationError       a migration that cannot be run yet
    ├── UnknownModelError    a model that the catalogue does not have
    ├── UnknownBatchError    a batch that the ledger does not have
    ├── UnknownPromptError   a prompt version that was never used
    ├── BucketError          the bucket of the pictures cannot be used
    ├── WarehouseError       the working database cannot be opened
    │   └── WarehouseBusy    another process holds it for longer than we wait
    ├── CostCapError         the estimate is above what may be spent
    ├── SearchError          nothing to search, or an index that does not fit the question
    ├── MissingKeyError      a provider without a key
    └── ProviderError        a provider said no, or cannot be reached
        ├── ProviderRefused  it certainly did not do what was asked
        │   └── ProviderBusy   it will when it is asked more slowly
        └── ProviderUncertain  whether it did cannot be known from here
"""

from __future__ import annotations


class GrabientError(Exception):
    """What is wrong and what to do about it, in one line."""


class SettingsError(GrabientError):
    """A variable or option that cannot be used."""


class ImportFileError(GrabientError):
    """A file of palettes that cannot be read at all."""


class MigrationError(GrabientError):
    """A migration that cannot be run yet."""


class UnknownModelError(GrabientError):
    """A model that the catalogue does not have."""


class UnknownBatchError(GrabientError):
    """A batch that the ledger does not have."""


class UnknownPromptError(GrabientError):
    """A prompt version that was never used."""


class BucketError(GrabientError):
    """The bucket of the pictures cannot be used."""


class WarehouseError(GrabientError):
    """The working database cannot be opened."""


class WarehouseBusy(WarehouseError):
    """Another process holds the working database for longer than we wait."""


class CostCapError(GrabientError):
    """The estimate is above what may be spent."""


class SearchError(GrabientError):
    """There is nothing to search, or the index does not fit the question."""


class MissingKeyError(GrabientError):
    """A provider without a key."""


class ProviderError(GrabientError):
    """A provider said no, or cannot be reached."""

    def __init__(self, provider: str, message: str, status: int | None = None) -> None:
        super().__init__(f"{provider}: {message}")
        self.provider = provider
        self.status = status


class ProviderRefused(ProviderError):
    """It certainly did not do what was asked: asking again costs nothing twice."""


class ProviderBusy(ProviderRefused):
    """It did nothing, and will when it is asked again after so many seconds; None if it did not say when."""

    def __init__(self, provider: str, message: str, status: int, retry_after_seconds: float | None = None) -> None:
        super().__init__(provider, message, status)
        self.retry_after_seconds = retry_after_seconds


class ProviderUncertain(ProviderError):
    """Whether it did cannot be known from here: asking again may pay twice."""
