-- Creates `refinable_palettes`: those with a consensus that no model has refined yet; with refresh_stale also those that
-- were refined from another consensus or with another prompt; with ask_again all but those that this model has refined
-- with this prompt from this consensus. `palette` numbers them. Whether they are ready, unsettled_palettes.sql says.
-- Parameters: stage, provider, model, prompt_version, max_failures, refresh_stale, only_stale, ask_again.
CREATE OR REPLACE TEMP TABLE refinable_palettes AS
WITH past AS (
    SELECT
        requests.seed,
        count(*) FILTER (
            requests.state = 'in_flight'
            OR (
                requests.state = 'succeeded'
                AND (
                    NOT $refresh_stale
                    OR (requests.basis = consensus.digest AND requests.prompt_version = $prompt_version)
                    OR refreshed.custom_id IS NOT NULL
                )
            )
        ) AS held,
        count(*) FILTER (requests.state = 'succeeded') AS refined,
        count(*) FILTER (own AND requests.state = 'failed' AND requests.basis = consensus.digest) AS failures
    FROM (
        SELECT *, provider = $provider AND model = $model AND prompt_version = $prompt_version AS own
        FROM tag_requests
    ) AS requests
    JOIN current_consensus AS consensus USING (seed)
    LEFT JOIN refreshed_requests AS refreshed USING (custom_id)
    WHERE requests.stage = $stage
      AND (own OR NOT $ask_again)
      AND requests.analysis_index = 0
    GROUP BY requests.seed
),
late AS (
    SELECT DISTINCT requests.seed FROM tag_requests AS requests JOIN late_requests USING (custom_id)
)
SELECT
    row_number() OVER () AS palette,
    palettes.seed,
    palettes.created_at,
    consensus.prompt_version AS consensus_version,
    consensus.total_models
FROM palettes
JOIN current_consensus AS consensus USING (seed)
LEFT JOIN past USING (seed)
LEFT JOIN late USING (seed)
LEFT JOIN (
    SELECT DISTINCT seed, true AS refined FROM palette_tag_refined WHERE convex_id IS NOT NULL AND tags IS NOT NULL
) AS earlier USING (seed)
ANTI JOIN covering ON (palettes.created_at, palettes.seed) <= (covering.last_palette_at, covering.last_seed)
WHERE coalesce(past.held, 0) = 0
  AND coalesce(past.failures, 0) < $max_failures
  AND (NOT $only_stale OR past.refined > 0 OR earlier.refined)
  AND ($refresh_stale OR earlier.refined IS NULL)
  AND (palettes.created_at, palettes.seed) <= ($last_palette_at, $last_seed)
  AND ($late = 'any' OR (late.seed IS NOT NULL) = ($late = 'only'))
