-- The models that have embeddings, and the dimensions of each.
SELECT embedding_model, list(DISTINCT dimension ORDER BY dimension), count(*)
FROM palette_embeddings
GROUP BY embedding_model
ORDER BY embedding_model
