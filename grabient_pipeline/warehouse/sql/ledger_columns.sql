SELECT column_name
FROM duckdb_columns()
WHERE database_name = $database AND table_name = 'config' AND column_name IN ('ledger_id', 'revision')
