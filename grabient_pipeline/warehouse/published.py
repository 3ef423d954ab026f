"""Reading the published database: for notebooks, `status`, the gallery and search."""

from __future__ import annotations

from pathlib import Path

import duckdb

from grabient_pipeline.errors import WarehouseError
from grabient_pipeline.settings import Settings
from grabient_pipeline.warehouse.attach import attach


def connect(data_dir: str | Path | None = None) -> duckdb.DuckDBPyConnection:
    """Open a read-only connection to the newest published state.

    `duckdb.connect(path, read_only=True)` returns the state that the process opened first for as long as that is open;
    this returns the newest every time.

    Args:
        data_dir: where to look; by default `GRABIENT_DATA_DIR`, else `data/` of the checkout or, for an installed
            wheel, of the current folder.

    Raises:
        WarehouseError: nothing has been published there yet.
    """
    settings = Settings(Path(data_dir).expanduser().absolute()) if data_dir else Settings.from_environment()
    published = settings.published
    if not published.exists():
        raise WarehouseError(
            f"there is no {published} yet; import palettes first (grabient import, or materialise `palettes`)"
        )
    # DuckDB keeps one instance per path and process, but a database attached to a new instance is opened again.
    connection = duckdb.connect()
    attach(connection, published, "grabient", "(READ_ONLY)")
    connection.execute("USE grabient")
    return connection
