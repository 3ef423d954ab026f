"""The table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

import orjson
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from drills.account import Account


@dataclass(frozen=True)
class Outcome:
    """What came of one drill. `failure`: why it was not passed."""

    row: str
    name: str
    seed: int
    account: Account = field(default_factory=Account)
    kill_points: int = 0
    seconds: float = 0.0
    failure: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return self.failure is None


@dataclass(frozen=True)
class Line:
    """A line of the table: all drills of one row."""

    row: str
    drills: int
    kill_points: int
    account: Account
    passed: bool
    notes: tuple[str, ...]


def lines(outcomes: Iterable[Outcome]) -> list[Line]:
    """The outcomes, a line a row, in the order in which the rows first come."""
    by_row: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_row.setdefault(outcome.row, []).append(outcome)
    return [
        Line(
            row,
            len(each),
            sum(outcome.kill_points for outcome in each),
            sum((outcome.account for outcome in each), Account()),
            all(outcome.passed for outcome in each),
            tuple(dict.fromkeys(note for outcome in each for note in outcome.notes)),
        )
        for row, each in by_row.items()
    ]


def say(outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    """The table, or the same as JSON, on standard output."""
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = 200
    table_lines = lines(outcomes)
    if as_json:
        document = {
            "lines": [asdict(line) for line in table_lines],
            "drills": [{**asdict(outcome), "passed": outcome.passed} for outcome in outcomes],
        }
        console.file.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for header in _HEADERS:
        table.add_column(header, justify="left" if header in ("drill", "passed", "") else "right", overflow="fold")
    for line in (*table_lines, _all_of(table_lines)):
        told = line.account
        counts = (line.drills, line.kill_points, told.requests, told.billed, told.kept, told.paid_twice, told.lost)
        verdict = Text("yes", "green") if line.passed else Text("NO", "bold red")
        table.add_row(line.row, *(f"{count:,}" for count in counts), verdict, "; ".join(line.notes))
    console.print(table)


_HEADERS = ("drill", "runs", "kills", "requests", "billed", "kept", "paid twice", "lost", "passed", "")


def _all_of(table_lines: Sequence[Line]) -> Line:
    return Line(
        "all",
        sum(line.drills for line in table_lines),
        sum(line.kill_points for line in table_lines),
        sum((line.account for line in table_lines), Account()),
        all(line.passed for line in table_lines),
        (),
    )


def note(text: str) -> None:
    """A line beside the result, on standard error."""
    Console(stderr=True, markup=False, highlight=False, emoji=False).print(text, soft_wrap=True)
