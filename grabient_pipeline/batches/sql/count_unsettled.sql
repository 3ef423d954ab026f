-- Of the palettes that refine_now would refine, those that would be stale once their other answers arrive.
-- After refinable_palettes.sql and unsettled_palettes.sql. Parameters: limit.
SELECT count(*)
FROM (SELECT seed FROM refinable_palettes ORDER BY created_at, seed LIMIT $limit)
SEMI JOIN unsettled_palettes USING (seed)
