-- The requests of an adopted batch. One whose claim another request holds was asked again since: it counts as given up,
-- and its answer as late. Parameters: submission.
INSERT INTO tag_requests BY NAME
SELECT
    found.custom_id,
    $submission AS submission,
    found.stage,
    found.seed,
    found.provider,
    found.model,
    found.analysis_index,
    found.prompt_version,
    coalesce(past.attempts, 0) + 1 AS attempt,
    CASE WHEN claims.custom_id IS NULL THEN 'released' ELSE 'in_flight' END AS state,
    found.basis
FROM found_requests AS found
LEFT JOIN request_claims AS claims USING (custom_id)
LEFT JOIN (
    SELECT stage, seed, provider, model, analysis_index, prompt_version, max(attempt) AS attempts
    FROM tag_requests
    GROUP BY ALL
) AS past USING (stage, seed, provider, model, analysis_index, prompt_version)
WHERE found.seed IS NOT NULL
