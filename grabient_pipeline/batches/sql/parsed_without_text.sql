-- An answer that never came, or came as an error, is a row of tags too: it says why there are none. What the provider
-- never ran is none. Parameters: submission.
CREATE OR REPLACE TEMP TABLE parsed_without_text AS
SELECT
    custom_id,
    NULL AS tags,
    concat(outcome, ': ', coalesce(error, 'the provider gave no reason')) AS error
FROM tag_responses
WHERE submission = $submission AND outcome IN ('errored', 'missing')
