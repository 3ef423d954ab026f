-- A better parser may read an answer that counted as failed; if nothing else holds its place, it need not be asked again.
-- `parsed` is a table of ours. Parameters: submission.
INSERT OR IGNORE INTO request_claims
SELECT
    md5_number(concat_ws(chr(31), stage, seed, provider, model, analysis_index, prompt_version, basis)),
    custom_id
FROM tag_requests
WHERE submission = $submission
  AND state = 'failed'
  AND custom_id IN (SELECT custom_id FROM parsed WHERE error IS NULL)
