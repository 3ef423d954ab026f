-- The rows that wait in Parquet files of ours, whose paths are in a variable, since a view takes no parameter. The tags
-- are an object of JSON there.
CREATE OR REPLACE TEMP VIEW staged AS
SELECT * REPLACE (
    CAST(
        tags::JSON AS STRUCT(
            mood VARCHAR[], style VARCHAR[], harmony VARCHAR[], temperature VARCHAR, contrast VARCHAR,
            brightness VARCHAR, saturation VARCHAR, seasonal VARCHAR[], associations VARCHAR[]
        )
    ) AS tags
)
FROM read_parquet(getvariable('staged_files'))
