-- The consensus without one model: the share of attributes whose winner changes, and how much of the top tags of the open
-- fields changes (1 - Jaccard index, averaged over palettes and fields).
-- Parameters: place (of the model); fields and tops (the fields to compare, and how many top tags of each); attributes.
WITH tops AS (
    SELECT unnest($fields::tag_field[]) AS field, unnest($tops::INTEGER[]) AS top
),
without AS (
    SELECT palette, field, tag, rank, votes_without, row_number() OVER (
        PARTITION BY palette, field ORDER BY votes_without DESC, tag
    ) AS rank_without
    FROM (
        SELECT
            totals.palette,
            totals.field,
            totals.tag,
            totals.rank,
            totals.votes - coalesce(own.vote, 0) AS votes_without
        FROM scored_totals AS totals
        LEFT JOIN (SELECT * FROM scored_votes WHERE place = $place) AS own USING (palette, field, tag)
        WHERE list_contains($fields::tag_field[], totals.field)
    )
),
-- A tag that only this model mentions has no votes without it.
compared AS (
    SELECT
        palette,
        field,
        rank <= top AS before,
        votes_without > 0 AND rank_without <= top AS after
    FROM without
    JOIN tops USING (field)
),
fields AS (
    SELECT
        palette,
        field,
        1 - count(*) FILTER (before AND after) / count(*) FILTER (before OR after) AS changed
    FROM compared
    GROUP BY palette, field
)
SELECT
    avg((changed > 0)::INTEGER) FILTER (list_contains($attributes::tag_field[], field)) AS winners_changed,
    -- An exact decimal, because floating-point sums depend on their order.
    avg(changed::DECIMAL(18, 9)) FILTER (NOT list_contains($attributes::tag_field[], field)) AS top_tags_changed
FROM fields
