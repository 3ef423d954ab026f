INSERT INTO collection_findings BY NAME
SELECT submission, 'missing' AS kind, custom_id, error AS detail, now() AS found_at
FROM tag_responses
WHERE submission = $submission AND outcome = 'missing'
