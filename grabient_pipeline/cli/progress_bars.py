"""Progress bars, for when standard error is a terminal. Imported only then, because Rich takes a while to load."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from grabient_pipeline.formatting import printable


@contextmanager
def progress_bars(console: Console) -> Generator[ProgressBars]:
    """Show bars while the block runs."""
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}", markup=False),
        _RateColumn(),
        TimeElapsedColumn(),
        TextColumn("left", style="dim"),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
    ) as bars:
        yield ProgressBars(bars)


class ProgressBars:
    """One bar per task; implements `grabient_pipeline.progress.Progress`."""

    def __init__(self, bars: Progress) -> None:
        """Add bars to a running progress display."""
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def advance(self, task: str, count: int, total: int) -> None:
        """Advance the bar of a task; a finished bar starts again."""
        with self._lock:
            if task not in self._tasks:
                self._tasks[task] = self._bars.add_task(task, total=total)
            known = self._tasks[task]
            if self._bars.tasks[self._bars.task_ids.index(known)].finished:
                self._bars.reset(known, total=total)
            self._bars.update(known, advance=count, total=total)

    def note(self, line: str) -> None:
        """Print a line above the bars."""
        self._bars.console.print(Text(printable(line)), soft_wrap=True)


class _RateColumn(ProgressColumn):
    """Items per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "")
