-- The palettes that are ready to be refined, oldest first: with a consensus, no tagging request in flight, and not
-- refined yet; with refresh_stale also those refined from another consensus.
-- Parameters: stage, provider, model, prompt_version, analysis_count, max_failures, refresh_stale, only_stale, limit.
WITH past AS (
    SELECT
        requests.seed,
        count(*) FILTER (
            requests.state = 'in_flight'
            OR (requests.state = 'succeeded' AND (NOT $refresh_stale OR requests.basis = consensus.digest))
        ) AS held,
        count(*) FILTER (requests.state = 'succeeded') AS refined,
        count(*) FILTER (requests.state = 'failed' AND requests.basis = consensus.digest) AS failures
    FROM tag_requests AS requests
    JOIN current_consensus AS consensus USING (seed)
    WHERE requests.stage = $stage
      AND requests.provider = $provider
      AND requests.model = $model
      AND requests.prompt_version = $prompt_version
      AND requests.analysis_index < $analysis_count
    GROUP BY requests.seed
)
SELECT
    palettes.seed,
    palettes.canonical_seed,
    palettes.palette_id,
    consensus.digest,
    consensus.total_models,
    consensus.total_analyses,
    consensus.mood,
    consensus.style,
    consensus.harmony,
    consensus.temperature,
    consensus.contrast,
    consensus.brightness,
    consensus.saturation,
    consensus.seasonal,
    consensus.associations
FROM palettes
JOIN current_consensus AS consensus USING (seed)
LEFT JOIN past USING (seed)
LEFT JOIN (
    SELECT DISTINCT seed, true AS refined FROM palette_tag_refined WHERE convex_id IS NOT NULL AND tags IS NOT NULL
) AS earlier USING (seed)
ANTI JOIN (
    SELECT seed FROM tag_requests WHERE stage = 'tagging' AND state = 'in_flight'
) AS under_way USING (seed)
WHERE coalesce(past.held, 0) = 0
  AND coalesce(past.failures, 0) < $max_failures
  AND (NOT $only_stale OR past.refined > 0 OR earlier.refined)
  AND ($refresh_stale OR earlier.refined IS NULL)
ORDER BY palettes.created_at, palettes.seed
LIMIT $limit
