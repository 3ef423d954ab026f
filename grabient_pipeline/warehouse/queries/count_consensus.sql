-- From what the models say (count_answers.sql) to the table `counted`, which looks like palette_tag_consensus without
-- `counted_at`.

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
FROM counted_by_model AS said
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
