-- From palette_tags to what each answer says about each palette, in tables and a view of this connection.
-- In steps, since the tables in between are small and DuckDB works on each with all cores.

-- Numbers instead of long texts for the keys of what is grouped millions of times.
CREATE OR REPLACE TEMP TABLE counted_palettes AS
SELECT seed, prompt_version, row_number() OVER ()::INTEGER AS palette
FROM (SELECT DISTINCT seed, prompt_version FROM palette_tags WHERE tags IS NOT NULL);

CREATE OR REPLACE TEMP TABLE counted_models AS
SELECT
    provider,
    model,
    name,
    row_number() OVER (ORDER BY name)::INTEGER AS place,
    set_bit(bitstring('0', count(*) OVER ()::INTEGER), row_number() OVER (ORDER BY name)::INTEGER - 1, 1) AS said_by
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

-- Each model has one vote a tag, spread over its answers: in whole millionths of millionths, because sums of floating
-- point numbers depend on their order, and with it would the ties.
CREATE OR REPLACE TEMP TABLE counted_answers AS
SELECT
    palettes.palette,
    models.place,
    models.said_by,
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

-- A tag counts once an answer, however often the answer says it. The fields are numbered in their usual order.
CREATE OR REPLACE TEMP VIEW counted_said AS
SELECT palette, place, said_by, weight, 1::UTINYINT AS field, unnest(list_distinct(mood)) AS tag FROM counted_answers
UNION ALL
SELECT palette, place, said_by, weight, 2::UTINYINT, unnest(list_distinct(style)) FROM counted_answers
UNION ALL
SELECT palette, place, said_by, weight, 3::UTINYINT, unnest(list_distinct(harmony)) FROM counted_answers
UNION ALL
SELECT palette, place, said_by, weight, 4::UTINYINT, temperature FROM counted_answers WHERE temperature IS NOT NULL
UNION ALL
SELECT palette, place, said_by, weight, 5::UTINYINT, contrast FROM counted_answers WHERE contrast IS NOT NULL
UNION ALL
SELECT palette, place, said_by, weight, 6::UTINYINT, brightness FROM counted_answers WHERE brightness IS NOT NULL
UNION ALL
SELECT palette, place, said_by, weight, 7::UTINYINT, saturation FROM counted_answers WHERE saturation IS NOT NULL
UNION ALL
SELECT palette, place, said_by, weight, 8::UTINYINT, unnest(list_distinct(seasonal)) FROM counted_answers
UNION ALL
SELECT palette, place, said_by, weight, 9::UTINYINT, unnest(list_distinct(associations)) FROM counted_answers
