"""What commands print: lines, tables, JSON and progress.

Results go to standard output, everything else to standard error. Text from a file or a provider is shown as plain text
on one line: it is not parsed as markup and cannot move the cursor.

Rich is imported inside the functions, so that `--help` does not pay for it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson

from grabient_pipeline.formatting import printable
from grabient_pipeline.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console

# A pipe has no width to fit into, and `grep` cannot find a truncated model name.
_PIPE_WIDTH = 200


def say(text: object = "", style: str = "") -> None:
    """Print a line of the result to standard output."""
    _print_line(_console(stderr=False), text, style)


def note(text: object = "", style: str = "") -> None:
    """Print a line to standard error."""
    _print_line(_console(stderr=True), text, style)


def warn(text: object) -> None:
    """Print a warning to standard error."""
    note(text, "yellow")


def say_json(value: dict[str, Any]) -> None:
    """Print the result as one JSON object to standard output."""
    _console(stderr=False).file.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def say_table(
    headers: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    right: Collection[str] = (),
    styles: Sequence[str] = (),
) -> None:
    """Print a table of the result, no wider than the terminal.

    Args:
        headers: the header of each column.
        rows: the cells, row by row.
        right: headers of the right-aligned columns.
        styles: the style of each row, if they differ.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for header in headers:
        number = header in right
        # Numbers never wrap; a long name wraps where it must.
        table.add_column(header, justify="right" if number else "left", no_wrap=number, overflow="fold")
    for index, row in enumerate(rows):
        cells = [Text("\n".join(printable(line) for line in str(cell).splitlines())) for cell in row]
        table.add_row(*cells, style=styles[index] if styles else None)
    _console(stderr=False).print(table)


def say_swatch(colours: Sequence[str], title: str, colour_width: int, caption: str) -> None:
    """Print colours as blocks of `colour_width` columns, with a title to the right and a caption below.

    Without colour support, only the texts are printed.
    """
    from rich.text import Text

    console = _console(stderr=False)
    blocks = Text()
    if console.color_system:
        for colour in colours:
            blocks.append(" " * colour_width, style=f"on {colour}")
    console.print(blocks + Text(printable(title), style="bold"), soft_wrap=True)
    console.print(Text(" " * (blocks.cell_len + 1) + printable(caption), style="dim"), soft_wrap=True)


@contextmanager
def progress() -> Generator[Progress]:
    """Show progress on standard error: bars in a terminal, otherwise a line at the start, each quarter and the end."""
    console = _console(stderr=True)
    # Colours can be forced in a file; bars that move the cursor do not belong there.
    if not (console.is_interactive and console.file.isatty()):
        yield _ProgressLines(console)
        return
    from grabient_pipeline.cli.progress_bars import progress_bars

    with progress_bars(console) as bars:
        yield bars


class _ProgressLines:
    """A few lines per task, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._completed: dict[str, int] = {}
        self._lock = threading.Lock()

    def advance(self, task: str, count: int, total: int) -> None:
        with self._lock:
            before = self._completed.get(task)
            completed = (before or 0) + count
            if before is None or completed >= total or 4 * before // total != 4 * completed // total:
                _print_line(self._console, f"{task}: {completed:,} of {total:,}")
            self._completed[task] = completed
            if completed >= total:
                # The task may start again.
                del self._completed[task]

    def note(self, line: str) -> None:
        _print_line(self._console, line)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    console = Console(
        stderr=stderr,
        markup=False,
        emoji=False,
        highlight=False,
        # Rich keeps bold and dim under NO_COLOR, whose point is no escape codes at all.
        color_system=None if os.environ.get("NO_COLOR") else "auto",
    )
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = _PIPE_WIDTH
    return console


def _print_line(console: Console, text: object, style: str = "") -> None:
    from rich.text import Text

    # The terminal wraps long lines itself, so that a path can be copied as a whole.
    console.print(Text(printable(text), style=style), soft_wrap=True)
