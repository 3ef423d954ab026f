-- The verdict on each imported palette, and links to its document. `documents` is a registered table.
CREATE OR REPLACE TEMP TABLE ranked_palettes AS
SELECT
    documents.*,
    spellings.palette_id,
    CASE
        WHEN spellings.convex_id = documents.convex_id THEN 'known'
        WHEN spellings.convex_id IS NOT NULL
            OR row_number() OVER (PARTITION BY documents.seed ORDER BY documents.line_number) > 1 THEN 'duplicate'
        WHEN palettes.seed <> documents.seed THEN 'another encoding'
        ELSE 'new'
    END AS verdict
FROM documents
JOIN palette_spellings AS spellings USING (seed)
JOIN palettes USING (palette_id);

UPDATE palette_spellings
SET convex_id = fresh.convex_id, convex_created_at = fresh.convex_created_at
FROM ranked_palettes AS fresh
WHERE palette_spellings.seed = fresh.seed AND fresh.verdict IN ('new', 'another encoding');

UPDATE palettes
SET convex_id = fresh.convex_id, convex_created_at = fresh.convex_created_at
FROM (
    SELECT * FROM ranked_palettes
    WHERE verdict IN ('new', 'another encoding')
    QUALIFY row_number() OVER (PARTITION BY palette_id ORDER BY line_number) = 1
) AS fresh
WHERE palettes.palette_id = fresh.palette_id AND palettes.convex_id IS NULL;

-- Pictures that are published already take precedence over local files.
UPDATE palettes
SET image_url = fresh.image_url
FROM (
    SELECT * FROM ranked_palettes
    WHERE image_url LIKE 'http%'
    QUALIFY row_number() OVER (PARTITION BY palette_id ORDER BY line_number) = 1
) AS fresh
WHERE palettes.palette_id = fresh.palette_id AND palettes.image_url = concat('images/', palettes.palette_id, '.png')
