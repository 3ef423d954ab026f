-- A palette that is there in another spelling is there. `incoming` is a table of ours. Parameters: source.
-- The microsecond keeps the order of the file, since palettes are asked about in the order in which they came.
INSERT INTO palettes BY NAME
SELECT
    incoming.* EXCLUDE (position),
    $source AS source,
    now() + to_microseconds(incoming.position) AS created_at
FROM incoming
ANTI JOIN palettes USING (palette_id)
ORDER BY incoming.position
