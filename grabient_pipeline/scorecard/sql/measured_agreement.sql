-- The share of each model's answers whose attributes equal the measured ones. A missing attribute counts as wrong.
-- Parameters: prompt_version.
SELECT
    answers.provider,
    answers.model,
    avg((answers.tags.temperature IS NOT DISTINCT FROM palettes.temperature)::INTEGER) AS temperature_agreement,
    avg((answers.tags.contrast IS NOT DISTINCT FROM palettes.contrast)::INTEGER) AS contrast_agreement,
    avg((answers.tags.brightness IS NOT DISTINCT FROM palettes.brightness)::INTEGER) AS brightness_agreement,
    avg((answers.tags.saturation IS NOT DISTINCT FROM palettes.saturation)::INTEGER) AS saturation_agreement
FROM palette_tags AS answers
JOIN palettes USING (seed)
WHERE answers.tags IS NOT NULL AND answers.prompt_version = $prompt_version
GROUP BY answers.provider, answers.model
