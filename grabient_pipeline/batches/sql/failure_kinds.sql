-- Why answers are not usable: the kind of the error, and after `errored` the code of the provider.
SELECT
    CASE WHEN starts_with(error, 'errored: ') THEN concat('errored: ', split_part(error, ': ', 2))
        ELSE split_part(error, ':', 1)
    END AS reason,
    count(*) AS answers
FROM palette_tags
WHERE error IS NOT NULL
GROUP BY ALL
ORDER BY answers DESC, reason
