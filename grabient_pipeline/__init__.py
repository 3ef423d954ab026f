"""Tags for colour palettes from ten language models, through four batch APIs, as Dagster assets over DuckDB tables.

For notebooks: `grabient_pipeline.connect()` opens the results. Importing this package imports neither Dagster nor an
SDK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grabient_pipeline.warehouse.published import connect

__all__ = ["connect"]


def __getattr__(name: str) -> object:
    # DuckDB is loaded at the first use, so that `import grabient_pipeline` costs nothing.
    if name == "connect":
        from grabient_pipeline.warehouse.published import connect

        return connect
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
