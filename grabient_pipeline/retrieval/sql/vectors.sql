-- Parameters: model.
SELECT numbered.number, embedded.embedding
FROM palette_embeddings AS embedded
JOIN numbered_palettes AS numbered USING (seed)
WHERE embedded.embedding_model = $model
ORDER BY numbered.number
