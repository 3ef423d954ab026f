-- From palette_tags to what each model says about each palette how often, in tables of this connection.
-- In steps, since the tables in between are small and DuckDB works on each with all cores: a single statement takes
-- twice as long over a million answers.

-- Numbers instead of long texts for the keys of what is grouped millions of times.
CREATE OR REPLACE TEMP TABLE counted_palettes AS
SELECT seed, prompt_version, row_number() OVER ()::INTEGER AS palette
FROM (SELECT DISTINCT seed, prompt_version FROM palette_tags WHERE tags IS NOT NULL);

CREATE OR REPLACE TEMP TABLE counted_models AS
SELECT provider, model, name, row_number() OVER (ORDER BY name)::SMALLINT AS place
FROM (
    SELECT DISTINCT provider, model, concat(provider, '/', model) AS name
    FROM palette_tags
    WHERE tags IS NOT NULL
);

CREATE OR REPLACE TEMP TABLE counted_answers AS
SELECT
    palettes.palette,
    models.place,
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
WHERE answers.tags IS NOT NULL;

CREATE OR REPLACE TEMP TABLE counted_analyses AS
SELECT palette, place, count(*)::INTEGER AS analyses
FROM counted_answers
GROUP BY ALL;

-- A tag counts once an answer, however often the answer says it. The fields are numbered in their usual order.
CREATE OR REPLACE TEMP TABLE counted_said AS
SELECT palette, place, 1::UTINYINT AS field, unnest(list_distinct(mood)) AS tag FROM counted_answers
UNION ALL
SELECT palette, place, 2::UTINYINT, unnest(list_distinct(style)) FROM counted_answers
UNION ALL
SELECT palette, place, 3::UTINYINT, unnest(list_distinct(harmony)) FROM counted_answers
UNION ALL
SELECT palette, place, 4::UTINYINT, temperature FROM counted_answers WHERE temperature IS NOT NULL
UNION ALL
SELECT palette, place, 5::UTINYINT, contrast FROM counted_answers WHERE contrast IS NOT NULL
UNION ALL
SELECT palette, place, 6::UTINYINT, brightness FROM counted_answers WHERE brightness IS NOT NULL
UNION ALL
SELECT palette, place, 7::UTINYINT, saturation FROM counted_answers WHERE saturation IS NOT NULL
UNION ALL
SELECT palette, place, 8::UTINYINT, unnest(list_distinct(seasonal)) FROM counted_answers
UNION ALL
SELECT palette, place, 9::UTINYINT, unnest(list_distinct(associations)) FROM counted_answers;

CREATE OR REPLACE TEMP TABLE counted_by_model AS
SELECT palette, place, field, tag, count(*)::INTEGER AS answers
FROM counted_said
GROUP BY ALL;

DROP TABLE counted_said
