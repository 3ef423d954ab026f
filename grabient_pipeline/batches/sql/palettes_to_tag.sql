-- The palettes with a request missing for this model, oldest first: how many are missing, and of how many in all.
-- `$last_palette_at` and `$last_seed` name the last palette that counts. Orders that ask for the same already cover a
-- palette's first requests, as `covering` (analysis_count, last_palette_at, last_seed) says. What a late batch did not
-- answer (`late_requests`) counts as any, is left out (except), or is all that counts (only). `counted_elsewhere` (seed,
-- analysis_index) need not be asked.
-- Parameters: stage, provider, model, prompt_version, analysis_count, max_failures, last_palette_at, last_seed, late, limit.
WITH chosen AS (
    SELECT
        palettes.seed,
        palettes.created_at,
        coalesce(max(covering.analysis_count), 0) AS covered
    FROM palettes
    LEFT JOIN covering
        ON (palettes.created_at, palettes.seed) <= (covering.last_palette_at, covering.last_seed)
    WHERE (palettes.created_at, palettes.seed) <= ($last_palette_at, $last_seed)
    GROUP BY palettes.seed, palettes.created_at
),
own AS (
    SELECT
        requests.seed,
        requests.analysis_index,
        bool_or(requests.state IN ('in_flight', 'succeeded'))
            OR count(*) FILTER (requests.state = 'failed') >= $max_failures AS is_settled,
        bool_or(late.custom_id IS NOT NULL) AS is_late
    FROM tag_requests AS requests
    LEFT JOIN late_requests AS late USING (custom_id)
    WHERE requests.stage = $stage
      AND requests.provider = $provider
      AND requests.model = $model
      AND requests.prompt_version = $prompt_version
      AND requests.analysis_index < $analysis_count
    GROUP BY requests.seed, requests.analysis_index
),
past AS (
    SELECT seed, analysis_index, bool_or(is_settled) AS is_settled, bool_or(is_late) AS is_late
    FROM (
        FROM own
        UNION ALL
        SELECT seed, analysis_index, true, false FROM counted_elsewhere WHERE analysis_index < $analysis_count
    )
    GROUP BY ALL
),
counted AS (
    SELECT
        chosen.seed,
        chosen.created_at,
        CASE
            WHEN $late = 'only'
            THEN count(*) FILTER (past.is_late AND NOT past.is_settled AND past.analysis_index >= chosen.covered)
            ELSE greatest(0, $analysis_count - any_value(chosen.covered)) - count(*) FILTER (
                past.analysis_index >= chosen.covered AND (past.is_settled OR ($late = 'except' AND past.is_late))
            )
        END AS missing
    FROM chosen
    LEFT JOIN past USING (seed)
    GROUP BY chosen.seed, chosen.created_at
),
totalled AS (
    SELECT seed, created_at, missing, sum(missing) OVER () AS total FROM counted WHERE missing > 0
)
SELECT totalled.total, totalled.missing, totalled.created_at, palettes.seed, palettes.canonical_seed, palettes.palette_id
FROM (SELECT * FROM totalled ORDER BY created_at, seed LIMIT $limit) AS totalled
JOIN palettes USING (seed)
ORDER BY totalled.created_at, totalled.seed
