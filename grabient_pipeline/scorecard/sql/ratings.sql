-- The value that each model gives most often to each attribute of a palette; ties by name. Parameters: attributes.
SELECT palette, field, place, arg_min(tag, (-answers, tag)) AS tag
FROM scored_votes
WHERE list_contains($attributes::tag_field[], field)
GROUP BY palette, field, place
ORDER BY palette, field, place
