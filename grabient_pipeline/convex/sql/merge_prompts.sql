-- Prompt versions, which keep their hashes. `prompts` is a registered table.
CREATE OR REPLACE TEMP TABLE ranked_prompts AS
SELECT
    prompts.*,
    CASE
        WHEN row_number() OVER (PARTITION BY prompts.version ORDER BY prompts.line_number) > 1 THEN 'duplicate'
        WHEN kept.version IS NULL THEN 'new'
        WHEN kept.convex_id = prompts.convex_id THEN 'known'
        WHEN kept.content = '' THEN 'new'
        WHEN kept.content = prompts.content THEN 'known'
        ELSE 'differs'
    END AS verdict
FROM prompts
LEFT JOIN prompt_versions AS kept USING (version);

INSERT INTO prompt_versions BY NAME
SELECT
    version,
    stage,
    content,
    coalesce(convex_created_at, now()) AS created_at,
    message,
    convex_id,
    convex_created_at
FROM ranked_prompts
WHERE verdict = 'new'
ON CONFLICT (version) DO UPDATE SET
    stage = excluded.stage,
    content = excluded.content,
    created_at = excluded.created_at,
    message = excluded.message,
    convex_id = excluded.convex_id,
    convex_created_at = excluded.convex_created_at
