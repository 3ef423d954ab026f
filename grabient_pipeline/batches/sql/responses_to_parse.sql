SELECT custom_id, text, finish_reason
FROM tag_responses
WHERE submission = $submission AND outcome = 'succeeded'
