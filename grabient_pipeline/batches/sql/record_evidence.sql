-- A reserved batch keeps the time of its first lookup, from which its grace period may count. An abandoned one is
-- looked for once a day. Parameters: submission, evidence.
UPDATE tag_batches
SET
    evidence = $evidence,
    looked_for_at = CASE status WHEN 'reserved' THEN coalesce(looked_for_at, now()) ELSE now() END
WHERE submission = $submission AND batch_id IS NULL AND status IN ('reserved', 'abandoned')
