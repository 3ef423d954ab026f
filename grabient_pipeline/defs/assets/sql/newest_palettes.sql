SELECT name, seed, array_to_string(colour_names, ', '), array_to_string(harmony, ', '), source
FROM palettes
ORDER BY created_at DESC, seed
LIMIT $rows
