-- What was answered usably has succeeded; what the provider never ran is free again and counts as no failure.
-- `collected` has the reason why an answer cannot be used. Parameters: submission.
UPDATE tag_requests
SET state = CASE
        WHEN responses.outcome IN ('expired', 'cancelled') THEN 'released'
        WHEN responses.outcome <> 'succeeded' THEN 'failed'
        WHEN tag_requests.custom_id IN (SELECT custom_id FROM collected WHERE reason IS NOT NULL) THEN 'failed'
        ELSE 'succeeded'
    END
FROM tag_responses AS responses
WHERE tag_requests.submission = $submission
  AND tag_requests.state = 'in_flight'
  AND responses.custom_id = tag_requests.custom_id
