-- The rows of staged Parquet files, whose paths are in a variable because a view takes no parameters. `tags` is JSON
-- text in the files.
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
