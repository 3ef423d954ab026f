"""What an import did, or in a dry run would do, table by table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class TableReport:
    """The rows of one table of the export.

    `read`: its lines. `taken`: rows that are new here. `already_there`: rows that an earlier import took. `waiting`:
    answers that have no analysis index yet. `repaired`: rows taken with a repair, by what was repaired. `set_aside`:
    rows not taken, by the reason. `conflicts`: two rows for one key, by which won and why. `adopted`: batches that are
    still under way and are followed from here. `left_out`: why the table is not copied. `broken`: why it could not be
    read to its end.
    """

    read: int = 0
    taken: int = 0
    already_there: int = 0
    waiting: int = 0
    adopted: int = 0
    repaired: Counter[str] = field(default_factory=Counter[str])
    set_aside: Counter[str] = field(default_factory=Counter[str])
    conflicts: Counter[str] = field(default_factory=Counter[str])
    left_out: str | None = None
    broken: str | None = None

    def add(self, other: TableReport) -> None:
        """Count another piece of the same table."""
        self.read += other.read
        self.taken += other.taken
        self.already_there += other.already_there
        self.waiting += other.waiting
        self.adopted += other.adopted
        self.repaired += other.repaired
        self.set_aside += other.set_aside
        self.conflicts += other.conflicts

    def counts(self) -> dict[str, Any]:
        """As plain values, for the database and for JSON."""
        plain: dict[str, Any] = {
            "read": self.read,
            "taken": self.taken,
            "already_there": self.already_there,
            "waiting": self.waiting,
            "adopted": self.adopted,
            "repaired": dict(self.repaired.most_common()),
            "set_aside": dict(self.set_aside.most_common()),
            "conflicts": dict(self.conflicts.most_common()),
        }
        if self.left_out:
            plain["left_out"] = self.left_out
        if self.broken:
            plain["broken"] = self.broken
        return plain

    @classmethod
    def of(cls, counts: Mapping[str, Any]) -> TableReport:
        """The report that `counts` came from."""
        plain: dict[str, Any] = {**counts}
        for name in ("repaired", "set_aside", "conflicts"):
            plain[name] = Counter[str](counts[name])
        return cls(**plain)


@dataclass
class ConvexReport:
    """What became of an export. `resumed`: it went on where a killed import had stopped."""

    source: str
    tables: dict[str, TableReport] = field(default_factory=dict[str, TableReport])
    missing_tables: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    unpriced_models: tuple[str, ...] = ()
    resumed: bool = False
    dry_run: bool = False

    @property
    def broken(self) -> dict[str, str]:
        """The tables that could not be read to their end, and why."""
        return {name: table.broken for name, table in self.tables.items() if table.broken}

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "source": self.source,
            "dry_run": self.dry_run,
            "resumed": self.resumed,
            "tables": {name: table.counts() for name, table in self.tables.items()},
            "missing_tables": list(self.missing_tables),
            "refused": list(self.refused),
            "unpriced_models": list(self.unpriced_models),
        }
