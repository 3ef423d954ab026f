-- Requests that have failed as often as is allowed and are not asked again. A refinement is asked again when the
-- consensus has changed. Parameters: max_failures.
SELECT count(*)
FROM (
    SELECT 1
    FROM tag_requests AS requests
    LEFT JOIN current_consensus AS consensus USING (seed)
    WHERE requests.basis IS NULL OR requests.basis = consensus.digest
    GROUP BY requests.stage, seed, requests.provider, requests.model, requests.analysis_index, requests.prompt_version
    HAVING count(*) FILTER (requests.state = 'failed') >= $max_failures
       AND count(*) FILTER (requests.state IN ('in_flight', 'succeeded')) = 0
) AS resting
