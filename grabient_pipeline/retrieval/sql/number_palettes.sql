-- The searchable palettes, numbered from 0, as a temporary table.
-- Parameters: palette_ids (a list, or null for all palettes).
CREATE OR REPLACE TEMP TABLE numbered_palettes AS
SELECT (row_number() OVER (ORDER BY seed) - 1)::INTEGER AS number, *
FROM searchable_palettes
WHERE $palette_ids IS NULL OR list_contains($palette_ids::VARCHAR[], palette_id)
