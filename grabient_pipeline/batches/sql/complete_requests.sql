UPDATE tag_requests
SET basis = completed.digest
FROM completed_basis AS completed
WHERE tag_requests.custom_id = completed.custom_id
