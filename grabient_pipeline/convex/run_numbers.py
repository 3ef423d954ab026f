"""The three migrations of answers that have the legacy `runNumber`, from 1, instead of an `analysisIndex`, from 0.

An import takes answers with an analysis index into the ledger at once, and keeps the others waiting, since a place in
the ledger has an analysis index. Each step is one transaction and can be run again: it then finds nothing to do.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import duckdb

from grabient_pipeline.convex.importer import take_answers
from grabient_pipeline.convex.report import TableReport
from grabient_pipeline.errors import MigrationError
from grabient_pipeline.warehouse import Warehouse, sql, transaction


@dataclass(frozen=True, slots=True)
class RunNumberCheck:
    """Imported answers by what numbers them, and what `migrate_run_numbers` would do with those that wait.

    `from_run_number`: would get their run number less 1; `to_zero`, `to_next_free`: have neither and would get 0, or
    the next index that is free. `collisions`: of two answers for one place one would win.
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
        """Every answer has its analysis index."""
        return self.only_run_number == self.neither == 0

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {**asdict(self), "clean": self.clean}


@dataclass
class RunNumberReport:
    """What `migrate_run_numbers` did. `conflicts`: answers whose place another one holds, by which won and why."""

    from_run_number: int = 0
    to_zero: int = 0
    to_next_free: int = 0
    conflicts: Counter[str] = field(default_factory=Counter[str])

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {**asdict(self), "conflicts": dict(self.conflicts)}


def check_run_numbers(warehouse: Warehouse) -> RunNumberCheck:
    """Count, and change nothing."""
    with warehouse.connect() as connection, transaction(connection):
        return _check(connection)


def migrate_run_numbers(warehouse: Warehouse) -> RunNumberReport:
    """Give every answer that waits its analysis index, and take it into the ledger."""
    with warehouse.connect() as connection, transaction(connection):
        before = _check(connection)
        report = RunNumberReport(before.from_run_number, before.to_zero, before.to_next_free)
        if before.clean:
            return report
        told = TableReport()

        def lost(key: str, line_number: int, reason: str) -> None:
            del key, line_number
            report.conflicts[reason] += 1

        take_answers(connection, told, lost)
        report.conflicts += told.conflicts
        connection.execute(sql(__package__, "reject_unnumbered"))
    return report


def clear_run_numbers(warehouse: Warehouse) -> int:
    """Forget the run numbers, which nothing needs any more; how many there were.

    Raises:
        MigrationError: an answer still waits for its analysis index.
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
    """How many answers to this prompt wait for their analysis index."""
    with warehouse.connect() as connection:
        ((count,),) = connection.execute(
            "SELECT count(*) FROM unnumbered_palette_tags WHERE prompt_version = ?", [prompt_version]
        ).fetchall()
    return count


def _check(connection: duckdb.DuckDBPyConnection) -> RunNumberCheck:
    connection.execute(sql(__package__, "number_unnumbered"))
    connection.execute(sql(__package__, "rank_answers"))
    return RunNumberCheck(*connection.execute(sql(__package__, "check_run_numbers")).fetchall()[0])
