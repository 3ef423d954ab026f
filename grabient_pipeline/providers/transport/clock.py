"""Times by two clocks: this machine's, which may be wrong, and the provider's, which says when a batch was created."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final

# A `Date` header has whole seconds, rounded down.
_MEAN_FRACTION: Final = dt.timedelta(seconds=0.5)
# A clock that is further off is more likely an odd header. Without a measurement, nothing relies on either clock.
_LARGEST_OFFSET: Final = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time by this machine's clock, and the provider's clock minus this machine's then; None if not measured."""

    local: dt.datetime
    clock_offset: dt.timedelta | None = None

    @classmethod
    def now(cls, clock_offset: dt.timedelta | None) -> Moment:
        """Return the present moment."""
        return cls(dt.datetime.now(dt.UTC), clock_offset)

    @classmethod
    def measured(cls, local: dt.datetime, offset_seconds: float | None) -> Moment:
        """Return a moment whose offset is given in seconds, as it is stored."""
        return cls(local, None if offset_seconds is None else dt.timedelta(seconds=offset_seconds))

    @property
    def offset_seconds(self) -> float | None:
        """The offset in seconds, as it is stored."""
        return None if self.clock_offset is None else self.clock_offset.total_seconds()

    @property
    def at_provider(self) -> dt.datetime | None:
        """The time by the provider's clock; None if that was not measured."""
        return None if self.clock_offset is None else self.local + self.clock_offset


class ProviderClock:
    """How far a provider's clock is from this machine's, by the `Date` header of its newest answer.

    Threads may share one: it holds a single reference, which is replaced as a whole.
    """

    def __init__(self) -> None:
        self._offset: dt.timedelta | None = None

    @property
    def offset(self) -> dt.timedelta | None:
        """The provider's clock minus this machine's, to about a second; None before an answer with a date."""
        return self._offset

    @property
    def response_hooks(self) -> list[Callable[[Any], None]]:
        """The hooks for `event_hooks["response"]` of an httpx or httpx2 client."""
        return [self.measure]

    def measure(self, response: Any) -> None:
        """Measure the clock by an answer of either HTTP library. Never raises."""
        answered_at = _read_date(response.headers)
        if answered_at is None:
            return
        offset = answered_at + _MEAN_FRACTION - dt.datetime.now(dt.UTC)
        if abs(offset) <= _LARGEST_OFFSET:
            self._offset = offset


def _read_date(headers: Mapping[str, str]) -> dt.datetime | None:
    """Return when an answer was made; None if its headers do not say."""
    try:
        if int(headers.get("age", "0")) > 0:
            # From a cache, with the date of an earlier answer.
            return None
        date = parsedate_to_datetime(headers["date"])
        return date.replace(tzinfo=dt.UTC) if date.tzinfo is None else date.astimezone(dt.UTC)
    except (KeyError, ValueError, TypeError, IndexError, OverflowError):
        return None
