-- By tagging prompt, how many of these palettes are found by tags from its answers, whether it has pictures, most first.
-- Parameters: palette_ids.
SELECT prompt_version, coalesce(any_value(versions.with_image), false), count(*)
FROM (
    SELECT coalesce(refined.consensus_prompt_version, consensus.prompt_version) AS prompt_version
    FROM palettes
    LEFT JOIN current_refinement AS refined USING (seed)
    LEFT JOIN current_consensus AS consensus USING (seed)
    WHERE list_contains($palette_ids::VARCHAR[], palettes.palette_id)
) AS texts
LEFT JOIN prompt_versions AS versions ON versions.version = texts.prompt_version
WHERE prompt_version IS NOT NULL
GROUP BY prompt_version
ORDER BY count(*) DESC, prompt_version
