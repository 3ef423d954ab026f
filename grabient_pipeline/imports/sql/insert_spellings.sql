-- `spellings` is a registered table: seed, palette_id. Parameters: source.
INSERT OR IGNORE INTO palette_spellings BY NAME
SELECT seed, palette_id, $source AS source, now() AS created_at FROM spellings
