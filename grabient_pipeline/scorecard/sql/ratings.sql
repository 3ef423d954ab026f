-- What each model says of each palette's attributes most often; ties by name. The fields are numbered as in
-- count_answers.sql: 4 to 7 are the attributes.
SELECT palette, field, place, arg_min(tag, (-answers, tag)) AS tag
FROM scored_votes
WHERE field BETWEEN 4 AND 7
GROUP BY palette, field, place
ORDER BY palette, field, place
