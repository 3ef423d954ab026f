-- The table `incoming_answers`: imported answers without an analysis index, with the index that the migration gives
-- them. With a run number it is that number minus 1, even if another answer has it, which is then reported as a
-- collision. With neither it is 0 or, if that is taken, the next free index.
CREATE OR REPLACE TEMP TABLE incoming_answers AS
WITH pending AS (
    SELECT unnumbered.*, palettes.seed AS palette
    FROM unnumbered_palette_tags AS unnumbered
    JOIN palette_spellings AS spellings ON spellings.seed = unnumbered.seed
    JOIN palettes ON palettes.palette_id = spellings.palette_id
),
taken AS (
    SELECT seed AS palette, provider, model, prompt_version, list(DISTINCT analysis_index) AS indexes
    FROM (
        SELECT seed, provider, model, prompt_version, analysis_index::BIGINT AS analysis_index
        FROM tag_requests
        WHERE stage = 'tagging' AND state <> 'released'
        UNION ALL
        SELECT palette, provider, model, prompt_version, run_number - 1 FROM pending WHERE run_number IS NOT NULL
    )
    GROUP BY ALL
),
without_number AS (
    SELECT
        pending.custom_id,
        row_number() OVER (
            PARTITION BY pending.palette, pending.provider, pending.model, pending.prompt_version
            ORDER BY pending.convex_created_at NULLS LAST, pending.line_number
        ) AS place,
        count(*) OVER (
            PARTITION BY pending.palette, pending.provider, pending.model, pending.prompt_version
        ) AS together,
        coalesce(taken.indexes, []) AS indexes
    FROM pending
    LEFT JOIN taken USING (palette, provider, model, prompt_version)
    WHERE pending.run_number IS NULL
),
free AS (
    SELECT
        custom_id,
        -- Among as many indexes as are taken or wanted there are enough free ones.
        list_filter(range(len(indexes) + together), lambda each: NOT list_contains(indexes, each))[place] AS place
    FROM without_number
)
SELECT
    pending.* EXCLUDE (palette),
    coalesce(pending.run_number - 1, free.place)::BIGINT AS analysis_index,
    NULL::VARCHAR AS finish_reason,
    NULL::VARCHAR AS repair,
    NULL::BIGINT AS cached_input_tokens,
    NULL::BIGINT AS cache_write_tokens,
    NULL::BIGINT AS cache_write_hour_tokens,
    NULL::BIGINT AS reasoning_tokens
FROM pending
LEFT JOIN free USING (custom_id)
