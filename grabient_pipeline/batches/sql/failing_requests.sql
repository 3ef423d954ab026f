-- Requests that have failed at least so often and that nothing holds, by model and by the kind of their last failure, with
-- the most frequent text of an error in the provider's words. Parameters: failures.
WITH failing AS (
    SELECT
        resting.stage,
        resting.provider,
        resting.model,
        coalesce(
            tags.error,
            refined.error,
            concat(responses.outcome, ': ', coalesce(responses.error, 'the provider gave no reason'))
        ) AS error,
        coalesce(palettes.name, resting.seed) AS palette
    FROM resting_requests AS resting
    LEFT JOIN tag_responses AS responses ON responses.custom_id = resting.last_custom_id
    LEFT JOIN palette_tags AS tags ON tags.custom_id = resting.last_custom_id
    LEFT JOIN palette_tag_refined AS refined ON refined.custom_id = resting.last_custom_id
    LEFT JOIN palettes ON palettes.seed = resting.seed
    WHERE resting.failures >= $failures
)
SELECT
    stage,
    provider,
    model,
    -- After its kind, an error of the parser quotes the answer; an error of the provider says what is wrong.
    CASE WHEN starts_with(any_value(error), 'errored: ') THEN mode(error) ELSE split_part(any_value(error), ':', 1) END
        AS reason,
    count(*) AS requests,
    min(palette) AS example
FROM failing
GROUP BY
    stage,
    provider,
    model,
    CASE WHEN starts_with(error, 'errored: ') THEN split_part(error, ': ', 2) ELSE split_part(error, ':', 1) END
ORDER BY requests DESC, stage, provider, model, reason
