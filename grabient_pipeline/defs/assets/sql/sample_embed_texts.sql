-- Some embedded texts, in a random but stable order. Parameters: model, rows.
SELECT palettes.hex, coalesce(palettes.name, palettes.palette_id), embedded.text_source, embedded.embed_text
FROM palette_embeddings AS embedded
JOIN palettes USING (seed)
WHERE embedded.embedding_model = $model
ORDER BY hash(embedded.seed)
LIMIT $rows
