-- Batches that may contain what the ledger does not know yet: provider, whether they are adopted, how many, and one of
-- them.
SELECT provider, is_adopted, count(*), min(batch_id)
FROM (
    SELECT provider, batch_id, true AS is_adopted
    FROM tag_batches
    WHERE found_at IS NOT NULL AND collected_at IS NULL AND status NOT IN ('abandoned', 'released')
    UNION ALL
    SELECT provider, batch_id, false AS is_adopted FROM other_batches WHERE kind = 'unreadable'
)
GROUP BY provider, is_adopted
ORDER BY provider, is_adopted
