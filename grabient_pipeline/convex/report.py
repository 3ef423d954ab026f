"""The result of an import, or of its dry run, table by table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# The counts as `convex_imports.counts` and `--json` have them. Stored and public, so these keys never change.
_NUMBERS = {
    "read": "read",
    "taken": "imported",
    "already_there": "already_there",
    "waiting": "pending_index",
    "adopted": "adopted",
}
_COUNTERS = {"repaired": "repaired", "set_aside": "rejected", "conflicts": "conflicts"}
_NOTES = ("left_out", "broken")


@dataclass
class TableReport:
    """What became of the lines of one table of the export.

    Attributes:
        read: lines of the table.
        imported: rows that are new here.
        already_there: rows that an earlier import wrote.
        pending_index: answers that have no analysis index yet.
        adopted: batches in progress that are polled from here.
        repaired: imported rows that needed a repair, by repair.
        rejected: documents that were not imported, by reason.
        conflicts: documents that lost to another one with the same key, by outcome.
        left_out: why the table is not imported at all.
        broken: why the table could not be read to its end.
    """

    read: int = 0
    imported: int = 0
    already_there: int = 0
    pending_index: int = 0
    adopted: int = 0
    repaired: Counter[str] = field(default_factory=Counter[str])
    rejected: Counter[str] = field(default_factory=Counter[str])
    conflicts: Counter[str] = field(default_factory=Counter[str])
    left_out: str | None = None
    broken: str | None = None

    def add(self, other: TableReport) -> None:
        """Add the counts of another chunk of the same table."""
        for name in (*_NUMBERS.values(), *_COUNTERS.values()):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def counts(self) -> dict[str, Any]:
        """Return plain values, for the database and for JSON."""
        plain: dict[str, Any] = {key: getattr(self, name) for key, name in _NUMBERS.items()}
        plain |= {key: dict(getattr(self, name).most_common()) for key, name in _COUNTERS.items()}
        plain |= {name: note for name in _NOTES if (note := getattr(self, name))}
        return plain

    @classmethod
    def from_counts(cls, counts: Mapping[str, Any]) -> TableReport:
        """Return the report from which `counts` came."""
        values: dict[str, Any] = {name: counts[key] for key, name in _NUMBERS.items()}
        values |= {name: Counter[str](counts[key]) for key, name in _COUNTERS.items()}
        values |= {name: counts.get(name) for name in _NOTES}
        return cls(**values)


@dataclass
class ConvexReport:
    """The result of an import. `resumed`: it continued an import that was interrupted."""

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
        """Return plain values, for JSON."""
        return {
            "source": self.source,
            "dry_run": self.dry_run,
            "resumed": self.resumed,
            "tables": {name: table.counts() for name, table in self.tables.items()},
            "missing_tables": list(self.missing_tables),
            "refused": list(self.refused),
            "unpriced_models": list(self.unpriced_models),
        }
