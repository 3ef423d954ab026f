-- The newest tagging prompt that has answers; one with pictures only if it was chosen to count, or there is no other, as in
-- current_consensus. Returns no row if there are none.
SELECT answers.prompt_version
FROM (SELECT DISTINCT prompt_version FROM palette_tags) AS answers
LEFT JOIN prompt_versions AS versions ON versions.version = answers.prompt_version
LEFT JOIN counted_prompt_versions AS chosen ON chosen.version = answers.prompt_version
ORDER BY
    coalesce(versions.with_image, false) AND chosen.version IS NULL,
    coalesce(versions.created_at, '1970-01-01 00:00:00+00'::TIMESTAMPTZ) DESC,
    answers.prompt_version
LIMIT 1
