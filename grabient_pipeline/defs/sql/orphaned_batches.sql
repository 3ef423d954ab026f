-- Batches of which it has been unknown for an hour whether their providers have them, and since when the oldest.
SELECT count(*), min(created_at)
FROM tag_batches
WHERE status = 'reserved' AND access = 'batch' AND created_at < now() - INTERVAL 1 HOUR
