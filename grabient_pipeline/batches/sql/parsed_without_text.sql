-- A response that is missing or an error becomes a row of tags too, with the reason. A request that the provider never
-- ran does not. Parameters: submission.
CREATE OR REPLACE TEMP TABLE parsed_without_text AS
SELECT
    custom_id,
    NULL AS tags,
    concat(outcome, ': ', coalesce(error, 'the provider gave no reason')) AS error
FROM tag_responses
WHERE submission = $submission AND outcome IN ('errored', 'missing')
