-- The consensus without one model: the share of attributes with another winner, and how much of the most voted tags is
-- exchanged (1 - Jaccard index, on average over palettes and fields). Parameters: place, top_mood, top_style,
-- top_associations.
WITH without AS (
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
        WHERE totals.field NOT IN (3, 8)
    )
),
-- What nobody else said is not there without it.
compared AS (
    SELECT
        palette,
        field,
        rank <= top AS before,
        votes_without > 0 AND rank_without <= top AS after
    FROM without
    JOIN (
        VALUES (1, $top_mood), (2, $top_style), (4, 1), (5, 1), (6, 1), (7, 1), (9, $top_associations)
    ) AS tops (field, top) USING (field)
),
fields AS (
    SELECT
        palette,
        field,
        1 - count(*) FILTER (before AND after) / count(*) FILTER (before OR after) AS exchanged
    FROM compared
    GROUP BY palette, field
)
SELECT
    avg((exchanged > 0)::INTEGER) FILTER (field BETWEEN 4 AND 7) AS winners_changed,
    -- An exact decimal: sums of floating point numbers depend on their order.
    avg(exchanged::DECIMAL(18, 9)) FILTER (field IN (1, 2, 9)) AS top_tags_changed
FROM fields
