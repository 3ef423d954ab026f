-- Models that were sent requests and have not one usable answer, each with its most frequent failure. One that has no
-- answers at all has what its last batch says.
WITH answers AS (
    SELECT provider, model, tags IS NOT NULL AS usable, error FROM palette_tags
    UNION ALL
    SELECT provider, model, tags IS NOT NULL AS usable, error FROM palette_tag_refined
),

summary AS (
    SELECT provider, model, bool_or(usable) AS has_usable, mode(error) AS failure
    FROM answers
    GROUP BY ALL
),

batches AS (
    SELECT provider, model, arg_max(error, created_at) AS failure
    FROM tag_batches
    GROUP BY ALL
)

SELECT batches.provider || '/' || batches.model AS name, coalesce(summary.failure, batches.failure, 'no answers')
FROM batches
LEFT JOIN summary ON summary.provider = batches.provider AND summary.model = batches.model
WHERE NOT coalesce(summary.has_usable, false)
ORDER BY name
