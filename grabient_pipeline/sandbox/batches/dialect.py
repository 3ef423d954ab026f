"""What a provider's batch format has to implement, and the values that pass between it and the batch worker."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from grabient_pipeline.sandbox.batch import Batch, RowOutcome
from grabient_pipeline.sandbox.capabilities import BatchLimits
from grabient_pipeline.sandbox.model.answers import Answer
from grabient_pipeline.sandbox.model.prompt import Prompt


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a request is rejected: HTTP status and the provider's own words."""

    status: int
    type: str
    message: str
    param: str | None = None
    code: str | None = None


@dataclass(slots=True)
class Row:
    """One parsed request, of a batch or alone; it has either a prompt or a rejection."""

    custom_id: str
    model: str
    prompt: Prompt | None = None
    rejection: Rejection | None = None
    # What the dialect needs again when it formats the answer.
    extra: Any = None
    colours: str = ""
    # The tier that serves it, where there are several.
    service_tier: str = ""
    # Its position in the batch, from 0.
    place: int = 0


@dataclass(slots=True)
class ResultLine:
    """One line of results, with its newline."""

    line: bytes
    outcome: RowOutcome
    in_error_file: bool = False
    # Whether a request that did not succeed is billed, because a model had answered it.
    billed: bool = False


class Dialect(Protocol):
    """The batch format of one provider."""

    def find_problems(self, batch: Batch, path: Path, limits: BatchLimits) -> list[dict[str, Any]]:
        """Why the batch as a whole is rejected; empty if it is accepted."""
        ...

    def read_row(self, batch: Batch, line: bytes) -> Row:
        """Parse one request of the input file."""
        ...

    def format_answer(self, batch: Batch, row: Row, answer: Answer) -> ResultLine:
        """The result of a request that the model answered."""
        ...

    def format_rejection(self, batch: Batch, row: Row) -> ResultLine:
        """The result of a request that was rejected."""
        ...

    def rejection_for(self, status: int, message: str) -> Rejection:
        """The error of a request that failed with this HTTP status."""
        ...

    def format_unfinished(self, batch: Batch, row: Row) -> ResultLine:
        """The result of a request that was not processed before the batch ended."""
        ...

    def result_file_ids(self, batch: Batch) -> tuple[str, str | None]:
        """Ids of the result file and, where errors have a file of their own, of the error file."""
        ...


_Checked = TypeVar("_Checked")


def guard_types(read: Callable[[], _Checked], status: int = 400) -> "_Checked | Rejection":
    """The value read from a request, or a rejection if a value in it had an unexpected type."""
    try:
        return read()
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as problem:
        return Rejection(status, "invalid_request_error", f"Invalid type or value in the request body: {problem}")
