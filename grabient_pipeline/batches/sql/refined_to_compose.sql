-- Embed texts of an older recipe, and those of failed refinements, whose palettes may have other tags by now.
-- Parameters: recipe.
SELECT
    refined.custom_id,
    palettes.temperature,
    palettes.contrast,
    palettes.brightness,
    palettes.saturation,
    palettes.harmony,
    palettes.colour_names,
    CASE WHEN refined.error IS NULL THEN refined.tags.mood ELSE palettes.mood END,
    CASE WHEN refined.error IS NULL THEN refined.tags.style ELSE palettes.style END,
    CASE WHEN refined.error IS NULL THEN refined.tags.seasonal ELSE palettes.seasonal END,
    CASE WHEN refined.error IS NULL THEN refined.tags.associations ELSE palettes.associations END
FROM palette_tag_refined AS refined
JOIN searchable_palettes AS palettes USING (seed)
WHERE refined.embed_text_recipe <> $recipe OR refined.error IS NOT NULL
