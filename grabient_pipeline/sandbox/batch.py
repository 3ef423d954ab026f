"""A batch: its state by the clock, what has become of its requests, and what was billed for them."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

RowOutcome = Literal["succeeded", "errored", "expired", "cancelled", "miscounted"]


class Phase(Enum):
    """The state of a batch; each provider has its own words for it."""

    VALIDATING = "validating"
    RUNNING = "running"
    FINALIZING = "finalizing"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether this state is final."""
        return self in _ENDED


_ENDED = frozenset({Phase.COMPLETED, Phase.FAILED, Phase.EXPIRED, Phase.CANCELLED})

# Shares of a batch's duration: when validation ends, when finalising starts, and how long cancelling takes.
_VALIDATED_AT = 0.1
_FINALIZING_AT = 0.8
_WIND_DOWN = 0.2
# When the results of a stuck batch are due: after any test or demo.
_STUCK_SECONDS = 100 * 365 * 86_400.0


@dataclass(slots=True)
class BatchOutcome:
    """Counts of a batch's requests by outcome, the billed tokens, and the result files."""

    ready: float
    succeeded: int = 0
    errored: int = 0
    expired: int = 0
    cancelled: int = 0
    # In the error file, but counted as completed.
    miscounted: int = 0
    # Those of the errored that were billed, because a model had answered them.
    billed_errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    # Of the input tokens.
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_file: str | None = None
    error_file: str | None = None

    def count(self, outcome: RowOutcome) -> None:
        """Count one request."""
        setattr(self, outcome, getattr(self, outcome) + 1)


@dataclass(slots=True)
class Batch:
    """One batch; times are Unix seconds, `seconds` is its duration."""

    provider: str
    id: str
    created: float
    seconds: float
    request_count: int
    model: str
    input: str
    # The number of earlier batches of the same model, so that a repeated request gets a different answer.
    ordinal: int = 0
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    custom_id_prefix: str = ""
    checked: bool = False
    problems: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    # None: every request is processed. Otherwise the share processed before the batch expires or is cancelled.
    finished_share: float | None = None
    cancelled: float | None = None
    deleted: bool = False
    # Whose it is, and what it occupies in the queue besides its requests.
    account: str = ""
    tokens: int = 0
    # False if the client never received the response to its creation in time.
    answered: bool = True
    # Whether it stays in its state of cancelling or finalizing until it is ended through the control API.
    stuck: bool = False
    # Faults that were armed at its creation, with their parameters.
    faults: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    outcome: BatchOutcome | None = None

    def phase(self, now: float) -> Phase:
        """The state at a time; batches advance by the clock alone, unless they are stuck."""
        if self.problems:
            return Phase.FAILED if now >= self.created + self.seconds * _VALIDATED_AT else Phase.VALIDATING
        if self.cancelled is not None:
            done = not self.stuck and self.outcome is not None and now >= self.cancelled + self.wind_down
            return Phase.CANCELLED if done else Phase.CANCELLING
        elapsed = now - self.created
        if not self.checked or elapsed < self.seconds * _VALIDATED_AT:
            return Phase.VALIDATING
        if self.outcome is None or elapsed < self.seconds * _FINALIZING_AT:
            return Phase.RUNNING
        if self.stuck or elapsed < self.seconds:
            return Phase.FINALIZING
        return Phase.COMPLETED if self.finished_share is None else Phase.EXPIRED

    @property
    def wind_down(self) -> float:
        """Seconds from the cancel request to the end."""
        return min(1.0, self.seconds * _WIND_DOWN)

    @property
    def running_since(self) -> float:
        """When validation ended."""
        return self.created + self.seconds * _VALIDATED_AT

    @property
    def finalizing_since(self) -> float:
        """When finalising started."""
        return self.created + self.seconds * _FINALIZING_AT

    @property
    def ended_at(self) -> float:
        """When the final state was reached; meaningful only for a batch that has ended."""
        if self.problems:
            return self.running_since
        return self.ends_at(self.outcome.ready if self.outcome else self.created)

    def ends_at(self, ready: float) -> float:
        """When the batch ends if its results are ready at this time."""
        if self.stuck:
            return self.created + _STUCK_SECONDS
        if self.cancelled is not None:
            return max(ready, self.cancelled + self.wind_down)
        return max(ready, self.created + self.seconds)

    def finishes(self, index: int) -> bool:
        """Whether the request at this position is processed before the batch ends early."""
        return self.finished_share is None or _in_share(index, self.finished_share)

    def is_stuck_in(self, phase: Phase) -> bool:
        """Whether it stays in this state, which is its present one, and cannot be cancelled any more."""
        return self.stuck and phase in (Phase.CANCELLING, Phase.FINALIZING)

    def affects(self, fault: str, index: int) -> bool:
        """Whether a fault that has a share affects the request at this position."""
        parameters = self.faults.get(fault)
        return parameters is not None and _in_share(index, parameters["share"])


def _in_share(index: int, share: float) -> bool:
    """Whether this position belongs to the share, which is spread evenly."""
    return int((index + 1) * share) > int(index * share)
