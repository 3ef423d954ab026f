-- The ids of batches whose owner is known, by provider: the ledger's own, and those of other programs and ledgers.
SELECT provider, list(batch_id)
FROM (
    SELECT provider, batch_id FROM tag_batches WHERE batch_id IS NOT NULL
    UNION
    SELECT provider, batch_id FROM other_batches WHERE kind = 'foreign'
)
GROUP BY provider
