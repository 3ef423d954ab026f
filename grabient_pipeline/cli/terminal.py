"""What people see: lines, tables and progress.

Results go to standard output, everything else to standard error. Whatever comes from a file or a provider is shown as
one line of plain text: nothing in it is taken for markup, and nothing in it moves the cursor. What is worth saying is
decided by the commands.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.table import Table
from rich.text import Text

from grabient_pipeline.formatting import printable
from grabient_pipeline.progress import Progress

# Where there is no terminal there is no edge to fit into, and a cut model name is of no use to `grep`.
_WIDTH_OF_A_PIPE = 200


def say(text: object = "", style: str = "") -> None:
    """A line of the result, on standard output."""
    _line(_console(stderr=False), text, style)


def note(text: object = "", style: str = "") -> None:
    """A line beside the result, on standard error."""
    _line(_console(stderr=True), text, style)


def warn(text: object) -> None:
    """A line that somebody should read, on standard error."""
    note(text, "yellow")


def say_json(value: dict[str, Any]) -> None:
    """The result as one JSON object, on standard output."""
    _console(stderr=False).file.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def say_table(
    headers: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    right: Collection[str] = (),
    styles: Sequence[str] = (),
) -> None:
    """A table of the result, as wide as its contents and no wider than the terminal.

    Args:
        right: the headers of the columns that are set to the right.
        styles: the style of each row, if they differ.
    """
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for header in headers:
        number = header in right
        # Numbers are never broken; a long name breaks where it must.
        table.add_column(header, justify="right" if number else "left", no_wrap=number, overflow="fold")
    for place, row in enumerate(rows):
        cells = [Text("\n".join(printable(line) for line in str(cell).splitlines())) for cell in row]
        table.add_row(*cells, style=styles[place] if styles else None)
    _console(stderr=False).print(table)


def say_swatch(colours: Sequence[str], beside: str, columns_a_colour: int, below: str) -> None:
    """Colours as blocks where the terminal has colours, a text beside them and another below; else the texts alone."""
    console = _console(stderr=False)
    blocks = Text()
    if console.color_system:
        for colour in colours:
            blocks.append(" " * columns_a_colour, style=f"on {colour}")
    console.print(blocks + Text(printable(beside), style="bold"), soft_wrap=True)
    console.print(Text(" " * (blocks.cell_len + 1) + printable(below), style="dim"), soft_wrap=True)


def columns() -> int:
    """How wide what is printed may be."""
    return _console(stderr=False).width


@contextmanager
def progress() -> Generator[Progress]:
    """Bars while the block runs if standard error is a terminal; else a line at the start, the quarters and the end."""
    console = _console(stderr=True)
    # Colours can be forced into a file; bars that move the cursor have no place there.
    if not (console.is_interactive and console.file.isatty()):
        yield _ProgressLines(console)
        return
    with RichProgress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}", markup=False),
        _Rate(),
        TimeElapsedColumn(),
        TextColumn("left", style="dim"),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
    ) as bars:
        yield _ProgressBars(bars)


class _Rate(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "")


class _ProgressBars:
    """A bar for each task."""

    def __init__(self, bars: RichProgress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def advance(self, task: str, count: int, total: int) -> None:
        with self._lock:
            if task not in self._tasks:
                self._tasks[task] = self._bars.add_task(task, total=total)
            known = self._tasks[task]
            if self._bars.tasks[self._bars.task_ids.index(known)].finished:
                self._bars.reset(known, total=total)
            self._bars.update(known, advance=count, total=total)

    def note(self, line: str) -> None:
        _line(self._bars.console, line)


class _ProgressLines:
    """Few lines for each task, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._done: dict[str, int] = {}
        self._lock = threading.Lock()

    def advance(self, task: str, count: int, total: int) -> None:
        with self._lock:
            before = self._done.get(task)
            done = (before or 0) + count
            if before is None or done >= total or 4 * before // total != 4 * done // total:
                _line(self._console, f"{task}: {done:,} of {total:,}")
            self._done[task] = done
            if done >= total:
                # It may begin anew.
                del self._done[task]

    def note(self, line: str) -> None:
        _line(self._console, line)


def _console(*, stderr: bool) -> Console:
    console = Console(
        stderr=stderr,
        markup=False,
        emoji=False,
        highlight=False,
        # Rich keeps bold and dim under NO_COLOR; whoever sets it wants no codes at all.
        color_system=None if os.environ.get("NO_COLOR") else "auto",
    )
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = _WIDTH_OF_A_PIPE
    return console


def _line(console: Console, text: object, style: str = "") -> None:
    # The terminal breaks long lines itself, so that a path can be copied whole.
    console.print(Text(printable(text), style=style), soft_wrap=True)
