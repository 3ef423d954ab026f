-- `counted` (count_piece.sql) holds new and changed rows only, so unchanged rows keep their `counted_at`.
MERGE INTO palette_tag_consensus AS kept
USING counted
ON kept.seed = counted.seed AND kept.prompt_version = counted.prompt_version
WHEN MATCHED THEN UPDATE SET
    total_models = counted.total_models,
    total_analyses = counted.total_analyses,
    mood = counted.mood,
    style = counted.style,
    harmony = counted.harmony,
    temperature = counted.temperature,
    contrast = counted.contrast,
    brightness = counted.brightness,
    saturation = counted.saturation,
    seasonal = counted.seasonal,
    associations = counted.associations,
    digest = counted.digest,
    counted_at = now()
WHEN NOT MATCHED THEN INSERT (
    seed, prompt_version, total_models, total_analyses, mood, style, harmony, temperature, contrast, brightness,
    saturation, seasonal, associations, digest, counted_at
) VALUES (
    counted.seed, counted.prompt_version, counted.total_models, counted.total_analyses, counted.mood, counted.style,
    counted.harmony, counted.temperature, counted.contrast, counted.brightness, counted.saturation, counted.seasonal,
    counted.associations, counted.digest, now()
)
