-- How many requests have failed as often as is allowed and are not asked again. Parameters: max_failures.
SELECT count(*) FROM resting_requests WHERE failures >= $max_failures
