"""SQL as files: `query("missing_requests")` is the text of `missing_requests.sql`."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def query(name: str) -> str:
    """The text of a query of this folder; values go in as parameters, never into the text."""
    return resources.files(__name__).joinpath(f"{name}.sql").read_text("utf-8")
