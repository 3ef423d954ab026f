-- What the embed text of each refined response is composed of; for a failed one, what else its palette can be found by.
-- `parsed` is a table of the connection: custom_id, tags, error.
SELECT
    parsed.custom_id,
    palettes.temperature,
    palettes.contrast,
    palettes.brightness,
    palettes.saturation,
    palettes.harmony,
    palettes.colour_names,
    CASE WHEN parsed.error IS NULL THEN parsed.tags.mood ELSE palettes.mood END,
    CASE WHEN parsed.error IS NULL THEN parsed.tags.style ELSE palettes.style END,
    CASE WHEN parsed.error IS NULL THEN parsed.tags.seasonal ELSE palettes.seasonal END,
    CASE WHEN parsed.error IS NULL THEN parsed.tags.associations ELSE palettes.associations END
FROM parsed
JOIN tag_requests AS requests USING (custom_id)
JOIN searchable_palettes AS palettes USING (seed)
