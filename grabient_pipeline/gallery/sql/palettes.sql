-- One row per palette, in the order of import. The consensus is the one that was refined, or the current one if the
-- palette is not refined yet.
SELECT
    searchable.seed,
    searchable.palette_id,
    searchable.name,
    array_to_string(list_transform(searchable.hex, lambda colour: colour[2:]), '') AS hex,
    searchable.temperature,
    searchable.contrast,
    searchable.brightness,
    searchable.saturation,
    searchable.harmony,
    searchable.colour_names,
    searchable.text_source,
    searchable.mood,
    searchable.style,
    searchable.seasonal,
    searchable.associations,
    palettes.source,
    epoch(palettes.created_at)::BIGINT AS created_at,
    coalesce(refined.embed_text, embedded.embed_text, failed.embed_text) AS embed_text,
    refined.provider || '/' || refined.model AS refining_model,
    refined.consensus_models AS refined_models,
    refined.consensus_answers AS refined_answers,
    consensus.total_models,
    consensus.total_analyses,
    costs.tagging_usd,
    costs.refinement_usd,
    costs.embedding_usd
FROM searchable_palettes AS searchable
JOIN palettes USING (seed)
LEFT JOIN current_refinement AS refined USING (seed)
LEFT JOIN current_consensus AS newest USING (seed)
LEFT JOIN palette_tag_consensus AS consensus
    ON consensus.seed = searchable.seed
   AND consensus.prompt_version = coalesce(refined.consensus_prompt_version, newest.prompt_version)
LEFT JOIN (
    SELECT seed, arg_max(embed_text, (created_at, embedding_model)) AS embed_text
    FROM palette_embeddings
    GROUP BY seed
) AS embedded USING (seed)
LEFT JOIN (
    SELECT seed, arg_max(embed_text, (created_at, model, prompt_version)) AS embed_text
    FROM palette_tag_refined
    WHERE tags IS NULL
    GROUP BY seed
) AS failed USING (seed)
LEFT JOIN (
    -- Everything that was paid for, including unusable answers.
    SELECT
        seed,
        sum(cost_usd) FILTER (stage = 'tagging') AS tagging_usd,
        sum(cost_usd) FILTER (stage = 'refinement') AS refinement_usd,
        sum(cost_usd) FILTER (stage = 'embedding') AS embedding_usd
    FROM (
        SELECT requests.seed, requests.stage, coalesce(responses.cost_usd, 0) AS cost_usd
        FROM tag_responses AS responses
        JOIN tag_requests AS requests USING (custom_id)
        UNION ALL
        SELECT seed, 'embedding' AS stage, cost_usd FROM palette_embeddings
    )
    GROUP BY seed
) AS costs USING (seed)
ORDER BY palettes.created_at, searchable.palette_id
