-- What becomes of each imported palette. `documents` is a table of ours, `spelt` the seeds that were there before it.
CREATE OR REPLACE TEMP TABLE ranked_palettes AS
SELECT
    documents.*,
    spellings.palette_id,
    CASE
        WHEN spellings.convex_id = documents.convex_id THEN 'there'
        WHEN spellings.convex_id IS NOT NULL
            OR row_number() OVER (PARTITION BY documents.seed ORDER BY documents.line_number) > 1 THEN 'doubled'
        WHEN palettes.seed <> documents.seed THEN 'another spelling'
        ELSE 'new'
    END AS verdict
FROM documents
JOIN palette_spellings AS spellings USING (seed)
JOIN palettes USING (palette_id);

UPDATE palette_spellings
SET convex_id = fresh.convex_id, convex_created_at = fresh.convex_created_at
FROM ranked_palettes AS fresh
WHERE palette_spellings.seed = fresh.seed AND fresh.verdict IN ('new', 'another spelling');

UPDATE palettes
SET convex_id = fresh.convex_id, convex_created_at = fresh.convex_created_at
FROM (
    SELECT * FROM ranked_palettes
    WHERE verdict IN ('new', 'another spelling')
    QUALIFY row_number() OVER (PARTITION BY palette_id ORDER BY line_number) = 1
) AS fresh
WHERE palettes.palette_id = fresh.palette_id AND palettes.convex_id IS NULL;

-- A picture that is on the web already, instead of the file that would be drawn.
UPDATE palettes
SET image_url = fresh.image_url
FROM (
    SELECT * FROM ranked_palettes
    WHERE image_url LIKE 'http%'
    QUALIFY row_number() OVER (PARTITION BY palette_id ORDER BY line_number) = 1
) AS fresh
WHERE palettes.palette_id = fresh.palette_id AND palettes.image_url = concat('images/', palettes.palette_id, '.png')
