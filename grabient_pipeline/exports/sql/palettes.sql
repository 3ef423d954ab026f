-- One row per palette with everything that the website needs, in the order of import.
-- Parameters: embedding_model (or null), only_refined.
SELECT
    palettes.seed,
    palettes.palette_id,
    palettes.name,
    palettes.image_url,
    palettes.hex,
    palettes.temperature,
    palettes.contrast,
    palettes.brightness,
    palettes.saturation,
    CASE WHEN refined.seed IS NOT NULL THEN refined.tags.harmony ELSE palettes.harmony END AS harmony,
    palettes.colour_names,
    palettes.mood,
    palettes.style,
    palettes.seasonal,
    palettes.associations,
    palettes.text_source,
    coalesce(refined.embed_text, vectors.embed_text) AS embed_text,
    refined.model AS refining_model,
    refined.prompt_version,
    refined.created_at AS refined_at,
    refined.consensus_models,
    refined.consensus_answers,
    vectors.embedding_model,
    vectors.dimension,
    vectors.embedding
FROM searchable_palettes AS palettes
JOIN palettes AS imported ON imported.seed = palettes.seed
LEFT JOIN current_refinement AS refined ON refined.seed = palettes.seed
LEFT JOIN palette_embeddings AS vectors
    ON vectors.seed = palettes.seed AND vectors.embedding_model = $embedding_model
WHERE NOT $only_refined OR refined.seed IS NOT NULL
ORDER BY imported.created_at, palettes.seed
