-- An answer that came later changes its request only if no other request holds the claim. Parameters: submission.
UPDATE tag_requests
SET state = collected.state
FROM collected
WHERE tag_requests.submission = $submission
  AND tag_requests.custom_id = collected.custom_id
  AND collected.earlier_state = 'in_flight'
