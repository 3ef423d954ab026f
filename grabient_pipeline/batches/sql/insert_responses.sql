-- Parameters: submission.
INSERT INTO tag_responses BY NAME
SELECT * EXCLUDE (kept_outcome), $submission AS submission, now() AS received_at
FROM collected_responses
WHERE kept_outcome IS NULL
