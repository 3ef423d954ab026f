"""The three migrations of answers that have the legacy `runNumber`, from 1, instead of an `analysisIndex`, from 0.

The ledger requires an analysis index. An import adds answers that have one to the ledger at once, and keeps the others
in `unnumbered_palette_tags`. Each migration is one transaction and idempotent.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import duckdb

from grabient_pipeline.convex.answers import import_answers
from grabient_pipeline.convex.report import TableReport
from grabient_pipeline.errors import MigrationError
from grabient_pipeline.warehouse import Warehouse, sql, transaction


@dataclass(frozen=True, slots=True)
class RunNumberCheck:
    """Imported answers by their numbers, and what `migrate_run_numbers` would do with those without an analysis index.

    Attributes:
        only_analysis_index: answers with an analysis index and no run number.
        only_run_number: answers with a run number and no analysis index.
        both: answers with both.
        neither: answers with neither.
        from_run_number: answers that would get their run number minus 1.
        to_zero: answers with neither that would get 0.
        to_next_free: answers with neither that would get the next free index, because 0 is taken.
        collisions: answers whose index another answer has, so that only one of the two would stay.
    """

    only_analysis_index: int
    only_run_number: int
    both: int
    neither: int
    from_run_number: int
    to_zero: int
    to_next_free: int
    collisions: int

    @property
    def clean(self) -> bool:
        """Whether every answer has an analysis index."""
        return self.only_run_number == self.neither == 0

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {**asdict(self), "clean": self.clean}


@dataclass
class RunNumberReport:
    """The result of `migrate_run_numbers`. `conflicts`: answers whose index another answer has, by outcome."""

    from_run_number: int = 0
    to_zero: int = 0
    to_next_free: int = 0
    conflicts: Counter[str] = field(default_factory=Counter[str])

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {**asdict(self), "conflicts": dict(self.conflicts)}


def check_run_numbers(warehouse: Warehouse) -> RunNumberCheck:
    """Count the imported answers by their numbers, without changing anything."""
    with warehouse.connect() as connection, transaction(connection):
        return _check(connection)


def migrate_run_numbers(warehouse: Warehouse) -> RunNumberReport:
    """Number the answers without an analysis index, and add them to the ledger."""
    with warehouse.connect() as connection, transaction(connection):
        before = _check(connection)
        report = RunNumberReport(before.from_run_number, before.to_zero, before.to_next_free)
        if before.clean:
            return report
        imported = TableReport()

        def add_conflict(convex_id: str, line_number: int, reason: str) -> None:
            del convex_id, line_number
            report.conflicts[reason] += 1

        import_answers(connection, imported, add_conflict)
        report.conflicts += imported.conflicts
        connection.execute(sql(__package__, "reject_unnumbered"))
    return report


def clear_run_numbers(warehouse: Warehouse) -> int:
    """Clear the run numbers, and return how many there were.

    Raises:
        MigrationError: an answer still has no analysis index.
    """
    with warehouse.connect() as connection, transaction(connection):
        check = _check(connection)
        if not check.clean:
            raise MigrationError(
                f"{check.only_run_number + check.neither:,} answers have no analysis index yet; "
                "run grabient migrate run-number first. Nothing was cleared"
            )
        connection.execute("UPDATE palette_tags SET run_number = NULL WHERE run_number IS NOT NULL")
        return check.both


def waiting_answers(warehouse: Warehouse, prompt_version: str) -> int:
    """Return how many answers to this prompt have no analysis index yet."""
    with warehouse.connect() as connection:
        ((count,),) = connection.execute(
            "SELECT count(*) FROM unnumbered_palette_tags WHERE prompt_version = ?", [prompt_version]
        ).fetchall()
    return count


def _check(connection: duckdb.DuckDBPyConnection) -> RunNumberCheck:
    connection.execute(sql(__package__, "number_unnumbered"))
    connection.execute(sql(__package__, "rank_answers"))
    return RunNumberCheck(*connection.execute(sql(__package__, "check_run_numbers")).fetchall()[0])
