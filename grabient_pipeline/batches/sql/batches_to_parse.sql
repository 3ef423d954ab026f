-- Batches with responses of a stage that this version of its parser has not parsed. Parameters: stage, parser_version.
SELECT submission
FROM tag_batches AS batches
LEFT JOIN answer_parses AS parses USING (submission)
WHERE batches.stage = $stage
  AND (batches.collected_at IS NOT NULL OR batches.waiting_count IS NOT NULL)
  AND coalesce(parses.parser_version, 0) <> $parser_version
ORDER BY batches.collected_at, submission
