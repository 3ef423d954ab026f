-- The rows that wait in Parquet files of ours, whose paths are in a variable, since a view takes no parameter.
CREATE OR REPLACE TEMP VIEW staged AS
SELECT * FROM read_parquet(getvariable('staged_files'))
