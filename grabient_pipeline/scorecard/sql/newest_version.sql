-- The newest tagging prompt that has answers. Returns no row if there are none.
SELECT answers.prompt_version
FROM palette_tags AS answers
LEFT JOIN prompt_versions AS versions ON versions.version = answers.prompt_version
GROUP BY answers.prompt_version, versions.created_at
ORDER BY coalesce(versions.created_at, '1970-01-01 00:00:00+00'::TIMESTAMPTZ) DESC, answers.prompt_version
LIMIT 1
