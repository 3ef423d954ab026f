-- The number of requests in quarantine. Parameters: max_failures.
SELECT count(*) FROM resting_requests WHERE failures >= $max_failures
