"""The single access layer to DuckDB: connections and their lock, the schema and its migrations, the published copy.

Each package keeps its SQL in a `sql/` folder of its own and reads it with `sql(__package__, "name")`; only the schema's
migrations stand here. Knows nothing of providers, prompts or colours.
"""

from grabient_pipeline.warehouse.published import connect
from grabient_pipeline.warehouse.sql_files import sql
from grabient_pipeline.warehouse.transactions import registered, transaction
from grabient_pipeline.warehouse.warehouse import WAIT_SECONDS, Warehouse

__all__ = ["WAIT_SECONDS", "Warehouse", "connect", "registered", "sql", "transaction"]
