-- Requests whose place was given free by a later attempt, although an answer of theirs came after they were given up: it
-- counts. A first attempt has no earlier one, unless a batch was found that the ledger had lost.
-- Parameters: submission.
CREATE OR REPLACE TEMP TABLE answered_earlier AS
SELECT
    any_value(md5_number(
        concat_ws(
            chr(31), earlier.stage, earlier.seed, earlier.provider, earlier.model, earlier.analysis_index,
            earlier.prompt_version, earlier.basis
        )
    )) AS claim,
    min(earlier.custom_id) AS custom_id
FROM (
    SELECT *
    FROM tag_requests
    WHERE submission = $submission
      AND state IN ('failed', 'released')
      AND (attempt > 1 OR (SELECT count(*) FROM tag_batches WHERE found_at IS NOT NULL) > 0)
) AS freed
JOIN tag_requests AS earlier
    ON earlier.stage = freed.stage
   AND earlier.seed = freed.seed
   AND earlier.provider = freed.provider
   AND earlier.model = freed.model
   AND earlier.analysis_index = freed.analysis_index
   AND earlier.prompt_version = freed.prompt_version
   AND earlier.basis IS NOT DISTINCT FROM freed.basis
   AND earlier.custom_id <> freed.custom_id
   AND earlier.state IN ('failed', 'released')
SEMI JOIN (
    SELECT custom_id FROM palette_tags WHERE tags IS NOT NULL
    UNION ALL
    SELECT custom_id FROM palette_tag_refined WHERE tags IS NOT NULL
) AS usable ON usable.custom_id = earlier.custom_id
GROUP BY freed.custom_id
