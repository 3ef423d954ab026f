"""One deadline for everything a step waits for: the network and the lock of the database alike."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of the monotonic clock, in seconds."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline that many seconds from now."""
        return cls(time.monotonic() + seconds)

    @property
    def passed(self) -> bool:
        """Whether it is over."""
        return time.monotonic() >= self.at

    def remaining(self, at_most: float = math.inf) -> float:
        """Return the seconds that are left, never less than 0 nor more than `at_most`."""
        return min(at_most, max(0.0, self.at - time.monotonic()))

    def within(self, seconds: float, reserve: float = 0.0) -> Deadline:
        """Return the earlier of `seconds` from now and `reserve` seconds before this deadline."""
        return Deadline(min(time.monotonic() + seconds, self.at - reserve))
