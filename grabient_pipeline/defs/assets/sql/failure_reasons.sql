-- An error begins with the word for its kind.
SELECT concat(provider, '/', model), split_part(error, ':', 1) AS reason, count(*) AS answers
FROM palette_tags
WHERE error IS NOT NULL
GROUP BY ALL
ORDER BY answers DESC, 1, 2
LIMIT $rows
