-- The palettes that are ready to be refined, oldest first; with refine_now also those that should wait. Of each palette one
-- request is missing; the first column is how many palettes there are in all.
-- After refinable_palettes.sql and unsettled_palettes.sql. Parameters: refine_now, limit.
WITH ready AS (
    SELECT seed, created_at, count(*) OVER () AS total
    FROM refinable_palettes
    ANTI JOIN (FROM unsettled_palettes WHERE holds AND NOT $refine_now) AS waiting USING (seed)
)
SELECT
    ready.total,
    1 AS missing,
    ready.created_at,
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
FROM (SELECT * FROM ready ORDER BY created_at, seed LIMIT $limit) AS ready
JOIN palettes USING (seed)
JOIN current_consensus AS consensus USING (seed)
ORDER BY ready.created_at, ready.seed
