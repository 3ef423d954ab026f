"""The outcomes of drills and the table that summarises them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

import orjson
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from drills.audit import AuditTotals

_HEADERS = ("drill", "runs", "kills", "requests", "billed", "kept", "paid twice", "lost", "passed", "notes")


@dataclass(frozen=True)
class Outcome:
    """The result of one drill. `failure` is the reason if it did not pass."""

    row: str
    name: str
    seed: int
    totals: AuditTotals = field(default_factory=AuditTotals)
    kills: int = 0
    seconds: float = 0.0
    failure: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything that the drill checks holds."""
        return self.failure is None


@dataclass(frozen=True)
class Row:
    """A row of the table: the sum of all drills that belong to it."""

    row: str
    drills: int
    kills: int
    totals: AuditTotals
    passed: bool
    notes: tuple[str, ...]


def summarise(outcomes: Iterable[Outcome]) -> list[Row]:
    """Sum the outcomes by row, in the order in which the rows first occur."""
    by_row: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_row.setdefault(outcome.row, []).append(outcome)
    return [
        Row(
            row,
            len(members),
            sum(outcome.kills for outcome in members),
            sum((outcome.totals for outcome in members), AuditTotals()),
            all(outcome.passed for outcome in members),
            tuple(dict.fromkeys(note for outcome in members for note in outcome.notes)),
        )
        for row, members in by_row.items()
    ]


def print_report(outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    """Print the table, or the same data as JSON, to standard output."""
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = 200
    rows = summarise(outcomes)
    if as_json:
        document = {
            "rows": [asdict(row) for row in rows],
            "drills": [{**asdict(outcome), "passed": outcome.passed} for outcome in outcomes],
        }
        console.file.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for header in _HEADERS:
        table.add_column(header, justify="left" if header in ("drill", "passed", "notes") else "right", overflow="fold")
    for row in (*rows, _sum_rows(rows)):
        totals = row.totals
        counts = (row.drills, row.kills, totals.requests, totals.billed, totals.kept, totals.paid_twice, totals.lost)
        verdict = Text("yes", "green") if row.passed else Text("NO", "bold red")
        table.add_row(row.row, *(f"{count:,}" for count in counts), verdict, "; ".join(row.notes))
    console.print(table)


def _sum_rows(rows: Sequence[Row]) -> Row:
    return Row(
        "all",
        sum(row.drills for row in rows),
        sum(row.kills for row in rows),
        sum((row.totals for row in rows), AuditTotals()),
        all(row.passed for row in rows),
        (),
    )


def print_note(text: str) -> None:
    """Print a line to standard error."""
    Console(stderr=True, markup=False, highlight=False, emoji=False).print(text, soft_wrap=True)
