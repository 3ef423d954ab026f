-- The total votes for each tag, and its rank within its palette and field; ties by name.
CREATE OR REPLACE TEMP TABLE scored_totals AS
SELECT
    *,
    row_number() OVER (PARTITION BY palette, field ORDER BY votes DESC, tag) AS rank
FROM (
    SELECT palette, field, tag, sum(vote) AS votes, count(*) AS models
    FROM scored_votes
    GROUP BY ALL
)
