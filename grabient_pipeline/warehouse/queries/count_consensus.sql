-- From palette_tags to the table `counted`, which looks like palette_tag_consensus without `counted_at`.
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

-- Each model has one vote a tag, spread over its answers. Exact decimals, because sums of floating point numbers depend
-- on their order, and with it would the ties.
CREATE OR REPLACE TEMP TABLE counted_tags AS
SELECT
    said.palette,
    said.field,
    said.tag,
    round(sum((said.answers / analyses.analyses)::DECIMAL(18, 9)), 6)::DOUBLE AS votes,
    sum(said.answers)::INTEGER AS answers,
    list(said.place ORDER BY said.place) AS places
FROM (SELECT palette, place, field, tag, count(*)::INTEGER AS answers FROM counted_said GROUP BY ALL) AS said
JOIN counted_analyses AS analyses USING (palette, place)
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE counted AS
WITH totals AS (
    SELECT palette, count(*)::INTEGER AS total_models, sum(analyses)::INTEGER AS total_analyses
    FROM counted_analyses
    GROUP BY ALL
),
names AS (
    SELECT list(name ORDER BY place) AS names FROM counted_models
),
tags AS (
    SELECT tags.* EXCLUDE (places), list_select(names.names, tags.places) AS models
    FROM counted_tags AS tags
    CROSS JOIN names
),
fields AS (
    SELECT
        tags.palette,
        tags.field,
        list(
            {
                'tag': tags.tag,
                'votes': tags.votes,
                'share': tags.votes / totals.total_models,
                'answers': tags.answers,
                'models': tags.models
            }
            ORDER BY tags.votes DESC, tags.tag
        ) AS entries,
        -- From whole numbers and words only, so that the same counts give the same digest everywhere; in any order.
        bit_xor(
            md5_number(
                concat_ws(
                    chr(31), tags.field, tags.tag, tags.answers, (tags.votes * 1e6)::BIGINT,
                    array_to_string(tags.models, chr(29))
                )
            )
        ) AS digest
    FROM tags
    JOIN totals USING (palette)
    GROUP BY tags.palette, tags.field
),
lists AS (
    SELECT
        palette,
        any_value(entries) FILTER (field = 1) AS mood,
        any_value(entries) FILTER (field = 2) AS style,
        any_value(entries) FILTER (field = 3) AS harmony,
        any_value(entries) FILTER (field = 4) AS temperature,
        any_value(entries) FILTER (field = 5) AS contrast,
        any_value(entries) FILTER (field = 6) AS brightness,
        any_value(entries) FILTER (field = 7) AS saturation,
        any_value(entries) FILTER (field = 8) AS seasonal,
        any_value(entries) FILTER (field = 9) AS associations,
        bit_xor(digest) AS digest
    FROM fields
    GROUP BY palette
)
SELECT
    palettes.seed,
    palettes.prompt_version,
    totals.total_models,
    totals.total_analyses,
    coalesce(lists.mood, []) AS mood,
    coalesce(lists.style, []) AS style,
    coalesce(lists.harmony, []) AS harmony,
    coalesce(lists.temperature, []) AS temperature,
    coalesce(lists.contrast, []) AS contrast,
    coalesce(lists.brightness, []) AS brightness,
    coalesce(lists.saturation, []) AS saturation,
    coalesce(lists.seasonal, []) AS seasonal,
    coalesce(lists.associations, []) AS associations,
    concat(
        palettes.prompt_version, '/', md5(concat_ws(chr(30), totals.total_models, totals.total_analyses, lists.digest))
    ) AS digest
FROM counted_palettes AS palettes
JOIN totals USING (palette)
LEFT JOIN lists USING (palette)
