UPDATE tag_requests SET state = 'succeeded'
WHERE submission = $submission
  AND state IN ('failed', 'released')
  AND custom_id IN (SELECT custom_id FROM request_claims)
