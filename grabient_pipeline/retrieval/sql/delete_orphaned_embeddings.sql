-- Deletes the embeddings of palettes that no longer exist, of all models, and returns their seeds.
DELETE FROM palette_embeddings
WHERE seed NOT IN (SELECT seed FROM palettes)
RETURNING seed
