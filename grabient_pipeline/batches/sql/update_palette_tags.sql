-- A usable response replaces an error. A usable response is replaced only by the same response parsed again.
UPDATE palette_tags AS kept
SET tags = fresh.tags,
    error = fresh.error,
    usage = fresh.usage,
    cost_usd = fresh.cost_usd,
    batch_id = fresh.batch_id,
    custom_id = fresh.custom_id,
    created_at = fresh.created_at
FROM (FROM fresh_tags SEMI JOIN answered_before USING (custom_id)) AS fresh
WHERE kept.seed = fresh.seed
  AND kept.provider = fresh.provider
  AND kept.model = fresh.model
  AND kept.analysis_index = fresh.analysis_index
  AND kept.prompt_version = fresh.prompt_version
  AND (
      kept.custom_id = fresh.custom_id
      OR (kept.error IS NOT NULL AND (fresh.error IS NULL OR fresh.created_at >= kept.created_at))
  )
