-- Palettes that are there in another encoding are skipped. `incoming` is a registered table. Parameters: source.
-- The microseconds keep the order of the file, because requests are made in the order of the palettes.
INSERT INTO palettes BY NAME
SELECT
    incoming.* EXCLUDE (position),
    $source AS source,
    now() + to_microseconds(incoming.position) AS created_at
FROM incoming
ANTI JOIN palettes USING (palette_id)
ORDER BY incoming.position
