-- What count_by_model.sql made, of one prompt version: every model's vote for a tag, and the votes of all.
-- Parameters: prompt_version.
CREATE OR REPLACE TEMP TABLE scored_votes AS
SELECT
    said.palette,
    said.field,
    said.tag,
    said.place,
    said.answers,
    (said.answers / analyses.analyses)::DECIMAL(18, 9) AS vote
FROM counted_by_model AS said
JOIN counted_analyses AS analyses USING (palette, place)
JOIN counted_palettes AS palettes USING (palette)
WHERE palettes.prompt_version = $prompt_version
