-- Settle the requests that the results do not mention. Parameters: submission, error.
INSERT INTO tag_responses BY NAME
SELECT custom_id, $submission AS submission, outcome, $error AS error, now() AS received_at
FROM collected
WHERE line_number IS NULL
