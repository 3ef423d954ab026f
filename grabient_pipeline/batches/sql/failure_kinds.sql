-- Errors begin with a word for their kind, so that they can be counted.
SELECT split_part(error, ':', 1) AS reason, count(*) AS answers
FROM palette_tags
WHERE error IS NOT NULL
GROUP BY ALL
ORDER BY answers DESC, reason
