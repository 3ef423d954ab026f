-- The parts of the embed texts of one piece of the palettes, and the stored embedding of each.
-- Parameters: model, after (the last seed of the previous piece, '' at the start), palettes (the size of the piece).
WITH piece AS (
    SELECT seed FROM palettes WHERE seed > $after ORDER BY seed LIMIT $palettes
)
SELECT
    searchable.seed,
    searchable.text_source,
    searchable.temperature,
    searchable.contrast,
    searchable.brightness,
    searchable.saturation,
    searchable.harmony,
    searchable.colour_names,
    searchable.mood,
    searchable.style,
    searchable.seasonal,
    searchable.associations,
    embedded.dimension AS embedded_dimension,
    embedded.embed_text_hash AS embedded_hash,
    embedded.text_source AS embedded_source
FROM searchable_palettes AS searchable
JOIN piece USING (seed)
LEFT JOIN palette_embeddings AS embedded ON embedded.seed = searchable.seed AND embedded.embedding_model = $model
ORDER BY searchable.seed
