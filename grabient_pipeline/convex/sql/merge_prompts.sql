-- Prompt versions keep the hashes that they had. `prompts` is a table of ours.
CREATE OR REPLACE TEMP TABLE ranked_prompts AS
SELECT
    prompts.*,
    CASE
        WHEN row_number() OVER (PARTITION BY prompts.version ORDER BY prompts.line_number) > 1 THEN 'doubled'
        WHEN kept.version IS NULL THEN 'new'
        WHEN kept.convex_id = prompts.convex_id THEN 'there'
        WHEN kept.content = '' THEN 'new'
        WHEN kept.content = prompts.content THEN 'there'
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
