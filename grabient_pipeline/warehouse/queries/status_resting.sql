-- Requests that have failed as often as is allowed and are not asked again. Parameters: max_failures.
SELECT count(*)
FROM (
    SELECT 1
    FROM tag_requests
    GROUP BY stage, seed, provider, model, analysis_index, prompt_version
    HAVING count(*) FILTER (state = 'failed') >= $max_failures
       AND count(*) FILTER (state IN ('in_flight', 'succeeded')) = 0
) AS resting
