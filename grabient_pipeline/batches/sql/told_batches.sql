-- The ids of batches of which it is known whose they are, by provider: the ledger's, and foreign ones.
SELECT provider, list(batch_id)
FROM (
    SELECT provider, batch_id FROM tag_batches WHERE batch_id IS NOT NULL
    UNION
    SELECT provider, batch_id FROM other_batches WHERE kind = 'foreign'
)
GROUP BY provider
