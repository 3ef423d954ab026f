-- The newest tagging prompt with answers, of those without and of those with pictures: at most one row each, that without
-- first.
SELECT answers.prompt_version
FROM (SELECT DISTINCT prompt_version FROM palette_tags) AS answers
LEFT JOIN prompt_versions AS versions ON versions.version = answers.prompt_version
QUALIFY row_number() OVER (
    PARTITION BY coalesce(versions.with_image, false)
    ORDER BY
        coalesce(versions.created_at, '1970-01-01 00:00:00+00'::TIMESTAMPTZ) DESC,
        answers.prompt_version
) = 1
ORDER BY coalesce(versions.with_image, false)
