-- Requests that never came back are settled too. Parameters: submission, outcome, error.
INSERT INTO tag_responses BY NAME
SELECT custom_id, submission, $outcome AS outcome, $error AS error, now() AS received_at
FROM tag_requests
WHERE submission = $submission
  AND state = 'in_flight'
  AND custom_id NOT IN (SELECT custom_id FROM tag_responses WHERE submission = $submission)
