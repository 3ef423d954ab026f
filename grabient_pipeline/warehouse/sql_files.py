"""SQL as files: `sql(__package__, "lost_batches")` is the text of `sql/lost_batches.sql` in the caller's package."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def sql(package: str | None, name: str) -> str:
    """Return the text of a statement in the `sql/` folder of a package.

    Values are passed as parameters and never become part of the text.
    """
    return resources.files(package or "").joinpath("sql", f"{name}.sql").read_text("utf-8")
