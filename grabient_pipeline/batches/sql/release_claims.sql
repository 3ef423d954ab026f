DELETE FROM request_claims
WHERE custom_id IN (
    SELECT custom_id FROM tag_requests WHERE submission = $submission AND state IN ('failed', 'released')
)
