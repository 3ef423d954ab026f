"""What a benchmark gives, and the table that is made of it."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata

import orjson
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True, slots=True)
class Measurement:
    """One line of the table.

    `floor`: what the measured figure is compared with, taken in the same run. `met`: None where nothing is promised.
    """

    benchmark: str
    measured: str
    floor: str = ""
    ratio: float | None = None
    target: str = ""
    met: bool | None = None


def say(measurements: Sequence[Measurement], *, as_json: bool) -> None:
    """The table, or the same as JSON, on standard output."""
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = 200
    if as_json:
        document = {"machine": machine(), "measurements": [asdict(each) for each in measurements]}
        console.file.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for header in ("benchmark", "measured", "floor", "ratio", "target", "met"):
        table.add_column(header, justify="right" if header == "ratio" else "left", overflow="fold")
    for each in measurements:
        verdict = {True: Text("yes", "green"), False: Text("NO", "bold red"), None: Text("")}[each.met]
        ratio = "" if each.ratio is None else f"{each.ratio:.2f}"
        table.add_row(each.benchmark, each.measured, each.floor, ratio, each.target, verdict)
    console.print(table)
    console.print(" · ".join(f"{name} {value}" for name, value in machine().items()))


def note(text: str) -> None:
    """A line beside the result, on standard error."""
    Console(stderr=True, markup=False, highlight=False, emoji=False).print(text, soft_wrap=True)


def machine() -> dict[str, str]:
    """What the figures depend on."""
    versions = {name: metadata.version(name) for name in ("duckdb", "polars", "orjson", "pydantic", "dagster")}
    return {"cores": str(os.cpu_count()), "python": platform.python_version(), **versions}
