INSERT INTO tag_batches BY NAME
SELECT
    $submission AS submission,
    $stage AS stage,
    $provider AS provider,
    $model AS model,
    $endpoint AS endpoint,
    $access AS access,
    'reserved' AS status,
    $request_count AS request_count,
    $prompt_version AS prompt_version,
    $parameters AS parameters,
    $input_usd_per_million AS input_usd_per_million,
    $output_usd_per_million AS output_usd_per_million,
    $estimated_input_tokens AS estimated_input_tokens,
    $estimated_output_tokens AS estimated_output_tokens,
    $estimated_cost_usd AS estimated_cost_usd,
    $clock_offset_seconds AS clock_offset_seconds,
    now() AS created_at
