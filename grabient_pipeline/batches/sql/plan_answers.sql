-- By model: usable responses to the current prompt, and slots that only a response to an older prompt fills.
-- Parameters: prompt_version.
SELECT
    provider,
    model,
    count(*) FILTER (today) AS today,
    count(*) FILTER (NOT today) AS stale
FROM (
    SELECT seed, provider, model, analysis_index, bool_or(prompt_version = $prompt_version) AS today
    FROM palette_tags
    WHERE tags IS NOT NULL
    GROUP BY ALL
)
GROUP BY provider, model
