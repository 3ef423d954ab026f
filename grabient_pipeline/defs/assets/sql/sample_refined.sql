-- The newest refinements. Parameters: rows.
SELECT
    palettes.hex,
    coalesce(palettes.name, palettes.seed),
    refined.model,
    array_to_string(refined.tags.mood, ', '),
    array_to_string(refined.tags.associations, ', '),
    refined.embed_text
FROM current_refinement AS refined
JOIN palettes USING (seed)
ORDER BY refined.created_at DESC, hash(refined.seed), refined.seed
LIMIT $rows
