-- One piece of the changed palettes (count_consensus.sql), with the columns of palette_tag_consensus but `counted_at`.
-- Parameters: piece.
CREATE OR REPLACE TEMP TABLE counted AS
WITH changed AS (
    SELECT * EXCLUDE (piece) FROM counted_changed WHERE piece = $piece
),
entries AS (
    SELECT
        tags.palette,
        tags.field,
        -- Fields in this order sort the tag with the most votes first, and ties by name.
        {
            'against': -tags.millionths,
            'tag': tags.tag,
            'share': tags.millionths / 1e6 / changed.total_models,
            'answers': tags.answers,
            'models': names.models
        } AS entry
    FROM counted_tags AS tags
    JOIN changed USING (palette)
    JOIN counted_names AS names USING (model_bits)
),
lists AS (
    SELECT
        palette,
        list_sort(list(entry) FILTER (field = 'mood')) AS mood,
        list_sort(list(entry) FILTER (field = 'style')) AS style,
        list_sort(list(entry) FILTER (field = 'harmony')) AS harmony,
        list_sort(list(entry) FILTER (field = 'temperature')) AS temperature,
        list_sort(list(entry) FILTER (field = 'contrast')) AS contrast,
        list_sort(list(entry) FILTER (field = 'brightness')) AS brightness,
        list_sort(list(entry) FILTER (field = 'saturation')) AS saturation,
        list_sort(list(entry) FILTER (field = 'seasonal')) AS seasonal,
        list_sort(list(entry) FILTER (field = 'associations')) AS associations
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
