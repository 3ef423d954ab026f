-- A piece of what has changed (count_consensus.sql), in the form of palette_tag_consensus without `counted_at`.
-- Parameters: piece.
CREATE OR REPLACE TEMP TABLE counted AS
WITH changed AS (
    SELECT * EXCLUDE (piece) FROM counted_changed WHERE piece = $piece
),
entries AS (
    SELECT
        tags.palette,
        tags.field,
        -- In the order that sorts the most voted first, ties by name.
        {
            'against': -tags.millionths,
            'tag': tags.tag,
            'share': tags.millionths / 1e6 / changed.total_models,
            'answers': tags.answers,
            'models': names.models
        } AS entry
    FROM counted_tags AS tags
    JOIN changed USING (palette)
    JOIN counted_names AS names USING (said_by)
),
lists AS (
    SELECT
        palette,
        list_sort(list(entry) FILTER (field = 1)) AS mood,
        list_sort(list(entry) FILTER (field = 2)) AS style,
        list_sort(list(entry) FILTER (field = 3)) AS harmony,
        list_sort(list(entry) FILTER (field = 4)) AS temperature,
        list_sort(list(entry) FILTER (field = 5)) AS contrast,
        list_sort(list(entry) FILTER (field = 6)) AS brightness,
        list_sort(list(entry) FILTER (field = 7)) AS saturation,
        list_sort(list(entry) FILTER (field = 8)) AS seasonal,
        list_sort(list(entry) FILTER (field = 9)) AS associations
    FROM entries
    GROUP BY palette
)
SELECT
    changed.* EXCLUDE (palette),
    as_votes(lists.mood) AS mood,
    as_votes(lists.style) AS style,
    as_votes(lists.harmony) AS harmony,
    as_votes(lists.temperature) AS temperature,
    as_votes(lists.contrast) AS contrast,
    as_votes(lists.brightness) AS brightness,
    as_votes(lists.saturation) AS saturation,
    as_votes(lists.seasonal) AS seasonal,
    as_votes(lists.associations) AS associations
FROM changed
LEFT JOIN lists USING (palette)
