-- An answer that never came, or came as an error, is a row of tags too: it says why there are none. What the provider
-- never ran is none. Parameters: submission.
INSERT INTO parsed
SELECT custom_id, NULL, concat(outcome, ': ', coalesce(error, 'the provider gave no reason'))
FROM tag_responses
WHERE submission = $submission AND outcome IN ('errored', 'missing')
