-- Why answers are not usable, by model: the kind of the error, or the provider's own words. Parameters: rows.
SELECT
    concat(provider, '/', model) AS name,
    CASE WHEN starts_with(any_value(error), 'errored: ') THEN mode(error) ELSE split_part(any_value(error), ':', 1) END
        AS reason,
    count(*) AS answers
FROM palette_tags
WHERE error IS NOT NULL
GROUP BY
    provider,
    model,
    CASE WHEN starts_with(error, 'errored: ') THEN split_part(error, ': ', 2) ELSE split_part(error, ':', 1) END
ORDER BY answers DESC, name, reason
LIMIT $rows
