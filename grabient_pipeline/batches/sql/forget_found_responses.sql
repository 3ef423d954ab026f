-- Results that have become responses. Parameters: submission.
DELETE FROM found_responses
WHERE submission = $submission
  AND custom_id IN (SELECT custom_id FROM tag_requests WHERE submission = $submission)
