-- Every prompt version with its results, the newest first; also versions that responses name but that are not
-- registered.
WITH answers AS (
    SELECT prompt_version AS version, 'tagging' AS stage, seed, provider, model, tags IS NOT NULL AS usable, cost_usd, created_at
    FROM palette_tags
    UNION ALL
    SELECT prompt_version, 'refinement', seed, provider, model, tags IS NOT NULL, cost_usd, created_at
    FROM palette_tag_refined
),
counted AS (
    SELECT
        version,
        any_value(stage) AS stage,
        count(*) AS answers,
        count(*) FILTER (usable) AS usable,
        count(DISTINCT seed) AS palettes,
        count(DISTINCT (provider, model)) AS models,
        coalesce(sum(cost_usd), 0) AS cost_usd,
        min(created_at) AS first_at
    FROM answers
    GROUP BY version
)
SELECT
    version,
    coalesce(versions.stage, counted.stage) AS stage,
    coalesce(versions.content, '') AS content,
    versions.message,
    coalesce(versions.created_at, counted.first_at) AS created_at,
    coalesce(counted.answers, 0) AS answers,
    coalesce(counted.usable, 0) AS usable,
    coalesce(counted.palettes, 0) AS palettes,
    coalesce(counted.models, 0) AS models,
    coalesce(counted.cost_usd, 0) AS cost_usd,
    version IN (SELECT version FROM countable_prompt_versions) AS counts,
    coalesce(versions.with_image, false) AS with_image,
    coalesce(versions.with_image, false)
        AND version IN (SELECT version FROM countable_prompt_versions)
        AND version NOT IN (SELECT version FROM counted_prompt_versions) AS counts_last
FROM prompt_versions AS versions
FULL JOIN counted USING (version)
ORDER BY 2 DESC, 5 DESC, 1
