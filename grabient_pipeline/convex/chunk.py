"""A chunk: some lines of one table on their way into the database, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from grabient_pipeline.convex.archive import Line
from grabient_pipeline.convex.documents import RejectedDocumentError
from grabient_pipeline.convex.report import TableReport

# Lines that are not UTF-8 are kept in a readable form.
_DECODE_ERRORS: Final = "backslashreplace"


class RejectedDocument(NamedTuple):
    """A document that was not imported, as a row of `convex_set_aside`."""

    document_key: str
    line_number: int
    kind: str
    reason: str
    document: str


@dataclass
class Chunk:
    """Lines of a table, the rows that were read from them, and their outcome.

    Attributes:
        texts: the lines by number.
        rows: the rows to write, of one of the types in `rows`.
        rejected: documents that are not imported.
        still_rejected: ids of documents that an earlier import or migration rejected, and that stay rejected.
        report: the counts so far.
    """

    texts: dict[int, bytes] = field(default_factory=dict[int, bytes])
    rows: list[Any] = field(default_factory=list[Any])
    rejected: list[RejectedDocument] = field(default_factory=list[RejectedDocument])
    still_rejected: set[str] = field(default_factory=set[str])
    report: TableReport = field(default_factory=TableReport)

    def reject(self, convex_id: str, line: Line, error: RejectedDocumentError) -> None:
        """Keep a document that cannot be imported."""
        text = line.text if line.text is not None else line.beginning
        document = text.decode("utf-8", _DECODE_ERRORS)
        self.rejected.append(RejectedDocument(convex_id, line.number, error.kind, error.reason, document))
        self.report.rejected[error.reason.partition(":")[0]] += 1

    def add_conflict(self, convex_id: str, line_number: int, reason: str) -> None:
        """Keep a document that lost to another one with the same key."""
        document = self.texts[line_number].decode("utf-8", _DECODE_ERRORS)
        self.rejected.append(RejectedDocument(convex_id, line_number, "conflict", reason, document))
        self.report.conflicts[reason] += 1
