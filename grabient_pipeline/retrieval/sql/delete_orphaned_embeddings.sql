-- The vectors of palettes that are not there any more, of whatever model; the seed of each.
DELETE FROM palette_embeddings
WHERE seed NOT IN (SELECT seed FROM palettes)
RETURNING seed
