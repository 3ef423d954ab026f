-- Palette x analysis index, less what succeeded, is in flight, or is quarantined.
-- A refinement by any model and prompt counts as answered unless everything is asked again; one on another basis or to
-- another prompt does not if stale ones are refreshed. A failure counts only for its own model, prompt and basis.
-- `requested` is a registered frame: seed, position, basis. `counted_elsewhere` (seed, analysis_index) need not be asked.
-- `late_requests`, `refreshed_requests` and late: as in the statements that choose palettes.
-- Parameters: stage, provider, model, prompt_version, analysis_count, max_failures, refines, refresh_stale, ask_again, late,
-- limit.
WITH past AS (
    SELECT
        requests.seed,
        requests.analysis_index,
        count(*) FILTER (
            requests.state = 'in_flight'
            OR (
                requests.state = 'succeeded'
                AND (
                    NOT $refresh_stale
                    OR (
                        requests.prompt_version = $prompt_version
                        AND requests.basis IS NOT DISTINCT FROM requested.basis
                    )
                    OR refreshed.custom_id IS NOT NULL
                )
            )
        ) AS held,
        count(*) FILTER (
            own AND requests.state = 'failed' AND requests.basis IS NOT DISTINCT FROM requested.basis
        ) AS failures,
        count(*) FILTER (own) AS attempts,
        count(late.custom_id) AS late
    FROM (
        SELECT *, provider = $provider AND model = $model AND prompt_version = $prompt_version AS own
        FROM tag_requests
    ) AS requests
    JOIN requested USING (seed)
    LEFT JOIN late_requests AS late USING (custom_id)
    LEFT JOIN refreshed_requests AS refreshed USING (custom_id)
    WHERE requests.stage = $stage AND (own OR ($refines AND NOT $ask_again))
    GROUP BY requests.seed, requests.analysis_index
)
SELECT
    requested.position,
    wanted.analysis_index::INTEGER AS analysis_index,
    (coalesce(past.attempts, 0) + 1)::INTEGER AS attempt
FROM requested
CROSS JOIN range($analysis_count) AS wanted (analysis_index)
LEFT JOIN past ON past.seed = requested.seed AND past.analysis_index = wanted.analysis_index
ANTI JOIN counted_elsewhere AS elsewhere
    ON elsewhere.seed = requested.seed AND elsewhere.analysis_index = wanted.analysis_index
WHERE coalesce(past.held, 0) = 0
  AND coalesce(past.failures, 0) < $max_failures
  AND ($late = 'any' OR (coalesce(past.late, 0) > 0) = ($late = 'only'))
ORDER BY requested.position, wanted.analysis_index
LIMIT $limit
