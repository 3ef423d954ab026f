-- Why calls about batches failed. `troubled` is a registered frame: submission, reason.
UPDATE tag_batches
SET trouble = troubled.reason,
    trouble_since = coalesce(tag_batches.trouble_since, now()),
    looked_at = CASE WHEN tag_batches.end_seen_at IS NULL THEN tag_batches.looked_at ELSE now() END
FROM troubled
WHERE tag_batches.submission = troubled.submission
