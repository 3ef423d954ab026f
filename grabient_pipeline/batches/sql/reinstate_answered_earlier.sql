UPDATE tag_requests SET state = 'succeeded'
WHERE custom_id IN (SELECT custom_id FROM answered_earlier SEMI JOIN request_claims USING (custom_id))
