-- An analysis index for each imported answer that waits for one, as the table `earlier`. With a run number it is that
-- number less 1, taken or not: whether another answer holds it is a collision, to be told. With neither it is 0 or, where
-- that is taken, the next that is free.
CREATE OR REPLACE TEMP TABLE earlier AS
WITH waiting AS (
    SELECT unnumbered.*, palettes.seed AS palette
    FROM unnumbered_palette_tags AS unnumbered
    JOIN palette_spellings AS spellings ON spellings.seed = unnumbered.seed
    JOIN palettes ON palettes.palette_id = spellings.palette_id
),
held AS (
    SELECT seed AS palette, provider, model, prompt_version, list(DISTINCT analysis_index) AS indexes
    FROM (
        SELECT seed, provider, model, prompt_version, analysis_index::BIGINT AS analysis_index
        FROM tag_requests
        WHERE stage = 'tagging' AND state <> 'released'
        UNION ALL
        SELECT palette, provider, model, prompt_version, run_number - 1 FROM waiting WHERE run_number IS NOT NULL
    )
    GROUP BY ALL
),
nameless AS (
    SELECT
        waiting.custom_id,
        row_number() OVER (
            PARTITION BY waiting.palette, waiting.provider, waiting.model, waiting.prompt_version
            ORDER BY waiting.convex_created_at NULLS LAST, waiting.line_number
        ) AS place,
        count(*) OVER (
            PARTITION BY waiting.palette, waiting.provider, waiting.model, waiting.prompt_version
        ) AS together,
        coalesce(held.indexes, []) AS indexes
    FROM waiting
    LEFT JOIN held USING (palette, provider, model, prompt_version)
    WHERE waiting.run_number IS NULL
),
free AS (
    SELECT
        custom_id,
        -- Among as many as are held or wanted there are as many free as are wanted.
        list_filter(range(len(indexes) + together), lambda each: NOT list_contains(indexes, each))[place] AS place
    FROM nameless
)
SELECT
    waiting.* EXCLUDE (palette),
    coalesce(waiting.run_number - 1, free.place)::BIGINT AS analysis_index,
    NULL::VARCHAR AS finish_reason,
    NULL::VARCHAR AS repair
FROM waiting
LEFT JOIN free USING (custom_id)
