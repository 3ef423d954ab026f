-- Each model's vote for each tag, of one prompt version, from count_by_model.sql.
-- Parameters: prompt_version.
CREATE OR REPLACE TEMP TABLE scored_votes AS
SELECT
    counted.palette,
    counted.field,
    counted.tag,
    counted.place,
    counted.answers,
    (counted.answers / analyses.analyses)::DECIMAL(18, 9) AS vote
FROM counted_by_model AS counted
JOIN counted_analyses AS analyses USING (palette, place)
JOIN counted_palettes AS palettes USING (palette)
WHERE palettes.prompt_version = $prompt_version
