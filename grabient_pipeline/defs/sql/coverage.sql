-- All palettes, and those with as many usable answers of every requested model as the setting says.
-- Parameters: prompt_version.
WITH requested AS (
    SELECT DISTINCT provider, model FROM tag_requests WHERE stage = 'tagging' AND prompt_version = $prompt_version
),
answered AS (
    SELECT seed, count(*) AS answers
    FROM palette_tags
    SEMI JOIN requested USING (provider, model)
    WHERE tags IS NOT NULL
      AND prompt_version = $prompt_version
      AND analysis_index < (SELECT tag_analysis_count FROM config)
    GROUP BY seed
)
SELECT
    count(*),
    count(*) FILTER (
        coalesce(answered.answers, 0)
        >= (SELECT tag_analysis_count FROM config) * (SELECT count(*) FROM requested)
    )
FROM palettes
LEFT JOIN answered USING (seed)
