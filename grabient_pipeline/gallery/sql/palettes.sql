-- Every palette as the gallery shows it, in the order of import. The consensus that is shown is the one that was
-- refined; until there is one, the current one.
SELECT
    found.seed,
    found.palette_id,
    found.name,
    array_to_string(list_transform(found.hex, lambda colour: colour[2:]), '') AS hex,
    found.temperature,
    found.contrast,
    found.brightness,
    found.saturation,
    found.harmony,
    found.colour_names,
    found.text_source,
    found.mood,
    found.style,
    found.seasonal,
    found.associations,
    palettes.source,
    epoch(palettes.created_at)::BIGINT AS created_at,
    coalesce(refined.embed_text, embedded.embed_text, failed.embed_text) AS embed_text,
    refined.provider || '/' || refined.model AS refining_model,
    consensus.total_models,
    consensus.total_analyses,
    costs.tagging_usd,
    costs.refinement_usd,
    costs.embedding_usd
FROM searchable_palettes AS found
JOIN palettes USING (seed)
LEFT JOIN current_refinement AS refined USING (seed)
LEFT JOIN current_consensus AS newest USING (seed)
LEFT JOIN palette_tag_consensus AS consensus
    ON consensus.seed = found.seed
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
    -- Whatever was paid for counts, also the answers that were no use and were asked for again.
    SELECT
        seed,
        sum(cost_usd) FILTER (stage = 'tagging') AS tagging_usd,
        sum(cost_usd) FILTER (stage = 'refinement') AS refinement_usd,
        sum(cost_usd) FILTER (stage = 'embedding') AS embedding_usd
    FROM (
        SELECT
            requests.seed,
            requests.stage,
            (
                coalesce(responses.usage.input_tokens, 0) * batches.input_usd_per_million
                + coalesce(responses.usage.output_tokens, 0) * batches.output_usd_per_million
            ) / 1e6 AS cost_usd
        FROM tag_responses AS responses
        JOIN tag_requests AS requests USING (custom_id)
        JOIN tag_batches AS batches ON batches.submission = responses.submission
        UNION ALL
        SELECT seed, 'embedding' AS stage, cost_usd FROM palette_embeddings
    )
    GROUP BY seed
) AS costs USING (seed)
ORDER BY palettes.created_at, found.palette_id
