-- The colours of the newest palettes. Parameters: rows.
SELECT hex
FROM palettes
ORDER BY created_at DESC, seed
LIMIT $rows
