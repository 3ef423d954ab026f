-- A version that only answers name, without a document of its own, is registered with no content.
INSERT OR IGNORE INTO prompt_versions BY NAME
SELECT prompt_version AS version, any_value(stage) AS stage, '' AS content, min(created_at) AS created_at
FROM tag_batches
WHERE starts_with(submission, 'convex-')
  -- Imported records of finished batches have no answers of their own here.
  AND (convex_id IS NULL OR collected_at IS NULL)
GROUP BY prompt_version
