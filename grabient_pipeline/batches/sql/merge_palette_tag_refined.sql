-- A usable response replaces an error and, if it was requested later on another consensus, an earlier usable one: of
-- several for one consensus the first counts, and an answer that comes late replaces none that was requested after it.
-- An error replaces only errors. The attributes are the measured ones. `parsed` (custom_id, tags, error) and `composed`
-- (custom_id, embed_text) are tables of the connection. Parameters: recipe.
MERGE INTO palette_tag_refined AS kept
USING (
    SELECT
        requests.seed,
        requests.provider,
        requests.model,
        requests.prompt_version,
        CASE
            WHEN parsed.error IS NULL THEN {
                'mood': parsed.tags.mood,
                'style': parsed.tags.style,
                'harmony': parsed.tags.harmony,
                'temperature': palettes.temperature,
                'contrast': palettes.contrast,
                'brightness': palettes.brightness,
                'saturation': palettes.saturation,
                'seasonal': parsed.tags.seasonal,
                'associations': parsed.tags.associations
            }
        END AS tags,
        composed.embed_text,
        parsed.error,
        responses.usage,
        responses.cost_usd,
        -- A digest begins with the version of the prompt.
        split_part(requests.basis, '/', 1) AS consensus_prompt_version,
        requests.basis AS consensus_digest,
        requests.basis_models AS consensus_models,
        requests.basis_answers AS consensus_answers,
        batches.batch_id,
        parsed.custom_id,
        responses.received_at AS created_at,
        batches.created_at AS requested_at,
        kept_batches.created_at AS kept_requested_at
    FROM parsed
    JOIN composed USING (custom_id)
    JOIN tag_requests AS requests USING (custom_id)
    JOIN tag_responses AS responses USING (custom_id)
    JOIN tag_batches AS batches ON batches.submission = requests.submission
    JOIN palettes ON palettes.seed = requests.seed
    LEFT JOIN palette_tag_refined AS kept
        ON kept.seed = requests.seed
       AND kept.model = requests.model
       AND kept.prompt_version = requests.prompt_version
    LEFT JOIN tag_requests AS kept_requests ON kept_requests.custom_id = kept.custom_id
    LEFT JOIN tag_batches AS kept_batches ON kept_batches.submission = kept_requests.submission
    -- A palette may be twice in what is parsed: the response that was requested last counts.
    QUALIFY row_number() OVER (
        PARTITION BY requests.seed, requests.model, requests.prompt_version
        ORDER BY parsed.error IS NULL DESC, batches.created_at DESC, responses.received_at DESC, parsed.custom_id
    ) = 1
) AS fresh
ON kept.seed = fresh.seed AND kept.model = fresh.model AND kept.prompt_version = fresh.prompt_version
WHEN MATCHED AND (
    kept.custom_id = fresh.custom_id
    OR (fresh.error IS NULL AND kept.error IS NOT NULL)
    OR (fresh.error IS NOT NULL AND kept.error IS NOT NULL AND fresh.created_at >= kept.created_at)
    OR (
        fresh.error IS NULL
        AND kept.error IS NULL
        AND fresh.consensus_digest IS DISTINCT FROM kept.consensus_digest
        AND fresh.requested_at >= coalesce(fresh.kept_requested_at, kept.created_at)
    )
) THEN UPDATE SET
    provider = fresh.provider,
    tags = fresh.tags,
    embed_text = fresh.embed_text,
    embed_text_recipe = $recipe,
    error = fresh.error,
    usage = fresh.usage,
    cost_usd = fresh.cost_usd,
    consensus_prompt_version = fresh.consensus_prompt_version,
    consensus_digest = fresh.consensus_digest,
    consensus_models = fresh.consensus_models,
    consensus_answers = fresh.consensus_answers,
    batch_id = fresh.batch_id,
    custom_id = fresh.custom_id,
    created_at = fresh.created_at
WHEN NOT MATCHED THEN INSERT (
    seed, provider, model, prompt_version, tags, embed_text, embed_text_recipe, error, usage, cost_usd,
    consensus_prompt_version, consensus_digest, consensus_models, consensus_answers, batch_id, custom_id, created_at
) VALUES (
    fresh.seed, fresh.provider, fresh.model, fresh.prompt_version, fresh.tags, fresh.embed_text, $recipe, fresh.error,
    fresh.usage, fresh.cost_usd, fresh.consensus_prompt_version, fresh.consensus_digest, fresh.consensus_models,
    fresh.consensus_answers, fresh.batch_id, fresh.custom_id, fresh.created_at
)
