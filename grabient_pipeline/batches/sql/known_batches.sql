-- The ids of the batches that the ledger has, by provider.
SELECT provider, list(batch_id)
FROM tag_batches
WHERE batch_id IS NOT NULL
GROUP BY provider
