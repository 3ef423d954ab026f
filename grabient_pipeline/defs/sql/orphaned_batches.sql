-- Batches of which it has not been found out for an hour whether the provider has them; since when the oldest.
SELECT count(*), min(created_at)
FROM tag_batches
WHERE status = 'reserved' AND access = 'batch' AND created_at < now() - INTERVAL 1 HOUR
