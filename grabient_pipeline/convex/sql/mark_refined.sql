-- The documents of imported refinements.
UPDATE palette_tag_refined
SET convex_id = accepted.convex_id,
    convex_created_at = accepted.convex_created_at,
    convex_fields = accepted.convex_fields
FROM accepted_answers AS accepted
WHERE palette_tag_refined.custom_id = accepted.custom_id
