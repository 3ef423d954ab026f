-- Of the other models that describe a palette, the share that also says a tag; on average over a model's tags, each
-- counted as often as it was said. Fields 1, 2 and 9 are mood, style and associations.
WITH raters AS (
    SELECT palette, count(*) AS models FROM counted_analyses GROUP BY palette
),
shared AS (
    SELECT
        votes.place,
        votes.field,
        -- Exact decimals: sums of floating point numbers depend on their order.
        sum((votes.answers * (totals.models - 1) / (raters.models - 1))::DECIMAL(18, 9))::DOUBLE
        / sum(votes.answers) AS overlap
    FROM scored_votes AS votes
    JOIN scored_totals AS totals USING (palette, field, tag)
    JOIN raters USING (palette)
    WHERE votes.field IN (1, 2, 9) AND raters.models > 1
    GROUP BY votes.place, votes.field
)
SELECT
    models.provider,
    models.model,
    any_value(overlap) FILTER (field = 1) AS mood,
    any_value(overlap) FILTER (field = 2) AS style,
    any_value(overlap) FILTER (field = 9) AS associations
FROM shared
JOIN counted_models AS models USING (place)
GROUP BY models.provider, models.model
