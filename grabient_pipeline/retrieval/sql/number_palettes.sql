-- The palettes that can be found, numbered from 0, into a table of this connection.
-- Parameter: palette_ids (a list; null for all palettes).
CREATE OR REPLACE TEMP TABLE numbered_palettes AS
SELECT (row_number() OVER (ORDER BY seed) - 1)::INTEGER AS number, *
FROM searchable_palettes
WHERE $palette_ids IS NULL OR list_contains($palette_ids::VARCHAR[], palette_id)
