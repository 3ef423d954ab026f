-- A batch that its provider has and the ledger lacks. Does nothing if the ledger has it by now.
-- Parameters: submission, stage, provider, access, model, endpoint, batch_id, request_count, prompt_version, parameters,
-- input_usd_per_million, output_usd_per_million, estimated_input_tokens, estimated_output_tokens, estimated_cost_usd,
-- evidence, created_at.
INSERT INTO tag_batches BY NAME
SELECT
    $submission AS submission,
    $stage AS stage,
    $provider AS provider,
    $model AS model,
    $endpoint AS endpoint,
    $access AS access,
    $batch_id AS batch_id,
    'submitted' AS status,
    $request_count AS request_count,
    $prompt_version AS prompt_version,
    $parameters AS parameters,
    $input_usd_per_million AS input_usd_per_million,
    $output_usd_per_million AS output_usd_per_million,
    $estimated_input_tokens AS estimated_input_tokens,
    $estimated_output_tokens AS estimated_output_tokens,
    $estimated_cost_usd AS estimated_cost_usd,
    $evidence AS evidence,
    coalesce($created_at, now()) AS created_at,
    coalesce($created_at, now()) AS submitted_at,
    now() AS found_at
WHERE NOT EXISTS (
    SELECT 1
    FROM tag_batches
    WHERE submission = $submission OR (provider = $provider AND batch_id = $batch_id)
)
