-- Claim what an adopted batch was asked, unless another request holds the claim. A request that never ran needs none.
-- `staged` is a view of the connection.
INSERT OR IGNORE INTO request_claims
SELECT
    md5_number(concat_ws(chr(31), stage, seed, provider, model, analysis_index, prompt_version, basis)),
    custom_id
FROM found_requests
WHERE seed IS NOT NULL
  AND custom_id IN (SELECT custom_id FROM staged WHERE outcome IN ('succeeded', 'errored'))
