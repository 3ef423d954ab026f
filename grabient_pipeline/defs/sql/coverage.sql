-- Palettes, and those that every model which was asked with this prompt has described as often as is wanted.
-- Parameters: prompt_version, analysis_count.
WITH asked AS (
    SELECT DISTINCT provider, model FROM tag_requests WHERE stage = 'tagging' AND prompt_version = $prompt_version
),
answered AS (
    SELECT seed, count(*) AS answers
    FROM palette_tags
    SEMI JOIN asked USING (provider, model)
    WHERE tags IS NOT NULL AND prompt_version = $prompt_version AND analysis_index < $analysis_count
    GROUP BY seed
)
SELECT
    count(*),
    count(*) FILTER (coalesce(answered.answers, 0) >= $analysis_count * (SELECT count(*) FROM asked))
FROM palettes
LEFT JOIN answered USING (seed)
