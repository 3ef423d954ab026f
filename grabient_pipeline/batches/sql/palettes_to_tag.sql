-- The palettes with a request missing for this model, oldest first.
-- Parameters: stage, provider, model, prompt_version, analysis_count, max_failures, limit.
WITH past AS (
    SELECT
        seed,
        analysis_index,
        count(*) FILTER (state IN ('in_flight', 'succeeded')) AS held,
        count(*) FILTER (state = 'failed') AS failures
    FROM tag_requests
    WHERE stage = $stage
      AND provider = $provider
      AND model = $model
      AND prompt_version = $prompt_version
      AND analysis_index < $analysis_count
    GROUP BY seed, analysis_index
),
finished AS (
    SELECT seed
    FROM past
    WHERE held > 0 OR failures >= $max_failures
    GROUP BY seed
    HAVING count(*) = $analysis_count
)
SELECT palettes.seed, palettes.canonical_seed, palettes.palette_id
FROM palettes
ANTI JOIN finished USING (seed)
ORDER BY palettes.created_at, palettes.seed
LIMIT $limit
