-- The requests that are stored now, by their state.
SELECT requests.state, count(*)
FROM collected
JOIN tag_requests AS requests USING (custom_id)
WHERE requests.submission = $submission
GROUP BY requests.state
