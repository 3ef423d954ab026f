"""The errors that people are meant to read.

Each is one line that says what is wrong and what to do. The command line prints it and exits with status 1; a Dagster
step fails with it. Any other exception is a bug.

    GrabientError
    ├── SettingsError        a variable or option that cannot be used
    ├── ImportFileError      a palette file that cannot be read at all
    ├── MigrationError       a migration that cannot be run yet
    ├── UnknownModelError    a model that the catalogue does not have
    ├── UnknownTierError     a tier that a provider does not have
    ├── UnknownBatchError    a batch that the ledger does not have
    ├── UnknownOrderError    an order that is not open
    ├── UnknownBatchesError  a provider has batches that the ledger lacks
    ├── UnknownPromptError   a prompt version that was never used
    ├── BucketError          the image bucket cannot be used
    ├── WarehouseError       the working database cannot be opened
    │   └── WarehouseBusy    another process holds it for too long
    ├── CostCapError         the estimate is above what may be spent
    ├── SearchError          nothing to search, or an index of another model
    ├── MissingKeyError      a provider without a key
    └── ProviderError        a provider refused, or cannot be reached
        ├── ProviderRefused  it certainly did nothing
        │   ├── ProviderBusy     it did nothing, and will later
        │   └── TierUnavailable  it does not serve the service tier that was asked for
        └── ProviderUncertain  it is unknown whether it did
"""

from __future__ import annotations

_KEY_REFUSED = (401, 403)


class GrabientError(Exception):
    """What is wrong and what to do about it, in one line."""

    @property
    def needs_person(self) -> bool:
        """Whether trying again is of no use until a person has changed a key or a setting."""
        return isinstance(self, SettingsError | MissingKeyError)


class SettingsError(GrabientError):
    """A variable or option that cannot be used."""


class ImportFileError(GrabientError):
    """A palette file that cannot be read at all."""


class MigrationError(GrabientError):
    """A migration that cannot be run yet."""


class UnknownModelError(GrabientError):
    """A model that the catalogue does not have."""


class UnknownTierError(GrabientError):
    """A tier that a provider does not have."""


class UnknownBatchError(GrabientError):
    """A batch that the ledger does not have."""


class UnknownOrderError(GrabientError):
    """An order that is not open."""


class UnknownBatchesError(GrabientError):
    """A provider has batches that may be this ledger's and are not in it."""


class UnknownPromptError(GrabientError):
    """A prompt version that was never used."""


class BucketError(GrabientError):
    """The image bucket cannot be used."""


class WarehouseError(GrabientError):
    """The working database cannot be opened."""


class WarehouseBusy(WarehouseError):
    """Another process holds the working database for too long."""


class CostCapError(GrabientError):
    """The estimate is above what may be spent."""


class SearchError(GrabientError):
    """There is nothing to search, or the index was made by another model."""


class MissingKeyError(GrabientError):
    """A provider without a key."""


class ProviderError(GrabientError):
    """A provider refused, or cannot be reached."""

    def __init__(self, provider: str, message: str, status: int | None = None) -> None:
        super().__init__(f"{provider}: {message}")
        self.provider = provider
        self.status = status

    @property
    def needs_person(self) -> bool:
        """Whether the key was refused."""
        return self.status in _KEY_REFUSED


class ProviderRefused(ProviderError):
    """It certainly did nothing: trying again pays nothing twice."""


class ProviderBusy(ProviderRefused):
    """It did nothing, and accepts the request after so many seconds; None if it did not say when."""

    def __init__(self, provider: str, message: str, status: int, retry_after_seconds: float | None = None) -> None:
        super().__init__(provider, message, status)
        self.retry_after_seconds = retry_after_seconds


class TierUnavailable(ProviderRefused):
    """It did nothing, because the service tier that was asked for cannot be had; the account may have others."""

    @classmethod
    def after(cls, error: ProviderError, reason: str) -> TierUnavailable:
        """Return an error that says what follows from an answer about the tier."""
        return cls(error.provider, f"{str(error).removeprefix(f'{error.provider}: ')}; {reason}", error.status)


class ProviderUncertain(ProviderError):
    """It is unknown whether it did what was requested: trying again may pay twice."""
