-- `spellings` is a table of ours: seed, palette_id. Parameters: source.
INSERT OR IGNORE INTO palette_spellings
SELECT seed, palette_id, $source, now() FROM spellings
