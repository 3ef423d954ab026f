"""The measurements of the benchmarks and the table that shows them."""

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
    """One row of the table.

    Attributes:
        benchmark: what was measured.
        measured: the figure, with its unit.
        floor: the baseline, measured in the same run.
        ratio: of the figure to the floor or the reverse, as the benchmark defines it.
        target: what is promised.
        met: whether the target is met; None without a target.
    """

    benchmark: str
    measured: str
    floor: str = ""
    ratio: float | None = None
    target: str = ""
    met: bool | None = None


def print_report(measurements: Sequence[Measurement], *, as_json: bool) -> None:
    """Print the table, or the same data as JSON, to standard output."""
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = 200
    if as_json:
        document = {
            "machine": describe_machine(),
            "measurements": [asdict(measurement) for measurement in measurements],
        }
        console.file.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for header in ("benchmark", "measured", "floor", "ratio", "target", "met"):
        table.add_column(header, justify="right" if header == "ratio" else "left", overflow="fold")
    for measurement in measurements:
        verdict = {True: Text("yes", "green"), False: Text("NO", "bold red"), None: Text("")}[measurement.met]
        ratio = "" if measurement.ratio is None else f"{measurement.ratio:.2f}"
        table.add_row(
            measurement.benchmark, measurement.measured, measurement.floor, ratio, measurement.target, verdict
        )
    console.print(table)
    console.print(" · ".join(f"{name} {value}" for name, value in describe_machine().items()))


def print_note(text: str) -> None:
    """Print a line to standard error."""
    Console(stderr=True, markup=False, highlight=False, emoji=False).print(text, soft_wrap=True)


def describe_machine() -> dict[str, str]:
    """Return what the figures depend on: cores and versions."""
    versions = {name: metadata.version(name) for name in ("duckdb", "polars", "orjson", "pydantic", "dagster")}
    return {"cores": str(os.cpu_count()), "python": platform.python_version(), **versions}
