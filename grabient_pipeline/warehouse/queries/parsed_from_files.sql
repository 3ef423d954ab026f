-- `parsed` are Parquet files of ours. Parameters: parsed.
CREATE OR REPLACE TEMP TABLE parsed AS
SELECT custom_id, tags, reason AS error FROM read_parquet($parsed)
