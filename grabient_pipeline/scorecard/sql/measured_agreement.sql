-- How often each model says what is measured. An attribute that it left out, or that could not be understood, is not
-- right. Parameters: prompt_version.
SELECT
    answers.provider,
    answers.model,
    avg((answers.tags.temperature IS NOT DISTINCT FROM palettes.temperature)::INTEGER) AS temperature,
    avg((answers.tags.contrast IS NOT DISTINCT FROM palettes.contrast)::INTEGER) AS contrast,
    avg((answers.tags.brightness IS NOT DISTINCT FROM palettes.brightness)::INTEGER) AS brightness,
    avg((answers.tags.saturation IS NOT DISTINCT FROM palettes.saturation)::INTEGER) AS saturation
FROM palette_tags AS answers
JOIN palettes USING (seed)
WHERE answers.tags IS NOT NULL AND answers.prompt_version = $prompt_version
GROUP BY answers.provider, answers.model
