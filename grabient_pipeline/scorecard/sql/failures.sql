-- Why answers were not usable, with counts; the reason is the first word of the error. Of an attempt that was repeated
-- only the outcome is stored. Parameters: prompt_version.
SELECT
    requests.provider,
    requests.model,
    coalesce(
        split_part(tags.error, ':', 1),
        CASE WHEN responses.outcome = 'succeeded' THEN 'retried' ELSE responses.outcome END,
        'unknown'
    ) AS reason,
    count(*) AS requests
FROM tag_requests AS requests
LEFT JOIN tag_responses AS responses USING (custom_id)
LEFT JOIN palette_tags AS tags ON tags.custom_id = requests.custom_id
WHERE requests.stage = 'tagging' AND requests.state = 'failed' AND requests.prompt_version = $prompt_version
GROUP BY ALL
ORDER BY requests DESC, reason
