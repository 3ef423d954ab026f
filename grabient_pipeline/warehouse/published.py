"""The published database, for reading: what notebooks, `status` and the gallery open."""

from __future__ import annotations

from pathlib import Path

import duckdb

from grabient_pipeline.errors import WarehouseError
from grabient_pipeline.settings import Settings


def connect(data_dir: str | Path | None = None) -> duckdb.DuckDBPyConnection:
    """A read-only connection to the newest published state.

    Unlike `duckdb.connect(path, read_only=True)`, which in one process goes on giving the state that the process opened
    first while that is still open, this gives the newest every time.

    Args:
        data_dir: where to look; by default `GRABIENT_DATA_DIR`, else `data/` of the checkout or, for an installed
            wheel, of the current folder.

    Raises:
        WarehouseError: nothing has been published there yet.
    """
    settings = Settings.from_environment()
    published = (Path(data_dir).expanduser().absolute() / "grabient.duckdb") if data_dir else settings.published
    if not published.exists():
        raise WarehouseError(
            f"there is no {published} yet; import palettes first (grabient import, or materialise `palettes`)"
        )
    # DuckDB keeps one instance a path and process, but a database attached to an instance of its own is opened anew.
    connection = duckdb.connect()
    quoted = str(published).replace("'", "''")
    connection.execute(f"ATTACH '{quoted}' AS grabient (READ_ONLY)")
    connection.execute("USE grabient")
    return connection
