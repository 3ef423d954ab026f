"""The only door to DuckDB: connections and their lock, the schema and its migrations, publishing.

SQL lives in `.sql` files: `migrations/` for the schema, `queries/` for everything else. What a query means is decided
by the room that calls it; nothing here knows providers, prompts or colours.
"""

from grabient_pipeline.warehouse.published import connect
from grabient_pipeline.warehouse.sql_files import sql
from grabient_pipeline.warehouse.warehouse import WAIT_SECONDS, Warehouse, transaction

__all__ = ["WAIT_SECONDS", "Warehouse", "connect", "sql", "transaction"]
