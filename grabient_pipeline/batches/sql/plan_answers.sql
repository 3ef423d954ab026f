-- By model: usable responses to the current prompt, and slots that only a response to an older prompt fills. Responses to a
-- prompt with pictures fill no slot of one without, and the other way round.
-- Parameters: prompt_version.
SELECT
    provider,
    model,
    count(*) FILTER (today) AS today,
    count(*) FILTER (NOT today) AS stale
FROM (
    SELECT seed, provider, model, analysis_index, bool_or(prompt_version = $prompt_version) AS today
    FROM palette_tags
    LEFT JOIN prompt_versions AS versions ON versions.version = palette_tags.prompt_version
    WHERE tags IS NOT NULL
      AND coalesce(versions.with_image, false) = coalesce(
            (SELECT with_image FROM prompt_versions WHERE version = $prompt_version), false
        )
    GROUP BY ALL
)
GROUP BY provider, model
