-- Requests in quarantine, by the kind of their last failure. Parameters: max_failures.
SELECT
    resting.stage,
    resting.provider,
    resting.model,
    coalesce(
        split_part(tags.error, ':', 1),
        split_part(refined.error, ':', 1),
        split_part(responses.error, ':', 1),
        responses.outcome
    ) AS reason,
    count(*) AS requests,
    min(coalesce(palettes.name, resting.seed)) AS example
FROM resting_requests AS resting
LEFT JOIN tag_responses AS responses ON responses.custom_id = resting.last_custom_id
LEFT JOIN palette_tags AS tags ON tags.custom_id = resting.last_custom_id
LEFT JOIN palette_tag_refined AS refined ON refined.custom_id = resting.last_custom_id
LEFT JOIN palettes ON palettes.seed = resting.seed
WHERE resting.failures >= $max_failures
GROUP BY ALL
ORDER BY requests DESC, 1, 2, 3, 4
