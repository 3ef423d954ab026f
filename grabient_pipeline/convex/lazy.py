"""Expensive imports of these commands, on first use, as in `grabient_pipeline.cli.lazy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grabient_pipeline.cli.lazy import load

if TYPE_CHECKING:
    from grabient_pipeline.convex.steps import check_run_numbers as check_run_numbers
    from grabient_pipeline.convex.steps import clear_run_numbers as clear_run_numbers
    from grabient_pipeline.convex.steps import import_convex as import_convex
    from grabient_pipeline.convex.steps import migrate_run_numbers as migrate_run_numbers

_OWNERS: dict[str, str] = dict.fromkeys(
    ("check_run_numbers", "clear_run_numbers", "import_convex", "migrate_run_numbers"), "convex.steps"
)


def __getattr__(name: str) -> object:
    return load(name, _OWNERS)
