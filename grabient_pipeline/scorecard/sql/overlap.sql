-- For each model and open field, the mean share of the other models of a palette that mention the same tag, weighted by
-- how often the model itself mentions it.
WITH raters AS (
    SELECT palette, count(*) AS models FROM counted_analyses GROUP BY palette
),
shared AS (
    SELECT
        votes.place,
        votes.field,
        -- Exact decimals, because floating-point sums depend on their order.
        sum((votes.answers * (totals.models - 1) / (raters.models - 1))::DECIMAL(18, 9))::DOUBLE
        / sum(votes.answers) AS overlap
    FROM scored_votes AS votes
    JOIN scored_totals AS totals USING (palette, field, tag)
    JOIN raters USING (palette)
    WHERE votes.field IN ('mood', 'style', 'associations') AND raters.models > 1
    GROUP BY votes.place, votes.field
)
SELECT
    models.provider,
    models.model,
    any_value(overlap) FILTER (field = 'mood') AS mood_overlap,
    any_value(overlap) FILTER (field = 'style') AS style_overlap,
    any_value(overlap) FILTER (field = 'associations') AS associations_overlap
FROM shared
JOIN counted_models AS models USING (place)
GROUP BY models.provider, models.model
