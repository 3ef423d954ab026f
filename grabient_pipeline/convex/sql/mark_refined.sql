-- Where a refinement comes from. `taken` is a table of ours.
UPDATE palette_tag_refined
SET convex_id = taken.convex_id, convex_created_at = taken.convex_created_at, convex_fields = taken.convex_fields
FROM taken
WHERE palette_tag_refined.custom_id = taken.custom_id
