-- A better parser may read a response that counted as failed, and an answer may come after its request was given up. If
-- no other request holds its claim, it holds it again. `parsed` is a view of the connection. Parameters: submission.
INSERT OR IGNORE INTO request_claims
SELECT
    md5_number(concat_ws(chr(31), stage, seed, provider, model, analysis_index, prompt_version, basis)),
    custom_id
FROM tag_requests
WHERE submission = $submission
  AND state IN ('failed', 'released')
  AND custom_id IN (SELECT custom_id FROM parsed WHERE error IS NULL)
