-- Some answers, in a random but stable order. Parameters: rows.
SELECT
    palettes.hex,
    coalesce(palettes.name, palettes.seed),
    concat(provider, '/', model),
    array_to_string(tags.mood, ', '),
    array_to_string(tags.style, ', '),
    array_to_string(tags.associations, ', ')
FROM palette_tags
JOIN palettes USING (seed)
WHERE tags IS NOT NULL
ORDER BY hash(seed, model, analysis_index), seed
LIMIT $rows
