-- Palette x analysis index, less what succeeded, is in flight, or has failed as often as is allowed.
-- `asked` is a table of ours: seed, position. Parameters: stage, provider, model, prompt_version, analysis_count,
-- max_failures.
WITH past AS (
    SELECT
        seed,
        analysis_index,
        count(*) FILTER (state IN ('in_flight', 'succeeded')) AS held,
        count(*) FILTER (state = 'failed') AS failures,
        count(*) AS attempts
    FROM tag_requests
    WHERE stage = $stage AND provider = $provider AND model = $model AND prompt_version = $prompt_version
    GROUP BY seed, analysis_index
)
SELECT
    asked.position,
    wanted.analysis_index::INTEGER AS analysis_index,
    (coalesce(past.attempts, 0) + 1)::INTEGER AS attempt
FROM asked
CROSS JOIN range($analysis_count) AS wanted (analysis_index)
LEFT JOIN past ON past.seed = asked.seed AND past.analysis_index = wanted.analysis_index
WHERE coalesce(past.held, 0) = 0 AND coalesce(past.failures, 0) < $max_failures
ORDER BY asked.position, wanted.analysis_index
