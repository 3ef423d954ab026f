"""Tags for colour palettes from ten language models, through four batch APIs, as Dagster assets over DuckDB tables.

For notebooks: `grabient_pipeline.connect()` opens the results, and `grabient_pipeline.search("calm autumn forest")`
finds palettes. Importing this package imports neither Dagster nor an SDK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grabient_pipeline.retrieval.find import search
    from grabient_pipeline.warehouse.published import connect

__all__ = ["connect", "search"]


def __getattr__(name: str) -> object:
    # Loaded at the first use, so that `import grabient_pipeline` costs nothing.
    if name == "connect":
        from grabient_pipeline.warehouse.published import connect

        return connect
    if name == "search":
        from grabient_pipeline.retrieval.find import search

        return search
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
