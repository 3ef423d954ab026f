-- Palette x analysis index, less what succeeded, is in flight, or has failed as often as is allowed.
-- What was answered on another basis counts as answered, unless it is to be renewed; what failed on another basis tells
-- nothing of this one.
-- `asked` is a table of ours: seed, position, basis. Parameters: stage, provider, model, prompt_version, analysis_count,
-- max_failures, renew.
WITH past AS (
    SELECT
        requests.seed,
        requests.analysis_index,
        count(*) FILTER (
            requests.state = 'in_flight'
            OR (
                requests.state = 'succeeded'
                AND (NOT $renew OR requests.basis IS NOT DISTINCT FROM asked.basis)
            )
        ) AS held,
        count(*) FILTER (requests.state = 'failed' AND requests.basis IS NOT DISTINCT FROM asked.basis) AS failures,
        count(*) AS attempts
    FROM tag_requests AS requests
    JOIN asked USING (seed)
    WHERE requests.stage = $stage
      AND requests.provider = $provider
      AND requests.model = $model
      AND requests.prompt_version = $prompt_version
    GROUP BY requests.seed, requests.analysis_index
)
SELECT
    asked.position,
    asked.basis,
    wanted.analysis_index::INTEGER AS analysis_index,
    (coalesce(past.attempts, 0) + 1)::INTEGER AS attempt
FROM asked
CROSS JOIN range($analysis_count) AS wanted (analysis_index)
LEFT JOIN past ON past.seed = asked.seed AND past.analysis_index = wanted.analysis_index
WHERE coalesce(past.held, 0) = 0 AND coalesce(past.failures, 0) < $max_failures
ORDER BY asked.position, wanted.analysis_index
