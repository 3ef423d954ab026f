-- What the embed texts of a piece of the palettes are composed from, and what has been embedded of them.
-- Parameters: model, after (the last seed of the piece before, '' at the start), palettes.
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
