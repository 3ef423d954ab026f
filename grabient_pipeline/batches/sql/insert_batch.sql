-- A batch that is reserved or, with the provider's id, one that was found at its provider. Does nothing if the ledger has
-- the submission or the id.
INSERT INTO tag_batches BY NAME
SELECT
    $submission AS submission,
    $stage AS stage,
    $provider AS provider,
    $model AS model,
    $endpoint AS endpoint,
    $access AS access,
    $batch_id AS batch_id,
    CASE WHEN $batch_id IS NULL THEN 'reserved' ELSE 'submitted' END AS status,
    $request_count AS request_count,
    $prompt_version AS prompt_version,
    $parameters AS parameters,
    $input_usd_per_million AS input_usd_per_million,
    $output_usd_per_million AS output_usd_per_million,
    $cached_input_usd_per_million AS cached_input_usd_per_million,
    $cache_write_usd_per_million AS cache_write_usd_per_million,
    $cache_write_hour_usd_per_million AS cache_write_hour_usd_per_million,
    $service_tier AS service_tier,
    $estimated_input_tokens AS estimated_input_tokens,
    $estimated_output_tokens AS estimated_output_tokens,
    $estimated_cost_usd AS estimated_cost_usd,
    $clock_offset_seconds AS clock_offset_seconds,
    $order_number AS order_number,
    $window_hours AS window_hours,
    $evidence AS evidence,
    coalesce($created_at, now()) AS created_at,
    CASE WHEN $batch_id IS NOT NULL THEN coalesce($created_at, now()) END AS submitted_at,
    CASE WHEN $batch_id IS NOT NULL THEN now() END AS found_at
WHERE NOT EXISTS (
    SELECT 1
    FROM tag_batches
    WHERE submission = $submission OR (provider = $provider AND batch_id = $batch_id)
)
