-- The usable answers in palette_tags as temporary tables, and a view with one row per answer, field and tag.
-- Built in steps: the intermediate tables are small, and DuckDB works on each with all cores.

-- Integer keys: millions of rows are grouped by them.
CREATE OR REPLACE TEMP TABLE counted_palettes AS
SELECT seed, prompt_version, row_number() OVER ()::INTEGER AS palette
FROM (SELECT DISTINCT seed, prompt_version FROM palette_tags WHERE tags IS NOT NULL);

CREATE OR REPLACE TEMP TABLE counted_models AS
SELECT
    provider,
    model,
    name,
    row_number() OVER (ORDER BY name)::INTEGER AS place,
    set_bit(bitstring('0', count(*) OVER ()::INTEGER), row_number() OVER (ORDER BY name)::INTEGER - 1, 1) AS model_bits
FROM (
    SELECT DISTINCT provider, model, concat(provider, '/', model) AS name
    FROM palette_tags
    WHERE tags IS NOT NULL
);

CREATE OR REPLACE TEMP TABLE counted_analyses AS
SELECT palettes.palette, models.place, count(*)::INTEGER AS analyses
FROM palette_tags AS answers
JOIN counted_palettes AS palettes USING (seed, prompt_version)
JOIN counted_models AS models USING (provider, model)
WHERE answers.tags IS NOT NULL
GROUP BY ALL;

-- Each model has one vote per tag, split evenly over its answers. The weight is an integer (10^-12 votes) because
-- floating-point sums depend on their order, and ties would depend on it too.
CREATE OR REPLACE TEMP TABLE counted_answers AS
SELECT
    palettes.palette,
    models.place,
    models.model_bits,
    (1e12 / analyses.analyses)::BIGINT AS weight,
    answers.tags.mood,
    answers.tags.style,
    answers.tags.harmony,
    answers.tags.temperature,
    answers.tags.contrast,
    answers.tags.brightness,
    answers.tags.saturation,
    answers.tags.seasonal,
    answers.tags.associations
FROM palette_tags AS answers
JOIN counted_palettes AS palettes USING (seed, prompt_version)
JOIN counted_models AS models USING (provider, model)
JOIN counted_analyses AS analyses USING (palette, place)
WHERE answers.tags IS NOT NULL;

-- A tag counts once per answer, even if the answer repeats it.
CREATE OR REPLACE TEMP VIEW counted_mentions AS
SELECT palette, place, model_bits, weight, 'mood'::tag_field AS field, unnest(list_distinct(mood)) AS tag
FROM counted_answers
UNION ALL
SELECT palette, place, model_bits, weight, 'style'::tag_field, unnest(list_distinct(style)) FROM counted_answers
UNION ALL
SELECT palette, place, model_bits, weight, 'harmony'::tag_field, unnest(list_distinct(harmony)) FROM counted_answers
UNION ALL
SELECT palette, place, model_bits, weight, 'temperature'::tag_field, temperature
FROM counted_answers
WHERE temperature IS NOT NULL
UNION ALL
SELECT palette, place, model_bits, weight, 'contrast'::tag_field, contrast
FROM counted_answers
WHERE contrast IS NOT NULL
UNION ALL
SELECT palette, place, model_bits, weight, 'brightness'::tag_field, brightness
FROM counted_answers
WHERE brightness IS NOT NULL
UNION ALL
SELECT palette, place, model_bits, weight, 'saturation'::tag_field, saturation
FROM counted_answers
WHERE saturation IS NOT NULL
UNION ALL
SELECT palette, place, model_bits, weight, 'seasonal'::tag_field, unnest(list_distinct(seasonal)) FROM counted_answers
UNION ALL
SELECT palette, place, model_bits, weight, 'associations'::tag_field, unnest(list_distinct(associations))
FROM counted_answers
