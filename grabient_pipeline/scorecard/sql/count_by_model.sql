-- What each model says about each palette, and in how many of its answers (count_answers.sql).
CREATE OR REPLACE TEMP TABLE counted_by_model AS
SELECT palette, place, field, tag, count(*)::INTEGER AS answers
FROM counted_said
GROUP BY ALL
