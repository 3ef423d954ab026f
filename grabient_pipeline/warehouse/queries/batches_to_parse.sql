-- Collected tagging batches whose answers this version of the parser has not read.
SELECT submission
FROM tag_batches AS batches
LEFT JOIN answer_parses AS parses USING (submission)
WHERE batches.stage = 'tagging'
  AND batches.collected_at IS NOT NULL
  AND coalesce(parses.parser_version, 0) <> $parser_version
ORDER BY batches.collected_at, submission
