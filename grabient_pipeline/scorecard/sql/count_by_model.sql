-- How many answers of each model mention a tag of a palette (after tabulate_answers of the consensus).
CREATE OR REPLACE TEMP TABLE counted_by_model AS
SELECT palette, place, field, tag, count(*)::INTEGER AS answers
FROM counted_mentions
GROUP BY ALL
